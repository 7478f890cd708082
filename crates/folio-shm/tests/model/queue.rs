//! A queue of a model, and what became of its messages.

use std::sync::{Arc, Mutex, PoisonError};

use super::channel::lane::Shape;
use super::channel::link::{BYTES, Link};
use super::channel::memory::{Circle, Memory};
use super::channel::place::Places;
use super::channel::receiver::{Receiver, Taking};
use super::channel::sender::Sender;
use super::channel::wait::{Peer, Waiting};
use super::error::{Error, ErrorKind, Result};
use super::segment::Segment;

/// Two messages of 16 bytes fill it.
const SHAPE: Shape = Shape { size: 64, longest: 16 };

const FILLED: usize = 0;
const RECEIVERS: usize = 8;

/// What became of a message, as the processes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is going to be sent.
    Sending(u64),
    Sent(u64),
    /// A process has it.
    Received(u64, u64),
    /// And has given its place back.
    Dropped(u64, u64),
}

/// A queue of a model.
#[derive(Clone)]
pub struct Queue {
    memory: Arc<Memory>,
    senders: usize,
    receivers: usize,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Queue {
    pub fn new(senders: usize, receivers: usize) -> Self {
        let links = RECEIVERS + receivers * 8;
        let bells = (0..senders).map(|index| links + index * BYTES + 128);
        let halves: Vec<_> = bells.chain([FILLED]).collect();
        let len = links + senders * (BYTES + SHAPE.size as usize) + 8;
        let memory = Arc::new(Memory(Segment::new(len, &halves)));
        Self { memory, senders, receivers, events: Arc::default() }
    }

    fn sender_places(&self) -> Places {
        Places { start: RECEIVERS + self.receivers * 8, stride: BYTES, count: self.senders }
    }

    fn receiver_places(&self) -> Places {
        Places { start: RECEIVERS, stride: 8, count: self.receivers }
    }

    fn link(&self, index: usize) -> Link {
        let start = self.sender_places().start + self.senders * BYTES;
        let start = start + index * SHAPE.size as usize;
        let circle = Circle { memory: self.memory.clone(), start, size: SHAPE.size };
        let base = self.sender_places().start + index * BYTES;
        Link { circle, shape: SHAPE, base, filled: FILLED }
    }

    /// As `Queue::sender` has it.
    pub fn sender(&self) -> Result<Sender> {
        let (place, index) = self.sender_places().take(&self.memory, "sender")?;
        let link = self.link(index);
        let (places, bell) = (self.receiver_places(), link.drained_at());
        let peer = Peer { places, bell, side: "receiver", always_rings: false };
        let mut sender = Sender::new(link, place, peer, false)?;
        sender.set_waiting(Waiting::Sleep);
        Ok(sender)
    }

    /// As `Queue::receiver` has it.
    pub fn receiver(&self) -> Result<Receiver> {
        let (place, _) = self.receiver_places().take(&self.memory, "receiver")?;
        let links = (0..self.senders).map(|index| self.link(index)).collect();
        let is_alone = self.receivers == 1;
        let always_rings = is_alone && self.senders == 1;
        let peer =
            Peer { places: self.sender_places(), bell: FILLED, side: "sender", always_rings };
        let taking = if is_alone { Taking::Alone } else { Taking::Claiming };
        let mut receiver = Receiver::new(links, place, peer, taking)?;
        receiver.set_waiting(Waiting::Sleep);
        Ok(receiver)
    }

    fn say(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends these messages.
    pub fn send(&self, sender: &mut Sender, messages: impl IntoIterator<Item = u64>) -> Result<()> {
        for message in messages {
            self.say(Event::Sending(message));
            sender.send(&[message as u8; 16])?;
            self.say(Event::Sent(message));
        }
        Ok(())
    }

    /// Receives messages until there are no more, and no sender.
    pub fn receive(&self, receiver: &mut Receiver) -> ErrorKind {
        loop {
            if let Err(error) = self.receive_one(receiver) {
                return error.kind();
            }
        }
    }

    pub fn receive_one(&self, receiver: &mut Receiver) -> Result<u64, Error> {
        let who = super::kernel::this_process();
        let message = receiver.recv()?;
        let bytes = message.to_vec().unwrap();
        assert!(bytes.len() == 16 && bytes.iter().all(|&byte| byte == bytes[0]), "{bytes:?}");
        let number = bytes[0].into();
        self.say(Event::Received(who, number));
        drop(message);
        self.say(Event::Dropped(who, number));
        Ok(number)
    }

    /// Whether some process has received it.
    pub fn has_received(&self, message: u64) -> bool {
        let is_it = |&event: &Event| matches!(event, Event::Received(_, it) if it == message);
        self.events().iter().any(is_it)
    }

    /// How many have been received, as the queue counts them.
    pub fn count_received(&self) -> u64 {
        (0..self.senders).map(|index| self.link(index).received()).sum()
    }

    /// That each message that was sent was received by one, in order; and those that were perhaps sent by one or none. A
    /// receiver that died with a message had it for nothing. `lanes` says which messages are of one sender.
    pub fn check(&self, lanes: impl Fn(u64) -> u64) {
        let events = self.events();
        let index_of = |event| events.iter().position(|&it| it == event);
        let received: Vec<_> = events
            .iter()
            .filter_map(|&event| match event {
                Event::Received(who, message) => Some((who, message)),
                _ => None,
            })
            .collect();
        for &event in &events {
            if let Event::Sent(message) = event {
                assert!(received.iter().any(|&(_, it)| it == message), "lost: {events:?}");
            }
        }
        for (index, &(who, message)) in received.iter().enumerate() {
            assert!(index_of(Event::Sending(message)).is_some(), "never sent: {events:?}");
            // Who received it before had it until it died.
            for &(other, it) in &received[..index] {
                let is_done = index_of(Event::Dropped(other, it)).is_some();
                assert!(it != message || !is_done && other != who, "twice: {events:?}");
                // What came before it was at least received before.
                let is_order = lanes(it) != lanes(message) || it <= message;
                assert!(is_order, "out of order: {events:?}");
            }
        }
    }
}
