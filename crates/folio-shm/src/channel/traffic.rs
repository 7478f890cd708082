//! Traffic: what moves through a channel, and what stands in it, seen from outside.
//!
//! ```
//! let queue = folio_shm::Queue::options().create().longest(100).memfd("traffic")?;
//! let (mut sender, mut receiver) = (queue.sender()?, queue.receiver()?);
//! sender.send(b"16 bytes with it")?;
//! assert_eq!((queue.traffic().moved_bytes, queue.traffic().waiting_bytes), (0, Some(24)));
//! drop(receiver.recv()?);
//! assert_eq!((queue.traffic().moved_bytes, queue.traffic().waiting_bytes), (24, Some(0)));
//!
//! let broadcast = folio_shm::Broadcast::options().create().hold_back().memfd("traffic")?;
//! let (mut publisher, mut subscriber) = (broadcast.publisher()?, broadcast.subscriber()?);
//! publisher.send(b"16 bytes with it")?;
//! assert_eq!(broadcast.traffic().waiting_bytes, Some(24));
//! subscriber.recv(&mut Vec::new())?;
//! assert_eq!(broadcast.traffic().waiting_bytes, Some(0));
//! assert!(broadcast.traffic().dead.is_empty());
//! # Ok::<(), folio_shm::Error>(())
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::channel::cast::Progress;
use crate::channel::lane::{Shape, Tail, load};
use crate::channel::link::Link;
use crate::channel::measures::{FILLED, Measures};
use crate::channel::memory::Memory;
use crate::channel::place::{Holder, Places};
use crate::owner::Life;

/// How often to look again at a lane that its receiver is moving along.
const LOOKS: usize = 4;

/// What a channel is doing, as it was when it was looked at. Of what its users write into the segment,
/// which may be anything.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that have gone through it since it was made, with what lies around messages: of a queue those
    /// received, of a broadcast those published.
    pub moved_bytes: u64,
    /// Bytes that senders have to wait for when they come round, with what lies around messages. None of a
    /// broadcast that waits for nobody.
    pub waiting_bytes: Option<u64>,
    /// Bytes of all circles: how many there may wait.
    pub circles_bytes: u64,
    /// The processes of either side that are dead, and have not left.
    pub dead: Vec<u32>,
    /// Whether a sender sleeps until there is room; or did when it was killed.
    pub senders_asleep: bool,
    /// Whether a receiver sleeps until there is a message; or did when it was killed.
    pub receivers_asleep: bool,
}

impl Traffic {
    pub(crate) fn of_queue(measures: &Measures, memory: &Arc<Memory>, shape: Shape) -> Self {
        let links = links(measures, memory, shape);
        let moved_bytes = links.iter().map(|link| link.head().load(Ordering::Relaxed));
        let moved_bytes = moved_bytes.fold(0, u64::wrapping_add);
        let waiting_bytes = Some(links.iter().map(waiting_in).sum());
        Self { moved_bytes, waiting_bytes, ..Self::of_sides(measures, memory, &links) }
    }

    pub(crate) fn of_broadcast(measures: &Measures, memory: &Arc<Memory>, shape: Shape) -> Self {
        let links = links(measures, memory, shape);
        let Progress { tail, .. } = links[0].progress();
        let heads = || {
            let places = measures.receivers();
            let positions = places.positions().zip(places.holders(memory));
            let lives =
                |holder| matches!(holder, Holder::Process(mark) if mark.life() != Life::Dead);
            positions
                .filter(move |(_, holder)| lives(*holder))
                .map(|(at, _)| memory.word64(at + size_of::<u64>()).load(Ordering::Relaxed))
        };
        // Before the tail, behind which they are.
        let last = heads().min();
        let moved_bytes = load(tail);
        let behind = last.map_or(0, |head| moved_bytes.saturating_sub(head).min(shape.size));
        let waiting_bytes = (measures.choice != 0).then_some(behind);
        Self { moved_bytes, waiting_bytes, ..Self::of_sides(measures, memory, &links) }
    }

    fn of_sides(measures: &Measures, memory: &Arc<Memory>, links: &[Link]) -> Self {
        let dead = |places: Places| {
            places.holders(memory).filter_map(|holder| match holder {
                Holder::Process(mark) if mark.life() == Life::Dead => Some(mark.pid()),
                _ => None,
            })
        };
        let is_set = |at| memory.bell(at).is_prepared();
        Self {
            moved_bytes: 0,
            waiting_bytes: None,
            circles_bytes: links.iter().map(|link| link.shape.size).sum(),
            dead: dead(measures.senders()).chain(dead(measures.receivers())).collect(),
            senders_asleep: links.iter().any(|link| is_set(link.drained_at())),
            receivers_asleep: is_set(FILLED),
        }
    }
}

fn links(measures: &Measures, memory: &Arc<Memory>, shape: Shape) -> Vec<Link> {
    (0..measures.senders as usize).map(|index| measures.link(memory, shape, index)).collect()
}

/// Bytes between the head of a lane and the end of what was sent.
fn waiting_in(link: &Link) -> u64 {
    // While this walks along, the receiver may give back what it stands on, and the sender write there.
    let found = (0..LOOKS).find_map(|_| {
        let head = load(link.head());
        let tail = Tail::find(&link.shape, &link.circle, link.head())?;
        let moved = load(link.head()).wrapping_sub(head);
        (moved <= link.shape.size).then(|| tail.end().saturating_sub(head).min(link.shape.size))
    });
    // Who moves that fast has a circle that is moved through.
    found.unwrap_or(0)
}
