//! `folio shm send`: messages into a queue, a broadcast or a journal.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use folio_shm::{Appender, Broadcast, ErrorKind, Journal, Publisher, Queue, Result, Sender};

use crate::failure::{Failure, words};
use crate::shm::arguments::{OpenChannel, Send};
use crate::shm::find::{Channel, failure};
use crate::shm::journal;
use crate::terminal;

/// The sending side, of either kind.
enum Outlet {
    Queue(Sender),
    Broadcast(Publisher),
    Journal(Appender),
}

impl Outlet {
    fn send(&mut self, message: &[u8], deadline: Option<Instant>) -> Result<()> {
        match (self, deadline) {
            (Self::Queue(sender), None) => sender.send(message),
            (Self::Queue(sender), Some(deadline)) => sender.send_until(message, deadline),
            (Self::Broadcast(publisher), None) => publisher.send(message),
            (Self::Broadcast(publisher), Some(deadline)) => publisher.send_until(message, deadline),
            (Self::Journal(appender), _) => appender.append(message).map(drop),
        }
    }

    /// Has the messages of a journal on the disk.
    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Journal(appender) => appender.flush(),
            Self::Queue(_) | Self::Broadcast(_) => Ok(()),
        }
    }

    fn open(channel: &OpenChannel) -> std::result::Result<Self, Failure> {
        if let Some(directory) = journal::directory(&channel.name) {
            return Self::append(channel, directory);
        }
        Ok(match channel.find()? {
            Channel::Queue => {
                let queue = channel.open(Queue::options())?;
                Self::Queue(queue.sender().map_err(|error| failure(&error))?)
            }
            Channel::Broadcast => {
                let broadcast = channel.open(Broadcast::options())?;
                Self::Broadcast(broadcast.publisher().map_err(|error| failure(&error))?)
            }
        })
    }

    /// Opens a journal that is there: whoever mistypes a path makes none.
    fn append(channel: &OpenChannel, directory: &Path) -> std::result::Result<Self, Failure> {
        let options = Journal::options().layout(channel.layout.unwrap_or(0));
        let any = options.clone().mode(0o777).stat(directory).map_err(|error| failure(&error))?;
        let metadata = any.files.last().and_then(|path| path.metadata().ok());
        let options = match metadata.filter(|_| channel.anybody) {
            // The next file is made as the last one is.
            Some(metadata) => options.mode(metadata.mode() & 0o777),
            None => options,
        };
        Ok(Self::Journal(options.append(directory).map_err(|error| failure(&error))?))
    }
}

/// Sends the arguments, or what is on standard input.
///
/// # Errors
/// What cannot be opened, that the sender's place is taken, what a message cannot be sent for.
pub fn run(arguments: &Send) -> std::result::Result<(), Failure> {
    let channel = &arguments.channel;
    let mut outlet = Outlet::open(channel)?;
    let sent = |sent: Result<()>| {
        sent.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => {
                channel.other("send to", "there was no room in time: wait longer (--timeout)")
            }
            ErrorKind::Closed | ErrorKind::PeerDied => {
                Failure::new(format!("{}: start another (folio shm recv)", failure(&error)))
            }
            _ => failure(&error),
        })
    };
    let deadline = || channel.timeout.map(|timeout| Instant::now() + timeout);
    if !arguments.messages.is_empty() {
        for message in &arguments.messages {
            sent(outlet.send(message.as_bytes(), deadline()))?;
        }
        return sent(outlet.flush());
    }
    let input = terminal::standard_input_file().map_err(|error| unreadable(&error))?;
    let mut input = BufReader::with_capacity(64 << 10, input);
    let mut message = Vec::new();
    if arguments.whole {
        input.read_to_end(&mut message).map_err(|error| unreadable(&error))?;
        sent(outlet.send(&message, deadline()))?;
        return sent(outlet.flush());
    }
    loop {
        message.clear();
        if input.buffer().is_empty() {
            // Before more is waited for.
            sent(outlet.flush())?;
        }
        if input.read_until(b'\n', &mut message).map_err(|error| unreadable(&error))? == 0 {
            return sent(outlet.flush());
        }
        sent(outlet.send(message.strip_suffix(b"\n").unwrap_or(&message), deadline()))?;
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(format!("cannot read standard input: {}", words(error)))
}
