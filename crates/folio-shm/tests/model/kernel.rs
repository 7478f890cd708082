//! The kernel of a model: processes, their sleep, their deaths, and time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::sync::{AtomicU32, Instant};
use super::watch::{Death, Then};
use crate::checker::{self, thread};

/// So often time may pass in a run. More is a wait for ever, by one who looks around now and then.
const MOST_TIMES: usize = 60;

pub struct Kernel {
    /// Changed by one at a time, in no step of its own: threads of a checker take turns.
    state: std::sync::Mutex<State>,
    /// Closed while a word is compared and its sleeper goes to bed, and while sleepers are woken.
    door: checker::Mutex<()>,
    bed: checker::Condvar,
    /// What a process has done is seen by all who see that it is dead.
    deaths: checker::AtomicU32,
}

#[derive(Default)]
struct State {
    now: Duration,
    times: usize,
    processes: Vec<Process>,
    dead: Vec<u64>,
    awake: usize,
    sleepers: Vec<Sleeper>,
    watches: Vec<Watch>,
    born: u64,
    next: u64,
    cannot_watch: bool,
}

struct Process {
    thread: thread::ThreadId,
    number: u64,
    /// Steps before it is killed.
    left: Option<usize>,
    is_gone: bool,
}

struct Sleeper {
    key: u64,
    word: usize,
    end: Option<Duration>,
    death: Option<usize>,
}

struct Watch {
    key: u64,
    number: u64,
    death: Arc<Death>,
    then: Option<Then>,
}

/// Why a thread unwinds.
struct Killed;

checker::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        state: std::sync::Mutex::default(),
        door: checker::Mutex::new(()),
        bed: checker::Condvar::new(),
        deaths: checker::AtomicU32::new(0),
    };
}

fn state() -> MutexGuard<'static, State> {
    // Lives as long as a run, and no reference is kept for longer than a line.
    KERNEL.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn this_process(&mut self) -> Option<&mut Process> {
        let this = thread::current().id();
        self.processes.iter_mut().find(|process| process.thread == this)
    }

    /// Wakes those whom `is_meant` says, at most so many.
    fn wake(&mut self, mut count: usize, is_meant: impl Fn(&Sleeper) -> bool) {
        self.sleepers.retain(|sleeper| {
            let is_woken = count > 0 && is_meant(sleeper);
            count -= usize::from(is_woken);
            self.awake += usize::from(is_woken);
            !is_woken
        });
    }

    /// Where all sleep, time passes until the first does not.
    fn rest(&mut self) {
        if self.awake > 0 || self.sleepers.is_empty() {
            return;
        }
        let end = self.sleepers.iter().filter_map(|sleeper| sleeper.end).min();
        let Some(end) = end else { panic!("all sleep, and nobody will wake them") };
        self.times += 1;
        assert!(self.times <= MOST_TIMES, "somebody waits for ever");
        self.now = self.now.max(end);
        self.wake(usize::MAX, |sleeper| sleeper.end.is_some_and(|at| at <= end));
    }
}

/// What a process does, and how many steps it lives; for ever if none are said.
pub struct Life {
    pub steps: Option<usize>,
    pub body: Box<dyn FnOnce() + Send>,
}

pub fn lives(body: impl FnOnce() + Send + 'static) -> Life {
    Life { steps: None, body: Box::new(body) }
}

pub fn dies_after(steps: usize, body: impl FnOnce() + Send + 'static) -> Life {
    Life { steps: Some(steps), body: Box::new(body) }
}

/// What a process does when the first has ended.
pub fn inherits(body: impl FnOnce() + Send + 'static) -> Life {
    lives(|| {
        wait_for_the_end_of(1);
        body();
    })
}

/// Runs processes until all have ended.
pub fn run<const COUNT: usize>(all: [Life; COUNT]) {
    state().awake = COUNT;
    let threads = all.map(|Life { steps, body }| {
        let number = {
            let mut state = state();
            state.born += 1;
            state.born
        };
        thread::spawn(move || {
            let thread = thread::current().id();
            state().processes.push(Process { thread, number, left: steps, is_gone: false });
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body))
                && !panic.is::<Killed>()
            {
                resume_unwind(panic);
            }
            end(number);
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
}

/// The number of the process that this is; 0 outside of all.
pub fn this_process() -> u64 {
    state().this_process().map_or(0, |process| process.number)
}

/// Whether the process has been killed, and is on its way out.
pub fn is_gone() -> bool {
    std::thread::panicking() && state().this_process().is_some_and(|process| process.is_gone)
}

/// Another step of the process, which others may see. Its last may have been the one before.
pub fn steps() -> bool {
    let mut state = state();
    let Some(process) = state.this_process() else { return true };
    match &mut process.left {
        _ if process.is_gone => false,
        Some(0) => {
            process.is_gone = true;
            drop(state);
            resume_unwind(Box::new(Killed))
        }
        Some(left) => {
            *left -= 1;
            true
        }
        None => true,
    }
}

/// A step that changes nothing.
pub fn breathe() {
    if steps() {
        thread::yield_now();
    }
}

/// The process is no more. What is left to do is done by those who watched it.
fn end(number: u64) {
    KERNEL.deaths.fetch_add(1, Ordering::AcqRel);
    let told: Vec<_> = {
        let mut state = state();
        state.processes.retain(|process| process.number != number);
        state.dead.push(number);
        let (told, others) = std::mem::take(&mut state.watches)
            .into_iter()
            .partition(|watch| watch.number == number);
        state.watches = others;
        told
    };
    for Watch { death, then, .. } in told {
        {
            let _door = KERNEL.door.lock().unwrap();
            death.0.store(true, Ordering::Relaxed);
            let address = Arc::as_ptr(&death) as usize;
            state().wake(usize::MAX, |sleeper| sleeper.death == Some(address));
            KERNEL.bed.notify_all();
        }
        if let Some(Then(then)) = then {
            then();
        }
    }
    let _door = KERNEL.door.lock().unwrap();
    let mut state = state();
    state.wake(usize::MAX, |sleeper| sleeper.word == number as usize);
    state.awake -= 1;
    state.rest();
    drop(state);
    KERNEL.bed.notify_all();
}

pub fn is_dead(number: u64) -> bool {
    see_deaths();
    number == 0 || state().dead.contains(&number)
}

/// From here on what the dead have done is seen.
pub fn see_deaths() {
    KERNEL.deaths.fetch_add(0, Ordering::AcqRel);
}

/// Waits until a process has ended. They are numbered from 1 on, in the order in which they were given to `run`.
pub fn wait_for_the_end_of(number: u64) {
    let door = KERNEL.door.lock().unwrap();
    if !state().dead.contains(&number) {
        // No word has such an address.
        go_to_bed(door, number as usize, None, None);
    }
    see_deaths();
}

/// From now on nobody can watch another: pidfds are to be had no more.
pub fn forbid_watching() {
    state().cannot_watch = true;
}

pub fn watch(number: u64, death: Arc<Death>, then: Option<Then>) -> Option<u64> {
    let is_dead = is_dead(number);
    let mut state = state();
    if state.cannot_watch {
        return None;
    }
    if is_dead {
        death.0.store(true, Ordering::Relaxed);
    }
    state.next += 1;
    let key = state.next;
    state.watches.push(Watch { key, number, death, then });
    Some(key)
}

pub fn unwatch(key: u64) {
    // What is dropped may want the state.
    let dropped: Vec<_> = state().watches.extract_if(.., |watch| watch.key == key).collect();
    drop(dropped);
}

pub fn now() -> Duration {
    state().now
}

/// How often time has passed in this run.
pub fn times_out() -> usize {
    state().times
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    Look,
    TimedOut,
    Lost,
}

pub fn sleep_for(word: &AtomicU32, seen: u32, most: Option<Duration>) {
    sleep(word, seen, None, most.map(|most| Instant(now()) + most));
}

pub fn sleep(word: &AtomicU32, seen: u32, death: Option<&Death>, end: Option<Instant>) -> Woken {
    if !steps() {
        return Woken::Look;
    }
    let end = end.map(|end| end.0);
    let door = KERNEL.door.lock().unwrap();
    if word.load(Ordering::SeqCst) == seen && !death.is_some_and(Death::has_come) {
        let death = death.map(|death| std::ptr::from_ref(death) as usize);
        go_to_bed(door, std::ptr::from_ref(word) as usize, end, death);
    }
    Woken::Look
}

fn go_to_bed(
    mut door: checker::MutexGuard<'_, ()>,
    word: usize,
    end: Option<Duration>,
    death: Option<usize>,
) {
    let key = {
        let mut state = state();
        state.next += 1;
        state.awake -= 1;
        let key = state.next;
        state.sleepers.push(Sleeper { key, word, end, death });
        state.rest();
        key
    };
    KERNEL.bed.notify_all();
    while state().sleepers.iter().any(|sleeper| sleeper.key == key) {
        door = KERNEL.bed.wait(door).unwrap();
    }
}

pub fn wake(word: &AtomicU32, count: u32) {
    let _door = KERNEL.door.lock().unwrap();
    let address = std::ptr::from_ref(word) as usize;
    state().wake(count as usize, |sleeper| sleeper.word == address);
    KERNEL.bed.notify_all();
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kernel")
    }
}
