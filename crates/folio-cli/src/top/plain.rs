//! Tables, one below the other, or JSON: for screen readers, pipes and programs.
//!
//! Nothing moves the cursor, and a table is written as a whole. `docs/command.md` documents every key.

use std::collections::HashSet;
use std::io::{self, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::ColorChoice;
use serde::Serialize;
use signal_hook::consts::SIGINT;

use crate::columns::{self, Cell, Column};
use crate::failure::Failure;
use crate::letters;
use crate::ps::figures::Figures;
use crate::signals::arrivals;
use crate::size::rounded;
use crate::table::{Page, wrap};
use crate::terminal::{self, STRONG};
use crate::top::arguments::{ProcessSort, Top, TopOutput};
use crate::top::head::processes;
use crate::top::rows::{age, bytes, growth, rate};
use crate::top::sampler::{Focus, Sampler};
use crate::top::snapshot::{Id, Row, Snapshot};
use crate::top::sort::Sort;
use crate::waiting::{Waited, wait_until};

/// A process at a tick, for programs.
#[derive(Debug, Serialize)]
struct Line<'a> {
    time_seconds: f64,
    interval_seconds: Option<f64>,
    pid: u32,
    name: &'a str,
    user: u32,
    threads: u32,
    has_ended: bool,
    resident_bytes: usize,
    proportional_bytes: Option<usize>,
    shared_bytes: Option<usize>,
    private_bytes: Option<usize>,
    huge_bytes: Option<usize>,
    costs_age_seconds: Option<f64>,
    swapped_bytes: usize,
    minor_faults: u64,
    major_faults: u64,
    minor_faults_per_second: Option<f64>,
    major_faults_per_second: Option<f64>,
    growth_bytes_per_second: Option<f64>,
}

/// Writes what it sees until it is interrupted, nobody reads it any more, or it has written enough.
///
/// # Errors
/// That /proc shows no processes, that standard output could not be written.
pub fn run(mut sampler: Sampler, arguments: &Top, color: ColorChoice) -> Result<(), Failure> {
    let interrupted = arrivals(&[SIGINT])?;
    let mut out = match terminal::standard_output(color) {
        Ok(out) => out,
        Err(error) => return Failure::of_output(&error),
    };
    let mut left = arguments.count;
    let mut next = Instant::now();
    let mut last = None;
    let mut told = Told::default();
    let sort = Sort::by(arguments.sort);
    // Where costs decide what comes first, all are needed.
    let most = match (arguments.output, arguments.sort) {
        (TopOutput::Json, _) | (_, ProcessSort::Proportional) => usize::MAX,
        _ => arguments.rows,
    };
    while left != Some(0) {
        let now = Instant::now();
        let interval = last.replace(now).map(|last| (now - last).as_secs_f64());
        let mut rows = sampler.tick()?.processes;
        rows.sort_by(|a, b| sort.compare(a, b));
        let visible = rows.iter().take(most).map(|row| row.id).collect();
        sampler.focus(Focus { visible, ..Focus::default() });
        let mut snapshot = sampler.complete();
        snapshot.processes.sort_by(|a, b| sort.compare(a, b));
        let written = match arguments.output {
            TopOutput::Json => {
                told.tell_of_left_out(snapshot.left_out, color);
                told.tell_of_ended(&mut snapshot.processes);
                json(&mut out, &snapshot, interval)
            }
            TopOutput::Text => table(&mut out, &snapshot, arguments.rows, interval.is_some()),
        };
        if let Err(error) = written.and_then(|()| out.flush()) {
            return Failure::of_output(&error);
        }
        left = left.map(|left| left - 1);
        // Who was stopped for a while does not catch up.
        next = (next + arguments.interval).max(Instant::now());
        if left != Some(0) && wait_until(next, &interrupted) == Waited::Ended {
            return Ok(());
        }
    }
    Ok(())
}

/// What programs are told once.
#[derive(Debug, Default)]
struct Told {
    /// Of the processes of the last look, those that have ended.
    ended: HashSet<Id>,
    left_out: bool,
}

impl Told {
    /// Takes out those of whose end they know.
    fn tell_of_ended(&mut self, rows: &mut Vec<Row>) {
        let ended = rows.iter().filter(|row| row.has_ended).map(|row| row.id).collect();
        rows.retain(|row| !self.ended.contains(&row.id));
        self.ended = ended;
    }

    /// On standard error, which nobody takes for a process.
    fn tell_of_left_out(&mut self, count: usize, color: ColorChoice) {
        if count > 0 && !std::mem::replace(&mut self.left_out, true) {
            Failure::new(left_out(count)).print(color);
        }
    }
}

/// Why not all processes are there.
fn left_out(count: usize) -> String {
    format!(
        "{} left out: too many for the limit of open files: raise it (ulimit -n)",
        processes(count)
    )
}

fn table(out: &mut impl Write, snapshot: &Snapshot, rows: usize, is_next: bool) -> io::Result<()> {
    if is_next {
        writeln!(out)?;
    }
    let machine = snapshot.machine;
    let used = machine.memory_bytes.saturating_sub(machine.available_bytes);
    let page = Page::of_tables();
    let text = format!(
        "{}, memory {} of {}, faults {} minor {} major per second",
        processes(snapshot.processes.iter().filter(|row| !row.has_ended).count()),
        rounded(used),
        rounded(machine.memory_bytes),
        rate(snapshot.total.minor_per_second),
        rate(snapshot.total.major_per_second),
    );
    wrap(&text, page.width).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    if snapshot.left_out > 0 {
        let text = left_out(snapshot.left_out);
        wrap(&text, page.width).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    const COLUMNS: [Column; 11] = [
        Column::number("pid"),
        Column::number("resident"),
        Column::number("proportional").steady(2),
        Column::number("private").steady(4),
        Column::number("shared").steady(6),
        Column::number("age").steady(5),
        Column::number("swapped").steady(7),
        Column::number("growth/s").steady(3),
        Column::number("minor/s").steady(1),
        Column::number("major/s").steady(1),
        Column::names("name"),
    ];
    let cells: Vec<_> = snapshot.processes.iter().take(rows).map(cells).collect();
    columns::write(out, &COLUMNS, &cells, page)
}

fn cells(row: &Row) -> Vec<Cell> {
    let costs = |of: fn(&Figures) -> usize| {
        Cell::new(row.costs.as_ref().map_or("?".into(), |it| bytes(of(it))))
    };
    let name = match row.has_ended {
        true => format!("has ended: {}", row.name),
        false => row.name.clone(),
    };
    vec![
        Cell::new(row.id.pid.to_string()),
        Cell::new(bytes(row.resident_bytes)),
        costs(|costs| costs.proportional_bytes),
        costs(Figures::private_bytes),
        costs(Figures::shared_bytes),
        Cell::new(if row.has_ended { "-".into() } else { age(row.costs_age) }),
        Cell::new(bytes(row.swapped_bytes)),
        Cell::new(growth(row.activity.growth_per_second)),
        Cell::new(rate(row.activity.minor_per_second)),
        Cell::new(rate(row.activity.major_per_second)),
        Cell::styled(letters::printable(&name), STRONG),
    ]
}

fn json(
    out: &mut impl Write,
    snapshot: &Snapshot,
    interval_seconds: Option<f64>,
) -> io::Result<()> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for row in &snapshot.processes {
        let costs = |of: fn(&Figures) -> usize| row.costs.as_ref().map(of);
        let line = Line {
            time_seconds: time.as_secs_f64(),
            interval_seconds,
            pid: row.id.pid,
            name: &row.name,
            user: row.user,
            threads: row.threads,
            has_ended: row.has_ended,
            resident_bytes: row.resident_bytes,
            proportional_bytes: costs(|costs| costs.proportional_bytes),
            shared_bytes: costs(Figures::shared_bytes),
            private_bytes: costs(Figures::private_bytes),
            huge_bytes: costs(Figures::huge_bytes),
            costs_age_seconds: row.costs_age.map(|age| age.as_secs_f64()),
            swapped_bytes: row.swapped_bytes,
            minor_faults: row.minor_faults,
            major_faults: row.major_faults,
            minor_faults_per_second: row.activity.minor_per_second,
            major_faults_per_second: row.activity.major_per_second,
            growth_bytes_per_second: row.activity.growth_per_second,
        };
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}
