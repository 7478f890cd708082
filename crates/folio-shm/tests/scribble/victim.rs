//! The victim: what users of a segment do all day, in threads of a process of its own.
//!
//! Each step is one that its documentation bounds: it does not wait, or waits until a deadline. A thread that
//! takes longer over one ends the process, with word of where it was. That a step fails is no matter; that it
//! fails in one line is.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex as Lock};
use std::time::{Duration, Instant};

use folio_shm::{
    Broadcast, Channel, ChannelOptions, Condition, Error, Journal, LockError, Mutex, Once, Queue,
    RelPtr, Segment, Start, Waiting,
};

use super::common::Random;
use super::{LONGEST, place};

/// How long a step may take on a machine that does other things too. Each deadline is in milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

type Result<T = (), E = Error> = std::result::Result<T, E>;

/// What a thread is at, and since when.
#[derive(Clone, Debug)]
struct Steps(Arc<Lock<(&'static str, Instant)>>);

impl Steps {
    fn begin(&self, step: &'static str) {
        *self.0.lock().unwrap() = (step, Instant::now());
    }
}

/// One thread of the victim.
struct User {
    steps: Steps,
    random: Random,
    end: Instant,
    /// How many steps were taken, and how many of them failed.
    taken: u64,
    failed: u64,
}

impl User {
    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.steps.begin(name);
        self.taken += 1;
        let result = work();
        if let Err(error) = &result {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
        result
    }

    /// Does something for some while again and again, each time from the beginning.
    fn repeat(&mut self, mut round: impl FnMut(&mut Self) -> Result) {
        while self.goes_on() {
            if round(self).is_err() {
                self.failed += 1;
            }
        }
        self.steps.begin("the end");
    }

    fn message(&mut self, longest: usize) -> Vec<u8> {
        let len = self.random.below(longest as u64 + 1) as usize;
        vec![self.random.next() as u8; len]
    }

    fn waiting(&mut self) -> Waiting {
        [Waiting::Adaptive, Waiting::Sleep, Waiting::Busy][self.random.below(3) as usize]
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(2)
}

/// Uses what lies at a place until the time is up, and says how it went.
pub(crate) fn run(kind: &str, at: &str, seed: u64, end: Instant) -> String {
    type Role = fn(&mut User, &str);
    let roles: &[Role] = match kind {
        "segment" => &[use_segment, use_segment],
        "queue" => &[send, receive],
        "crowd" => &[send, send, receive, receive],
        "broadcast" => &[publish, subscribe, subscribe],
        "locks" => &[use_locks, use_locks],
        "journal" => &[append, read],
        "names" => &[use_names, use_names],
        _ => panic!("{kind}"),
    };
    let steps: Vec<_> = roles
        .iter()
        .map(|_| Steps(Arc::new(Lock::new(("the beginning", Instant::now())))))
        .collect();
    watch(steps.clone());
    let users: Vec<_> = std::thread::scope(|scope| {
        let work = |(index, role): (usize, &Role)| {
            let (steps, role) = (steps[index].clone(), *role);
            let random = Random(seed.wrapping_add(index as u64));
            scope.spawn(move || {
                let mut user = User { steps, random, end, taken: 0, failed: 0 };
                role(&mut user, at);
                user
            })
        };
        let users: Vec<_> = roles.iter().enumerate().map(work).collect();
        users.into_iter().map(|user| user.join().expect("a panic")).collect()
    });
    let (taken, failed) =
        users.iter().fold((0, 0), |sum, user| (sum.0 + user.taken, sum.1 + user.failed));
    format!("{taken} steps, {failed} rounds ended with an error")
}

/// Ends the process where a thread does not get on.
fn watch(all: Vec<Steps>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            for steps in &all {
                let (step, since) = *steps.0.lock().unwrap();
                if since.elapsed() > LIMIT && step != "the end" {
                    eprintln!("stuck for {LIMIT:?} at: {step}\n{}", threads());
                    std::process::abort();
                }
            }
        }
    });
}

/// Where each thread is in the kernel, if it is there.
fn threads() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let line = |task: std::fs::DirEntry| {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        format!("{} {}", read("comm").trim_end(), read("syscall").trim_end())
    };
    tasks.map(line).collect::<Vec<_>>().join("\n")
}

fn channel<C: Channel>(options: &ChannelOptions<C>, at: &str) -> Result<C> {
    match place(at) {
        Some(fd) => options.fd(fd),
        None => options.open(at),
    }
}

fn send(user: &mut User, at: &str) {
    user.repeat(|user| {
        let queue = user.step("open a queue", || channel(&Queue::options(), at))?;
        let mut sender = user.step("take a sender's place", || queue.sender())?;
        sender.set_waiting(user.waiting());
        let longest = queue.longest().min(LONGEST);
        for _ in 0..50 {
            let message = user.message(longest);
            match user.random.below(20) {
                19 => user.step("poll for room", || sender.ready_fd(longest).map(drop))?,
                0..5 => user.step("try_send", || sender.try_send(&message).map(drop))?,
                5..10 => user.step("try_loan", || {
                    let Some(mut loan) = sender.try_loan(longest)? else { return Ok(()) };
                    loan.write_at(0, &message)?;
                    loan.shorten(message.len());
                    loan.send()
                })?,
                10..14 => user.step("loan_until", || sender.loan_until(9, soon()).map(drop))?,
                _ => user.step("send_until", || sender.send_until(&message, soon()))?,
            }
        }
        user.step("stat", || Ok(queue.stat())).map(drop)
    });
}

fn receive(user: &mut User, at: &str) {
    user.repeat(|user| {
        let queue = user.step("open a queue", || channel(&Queue::options(), at))?;
        let mut receiver = user.step("take a receiver's place", || queue.receiver())?;
        receiver.set_waiting(user.waiting());
        for _ in 0..50 {
            let choice = user.random.below(20);
            user.step("receive", || {
                if choice == 0 {
                    receiver.ready_fd()?;
                }
                let message = if choice < 10 {
                    receiver.recv_until(soon())?
                } else {
                    let Some(message) = receiver.try_recv()? else { return Ok(()) };
                    message
                };
                assert!(message.len() <= queue.longest());
                assert_eq!(message.to_vec()?.len(), message.len());
                let _ = message.value::<[u64; 4]>();
                let beyond = message.read_at(message.len(), &mut [0]).unwrap_err();
                assert_eq!(beyond.to_string().lines().count(), 1);
                Ok(())
            })?;
        }
        Ok(())
    });
}

fn publish(user: &mut User, at: &str) {
    user.repeat(|user| {
        let broadcast = user.step("open a broadcast", || channel(&Broadcast::options(), at))?;
        let mut publisher = user.step("take the publisher's place", || broadcast.publisher())?;
        publisher.set_waiting(user.waiting());
        for _ in 0..50 {
            let message = user.message(broadcast.longest().min(LONGEST));
            match user.random.below(20) {
                19 => user.step("poll for room", || publisher.ready_fd(9).map(drop))?,
                0..5 => user.step("try to publish", || publisher.try_send(&message).map(drop))?,
                5..10 => user.step("publish what is lent", || {
                    let loan = publisher.loan_until(message.len(), soon())?;
                    loan.write_at(0, &message)?;
                    loan.send()
                })?,
                _ => user.step("publish", || publisher.send_until(&message, soon()))?,
            }
        }
        user.step("stat", || Ok(broadcast.stat())).map(drop)
    });
}

fn subscribe(user: &mut User, at: &str) {
    user.repeat(|user| {
        let mut message = Vec::new();
        // Some only look on.
        let looks_on = place(at).is_none() && user.random.below(3) == 0;
        let options = Broadcast::options().segment(|segment| match looks_on {
            true => segment.read_only(),
            false => segment,
        });
        let broadcast = user.step("open a broadcast", || channel(&options, at))?;
        let mut subscriber = user.step("take a subscriber's place", || broadcast.subscriber())?;
        subscriber.set_waiting(user.waiting());
        for _ in 0..50 {
            match user.random.below(20) {
                19 => user.step("poll", || subscriber.ready_fd().map(drop))?,
                0..7 => user.step("try to hear", || subscriber.try_recv(&mut message).map(drop))?,
                7..14 => user.step("look", || {
                    let Some(found) = subscriber.try_recv_in_place()? else { return Ok(()) };
                    assert!(found.len() <= broadcast.longest());
                    found.to_vec().map(|bytes| assert_eq!(bytes.len(), found.len()))
                })?,
                _ => user.step("hear", || subscriber.recv_until(&mut message, soon()).map(drop))?,
            }
            assert!(message.len() <= broadcast.longest());
        }
        Ok(())
    });
}

fn open(at: &str) -> Result<Segment> {
    match place(at) {
        Some(fd) => Segment::options().fd(fd),
        None => Segment::open(at),
    }
}

fn use_segment(user: &mut User, at: &str) {
    user.repeat(|user| {
        let segment = user.step("open a segment", || open(at))?;
        let mut bytes = vec![0; 300];
        for _ in 0..50 {
            // Near the end, beyond it, and anywhere.
            let len = segment.len() as u64;
            let at = match user.random.below(3) {
                0 => len.saturating_sub(user.random.below(600)),
                1 => user.random.next(),
                _ => user.random.below(len.max(1)),
            } as usize;
            user.step("use a segment", || {
                let _ = segment.read_at(at, &mut bytes);
                let _ = segment.write_at(at, &bytes);
                let _ = segment.get::<[u64; 3]>(at);
                let _ = segment.grow(at % 40_000);
                if let Ok(word) = segment.view().atomic_u64(at & !7) {
                    let _ = word.fetch_add(1);
                }
                let mut pointer: RelPtr<RelPtr<u64>> = RelPtr::at(at & 0xff);
                for _ in 0..10 {
                    let Ok(next) = pointer.get(&segment) else { break };
                    let _ = next.get(&segment);
                    pointer = RelPtr::at(next.position().unwrap_or_default()).nth(3);
                }
                Ok(())
            })?;
        }
        Ok(())
    });
}

fn use_locks(user: &mut User, at: &str) {
    user.repeat(|user| {
        let segment = user.step("open a segment", || open(at))?;
        let mutex = Mutex::at(&segment, 0)?;
        let condition = Condition::at(&segment, 16)?;
        let once = Once::at(&segment, 24)?;
        for _ in 0..20 {
            let choice = user.random.below(6);
            let step = || -> Result<(), LockError<'_>> {
                match choice {
                    0 => drop(mutex.try_lock()?),
                    // What it waits for in the end has no deadline: the enemy rests now and then.
                    1 => drop(condition.wait_until(mutex.lock_until(soon())?, soon())?),
                    2 => once.call(|_| Ok::<_, Error>(())).map_err(LockError::Failed)?,
                    3 => condition.notify_all(),
                    _ => drop(mutex.lock_until(soon())?),
                }
                Ok(())
            };
            let name = ["try_lock", "wait_until", "once", "notify", "lock_until", "lock_until"];
            user.step(name[choice as usize], || match step() {
                Err(LockError::OwnerDied(guard)) => {
                    guard.mark_consistent();
                    Ok(())
                }
                other => other.map_err(Error::from),
            })?;
        }
        Ok(())
    });
}

fn journal() -> folio_shm::JournalOptions {
    Journal::options().file_bytes(8192).keep_bytes(50_000)
}

fn append(user: &mut User, at: &str) {
    user.repeat(|user| {
        let mut appender = user.step("begin to append", || journal().append(at))?;
        for _ in 0..100 {
            let message = user.message(LONGEST);
            user.step("append", || appender.append(&message))?;
        }
        user.step("flush", || appender.flush())
    });
}

fn read(user: &mut User, at: &str) {
    let mut message = Vec::new();
    user.repeat(|user| {
        let start = match user.random.below(3) {
            0 => Start::Oldest,
            1 => Start::Newest,
            _ => Start::Sequence(user.random.next() >> user.random.below(64)),
        };
        let mut reader = user.step("begin to read", || journal().read(at, start))?;
        for _ in 0..100 {
            user.step("read", || reader.next_until(&mut message, soon()))?;
        }
        Ok(())
    });
}

fn use_names(user: &mut User, at: &str) {
    user.repeat(|user| {
        let choice = user.random.below(8);
        let options = Segment::options();
        let opened = user.step("open or make", || match choice {
            0 => options.create_new().size(100).open(at),
            1 => options.create().size(100).growable(10_000).open(at),
            2 => options.create().size(100).unlink_on_last_close().open(at),
            3 => options.read_only().owned_by_anybody().mode(0o777).open(at),
            4 => Queue::options().create().open(at).and_then(|queue| {
                let fd = queue.as_fd().try_clone_to_owned().unwrap();
                Segment::options().fd(fd)
            }),
            _ => options.open(at),
        });
        match choice {
            0 => user.step("unlink", || Segment::unlink(at))?,
            1 => user.step("list", || {
                let found = folio_shm::list()?;
                found.iter().for_each(|found| {
                    assert!(found.kind() != folio_shm::Kind::Queue || found.created().is_some())
                });
                Ok(())
            })?,
            2 => user.step("gc", || folio_shm::gc().map(drop))?,
            _ => {}
        }
        user.step("use a segment", || opened?.read_at(0, &mut [0; 100]))?;
        assert!(Path::new("/dev/shm").exists());
        Ok(())
    });
}
