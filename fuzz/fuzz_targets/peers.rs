//! Any words at all in a segment, in a channel and in a file of a journal, before they are opened and between
//! the steps of those who use them; on one thread, so that what is found is found again.
//!
//! What is fuzzed is that nothing panics, waits, or reaches beyond the segment: a message is no longer than the
//! longest, and the file has the length that it had. tests/scribble.rs of folio-shm does the same at the same time.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run peers -- -max_total_time=120
//! ```
#![no_main]

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use arbitrary::Arbitrary;
use folio::Memfd;
use folio_shm::{
    Broadcast, ChannelOptions, Condition, Journal, JournalOptions, LockError, Mutex, Once, Queue,
    Segment, Start,
};
use libfuzzer_sys::fuzz_target;

/// Bytes of the longest message, and of a journal's file.
const LONGEST: usize = 100;
const FILE: usize = 1024;

const HEADER: u64 = 4096;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Segment { size: u16, more: u16 },
    Queue { senders: u8, receivers: u8 },
    Broadcast { subscribers: u8, holds_back: bool },
    Journal,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    /// A word of the header.
    Header(u8),
    /// One of those behind it.
    Front(u8),
    /// One of the last.
    Back(u8),
    Any(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Value {
    Any(u64),
    Small(u8),
    /// Near the largest number.
    Last(u8),
    Bit(u8),
    /// The header of a message or of padding.
    Record(bool, u16),
    /// A process with a start that is not its own.
    Dead(u8),
    /// What lies elsewhere.
    Copy(Place),
}

#[derive(Arbitrary, Debug)]
enum Step {
    Write(Place, Value),
    /// The same, and the header's checksum is right after it.
    WriteAndSum(Place, Value),
    Cut(u16),
    Open,
    Close,
    Send(u8),
    Loan(u8, u8),
    Receive,
    Grow(u16),
    Read(u64, u8),
    Lock,
}

#[derive(Arbitrary, Debug)]
struct Input {
    kind: Kind,
    steps: Vec<Step>,
}

/// What is shared: a file that anybody may write to and cut.
struct Shared {
    file: File,
    len: u64,
    /// Where a journal lies.
    directory: Option<PathBuf>,
}

fn copy_of(made: impl AsFd) -> File {
    let made = File::from(made.as_fd().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; made.metadata().unwrap().len() as usize];
    made.read_exact_at(&mut bytes, 0).unwrap();
    // Not sealed, unlike what was made.
    let file = File::from(OwnedFd::from(Memfd::new("fuzzed").unwrap()));
    file.write_all_at(&bytes, 0).unwrap();
    file
}

fn channel<C: folio_shm::channel::options::Channel>(
    options: ChannelOptions<C>,
) -> ChannelOptions<C> {
    options.create().longest(LONGEST).bytes(512)
}

fn journal() -> JournalOptions {
    Journal::options().file_bytes(FILE).keep_bytes(3 * (FILE as u64 + HEADER))
}

impl Shared {
    fn new(kind: Kind) -> Self {
        let mut directory = None;
        let places = |count: u8| usize::from(count % 4) + 1;
        let file = match kind {
            Kind::Segment { size, more } => {
                let options = Segment::options().create().size(size.into());
                let capacity = usize::from(size) + usize::from(more);
                copy_of(options.growable(capacity).memfd("fuzzed").unwrap())
            }
            Kind::Queue { senders, receivers } => {
                let options =
                    Queue::options().senders(places(senders)).receivers(places(receivers));
                copy_of(channel(options).memfd("fuzzed").unwrap())
            }
            Kind::Broadcast { subscribers, holds_back } => {
                let options = Broadcast::options().subscribers(places(subscribers));
                let options = if holds_back { options.hold_back() } else { options };
                copy_of(channel(options).memfd("fuzzed").unwrap())
            }
            Kind::Journal => {
                let path = PathBuf::from(format!("/dev/shm/folio-fuzz-{}", std::process::id()));
                let _ = std::fs::remove_dir_all(&path);
                journal().append(&path).unwrap().append(b"first").unwrap();
                let first = path.join(format!("{:020}.journal", 0));
                directory = Some(path);
                File::options().read(true).write(true).open(first).unwrap()
            }
        };
        let len = file.metadata().unwrap().len();
        Self { file, len, directory }
    }

    fn at(&self, place: Place) -> u64 {
        let at = match place {
            Place::Header(word) => u64::from(word % 17) * 8,
            Place::Front(word) => HEADER + u64::from(word) * 8,
            Place::Back(word) => self.len.saturating_sub(u64::from(word) * 8 + 8),
            Place::Any(word) => u64::from(word) * 8,
        };
        (at % self.len) & !7
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let _ = self.file.read_at(&mut bytes, at);
        u64::from_le_bytes(bytes)
    }

    fn write(&self, place: Place, value: Value) {
        let word = match value {
            Value::Any(word) => word,
            Value::Small(word) => word.into(),
            Value::Last(word) => u64::MAX - u64::from(word),
            Value::Bit(bit) => 1 << (bit % 64),
            Value::Record(pads, len) => (1 + u64::from(pads)) << 32 | u64::from(len),
            Value::Dead(start) => u64::from(start) << 23 | 1,
            Value::Copy(place) => self.word(self.at(place)),
        };
        let _ = self.file.write_all_at(&word.to_le_bytes(), self.at(place));
    }

    fn sum(&self) {
        let mut header = [0; 72];
        if self.file.read_exact_at(&mut header, 0).is_err() {
            return;
        }
        // FNV-1a.
        let sum = header.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.file.write_all_at(&sum.to_le_bytes(), 72).unwrap();
    }

    fn cut(&self, len: u64) {
        self.file.set_len(len % self.len).unwrap();
        self.file.set_len(self.len).unwrap();
    }

    fn fd(&self) -> OwnedFd {
        self.file.as_fd().try_clone_to_owned().unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

/// Those who use it, as far as they could be had.
enum Users {
    None,
    Segment(Segment),
    Queue(Queue, Option<folio_shm::Sender>, Option<folio_shm::Receiver>),
    Broadcast(Broadcast, Option<folio_shm::Publisher>, Option<folio_shm::Subscriber>),
    Journal(Option<folio_shm::Appender>, Option<folio_shm::JournalReader>),
}

impl Users {
    fn open(shared: &Shared, kind: Kind) -> Self {
        match kind {
            Kind::Segment { .. } => {
                Segment::options().fd(shared.fd()).map_or(Self::None, Self::Segment)
            }
            Kind::Queue { .. } => Queue::options().fd(shared.fd()).map_or(Self::None, |queue| {
                let (sender, receiver) = (queue.sender().ok(), queue.receiver().ok());
                Self::Queue(queue, sender, receiver)
            }),
            Kind::Broadcast { .. } => {
                Broadcast::options().fd(shared.fd()).map_or(Self::None, |broadcast| {
                    let subscriber = broadcast.subscriber().ok();
                    let publisher = broadcast.publisher().ok();
                    Self::Broadcast(broadcast, publisher, subscriber)
                })
            }
            Kind::Journal => {
                let directory = shared.directory.as_ref().unwrap();
                let reader = journal().read(directory, Start::Oldest).ok();
                Self::Journal(journal().append(directory).ok(), reader)
            }
        }
    }

    fn send(&mut self, len: u8) {
        let message = vec![len; len.into()];
        match self {
            Self::Queue(_, Some(sender), _) => drop(sender.try_send(&message)),
            Self::Broadcast(_, Some(publisher), _) => drop(publisher.try_send(&message)),
            Self::Journal(Some(appender), _) => drop(appender.append(&message)),
            _ => {}
        }
    }

    fn loan(&mut self, len: u8, less: u8) {
        if let Self::Queue(_, Some(sender), _) = self
            && let Ok(Some(mut loan)) = sender.try_loan(len.into())
        {
            let _ = loan.write_at(less.into(), &[7; 9]);
            loan.shorten(less.into());
            let _ = loan.send();
        }
    }

    fn receive(&mut self) {
        let mut message = Vec::new();
        match self {
            Self::Queue(queue, _, Some(receiver)) => {
                if let Ok(Some(message)) = receiver.try_recv() {
                    assert!(message.len() <= queue.longest());
                    let _ = message.to_vec().map(|bytes| assert_eq!(bytes.len(), message.len()));
                }
                let _ = queue.stat();
            }
            Self::Broadcast(broadcast, _, Some(subscriber)) => {
                let _ = subscriber.try_recv(&mut message);
                assert!(message.len() <= broadcast.longest());
                let _ = broadcast.stat();
            }
            Self::Journal(_, Some(reader)) => drop(reader.try_next(&mut message)),
            _ => {}
        }
    }

    fn read(&self, at: u64, count: u8) {
        if let Self::Segment(segment) = self {
            let mut bytes = vec![0; count.into()];
            let fits = at.checked_add(count.into()).is_some_and(|end| end <= segment.len() as u64);
            assert!(fits || segment.read_at(at as usize, &mut bytes).is_err());
            let _ = segment.read_at(at as usize % (segment.len() + 1), &mut bytes);
            let _ = segment.write_at(at as usize, &bytes);
        }
    }

    fn lock(&self) {
        let Self::Segment(segment) = self else { return };
        if let Ok(mutex) = Mutex::at(segment, 0) {
            match mutex.try_lock() {
                Err(LockError::OwnerDied(guard)) => guard.mark_consistent(),
                other => drop(other),
            }
            drop(mutex.lock_until(Instant::now()));
        }
        if let Ok(condition) = Condition::at(segment, 16) {
            condition.notify_all();
        }
        let _ = Once::at(segment, 24).map(|once| once.is_done());
    }
}

fuzz_target!(|input: Input| {
    let shared = Shared::new(input.kind);
    let mut users = Users::None;
    for step in input.steps.into_iter().take(64) {
        match step {
            Step::Write(place, value) => shared.write(place, value),
            Step::WriteAndSum(place, value) => {
                shared.write(place, value);
                shared.sum();
            }
            Step::Cut(len) => shared.cut(len.into()),
            Step::Open => {
                // Those before hold the places.
                drop(std::mem::replace(&mut users, Users::None));
                users = Users::open(&shared, input.kind);
            }
            Step::Close => users = Users::None,
            Step::Send(len) => users.send(len),
            Step::Loan(len, less) => users.loan(len, less),
            Step::Receive => users.receive(),
            Step::Grow(len) => {
                if let Users::Segment(segment) = &users {
                    let _ = segment.grow(len.into());
                }
            }
            Step::Read(at, count) => users.read(at, count),
            Step::Lock => users.lock(),
        }
    }
});
