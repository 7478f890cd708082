//! Measuring: rounds, in which all ways have their turn at all sizes, and their medians.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::failure::{Failure, words};
use crate::ipc::payload::{ECHO, END};
use crate::ipc::peer::Peer;
use crate::ipc::place::{self, Kept};
use crate::ipc::report::{Figures, Report, Row};
use crate::ipc::transport::{Transport, Way};
use crate::progress::{self, Unit};

/// Bytes of messages.
pub const SIZES: [usize; 3] = [64, 4 << 10, 1 << 20];

/// Messages there and back before the clock runs.
const WARM_UP: u64 = 20;

/// Messages there and back that are remembered at most.
const MOST: usize = 100_000;

/// Bytes between two looks at the clock.
const BATCH_BYTES: usize = 64 << 10;

/// Measures all ways.
///
/// # Errors
/// That this program cannot be started again, and that a message arrived changed.
pub fn all(is_quick: bool, is_anywhere: bool) -> Result<Report, Failure> {
    let (rounds, time) = match is_quick {
        true => (3, Duration::from_millis(15)),
        false => (7, Duration::from_millis(60)),
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let cpus = if is_anywhere { None } else { place::two() };
    let _kept = cpus.and_then(|[ours, _]| Kept::on(ours));
    let peers = cpus.map(|[_, peers]| peers);
    let ways = Way::value_variants();
    let mut measured: Vec<Vec<Vec<Figures>>> = vec![vec![Vec::new(); SIZES.len()]; ways.len()];
    let mut lacking: Vec<Option<String>> = vec![None; ways.len()];
    let total = (rounds * ways.len() * SIZES.len()) as u64;
    progress::watch("comparing", Unit::Measurements, total, |done: &AtomicU64| {
        for _ in 0..rounds {
            for (at, size) in SIZES.into_iter().enumerate() {
                for (index, way) in ways.iter().enumerate() {
                    if lacking[index].is_none() {
                        match once(*way, size, time, peers) {
                            Ok(figures) => measured[index][at].push(figures),
                            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                                return Err(Failure::new(format!(
                                    "cannot compare {}: {error}",
                                    way.name()
                                )));
                            }
                            Err(error) => lacking[index] = Some(words(&error)),
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    })?;
    if lacking.iter().all(Option::is_some) {
        let reason = lacking[0].take().unwrap_or_default();
        return Err(Failure::new(format!("cannot compare anything: {reason}")));
    }
    let rows = ways.iter().zip(measured).zip(lacking).map(|((way, sizes), lacking)| Row {
        way: way.name(),
        figures: match lacking {
            None => sizes.iter().map(|rounds| Figures::median(rounds)).collect(),
            Some(_) => Vec::new(),
        },
        lacking,
    });
    Ok(Report::of(rows.collect(), rounds, processors, cpus.is_some()))
}

fn once(way: Way, size: usize, time: Duration, cpu: Option<usize>) -> io::Result<Figures> {
    let (mut transport, ends) = way.make(size)?;
    let transport = transport.as_mut();
    let _peer = Peer::start(way, size, ends, cpu)?;
    // It is there.
    transport.recv()?;
    let mut there_and_back = latencies(transport, time)?;
    let messages_per_second = throughput(transport, size, time)?;
    transport.send(END)?;
    there_and_back.sort_unstable();
    let part = |thousandths: usize| {
        let index = (there_and_back.len() * thousandths).div_ceil(1000).saturating_sub(1);
        there_and_back.get(index).copied().unwrap_or(0) as f64
    };
    Ok(Figures {
        message_bytes: size as u64,
        median_nanoseconds: part(500),
        p99_nanoseconds: part(990),
        p999_nanoseconds: part(999),
        messages_per_second,
        bytes_per_second: messages_per_second * size as f64,
    })
}

/// Messages there and back, one after the other, in nanoseconds.
fn latencies(transport: &mut dyn Transport, time: Duration) -> io::Result<Vec<u64>> {
    let mut back = |number: u64| {
        let start = Instant::now();
        transport.send(number | ECHO)?;
        match transport.recv()? == number | ECHO {
            true => Ok(start.elapsed()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "another message came back")),
        }
    };
    for number in 0..WARM_UP {
        back(number)?;
    }
    let (start, mut all) = (Instant::now(), Vec::with_capacity(MOST));
    while all.len() < MOST && (start.elapsed() < time || all.len() < 10) {
        all.push(back(all.len() as u64)?.as_nanos() as u64);
    }
    Ok(all)
}

/// Messages one way, to the last of which there is an answer: how many in a second.
fn throughput(transport: &mut dyn Transport, size: usize, time: Duration) -> io::Result<f64> {
    let batch = (BATCH_BYTES / size).max(1) as u64;
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < time || count < 2 * batch {
        for _ in 0..batch {
            transport.send(count)?;
            count += 1;
        }
    }
    transport.send(count | ECHO)?;
    transport.recv()?;
    Ok((count + 1) as f64 / start.elapsed().as_secs_f64())
}
