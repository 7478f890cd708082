//! `folio shm recv` and `tail`: messages out of a queue, and of a broadcast or a journal.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::time::Instant;

use clap::ColorChoice;
use folio_shm::{ErrorKind, Queue};

use crate::failure::Failure;
use crate::shm::arguments::{MessageOutput, Receive, Tail};
use crate::shm::find::{Channel, failure};
use crate::shm::inlet::{Followed, Inlet, Next};
use crate::shm::{journal, message};
use crate::size::grouped;
use crate::terminal::{self, WEAK};

const BUFFER_BYTES: usize = 64 << 10;

/// Writes the messages of a queue to standard output.
///
/// # Errors
/// What cannot be opened, that the receiver's place is taken, that the sender died or none came in time,
/// or that standard output could not be written.
pub fn recv(arguments: &Receive, color: ColorChoice) -> Result<(), Failure> {
    let channel = &arguments.channel;
    let other = |way_out| channel.other("receive from", way_out);
    if journal::directory(&channel.name).is_some() {
        return Err(other(
            "it is a journal's path, and journals keep their messages: folio shm tail",
        ));
    }
    if channel.find()? == Channel::Broadcast {
        return Err(other("it is a broadcast: folio shm tail"));
    }
    let queue = channel.open(Queue::options())?;
    let mut receiver = queue.receiver().map_err(|error| failure(&error))?;
    receiver.set_following(arguments.follow);
    print(receiver, arguments, color)
}

/// Writes the messages of a broadcast from now on, or of a journal, to standard output.
///
/// # Errors
/// As [`recv`].
pub fn tail(arguments: &Tail, color: ColorChoice) -> Result<(), Failure> {
    let Tail { receive, from } = arguments;
    let channel = &receive.channel;
    if let Some(directory) = journal::directory(&channel.name) {
        let reader = journal::read(directory, channel.layout, *from, receive.follow)?;
        return print(Followed { reader, is_followed: receive.follow }, receive, color);
    }
    if channel.find()? == Channel::Queue {
        let way_out = "it is a queue, and whoever looks takes: folio shm recv";
        return Err(channel.other("follow", way_out));
    }
    if from.is_some() {
        let way_out = "it is a broadcast, which keeps no messages: leave out --from";
        return Err(channel.other("follow", way_out));
    }
    let broadcast = channel.open_broadcast()?;
    let mut subscriber = broadcast.subscriber().map_err(|error| failure(&error))?;
    subscriber.set_following(receive.follow);
    print(subscriber, receive, color)
}

fn print<I: Inlet>(mut inlet: I, arguments: &Receive, color: ColorChoice) -> Result<(), Failure> {
    // Bare: the bytes of messages are not to be looked at for styles.
    let mut out = match terminal::standard_output_file() {
        Ok(out) => BufWriter::with_capacity(BUFFER_BYTES, out),
        Err(error) => return Failure::of_output(&error),
    };
    let output = if arguments.raw { MessageOutput::Raw } else { arguments.output };
    // What was taken and lies in the buffer would be lost with this process.
    let is_flushed_each = I::TAKES && !is_regular_file();
    let channel = &arguments.channel;
    let mut left = arguments.count;
    let mut deadline = None;
    while left != Some(0) {
        let mut attempt = |waits, deadline, out: &mut BufWriter<File>| {
            inlet.next(waits, deadline, &mut |bytes, origin| {
                if origin.lost > 0 && output != MessageOutput::Json {
                    out.flush()?;
                    let line = format!("{WEAK}{} messages were lost{WEAK:#}", grouped(origin.lost));
                    // Nobody is left to be told.
                    let _ = writeln!(terminal::standard_error(color), "{line}");
                }
                message::write(out, bytes, origin, output)?;
                if is_flushed_each { out.flush() } else { Ok(()) }
            })
        };
        // What is there is written before more is waited for.
        let next = match attempt(false, None, &mut out) {
            Ok(Next::Nothing) => {
                if let Err(error) = out.flush() {
                    return Failure::of_output(&error);
                }
                deadline = deadline.or_else(|| channel.timeout.map(|time| Instant::now() + time));
                attempt(true, deadline, &mut out)
            }
            other => other,
        };
        match next {
            Ok(Next::Written(Ok(()))) => {
                left = left.map(|left| left - 1);
                deadline = None;
            }
            Ok(Next::Written(Err(error))) => return Failure::of_output(&error),
            Ok(Next::Nothing) => {}
            Ok(Next::Over) => match left {
                None => break,
                Some(left) => {
                    let reason = format!("it ends {} before --count: add --follow", messages(left));
                    return Err(channel.other("read", &reason));
                }
            },
            Err(error) => match error.kind() {
                ErrorKind::Closed if left.is_none() => break,
                ErrorKind::TimedOut => {
                    let reason = "no message came in time: wait longer (--timeout)";
                    return Err(channel.other("receive from", reason));
                }
                ErrorKind::Closed | ErrorKind::PeerDied => {
                    let way_out = "wait for another (--follow)";
                    return Err(Failure::new(format!("{}: {way_out}", failure(&error))));
                }
                _ => return Err(failure(&error)),
            },
        }
    }
    out.flush().or_else(|error| Failure::of_output(&error))
}

fn messages(count: u64) -> String {
    match count {
        1 => "1 message".into(),
        count => format!("{} messages", grouped(count)),
    }
}

fn is_regular_file() -> bool {
    let mode = rustix::fs::fstat(io::stdout()).map(|stat| stat.st_mode);
    mode.is_ok_and(|mode| rustix::fs::FileType::from_raw_mode(mode).is_file())
}
