//! `folio map`: map, touch, look, tell.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ColorChoice;
use folio::{Fault, Mapping};
use folio_stat::FaultScope;

use crate::arguments::{Map, Output, Touch};
use crate::failure::Failure;
use crate::progress::{self, Unit};
use crate::report::{Events, Report};
use crate::table::{self, Page};
use crate::touch::Pages;
use crate::{pagedmap, raw, size, source, storesource, terminal};

/// Maps, touches, and writes the result to standard output.
///
/// # Errors
/// What failed; a fault too, after the report.
pub fn run(arguments: &Map, color: ColorChoice) -> Result<(), Failure> {
    if let Some(source) = storesource::open(arguments)? {
        return pagedmap::run(arguments, source, color);
    }
    let map = source::map(arguments)?;
    let mut events = Events::default();
    match prepare(&map, arguments) {
        Ok(()) => {
            rehearse();
            touch(&map, arguments, &mut events)?;
        }
        // There is something to report on.
        Err(error) if error.fault().is_some() => events.error = Some(error),
        Err(error) => return Err(Failure::of(&error, arguments)),
    }
    if arguments.output != Output::Raw {
        let source = arguments.source.to_string_lossy().into_owned();
        let report = Report::of(&map, source, &mut events)?;
        write(&report, arguments.output, color).or_else(|error| Failure::of_output(&error))?;
    }
    match events.error {
        Some(error) => Err(Failure::of(&error, arguments)),
        None if arguments.output == Output::Raw => write_raw(&map, arguments),
        None => Ok(()),
    }
}

/// Populates, with as many threads as there are processors, and advises.
fn prepare(map: &Mapping, arguments: &Map) -> folio::Result<()> {
    if arguments.populate {
        progress::watch("populating", Unit::Bytes, map.len() as u64, |done| {
            map.populate_with(.., 0, |progress| {
                done.store(progress.done_bytes as u64, Ordering::Relaxed);
                ControlFlow::Continue(())
            })
        })?;
    }
    arguments.advise.iter().try_for_each(|advice| map.advise(.., advice.0).map(drop))
}

/// Touches pages and reads the bytes to show, and counts the faults of both.
fn touch(map: &Mapping, arguments: &Map, events: &mut Events) -> Result<(), Failure> {
    let pages = Pages::of(map);
    let touch = arguments.touch();
    let shown = arguments.bytes().min(map.len());
    if events.bytes.try_reserve_exact(shown).is_err() {
        let size = size::exact(shown as u64);
        return Err(Failure::new(format!(
            "cannot show {size}: no memory for them: show fewer, or take them by --output raw"
        )));
    }
    // Written to, so that it is in memory before faults are counted.
    events.bytes.resize(shown, 0xff);
    progress::watch("touching", Unit::Pages, pages.chosen(touch), |done| {
        count_faults(&pages, touch, events, done);
    });
    Ok(())
}

fn count_faults(pages: &Pages<'_>, touch: Touch, events: &mut Events, done: &AtomicU64) {
    let scope = FaultScope::thread();
    (events.touched_pages, events.error) = pages.touch(touch, done);
    let read = pages.mapping().read_at(0, &mut events.bytes);
    events.faults = scope.finish();
    if let Err(error) = read {
        events.bytes.truncate(error.fault().map_or(0, Fault::transferred));
        events.error.get_or_insert(error);
    }
}

/// Does all that [`touch`] does once, with each way in which a page is touched, so that the faults
/// of the program's own code, data and stack are not counted as those of the mapping.
fn rehearse() {
    for stage in stages().iter().flatten() {
        for touch in [Touch::All, Touch::Random(1)] {
            let mut events = Events { bytes: vec![0; stage.len().min(64)], ..Events::default() };
            count_faults(&Pages::of(stage), touch, &mut events, &AtomicU64::new(0));
        }
    }
}

/// A mapping for each [`Way`](crate::touch::Way) to touch a page.
fn stages() -> [folio::Result<Mapping>; 3] {
    let writable = || Mapping::options().private().write();
    [
        writable().anonymous(4096),
        writable().anonymous(1),
        Mapping::options().private().anonymous(4096),
    ]
}

fn write_raw(map: &Mapping, arguments: &Map) -> Result<(), Failure> {
    let mut out = match terminal::standard_output_file() {
        Ok(out) => out,
        Err(error) => return Failure::of_output(&error),
    };
    if out.is_terminal() {
        return raw::write(map, arguments, &mut out, &AtomicU64::new(0));
    }
    progress::watch("writing", Unit::Bytes, map.len() as u64, |done| {
        raw::write(map, arguments, &mut out, done)
    })
}

fn write(report: &Report, output: Output, color: ColorChoice) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    match output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
        _ => table::write(&mut out, report, Page::of_terminal())?,
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::touch::Way;

    // A way that was not rehearsed costs a fault of the program's own in some runs only, as its
    // pages happen to lie: so the ways are compared, not the faults.
    #[test]
    fn every_way_to_touch_a_page_is_rehearsed() {
        let ways = stages().map(|stage| Pages::of(&stage.unwrap()).way(0));
        assert_eq!(ways, [Way::Add(0), Way::Rewrite(0), Way::Read(0)]);
    }
}
