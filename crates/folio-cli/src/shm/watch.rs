//! `folio shm watch`: counters as they change, a line for each interval, or redrawn in place on a terminal.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use anstyle::Style;
use clap::ColorChoice;
use signal_hook::consts::SIGINT;

use crate::failure::Failure;
use crate::letters;
use crate::shm::arguments::{ShmOutput, Watch};
use crate::shm::columns::Columns;
use crate::shm::find::{failure, find};
use crate::shm::journal;
use crate::shm::sample::{Change, Sample};
use crate::shm::tally::Tally;
use crate::shm::users::Users;
use crate::signals;
use crate::size::{grouped, rounded};
use crate::terminal::{self, BAD, STRONG};
use crate::waiting::{Waited, wait_until};

/// The exit status that says that what was watched is gone.
pub const GONE: u8 = 3;

const TITLES: [&str; 9] =
    ["name", "sent/s", "received/s", "bytes/s", "waiting", "full", "senders", "receivers", ""];
const NUMBERS: [usize; 7] = [1, 2, 3, 4, 5, 6, 7];
const NOTES: usize = 8;

/// Watches until it is interrupted, has written as many lines as were asked for, or what it watches is gone.
///
/// # Errors
/// What cannot be found or opened; that it is gone, with status [`GONE`]; that standard output could not be
/// written.
pub fn run(arguments: &Watch, color: ColorChoice) -> Result<(), Failure> {
    let interrupted = signals::arrivals(&[SIGINT])?;
    let mut target = Target::of(arguments)?;
    let mut before = target.look(None)?;
    let mut screen = match Screen::new(arguments, color) {
        Ok(screen) => screen,
        Err(error) => return Failure::of_output(&error),
    };
    let mut left = arguments.count;
    let mut next = Instant::now();
    while left != Some(0) {
        next += arguments.interval;
        if wait_until(next, &interrupted) == Waited::Ended {
            break;
        }
        let now = target.look(Some(&before))?;
        let change = |sample: &Sample| sample.since(before.iter().find(|one| one.is_of(sample)));
        let changes: Vec<_> = now.iter().map(change).collect();
        if let Err(error) = screen.show(&changes) {
            return Failure::of_output(&error);
        }
        before = now;
        left = left.map(|left| left - 1);
        // Who was stopped for a while does not catch up.
        next = next.max(Instant::now() - arguments.interval);
    }
    Ok(())
}

/// What is watched.
#[derive(Debug)]
enum Target {
    /// All that are in /dev/shm.
    All,
    /// The one of this name.
    Name(String),
    /// A journal.
    Journal(Box<Tally>),
}

impl Target {
    fn of(arguments: &Watch) -> Result<Self, Failure> {
        Ok(match &arguments.name {
            None => Self::All,
            Some(name) => match journal::directory(name) {
                Some(directory) => Self::Journal(Box::new(Tally::begin(directory)?)),
                None => Self::Name(name.strip_prefix('/').unwrap_or(name).to_owned()),
            },
        })
    }

    /// Looks, and sees whether it is still the one that it was.
    fn look(&mut self, before: Option<&[Sample]>) -> Result<Vec<Sample>, Failure> {
        let users = Users::now();
        let (sample, path) = match self {
            Self::All => {
                let found = folio_shm::list().map_err(|error| failure(&error))?;
                // What is gone since, or another user's, is left out.
                return Ok(found.iter().filter_map(|it| Sample::of(it, &users).ok()).collect());
            }
            Self::Name(name) => {
                let sample = find(name).and_then(|found| Sample::of(&found, &users));
                (sample, Path::new("/dev/shm").join(name))
            }
            Self::Journal(tally) => {
                let sample = tally.go_on(&users).map(|()| Sample::of_journal(tally));
                (sample, tally.directory().to_owned())
            }
        };
        let Some(before) = before else { return Ok(vec![sample?]) };
        let gone = || Failure::new(format!("{} is gone: it was removed", path.display()));
        match sample {
            Ok(sample) if before.iter().all(|one| one.is_of(&sample)) => Ok(vec![sample]),
            Err(failure) if path.exists() => Err(failure),
            _ => Err(gone().with_status(GONE)),
        }
    }
}

/// Where changes are shown.
struct Screen {
    out: terminal::Out,
    output: ShmOutput,
    columns: Columns<9>,
    /// Whether all are watched, and not one.
    is_list: bool,
    /// On a terminal that can move the cursor, lines of the last picture.
    drawn: Option<usize>,
    has_begun: bool,
}

impl Screen {
    fn new(arguments: &Watch, color: ColorChoice) -> io::Result<Self> {
        let is_redrawn = arguments.output == ShmOutput::Text
            && io::stdout().is_terminal()
            && terminal::can_move();
        let mut columns = Columns::of(TITLES, &NUMBERS, &[]);
        // Room for what is usual, so that lines that come later are in line.
        let usual = ["", "1,000,000", "1,000,000", "1,000 MiB/s", "100,000", "100%", "", "", ""];
        columns.widen(&[usual.map(String::from)]);
        Ok(Self {
            out: terminal::standard_output(color)?,
            output: arguments.output,
            columns,
            is_list: arguments.name.is_none(),
            drawn: is_redrawn.then_some(0),
            has_begun: false,
        })
    }

    fn show(&mut self, changes: &[Change]) -> io::Result<()> {
        match self.output {
            ShmOutput::Json => {
                for change in changes {
                    serde_json::to_writer(&mut self.out, change)?;
                    writeln!(self.out)?;
                }
            }
            ShmOutput::Text => self.text(changes)?,
        }
        self.out.flush()
    }

    fn text(&mut self, changes: &[Change]) -> io::Result<()> {
        let rows: Vec<_> = changes.iter().map(cells).collect();
        self.columns.widen(&rows);
        let (mut rows, mut is_headed) = (&rows[..], !self.has_begun || self.is_list);
        if let Some(drawn) = self.drawn {
            self.out.flush()?;
            // Not through the stream that takes styles out where they are not wanted.
            let mut bare = terminal::standard_output_file()?;
            if drawn > 0 {
                write!(bare, "\x1b[{drawn}A\r\x1b[J")?;
            }
            let (width, height) = terminal::size();
            rows = &rows[..rows.len().min(height.saturating_sub(2))];
            self.drawn = Some(rows.len() + 1);
            self.columns.limit(width);
            is_headed = true;
        } else if self.has_begun && self.is_list {
            writeln!(self.out)?;
        }
        self.has_begun = true;
        if is_headed {
            self.columns.head(&mut self.out)?;
        }
        for row in rows {
            self.columns.row(&mut self.out, row, |column| match column {
                0 => STRONG,
                NOTES if row[NOTES].contains("dead") => BAD,
                _ => Style::new(),
            })?;
        }
        Ok(())
    }
}

fn cells(change: &Change) -> [String; 9] {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), grouped);
    let rate = |rate: Option<f64>| number(rate.map(|rate| rate.round() as u64));
    let full = change.waiting_bytes.zip(change.circles_bytes);
    let full = full.map(|(waiting, all)| waiting.saturating_mul(100).div_ceil(all.max(1)));
    let is_channel = change.sent.is_some();
    let people = |pids: &[u32]| number(is_channel.then_some(pids.len() as u64));
    [
        letters::printable(&change.name).into_owned(),
        rate(change.sent_per_second),
        rate(change.received_per_second),
        change.bytes_per_second.map_or("-".into(), |rate| format!("{}/s", rounded(rate as u64))),
        number(change.waiting),
        full.map_or("-".into(), |full| format!("{}%", full.min(100))),
        people(&change.senders),
        if change.kind == "journal" { "-".into() } else { people(&change.receivers) },
        notes(change),
    ]
}

/// Who sleeps, who is dead; of a segment, who has it open.
fn notes(change: &Change) -> String {
    if change.sent.is_none() {
        return match change.users.len() {
            1 => format!("{}, 1 user", change.kind),
            count => format!("{}, {count} users", change.kind),
        };
    }
    let dead = match change.dead.len() {
        0 => None,
        count => Some(format!("{count} dead")),
    };
    let asleep = match (change.senders_asleep, change.receivers_asleep) {
        (true, true) => Some("both asleep"),
        (true, false) => Some("senders asleep"),
        (false, true) => Some("receivers asleep"),
        (false, false) => None,
    };
    dead.into_iter().chain(asleep.map(String::from)).collect::<Vec<_>>().join(", ")
}
