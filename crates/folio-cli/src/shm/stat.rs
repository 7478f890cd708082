//! `folio shm stat`: all that is known of one segment; of a channel, its counters.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::Style;
use clap::ColorChoice;
use folio_shm::{Broadcast, Found, Kind, Queue, Segment};
use serde::Serialize;

use crate::failure::Failure;
use crate::letters;
use crate::shm::arguments::{ShmOutput, Stat};
use crate::shm::find::{failure, find, open_found, trusting_anybody};
use crate::shm::journal::{self, JournalReport};
use crate::shm::report::{SegmentReport, user_name};
use crate::shm::users::Users;
use crate::size::{exact, grouped};
use crate::table::row;
use crate::terminal::{self, STRONG};

/// A segment, with what is inside.
#[derive(Debug, Serialize)]
struct Whole {
    #[serde(flatten)]
    segment: SegmentReport,
    /// Bytes of payload now.
    payload_now_bytes: Option<u64>,
    /// Bytes to which the payload can grow.
    capacity_bytes: Option<u64>,
    channel: Option<ChannelReport>,
    journal: Option<JournalReport>,
}

/// A channel's counters, as its users say.
#[derive(Debug, Serialize)]
struct ChannelReport {
    longest_bytes: u64,
    circle_bytes: u64,
    sent: u64,
    /// Of a queue.
    received: Option<u64>,
    /// Of a queue.
    dropped: Option<u64>,
    /// Of a queue.
    drops_oldest: Option<bool>,
    /// Of a broadcast.
    holds_back: Option<bool>,
    senders: Vec<u32>,
    receivers: Vec<u32>,
}

impl Whole {
    fn of(segment: SegmentReport) -> Self {
        Self {
            segment,
            payload_now_bytes: None,
            capacity_bytes: None,
            channel: None,
            journal: None,
        }
    }
}

/// Shows it.
///
/// # Errors
/// What cannot be found or opened, or that standard output could not be written.
pub fn run(arguments: &Stat, color: ColorChoice) -> Result<(), Failure> {
    if let Some(directory) = journal::directory(&arguments.name) {
        let (segment, journal) = journal::report(directory, &Users::now())?;
        let whole = Whole { journal: Some(journal), ..Whole::of(segment) };
        return write(&whole, arguments.output, color).or_else(|error| Failure::of_output(&error));
    }
    let found = find(&arguments.name)?;
    // Before it is opened here: this process is no user.
    let segment = SegmentReport::of(&found, &Users::now());
    let mut whole = Whole::of(segment);
    if let Some(layout) = found.layout() {
        let options = trusting_anybody(Segment::options().read_only()).layout(layout);
        let open = options.open(&found.name()).map_err(|error| failure(&error))?;
        whole.payload_now_bytes = Some(open.len() as u64);
        whole.capacity_bytes = Some(open.capacity() as u64);
        whole.channel = channel(&found)?;
    }
    write(&whole, arguments.output, color).or_else(|error| Failure::of_output(&error))
}

fn channel(found: &Found) -> Result<Option<ChannelReport>, Failure> {
    Ok(match found.kind() {
        Kind::Queue => {
            let queue = open_found(Queue::options(), found)?;
            let stat = queue.stat();
            Some(ChannelReport {
                longest_bytes: queue.longest() as u64,
                circle_bytes: queue.bytes() as u64,
                sent: stat.sent,
                received: Some(stat.received),
                dropped: Some(stat.dropped),
                drops_oldest: Some(queue.drops_oldest()),
                holds_back: None,
                senders: stat.senders,
                receivers: stat.receivers,
            })
        }
        Kind::Broadcast => {
            let broadcast = open_found(Broadcast::options(), found)?;
            let stat = broadcast.stat();
            Some(ChannelReport {
                longest_bytes: broadcast.longest() as u64,
                circle_bytes: broadcast.bytes() as u64,
                sent: stat.sent,
                received: None,
                dropped: None,
                drops_oldest: None,
                holds_back: Some(broadcast.holds_back()),
                senders: stat.publisher.into_iter().collect(),
                receivers: stat.subscribers,
            })
        }
        _ => None,
    })
}

fn write(whole: &Whole, output: ShmOutput, color: ColorChoice) -> io::Result<()> {
    let mut out = terminal::standard_output(color)?;
    match output {
        ShmOutput::Json => {
            serde_json::to_writer_pretty(&mut out, whole)?;
            writeln!(out)?;
        }
        ShmOutput::Text => text(&mut out, whole)?,
    }
    out.flush()
}

fn text(out: &mut impl Write, whole: &Whole) -> io::Result<()> {
    let Whole { segment, .. } = whole;
    let name = letters::printable(&segment.name);
    let now = whole.payload_now_bytes.unwrap_or(segment.payload_bytes);
    writeln!(out, "{STRONG}{name}{STRONG:#}  {}, {}\n", segment.kind, exact(now))?;
    let mut line = |label: &str, text: String| row(out, label, Style::new(), &[text]);
    if let Some(capacity) =
        whole.capacity_bytes.filter(|capacity| *capacity > segment.payload_bytes)
    {
        line("grows to", exact(capacity))?;
    }
    line("owner", format!("{}, mode {}", user_name(segment.user), segment.mode))?;
    if whole.journal.is_none() {
        let age = segment.created_seconds.map(|seconds| format!(", {}", age(seconds)));
        line("creator", format!("{}{}", segment.creator_text(), age.unwrap_or_default()))?;
    }
    if let Some(layout) =
        segment.layout.as_ref().filter(|hash| whole.channel.is_none() && *hash != "0x0")
    {
        line("layout", layout.clone())?;
    }
    line("state", segment.state.to_owned())?;
    line("users", processes(&segment.users))?;
    if let Some(journal) = &whole.journal {
        return journal.text(out);
    }
    let Some(channel) = &whole.channel else { return Ok(()) };
    line("messages", format!("up to {}", exact(channel.longest_bytes)))?;
    line("circle", exact(channel.circle_bytes))?;
    line("sent", grouped(channel.sent))?;
    if let Some(received) = channel.received {
        line("received", grouped(received))?;
        let dropped = channel.dropped.unwrap_or(0);
        if channel.drops_oldest == Some(true) {
            line("dropped", grouped(dropped))?;
        }
        let waiting = channel.sent.saturating_sub(received).saturating_sub(dropped);
        line("waiting", grouped(waiting))?;
    }
    let is_queue = channel.received.is_some();
    line(if is_queue { "senders" } else { "publisher" }, processes(&channel.senders))?;
    line(if is_queue { "receivers" } else { "subscribers" }, processes(&channel.receivers))?;
    if channel.drops_oldest == Some(true) {
        line("when full", "senders drop the oldest".into())?;
    }
    if channel.holds_back == Some(true) {
        line("when full", "the publisher waits for the slowest".into())?;
    }
    Ok(())
}

/// Their numbers.
pub(crate) fn processes(pids: &[u32]) -> String {
    match pids {
        [] => "none".into(),
        pids => pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// How long ago.
pub(crate) fn age(created_seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.saturating_sub(created_seconds) {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", grouped(seconds / 86_400)),
    }
}
