//! The ring: a channel from one sender to one receiver.
//!
//! ```
//! use folio_shm::Ring;
//!
//! # let name = format!("folio-doc-ring-{}", std::process::id());
//! // In one process:
//! let ring = Ring::options().create().longest(1000).open(&name)?;
//! let mut sender = ring.sender()?;
//! sender.send(b"a message")?;
//! let mut loan = sender.loan(6)?; // written where the receiver reads it
//! loan.write_at(0, b"second")?;
//! loan.send();
//!
//! // In another, of the same user:
//! let mut receiver = Ring::options().open(&name)?.receiver()?;
//! assert_eq!(receiver.recv()?.to_vec()?, b"a message");
//! let message = receiver.recv()?; // a place in the segment, until it is dropped
//! assert_eq!(message.len(), 6);
//! # folio_shm::Segment::unlink(&name)?;
//! # drop(message);
//! # drop(sender);
//! let end = receiver.recv().unwrap_err();
//! assert_eq!(end.kind(), folio_shm::ErrorKind::Closed);
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! Messages keep their boundaries and their order, and each arrives whole, once, at a receiver that lives. Whoever waits learns that the other side has left or died, after the last
//! message it sent. Another can take its place: a sender goes on where the last message ends, a receiver with
//! the first that has not been dropped.
//!
//! A peer may write anything into the segment at any time, its messages included: so they are copied out, or
//! looked at through a [`folio::View`]. What it does to the ring's own words is an error, kind
//! [`Scribbled`](ErrorKind::Scribbled), or a message that was never sent.
//!
//! Layout of the payload, each line on its own cache lines:
//!
//! | offset | |
//! | --- | --- |
//! | 0 | longest message, size of the circle |
//! | 64 | sender: its mark, how many messages it sent |
//! | 128 | receiver: its mark, its head, how many messages it received |
//! | 192 | the bell that the sender rings |
//! | 256 | the bell that the receiver rings |
//! | 512 | the circle |
#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use folio::View;

use crate::channel::lane::{Head, Refusal, Scribbled, Shape, Slot, Tail};
use crate::channel::memory::{Circle, Memory};
use crate::channel::place::{Holder, Place, holder};
use crate::channel::wait::{Peer, Wait, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::header;
use crate::options::SegmentOptions;
use crate::segment::Segment;

const LONGEST: usize = 0;
const SIZE: usize = 8;
const SENDER: usize = 64;
const SENT: usize = 72;
const RECEIVER: usize = 128;
const HEAD: usize = 136;
const RECEIVED: usize = 144;
const FILLED: usize = 192;
const DRAINED: usize = 256;
const CIRCLE: usize = 512;

/// What the receiver waits for, and the sender.
const FROM_SENDER: Peer = Peer { place: SENDER, bell: FILLED, side: "sender", always_rings: true };
const FROM_RECEIVER: Peer =
    Peer { place: RECEIVER, bell: DRAINED, side: "receiver", always_rings: false };

const SEND: &str = "send to";
const RECEIVE: &str = "receive from";
const OPEN: &str = "open";

/// What a ring's segment holds, unless its users say more.
const LAYOUT: u64 = header::hash(b"folio-shm ring 1");

/// Bytes of the circle unless they are asked for: as large as most second-level caches, or larger.
const USUAL_SIZE: usize = 4 << 20;

/// The longest message unless it is asked for, in bytes.
const USUAL_LONGEST: usize = 64 << 10;

/// The parameters of a ring, to be set one by one; what it is made or found in comes last.
///
/// Those of its segment are set by [`segment`](Self::segment).
#[derive(Clone, Debug, Default)]
pub struct RingOptions {
    segment: SegmentOptions,
    longest: Option<usize>,
    bytes: Option<usize>,
    layout: u64,
}

impl RingOptions {
    /// Opens the ring, or makes it where there is none.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.segment = self.segment.create();
        self
    }

    /// Makes the ring; that there is one already is an error.
    #[must_use]
    pub fn create_new(mut self) -> Self {
        self.segment = self.segment.create_new();
        self
    }

    /// Bytes of the longest message that can be sent; 64 KiB by default. Counts for the one who makes it.
    #[must_use]
    pub fn longest(mut self, bytes: usize) -> Self {
        self.longest = Some(bytes);
        self
    }

    /// Bytes for messages that have been sent and not received, with 8 for each; 4 MiB by default. Rounded up
    /// to a power of two, and to room for two of the longest messages. Counts for the one who makes it.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// What the messages are, as a number that both sides agree on: see [`SegmentOptions::layout`].
    #[must_use]
    pub fn layout(mut self, hash: u64) -> Self {
        self.layout = hash;
        self
    }

    /// Sets options of the ring's segment: who may reach it, what becomes of its name. Its size, its layout
    /// and its first contents are the ring's to set.
    #[must_use]
    pub fn segment(mut self, set: impl FnOnce(SegmentOptions) -> SegmentOptions) -> Self {
        self.segment = set(self.segment);
        self
    }

    /// Opens or makes the ring of this name.
    ///
    /// # Errors
    /// As [`SegmentOptions::open`]; [`ErrorKind::Invalid`] for messages that no ring can hold,
    /// [`ErrorKind::Scribbled`] for a ring whose measures contradict each other.
    pub fn open(&self, name: &str) -> Result<Ring> {
        Ring::new(self.prepare()?.open(name)?)
    }

    /// Opens or makes the ring in this file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn file(&self, path: impl AsRef<Path>) -> Result<Ring> {
        Ring::new(self.prepare()?.file(path)?)
    }

    /// Makes a ring without a name, to be handed on by its descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::memfd`].
    pub fn memfd(&self, name: &str) -> Result<Ring> {
        Ring::new(self.prepare()?.memfd(name)?)
    }

    /// The ring behind a descriptor.
    ///
    /// # Errors
    /// As [`SegmentOptions::fd`].
    pub fn fd(&self, fd: OwnedFd) -> Result<Ring> {
        Ring::new(self.prepare()?.fd(fd)?)
    }

    fn prepare(&self) -> Result<SegmentOptions> {
        let options = self.segment.clone().layout(LAYOUT ^ self.layout);
        if !options.makes() {
            return Ok(options);
        }
        let fail = |reason| Err(Error::new(ErrorKind::Invalid, "make", "a ring", reason));
        let Ok(longest) = u32::try_from(self.longest.unwrap_or(USUAL_LONGEST)) else {
            return fail("no message can have 4 GiB or more");
        };
        let bytes = self.bytes.unwrap_or(USUAL_SIZE).checked_next_power_of_two();
        let Some(bytes) = bytes.filter(|&bytes| bytes <= 1 << 40) else {
            return fail("a circle has 1 TiB at most");
        };
        let size = Shape::smallest(longest).max(bytes as u64);
        let mut options = options.init(move |segment| {
            segment.put(LONGEST, &u64::from(longest))?;
            segment.put(SIZE, &size)
        });
        options.usual_size = Some(CIRCLE + size as usize);
        Ok(options)
    }
}

/// A channel from one sender to one receiver. See the [module](self) documentation.
#[derive(Clone)]
pub struct Ring {
    circle: Circle,
    shape: Shape,
}

impl Ring {
    /// Options to open or make one with.
    #[must_use]
    pub fn options() -> RingOptions {
        RingOptions::default()
    }

    fn new(segment: Segment) -> Result<Self> {
        let (longest, size): (u64, u64) = (segment.get(LONGEST)?, segment.get(SIZE)?);
        let len = segment.len() as u64;
        let longest = u32::try_from(longest).ok().filter(|&longest| {
            size.is_power_of_two()
                && size.checked_add(CIRCLE as u64) == Some(len)
                && Shape::smallest(longest) <= size
        });
        let Some(longest) = longest else {
            let reason = "the measures of the ring contradict each other";
            return Err(Error::new(ErrorKind::Scribbled, OPEN, segment.show(), reason)
                .advice("remove it, and have it made anew"));
        };
        let memory = Arc::new(Memory::new(segment)?);
        let circle = Circle { memory, start: CIRCLE, size };
        Ok(Self { circle, shape: Shape { size, longest } })
    }

    /// Bytes of the longest message that can be sent.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.shape.longest as usize
    }

    /// Bytes of the circle.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape.size as usize
    }

    /// Takes the sender's place.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] while a process that lives has it, this one too; [`ErrorKind::Scribbled`] if what is in
    /// the ring is no messages; [`ErrorKind::Unsupported`] if it was made in another PID namespace.
    pub fn sender(&self) -> Result<Sender> {
        let memory = &self.circle.memory;
        let place = Place::take(memory, SENDER, "sender")?;
        let tail = Tail::find(&self.shape, &self.circle, memory.word64(HEAD));
        let Some(tail) = tail else { return Err(self.scribbled(SEND)) };
        // Whoever sleeps looks who is there now.
        memory.bell(FILLED).ring();
        let sent = memory.word64(SENT).load(Ordering::Relaxed);
        Ok(Sender { ring: self.clone(), place, tail, sent, wait: Wait::default() })
    }

    /// Takes the receiver's place.
    ///
    /// # Errors
    /// As [`sender`](Self::sender).
    pub fn receiver(&self) -> Result<Receiver> {
        let memory = &self.circle.memory;
        let place = Place::take(memory, RECEIVER, "receiver")?;
        let head = Head::at(memory.word64(HEAD).load(Ordering::Acquire));
        let Some(head) = head else { return Err(self.scribbled(RECEIVE)) };
        memory.bell(DRAINED).ring();
        let received = memory.word64(RECEIVED).load(Ordering::Relaxed);
        Ok(Receiver { ring: self.clone(), place, head, received, wait: Wait::default() })
    }

    /// What can be seen from outside. No side notices.
    #[must_use]
    pub fn stat(&self) -> RingStat {
        let memory = &self.circle.memory;
        let count = |at| memory.word64(at).load(Ordering::Relaxed);
        let pid = |at| match holder(memory, at) {
            Holder::Process(mark) => Some(mark.pid()),
            Holder::Nobody | Holder::Left => None,
        };
        RingStat {
            sent: count(SENT),
            received: count(RECEIVED),
            sender: pid(SENDER),
            receiver: pid(RECEIVER),
        }
    }

    fn memory(&self) -> &Memory {
        &self.circle.memory
    }

    fn view(&self, slot: Slot) -> View<'_> {
        let at = header::BYTES + self.circle.place(slot.start());
        let mapping = self.memory().segment().mapping();
        mapping.view().range(at..at + slot.len() as usize).expect("a slot lies in the circle")
    }

    #[cold]
    fn scribbled(&self, operation: &'static str) -> Error {
        let reason = "somebody has written over the ring's own words";
        Error::new(ErrorKind::Scribbled, operation, self.memory().segment().show(), reason)
            .advice("remove it, and have it made anew")
    }

    fn lost(&self, operation: &'static str, error: folio::Error) -> Error {
        Error::mapping(operation, self.memory().segment().show(), error)
    }
}

/// The descriptor of the segment, to be sent to another process.
impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory().segment().as_fd()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("segment", self.memory().segment())
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// A ring's counters, as they were when it was looked at. Each side writes its own, and may write anything.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingStat {
    /// Messages that were sent, by all senders one after the other.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// The process that is the sender, dead or alive.
    pub sender: Option<u32>,
    /// The process that is the receiver, dead or alive.
    pub receiver: Option<u32>,
}

/// The sending side of a [`Ring`]. Dropped, it is closed: the receiver learns of it after the last message.
#[derive(Debug)]
pub struct Sender {
    ring: Ring,
    place: Place,
    tail: Tail,
    sent: u64,
    wait: Wait,
}

impl Sender {
    /// How to wait for room; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// Sends a message; waits for room.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if it is longer than the longest; if there is no room,
    /// [`ErrorKind::Closed`] or [`ErrorKind::PeerDied`] if there is no receiver any more who would make
    /// some; [`ErrorKind::Scribbled`], [`ErrorKind::Truncated`] where somebody spoilt the ring;
    /// [`ErrorKind::Invalid`] in a forked child.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        let slot = self.reserve(message.len(), None)?;
        self.send_in(slot, message)
    }

    /// Sends a message if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`ErrorKind::TimedOut`].
    pub fn send_until(&mut self, message: &[u8], deadline: Instant) -> Result<()> {
        let slot = self.reserve(message.len(), Some(deadline))?;
        self.send_in(slot, message)
    }

    /// Sends a message if there is room now. False if there is none.
    ///
    /// # Errors
    /// As [`send`](Self::send), but for those of waiting.
    pub fn try_send(&mut self, message: &[u8]) -> Result<bool> {
        match self.try_reserve(message.len())? {
            Some(slot) => self.send_in(slot, message).map(|()| true),
            None => Ok(false),
        }
    }

    /// A place for a message of so many bytes in the segment; waits for room. What is in it is left from
    /// earlier messages.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn loan(&mut self, len: usize) -> Result<Loan<'_>> {
        let slot = self.reserve(len, None)?;
        Ok(Loan { sender: self, slot })
    }

    /// The same, if there is room before the deadline.
    ///
    /// # Errors
    /// As [`send_until`](Self::send_until).
    pub fn loan_until(&mut self, len: usize, deadline: Instant) -> Result<Loan<'_>> {
        let slot = self.reserve(len, Some(deadline))?;
        Ok(Loan { sender: self, slot })
    }

    /// The same, if there is room now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    pub fn try_loan(&mut self, len: usize) -> Result<Option<Loan<'_>>> {
        let slot = self.try_reserve(len)?;
        Ok(slot.map(|slot| Loan { sender: self, slot }))
    }

    #[inline]
    fn send_in(&mut self, slot: Slot, message: &[u8]) -> Result<()> {
        let written = self.ring.view(slot).write_at(0, message);
        written.map_err(|error| self.ring.lost(SEND, error))?;
        self.publish(slot);
        Ok(())
    }

    #[inline]
    fn publish(&mut self, slot: Slot) {
        self.tail.publish(&self.ring.circle, slot);
        self.sent = self.sent.wrapping_add(1);
        let memory = self.ring.memory();
        memory.word64(SENT).store(self.sent, Ordering::Relaxed);
        memory.bell(FILLED).ring();
    }

    #[inline]
    fn try_reserve(&mut self, len: usize) -> Result<Option<Slot>> {
        self.place.is_ours(SEND)?;
        let ring = &self.ring;
        let longest = ring.longest();
        if len > longest {
            let reason = format!("the message has {len} bytes, and {longest} are the most");
            let what = ring.memory().segment().show();
            return Err(Error::new(ErrorKind::OutOfRange, SEND, what, reason)
                .advice("longest() says how many when the ring is made"));
        }
        reserve(ring, &mut self.tail, len as u32)
    }

    #[inline]
    fn reserve(&mut self, len: usize, deadline: Option<Instant>) -> Result<Slot> {
        if let Some(slot) = self.try_reserve(len)? {
            return Ok(slot);
        }
        let Self { ring, tail, wait, .. } = self;
        let ready = || reserve(ring, tail, len as u32);
        wait.until(SEND, ring.memory(), FROM_RECEIVER, deadline, ready)
    }
}

#[inline]
fn reserve(ring: &Ring, tail: &mut Tail, len: u32) -> Result<Option<Slot>> {
    match tail.reserve(&ring.shape, ring.memory().word64(HEAD), len) {
        Ok(slot) => Ok(Some(slot)),
        Err(Refusal::Full) => Ok(None),
        Err(Refusal::Scribbled) => Err(ring.scribbled(SEND)),
    }
}

/// A place for a message in the segment. Dropped without being sent, it never was.
#[derive(Debug)]
pub struct Loan<'a> {
    sender: &'a mut Sender,
    slot: Slot,
}

impl Loan<'_> {
    /// Bytes of the message.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slot.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slot.len() == 0
    }

    /// The bytes, to be written by copying.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.sender.ring.view(self.slot)
    }

    /// Copies `bytes` to position `at` of the message.
    ///
    /// # Errors
    /// As [`Segment::write_at`].
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> Result<()> {
        self.view().write_at(at, bytes).map_err(|error| self.sender.ring.lost(SEND, error))
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// No process that has the segment writes to them as long as the slice lives: the peers are trusted, which
    /// this crate otherwise does not ask for. Should one cut the segment, the bytes turn to zeros.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        let view = self.view();
        let (start, len) = (view.as_ptr().cast_mut(), view.len());
        // SAFETY: the bytes are mapped as long as the ring is, which `self` has; the mapping is guarded; any
        // bytes are valid `u8`. The slot is this side's alone until it is published, which takes `self`;
        // that peers keep to it is the caller's word.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Makes the message shorter: only its first `len` bytes are sent. Longer it does not get.
    pub fn shorten(&mut self, len: usize) {
        self.slot = self.slot.shortened(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Sends the message.
    pub fn send(self) {
        self.sender.publish(self.slot);
    }
}

/// The receiving side of a [`Ring`]. Dropped, it is closed: the sender learns of it when there is no more room.
#[derive(Debug)]
pub struct Receiver {
    ring: Ring,
    place: Place,
    head: Head,
    received: u64,
    wait: Wait,
}

impl Receiver {
    /// How to wait for messages; [`Waiting::Adaptive`] by default.
    pub fn set_waiting(&mut self, waiting: Waiting) {
        self.wait.waiting = waiting;
    }

    /// The next message; waits for it.
    ///
    /// # Errors
    /// If there is no message, [`ErrorKind::Closed`] or [`ErrorKind::PeerDied`] if there is no sender any
    /// more; one that there never was is waited for. [`ErrorKind::Scribbled`], [`ErrorKind::Truncated`] where
    /// somebody spoilt the ring; [`ErrorKind::Invalid`] in a forked child.
    pub fn recv(&mut self) -> Result<Message<'_>> {
        self.receive(None)
    }

    /// The next message, if it comes before the deadline.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`ErrorKind::TimedOut`].
    pub fn recv_until(&mut self, deadline: Instant) -> Result<Message<'_>> {
        self.receive(Some(deadline))
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for those of waiting.
    pub fn try_recv(&mut self) -> Result<Option<Message<'_>>> {
        self.place.is_ours(RECEIVE)?;
        let slot = peek(&self.ring, &self.head)?;
        if slot.is_none() {
            // A sender that went to sleep as the last message was dropped was not seen then, perhaps.
            self.ring.memory().bell(DRAINED).ring();
        }
        Ok(slot.map(|slot| Message { receiver: self, slot }))
    }

    #[inline]
    fn receive(&mut self, deadline: Option<Instant>) -> Result<Message<'_>> {
        self.place.is_ours(RECEIVE)?;
        let Self { ring, head, wait, .. } = self;
        let slot = match peek(ring, head)? {
            Some(slot) => slot,
            None => {
                ring.memory().bell(DRAINED).ring();
                let ready = || peek(ring, head);
                wait.until(RECEIVE, ring.memory(), FROM_SENDER, deadline, ready)?
            }
        };
        Ok(Message { receiver: self, slot })
    }
}

#[inline]
fn peek(ring: &Ring, head: &Head) -> Result<Option<Slot>> {
    head.peek(&ring.shape, &ring.circle).map_err(|Scribbled| ring.scribbled(RECEIVE))
}

/// A message in the segment. Dropped, its place is the sender's again.
#[derive(Debug)]
pub struct Message<'a> {
    receiver: &'a mut Receiver,
    slot: Slot,
}

impl Message<'_> {
    /// Bytes of the message.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slot.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slot.len() == 0
    }

    /// The bytes, to be read by copying. The sender's process may change them still.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.receiver.ring.view(self.slot)
    }

    /// Copies bytes from position `at` of the message into `buf`.
    ///
    /// # Errors
    /// As [`Segment::read_at`].
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        self.view().read_at(at, buf).map_err(|error| self.receiver.ring.lost(RECEIVE, error))
    }

    /// The message, copied.
    ///
    /// # Errors
    /// As [`Segment::read_at`].
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        self.view().to_vec().map_err(|error| self.receiver.ring.lost(RECEIVE, error))
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// As for [`Loan::as_mut_slice`].
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        let view = self.view();
        // SAFETY: as in `Loan::as_mut_slice`; an honest sender writes to the slot only after it has been
        // released, which takes `self`.
        unsafe { std::slice::from_raw_parts(view.as_ptr(), view.len()) }
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        let Receiver { ring, head, received, .. } = &mut *self.receiver;
        let memory = ring.memory();
        head.release(memory.word64(HEAD), self.slot);
        *received = received.wrapping_add(1);
        memory.word64(RECEIVED).store(*received, Ordering::Relaxed);
        memory.bell(DRAINED).ring_if_seen();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.place.leave();
        self.ring.memory().bell(FILLED).ring();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.place.leave();
        self.ring.memory().bell(DRAINED).ring();
    }
}
