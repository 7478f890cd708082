//! `folio shm send`: messages into a queue or a broadcast.

use std::io::{self, BufRead, Read};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use folio_shm::{Broadcast, Publisher, Queue, Result, Sender};

use crate::failure::{Failure, words};
use crate::shm::arguments::Send;
use crate::shm::find::{Channel, failure};

/// The sending side, of either kind.
enum Outlet {
    Queue(Sender),
    Broadcast(Publisher),
}

impl Outlet {
    fn send(&mut self, message: &[u8], deadline: Option<Instant>) -> Result<()> {
        match (self, deadline) {
            (Self::Queue(sender), None) => sender.send(message),
            (Self::Queue(sender), Some(deadline)) => sender.send_until(message, deadline),
            (Self::Broadcast(publisher), None) => publisher.send(message),
            (Self::Broadcast(publisher), Some(deadline)) => publisher.send_until(message, deadline),
        }
    }
}

/// Sends the arguments, or what is on standard input.
///
/// # Errors
/// What cannot be opened, that the sender's place is taken, what a message cannot be sent for.
pub fn run(arguments: &Send) -> std::result::Result<(), Failure> {
    let mut outlet = match arguments.channel.find()? {
        Channel::Queue => {
            let queue = arguments.channel.open(Queue::options())?;
            Outlet::Queue(queue.sender().map_err(|error| failure(&error))?)
        }
        Channel::Broadcast => {
            let broadcast = arguments.channel.open(Broadcast::options())?;
            Outlet::Broadcast(broadcast.publisher().map_err(|error| failure(&error))?)
        }
    };
    let mut send = |message: &[u8]| {
        let deadline = arguments.channel.timeout.map(|timeout| Instant::now() + timeout);
        outlet.send(message, deadline).map_err(|error| failure(&error))
    };
    if !arguments.messages.is_empty() {
        return arguments.messages.iter().try_for_each(|message| send(message.as_bytes()));
    }
    let mut input = io::stdin().lock();
    let unreadable =
        |error: io::Error| Failure::new(format!("cannot read standard input: {}", words(&error)));
    let mut message = Vec::new();
    if arguments.whole {
        input.read_to_end(&mut message).map_err(unreadable)?;
        return send(&message);
    }
    loop {
        message.clear();
        if input.read_until(b'\n', &mut message).map_err(unreadable)? == 0 {
            return Ok(());
        }
        send(message.strip_suffix(b"\n").unwrap_or(&message))?;
    }
}
