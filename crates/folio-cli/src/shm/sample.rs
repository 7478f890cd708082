//! A sample: the counters of a segment or a channel, as they were at one moment; and what went on between two.
//!
//! `docs/command.md` documents every key.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use folio_shm::{Broadcast, Found, Kind, Queue, Traffic};
use serde::Serialize;

use crate::failure::Failure;
use crate::shm::find::open_found;
use crate::shm::report::SegmentReport;
use crate::shm::tally::Tally;
use crate::shm::users::Users;

/// One look at a segment.
#[derive(Debug)]
pub struct Sample {
    at: Instant,
    /// Device and inode: a segment of the same name may be another.
    identity: Option<(u64, u64)>,
    segment: SegmentReport,
    counters: Option<Counters>,
}

/// What a channel counts.
#[derive(Debug)]
struct Counters {
    sent: u64,
    received: Option<u64>,
    dropped: Option<u64>,
    moved_bytes: u64,
    waiting_bytes: Option<u64>,
    circles_bytes: Option<u64>,
    senders: Vec<u32>,
    receivers: Vec<u32>,
    dead: Vec<u32>,
    senders_asleep: bool,
    receivers_asleep: bool,
}

/// What went on between two samples, and how it was at the second.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Seconds since 1970.
    pub time_seconds: f64,
    /// Seconds since the first sample.
    pub interval_seconds: Option<f64>,
    /// Its name in /dev/shm, or a journal's path.
    pub name: String,
    /// `segment`, `queue`, `broadcast` or `journal`.
    pub kind: &'static str,
    /// `used`, `idle`, `left-over` or `unfinished`.
    pub state: &'static str,
    /// The processes that have it open.
    pub users: Vec<u32>,
    /// Messages sent since it was made.
    pub sent: Option<u64>,
    /// Messages received; none of a broadcast.
    pub received: Option<u64>,
    /// Messages of a queue that were given up for newer ones.
    pub dropped: Option<u64>,
    /// Messages.
    pub sent_per_second: Option<f64>,
    /// Messages.
    pub received_per_second: Option<f64>,
    /// Bytes that went through, with what lies around messages.
    pub bytes_per_second: Option<f64>,
    /// Messages that have not been received.
    pub waiting: Option<u64>,
    /// Bytes that senders have to wait for.
    pub waiting_bytes: Option<u64>,
    /// Bytes that may wait.
    pub circles_bytes: Option<u64>,
    /// Those that are alive.
    pub senders: Vec<u32>,
    /// Likewise.
    pub receivers: Vec<u32>,
    /// Those that have not left, and are not alive.
    pub dead: Vec<u32>,
    /// Whether a sender waits for room.
    pub senders_asleep: bool,
    /// Whether a receiver waits for a message.
    pub receivers_asleep: bool,
}

impl Sample {
    /// Looks at what was found.
    ///
    /// # Errors
    /// That a channel cannot be opened.
    pub fn of(found: &Found, users: &Users) -> Result<Self, Failure> {
        // Before it is opened here: this process is no user.
        let segment = SegmentReport::of(found, users);
        let identity = identity(found.path());
        // Not kept open, lest what is to go with its last user stay.
        let counters = match found.kind() {
            Kind::Queue => {
                let queue = open_found(Queue::options(), found)?;
                let (stat, traffic) = (queue.stat(), queue.traffic());
                let sides = (stat.senders, stat.receivers);
                let gone = (Some(stat.received), Some(stat.dropped));
                Some(Counters::of(stat.sent, gone, sides, traffic))
            }
            Kind::Broadcast => {
                let broadcast = open_found(Broadcast::options(), found)?;
                let (stat, traffic) = (broadcast.stat(), broadcast.traffic());
                let sides = (stat.publisher.into_iter().collect(), stat.subscribers);
                Some(Counters::of(stat.sent, (None, None), sides, traffic))
            }
            _ => None,
        };
        Ok(Self { at: Instant::now(), identity, segment, counters })
    }

    /// Of a journal, after it has been read on.
    pub fn of_journal(tally: &Tally) -> Self {
        let segment = tally.segment().clone();
        let counters = Counters {
            sent: tally.sent(),
            received: None,
            dropped: None,
            moved_bytes: tally.bytes(),
            waiting_bytes: None,
            circles_bytes: None,
            senders: segment.users.clone(),
            receivers: Vec::new(),
            dead: Vec::new(),
            senders_asleep: false,
            receivers_asleep: false,
        };
        let identity = identity(tally.directory());
        Self { at: Instant::now(), identity, segment, counters: Some(counters) }
    }

    /// Whether both are of one segment.
    pub fn is_of(&self, other: &Self) -> bool {
        self.identity == other.identity && self.segment.name == other.segment.name
    }

    /// What went on since another sample of the same.
    pub fn since(&self, before: Option<&Self>) -> Change {
        let seconds = before.map(|before| (self.at - before.at).as_secs_f64());
        let counted = |count: fn(&Counters) -> Option<u64>| self.counters.as_ref().and_then(count);
        let rate = |count: fn(&Counters) -> Option<u64>| {
            let before = before?.counters.as_ref().and_then(count)?;
            // Whoever writes the counter may write anything.
            let more = counted(count)?.saturating_sub(before);
            Some(more as f64 / seconds?.max(1e-9))
        };
        let received = counted(|counters| counters.received);
        let waiting = |counters: &Counters| {
            Some(counters.sent.saturating_sub(counters.received?).saturating_sub(counters.dropped?))
        };
        let (counters, segment) = (self.counters.as_ref(), &self.segment);
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let pids = |of: fn(&Counters) -> &Vec<u32>| counters.map_or(Vec::new(), |c| of(c).clone());
        Change {
            time_seconds: since_1970.as_secs_f64(),
            interval_seconds: seconds,
            name: segment.name.clone(),
            kind: segment.kind,
            state: segment.state,
            users: segment.users.clone(),
            sent: counted(|counters| Some(counters.sent)),
            received,
            dropped: counted(|counters| counters.dropped),
            sent_per_second: rate(|counters| Some(counters.sent)),
            received_per_second: rate(|counters| counters.received),
            bytes_per_second: rate(|counters| Some(counters.moved_bytes)),
            waiting: counted(waiting),
            waiting_bytes: counted(|counters| counters.waiting_bytes),
            circles_bytes: counted(|counters| counters.circles_bytes),
            senders: pids(|counters| &counters.senders),
            receivers: pids(|counters| &counters.receivers),
            dead: pids(|counters| &counters.dead),
            senders_asleep: counters.is_some_and(|counters| counters.senders_asleep),
            receivers_asleep: counters.is_some_and(|counters| counters.receivers_asleep),
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Counters {
    fn of(
        sent: u64,
        (received, dropped): (Option<u64>, Option<u64>),
        (mut senders, mut receivers): (Vec<u32>, Vec<u32>),
        traffic: Traffic,
    ) -> Self {
        let is_dead = |pid: &u32| traffic.dead.contains(pid);
        senders.retain(|pid| !is_dead(pid));
        receivers.retain(|pid| !is_dead(pid));
        let (has_senders, has_receivers) = (!senders.is_empty(), !receivers.is_empty());
        Self {
            sent,
            // Counted by others, one after the other.
            received: received.map(|received| received.min(sent)),
            dropped: dropped.map(|dropped| dropped.min(sent)),
            moved_bytes: traffic.moved_bytes,
            waiting_bytes: traffic.waiting_bytes,
            circles_bytes: Some(traffic.circles_bytes),
            senders,
            receivers,
            // A sleeper that died cannot be told from one that sleeps, unless nobody is there.
            senders_asleep: traffic.senders_asleep && has_senders,
            receivers_asleep: traffic.receivers_asleep && has_receivers,
            dead: traffic.dead,
        }
    }
}
