//! `folio shm recv` and `tail`: messages out of a queue, and of a broadcast.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use clap::ColorChoice;
use folio_shm::{Broadcast, ErrorKind, Queue, Receiver, Result, Subscriber};

use crate::failure::Failure;
use crate::shm::arguments::{MessageOutput, Receive};
use crate::shm::find::{Channel, failure};
use crate::shm::message;
use crate::size::grouped;
use crate::terminal::{self, Out, WEAK};

/// How often it is looked whether a new sender has come, where the last has left.
const ROUNDS: Duration = Duration::from_millis(10);

/// Whether a message was written to standard output.
type Written = io::Result<()>;

/// Writes a message, before which so many were lost.
type Write<'a> = &'a mut dyn FnMut(&[u8], u64) -> Written;

/// Where messages come from.
trait Inlet {
    /// Writes the next message, if it comes before the deadline; none, if there is none now and `wait`
    /// does not hold. Says how many were lost before it.
    fn next(
        &mut self,
        wait: bool,
        deadline: Option<Instant>,
        write: Write<'_>,
    ) -> Result<Option<Written>>;
}

impl Inlet for Receiver {
    fn next(
        &mut self,
        wait: bool,
        deadline: Option<Instant>,
        write: Write<'_>,
    ) -> Result<Option<Written>> {
        let message = match (wait, deadline) {
            (false, _) => match self.try_recv()? {
                Some(message) => message,
                None => return Ok(None),
            },
            (true, None) => self.recv()?,
            (true, Some(deadline)) => self.recv_until(deadline)?,
        };
        // Before it is dropped: what was not written goes to the next receiver.
        let bytes = message.to_vec()?;
        Ok(Some(write(&bytes, 0)))
    }
}

impl Inlet for Subscriber {
    fn next(
        &mut self,
        wait: bool,
        deadline: Option<Instant>,
        write: Write<'_>,
    ) -> Result<Option<Written>> {
        let mut message = Vec::new();
        let lost = match (wait, deadline) {
            (false, _) => match self.try_recv(&mut message)? {
                Some(lost) => lost,
                None => return Ok(None),
            },
            (true, None) => self.recv(&mut message)?,
            (true, Some(deadline)) => self.recv_until(&mut message, deadline)?,
        };
        Ok(Some(write(&message, lost)))
    }
}

/// Writes the messages of a queue to standard output.
///
/// # Errors
/// What cannot be opened, that the receiver's place is taken, that the sender died or none came in time,
/// or that standard output could not be written.
pub fn recv(arguments: &Receive, color: ColorChoice) -> std::result::Result<(), Failure> {
    if arguments.channel.find()? == Channel::Broadcast {
        return Err(arguments.channel.other("receive from", "it is a broadcast: folio shm tail"));
    }
    let queue = arguments.channel.open(Queue::options())?;
    print(queue.receiver().map_err(|error| failure(&error))?, arguments, color)
}

/// Writes the messages of a broadcast to standard output, from now on.
///
/// # Errors
/// As [`recv`].
pub fn tail(arguments: &Receive, color: ColorChoice) -> std::result::Result<(), Failure> {
    if arguments.channel.find()? == Channel::Queue {
        let way_out = "it is a queue, and whoever looks takes: folio shm recv";
        return Err(arguments.channel.other("follow", way_out));
    }
    let broadcast = arguments.channel.open(Broadcast::options())?;
    print(broadcast.subscriber().map_err(|error| failure(&error))?, arguments, color)
}

fn print(
    mut inlet: impl Inlet,
    arguments: &Receive,
    color: ColorChoice,
) -> std::result::Result<(), Failure> {
    let mut out = match terminal::standard_output(ColorChoice::Never) {
        Ok(out) => out,
        Err(error) => return Failure::of_output(&error),
    };
    let output = if arguments.raw { MessageOutput::Raw } else { arguments.output };
    let mut left = arguments.count;
    let mut deadline = None;
    while left != Some(0) {
        // What is there is written before more is waited for.
        let next = match attempt(&mut inlet, false, None, &mut out, output, color) {
            Ok(None) => {
                if let Err(error) = out.flush() {
                    return Failure::of_output(&error);
                }
                let timeout = arguments.channel.timeout;
                deadline = deadline.or_else(|| timeout.map(|timeout| Instant::now() + timeout));
                attempt(&mut inlet, true, deadline, &mut out, output, color)
            }
            other => other,
        };
        match next {
            Ok(Some(Ok(()))) => {
                left = left.map(|left| left - 1);
                deadline = None;
            }
            Ok(Some(Err(error))) => return Failure::of_output(&error),
            Ok(None) => {}
            Err(error) => match error.kind() {
                ErrorKind::Closed | ErrorKind::PeerDied if arguments.follow => {
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return Err(arguments
                            .channel
                            .other("receive from", "nothing came in time"));
                    }
                    thread::sleep(ROUNDS);
                }
                ErrorKind::Closed if left.is_none() => break,
                _ => return Err(failure(&error)),
            },
        }
    }
    out.flush().or_else(|error| Failure::of_output(&error))
}

fn attempt(
    inlet: &mut impl Inlet,
    wait: bool,
    deadline: Option<Instant>,
    out: &mut Out,
    output: MessageOutput,
    color: ColorChoice,
) -> Result<Option<Written>> {
    inlet.next(wait, deadline, &mut |bytes, lost| {
        if lost > 0 && output != MessageOutput::Json {
            out.flush()?;
            let line = format!("{WEAK}{} messages were lost{WEAK:#}", grouped(lost));
            // Nobody is left to be told.
            let _ = writeln!(terminal::standard_error(color), "{line}");
        }
        message::write(out, bytes, lost, output)
    })
}
