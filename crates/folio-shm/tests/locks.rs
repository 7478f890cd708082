//! Mutex, condition and once between processes that die with them.
#![allow(unsafe_code)]

mod common;

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::{Name, rounds, soon, started};
use folio_shm::{Condition, Error, ErrorKind, LockError, Mutex, Once, Segment};

const MUTEX: usize = 0;
const CONDITION: usize = 16;
const ONCE: usize = 24;
const COUNTER: usize = 64;
const READY: usize = 72;
const TWIN: usize = 80;

fn segment(name: &Name) -> Segment {
    Segment::options().create_new().size(4096).open(&name.0).unwrap()
}

fn add(segment: &Segment, at: usize) -> u64 {
    // Not in one step: two who are not kept apart lose some.
    let mut bytes = [0; 8];
    segment.read_at(at, &mut bytes).unwrap();
    let sum = u64::from_le_bytes(bytes) + 1;
    segment.write_at(at, &sum.to_le_bytes()).unwrap();
    sum
}

fn wait_for(segment: &Segment, at: usize, value: u32) {
    let end = soon();
    while segment.view().atomic_u32(at).unwrap().load().unwrap() < value {
        assert!(Instant::now() < end, "it did not happen");
        std::thread::yield_now();
    }
}

#[test]
fn child() {
    let Some((part, name)) = common::part() else { return };
    let segment = Segment::open(&name).unwrap();
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    match part.as_str() {
        "count" => {
            for _ in 0..20_000 {
                let _guard = mutex.lock().unwrap();
                add(&segment, COUNTER);
            }
        }
        "hold" => {
            let _guard = mutex.lock().unwrap();
            add(&segment, COUNTER);
            common::say("ready");
            common::hear();
        }
        "begin" => Once::at(&segment, ONCE)
            .unwrap()
            .call(|_| {
                common::say("ready");
                common::hear();
                Ok::<(), Error>(())
            })
            .unwrap(),
        "notify" => {
            common::say("ready");
            for _ in 0..100 {
                common_turn(&segment, &mutex, 1);
            }
        }
        "churn" => loop {
            twins(&segment, &mutex);
        },
        _ => panic!("{part}"),
    }
}

/// Adds 1 to two numbers, which are equal, but for what somebody died at.
fn twins(segment: &Segment, mutex: &Mutex<'_>) -> u64 {
    let mut numbers = [0; 16];
    let guard = match mutex.lock_until(soon()) {
        Ok(guard) => {
            segment.read_at(COUNTER, &mut numbers[..8]).unwrap();
            segment.read_at(TWIN, &mut numbers[8..]).unwrap();
            assert_eq!(numbers[..8], numbers[8..], "half done, and nobody said so");
            guard
        }
        Err(LockError::OwnerDied(guard)) => {
            segment.read_at(TWIN, &mut numbers[..8]).unwrap();
            segment.write_at(COUNTER, &numbers[..8]).unwrap();
            guard.mark_consistent();
            guard
        }
        Err(error) => panic!("{error}"),
    };
    let now = add(segment, TWIN);
    assert_eq!(add(segment, COUNTER), now);
    drop(guard);
    now
}

/// Waits for its turn at a number that two raise in turns.
fn common_turn(segment: &Segment, mutex: &Mutex<'_>, turn: u64) {
    let condition = Condition::at(segment, CONDITION).unwrap();
    let mut guard = mutex.lock().unwrap();
    let mut bytes = [0; 8];
    loop {
        segment.read_at(COUNTER, &mut bytes).unwrap();
        if u64::from_le_bytes(bytes) % 2 == turn {
            break;
        }
        guard = condition.wait(guard).unwrap();
    }
    add(segment, COUNTER);
    condition.notify_one();
}

#[test]
fn one_at_a_time_has_it_among_threads_and_processes() {
    let name = Name::new();
    let segment = segment(&name);
    let mut children: Vec<_> = (0..2).map(|_| common::start("count", &name.0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mutex = Mutex::at(&segment, MUTEX).unwrap();
                for _ in 0..20_000 {
                    let _guard = mutex.lock().unwrap();
                    add(&segment, COUNTER);
                }
            });
        }
    });
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(add(&segment, COUNTER), 80_001);
}

#[test]
fn a_lock_whose_owner_was_killed_comes_with_word_of_it_until_things_are_in_order() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let child = started("hold", &name.0);
    assert!(mutex.try_lock().unwrap().is_none());
    let error = mutex.lock_until(Instant::now() + Duration::from_millis(20)).unwrap_err();
    let error = error.into_guard().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains(&format!("process {} had it", child.id())), "{error}");

    let killed = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let LockError::OwnerDied(_guard) = mutex.lock().unwrap_err() else { panic!() };
            Instant::now()
        });
        std::thread::sleep(Duration::from_millis(20));
        let killed = Instant::now();
        common::kill(child);
        let noticed = waiter.join().unwrap();
        eprintln!("noticed after {:?}", noticed - killed);
        assert!(noticed < killed + Duration::from_secs(5));
        killed
    });
    assert!(killed.elapsed() < Duration::from_secs(5));

    // Nobody has said that it is in order.
    let error = mutex.try_lock().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("died with it: put in order what it guards"), "{text}");
    error.into_guard().unwrap().mark_consistent();
    drop(mutex.lock().unwrap());

    let child = started("hold", &name.0);
    common::kill(child);
    assert!(matches!(mutex.try_lock(), Err(LockError::OwnerDied(_))));
    let error = Error::from(mutex.lock().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::OwnerDied);
}

#[test]
fn a_panic_leaves_a_lock_as_a_death_does() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = mutex.lock().unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let Err(LockError::OwnerDied(guard)) = mutex.lock() else { panic!() };
    guard.mark_consistent();
    drop(guard);
    drop(mutex.lock().unwrap());
}

#[test]
fn a_forked_child_does_not_unlock_what_its_parent_has() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let guard = mutex.lock().unwrap();
    // SAFETY: the child drops a copy of the guard, tries the lock, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the child does not use the original.
        drop(unsafe { std::ptr::read(&raw const guard) });
        let free = !matches!(mutex.try_lock(), Ok(None));
        // SAFETY: ends the child.
        unsafe { libc::_exit(free.into()) };
    }
    let mut status = -1;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child could lock it");
    drop(guard);
    assert!(mutex.try_lock().unwrap().is_some());
}

#[test]
fn two_processes_take_turns_by_a_condition() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let mut child = common::start("notify", &name.0);
    for _ in 0..100 {
        common_turn(&segment, &mutex, 0);
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(add(&segment, COUNTER), 201);
}

#[test]
fn who_waits_for_a_condition_learns_that_somebody_died_with_the_mutex() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let condition = Condition::at(&segment, CONDITION).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = mutex.lock().unwrap();
            segment.view().atomic_u32(READY).unwrap().store(1).unwrap();
            let LockError::OwnerDied(guard) = condition.wait(guard).unwrap_err() else { panic!() };
            guard.mark_consistent();
        });
        wait_for(&segment, READY, 1);
        common::kill(started("hold", &name.0));
        waiter.join().unwrap();
    });
    let guard = mutex.lock().unwrap();
    let before = Instant::now();
    let end = before + Duration::from_millis(30);
    drop(condition.wait_until(guard, end).unwrap());
    assert!(before.elapsed() >= Duration::from_millis(30));
}

#[test]
fn once_is_done_by_one_and_begun_again_where_somebody_died_at_it() {
    let name = Name::new();
    let segment = segment(&name);
    let once = Once::at(&segment, ONCE).unwrap();
    common::kill(started("begin", &name.0));
    assert!(!once.is_done());
    let failed = once.call(|attempt| {
        assert!(attempt.was_left());
        segment.write_at(1 << 20, b"x")
    });
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::OutOfRange);
    let count = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                once.call(|_| {
                    assert!(!count.swap(true, SeqCst), "twice");
                    Ok::<(), Error>(())
                })
            });
        }
    });
    assert!(once.is_done() && count.load(SeqCst));
    once.call(|_| -> Result<(), Error> { panic!("again") }).unwrap();
}

#[test]
fn processes_that_are_killed_at_any_moment_leave_no_lock_held() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let rounds = rounds(30);
    let mut children: Vec<Child> = (0..2).map(|_| common::start("churn", &name.0)).collect();
    let mut last = 0;
    for round in 0..rounds {
        std::thread::sleep(Duration::from_micros(3000 + round * 7919 % 4000));
        let victim = round as usize % 2;
        common::kill(std::mem::replace(&mut children[victim], common::start("churn", &name.0)));
        let now = twins(&segment, &mutex);
        assert!(now > last);
        last = now;
    }
    children.into_iter().for_each(common::kill);
    common::no_dead_are_watched();
}

#[test]
fn whatever_a_peer_writes_over_a_mutex_nobody_waits_beyond_a_deadline() {
    let name = Name::new();
    let segment = segment(&name);
    let mutex = Mutex::at(&segment, MUTEX).unwrap();
    let mut numbers = common::Random(0x9e37_79b9_7f4a_7c15);
    for round in 0..200 {
        let random = numbers.next();
        // Some are this process's number, or the first's, with a wrong start.
        let low = [random, 1, u64::from(std::process::id()), 1 << 22 | 1][round % 4] & 0x7f_ffff;
        segment.write_at(MUTEX, &(random & !0x7f_ffff | low).to_le_bytes()).unwrap();
        let end = Instant::now() + Duration::from_millis(100);
        match mutex.lock_until(end) {
            Ok(guard) | Err(LockError::OwnerDied(guard)) => drop(guard),
            Err(LockError::Failed(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < end + Duration::from_secs(5));
    }
}

#[test]
fn locks_that_cannot_be_there_are_errors() {
    let name = Name::new();
    let segment = segment(&name);
    let kind = |at| Mutex::at(&segment, at).unwrap_err().kind();
    assert_eq!(kind(4), ErrorKind::Invalid);
    assert_eq!(kind(4096), ErrorKind::OutOfRange);
    assert_eq!(kind(4088), ErrorKind::OutOfRange);
    assert_eq!(kind(usize::MAX - 7), ErrorKind::OutOfRange);
    Mutex::at(&segment, 4080).unwrap();
    let reader = Segment::options().read_only().open(&name.0).unwrap();
    assert_eq!(Mutex::at(&reader, 0).unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(Condition::at(&segment, 4092).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(Once::at(&segment, 4080).unwrap_err().kind(), ErrorKind::OutOfRange);
}

#[test]
fn a_lock_in_a_segment_that_is_cut_is_an_error_or_a_lock_of_ones_own() {
    let name = Name::new();
    let segment = Segment::options().create_new().size(1 << 20).open(&name.0).unwrap();
    let mutex = Mutex::at(&segment, 1 << 19).unwrap();
    drop(mutex.lock().unwrap());
    let file = std::fs::File::options().write(true).open(name.path()).unwrap();
    file.set_len(8192).unwrap();
    // Zeros stand in for it: nobody has it, and nobody else sees it.
    let guard = mutex.lock().unwrap();
    let error = mutex.lock_until(soon()).unwrap_err().into_guard().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
    drop(guard);
}
