//! Calls that do not return in time, what they may still do, and what becomes of their threads.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use folio_store::{
    Capabilities, Deadline, Error, ErrorKind, MemoryStore, ReadRequest, Result, Retry, Store,
};

const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

/// A store whose calls wait while it is shut.
#[derive(Clone)]
struct Gate(Arc<Inner>);

struct Inner {
    store: MemoryStore,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    shut: bool,
    waiting: usize,
    calls: usize,
    threads: HashSet<ThreadId>,
    sync_fails: bool,
}

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Inner {
            store: MemoryStore::from(vec![7; 1000]),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    fn shut(&self, shut: bool) {
        self.0.state.lock().unwrap().shut = shut;
        self.0.changed.notify_all();
    }

    fn until(&self, condition: impl Fn(&State) -> bool) {
        let state = self.0.state.lock().unwrap();
        let limit = Duration::from_secs(30);
        let (_state, expiry) =
            self.0.changed.wait_timeout_while(state, limit, |state| !condition(state)).unwrap();
        assert!(!expiry.timed_out(), "it never came to that");
    }

    fn pass(&self) {
        let mut state = self.0.state.lock().unwrap();
        state.threads.insert(thread::current().id());
        state.calls += 1;
        state.waiting += 1;
        self.0.changed.notify_all();
        while state.shut {
            state = self.0.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
        self.0.changed.notify_all();
    }
}

impl Store for Gate {
    fn name(&self) -> String {
        "gate".into()
    }
    fn len(&self) -> Result<u64> {
        self.pass();
        self.0.store.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.pass();
        self.0.store.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.pass();
        self.0.store.write_at(bytes, offset)
    }
    fn resize(&self, len: u64) -> Result<()> {
        self.pass();
        self.0.store.resize(len)
    }
    fn sync(&self) -> Result<()> {
        self.pass();
        let fails = std::mem::take(&mut self.0.state.lock().unwrap().sync_fails);
        if fails { Err(Error::new(ErrorKind::Io, "sync", "gate")) } else { Ok(()) }
    }
    fn capabilities(&self) -> Capabilities {
        self.0.store.capabilities()
    }
}

/// Makes a call that gets stuck: one that was given up has also been begun.
fn stick<T>(gate: &Gate, store: &Deadline<Gate>, call: impl Fn(&Deadline<Gate>) -> Result<T>) {
    let waiting = || gate.0.state.lock().unwrap().waiting;
    let (waiting_before, stuck_before) = (waiting(), store.stuck());
    for _ in 0..100 {
        assert_eq!(call(store).err().unwrap().kind(), ErrorKind::Timeout);
        until(|| waiting() > waiting_before || store.stuck() == stuck_before);
        if waiting() > waiting_before {
            return;
        }
    }
    panic!("it never reaches the store");
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "it never came to that");
        thread::yield_now();
    }
}

#[test]
fn every_call_that_does_not_return_in_time_is_an_error_that_names_the_deadline() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap();
    gate.shut(true);
    type Call = fn(&Deadline<Gate>) -> Result<()>;
    let calls: [(&str, Call); 8] = [
        ("ask for the length of gate: ", |store| store.len().map(drop)),
        ("read gate, bytes 5..15: ", |store| store.read_at(&mut [0; 10], 5).map(drop)),
        ("read gate, bytes 5..15: ", |store| store.read_full_at(&mut [0; 10], 5).map(drop)),
        ("read gate, bytes 7..17: ", |store| {
            let mut bytes = [0; 10];
            let mut requests = [ReadRequest::new(&mut bytes, 7)];
            store.read_many(&mut requests);
            requests[0].outcome.clone().map(drop)
        }),
        ("write gate, bytes 5..15: ", |store| store.write_at(&[0; 10], 5).map(drop)),
        ("write gate, bytes 50..60: ", |store| store.write_all_at(&[0; 10], 50)),
        ("resize gate: ", |store| store.resize(10)),
        ("sync gate: ", |store| store.sync()),
    ];
    for (text, call) in calls {
        let start = Instant::now();
        let error = call(&store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().starts_with(&format!("cannot {text}")), "{error}");
        assert!(error.to_string().contains("within the deadline of 20ms"), "{error}");
        assert!((SOON..LONG).contains(&start.elapsed()));
    }
    gate.shut(false);
}

#[test]
fn what_returns_late_harms_nobody() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap();
    gate.shut(true);
    let mut bytes = [1; 10];
    stick(&gate, &store, |store| store.read_at(&mut [0; 10], 0));
    store.read_at(&mut bytes, 0).unwrap_err();
    gate.shut(false);
    until(|| store.stuck() == 0);
    assert_eq!(bytes, [1; 10]);
    assert_eq!(store.read_at(&mut bytes, 0).unwrap(), 10);
    assert_eq!(bytes, [7; 10]);
}

#[test]
fn no_more_calls_are_stuck_than_allowed_and_others_fail_at_once() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap().most_stuck(3);
    gate.shut(true);
    for _ in 0..3 {
        stick(&gate, &store, |store| store.read_at(&mut [0], 0));
    }
    for _ in 0..10 {
        let error = store.read_at(&mut [0], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("3 calls have not returned"), "{error}");
    }
    assert_eq!((store.stuck(), gate.0.state.lock().unwrap().calls), (3, 3));
    gate.shut(false);
    until(|| store.stuck() == 0);
    store.read_at(&mut [0], 0).unwrap();
}

#[test]
fn threads_are_used_again() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), LONG).unwrap();
    for _ in 0..500 {
        store.read_at(&mut [0], 0).unwrap();
    }
    let threads = gate.0.state.lock().unwrap().threads.clone();
    // A worker that has just answered may not yet be back when the next call comes.
    assert!(threads.len() < 50, "{} threads for 500 calls", threads.len());
    assert!(!threads.contains(&thread::current().id()));
}

#[test]
fn calls_run_at_the_same_time() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), LONG).unwrap();
    gate.shut(true);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| store.read_at(&mut [0; 10], 0).unwrap());
        }
        gate.until(|state| state.waiting == 20);
        gate.shut(false);
    });
}

#[test]
fn a_write_that_was_given_up_never_lands_on_a_newer_one() {
    let gate = Gate::new();
    let store = Arc::new(Deadline::new(gate.clone(), SOON).unwrap());
    gate.shut(true);
    stick(&gate, &store, |store| store.write_all_at(&[1; 10], 100));
    // Over the same bytes: waits, and does not reach the store. Elsewhere: it does.
    let error = store.write_all_at(&[2; 10], 105).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("an earlier call"), "{error}");
    let error = store.resize(50).unwrap_err();
    assert!(error.to_string().contains("an earlier call"), "{error}");
    assert_eq!((store.stuck(), gate.0.state.lock().unwrap().calls), (1, 1));
    stick(&gate, &store, |store| store.write_all_at(&[3; 10], 110));
    assert_eq!((store.stuck(), gate.0.state.lock().unwrap().calls), (2, 2));

    let newer = Retry::new(store.clone()).attempts(u32::MAX).limit(LONG);
    thread::scope(|scope| {
        let newer = scope.spawn(|| newer.write_all_at(&[4; 10], 100));
        gate.shut(false);
        newer.join().unwrap().unwrap();
    });
    until(|| store.stuck() == 0);
    let mut bytes = [0; 20];
    store.read_full_at(&mut bytes, 100).unwrap();
    assert_eq!(bytes[..10], [4; 10]);
    assert_eq!(bytes[10..], [3; 10]);
}

#[test]
fn a_sync_that_fails_after_it_was_given_up_is_reported_by_the_next() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap();
    gate.shut(true);
    gate.0.state.lock().unwrap().sync_fails = true;
    stick(&gate, &store, |store| store.sync());
    let error = store.sync().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("an earlier call"), "{error}");
    gate.shut(false);
    until(|| store.stuck() == 0);
    assert_eq!(store.sync().unwrap_err().kind(), ErrorKind::Io);
    store.sync().unwrap();
}

#[test]
fn a_sync_may_have_longer() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap().sync_limit(LONG);
    gate.shut(true);
    thread::scope(|scope| {
        let sync = scope.spawn(|| store.sync());
        store.read_at(&mut [0], 0).unwrap_err();
        gate.shut(false);
        sync.join().unwrap().unwrap();
    });
}

#[test]
fn dropping_it_does_not_wait_for_calls_that_are_stuck() {
    let gate = Gate::new();
    let store = Deadline::new(gate.clone(), SOON).unwrap();
    gate.shut(true);
    stick(&gate, &store, |store| store.read_at(&mut [0], 0));
    drop(store);
    assert_eq!(Arc::strong_count(&gate.0), 2, "the stuck call still has the store");
    gate.shut(false);
    until(|| Arc::strong_count(&gate.0) == 1);
}

#[test]
fn dropping_it_drops_the_store_at_once_where_nothing_is_stuck() {
    for _ in 0..100 {
        let gate = Gate::new();
        let store = Deadline::new(gate.clone(), LONG).unwrap();
        store.read_at(&mut [0], 0).unwrap();
        drop(store);
        assert_eq!(Arc::strong_count(&gate.0), 1);
    }
}

#[test]
fn a_store_that_panics_is_an_error() {
    struct Panics;
    impl Store for Panics {
        fn name(&self) -> String {
            "panics".into()
        }
        fn len(&self) -> Result<u64> {
            panic!("on purpose")
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> Result<usize> {
            panic!("on purpose")
        }
        fn capabilities(&self) -> Capabilities {
            Capabilities::new(folio_store::Cost::Memory)
        }
    }
    let store = Deadline::new(Panics, LONG).unwrap();
    let error = store.read_at(&mut [0], 0).unwrap_err();
    assert_eq!(error.to_string(), "cannot read panics: the store panicked");
    store.len().unwrap_err();
}

#[test]
fn long_reads_and_writes_are_whole() {
    let store = Deadline::new(MemoryStore::from(Vec::new()), LONG).unwrap();
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|index| (index >> 7) as u8).collect();
    store.write_all_at(&bytes, 3).unwrap();
    let mut read = vec![0; 20_000_001];
    assert_eq!(store.read_full_at(&mut read, 3).unwrap(), 20_000_000);
    assert!(read[..20_000_000] == bytes);
}

#[test]
fn calls_given_up_before_they_began_leave_nothing_behind() {
    let store = Deadline::new(Gate::new(), Duration::ZERO).unwrap().most_stuck(1000);
    for offset in 0..500 {
        // At once too late; a few may be done all the same.
        let _ = store.write_at(&[1], offset);
    }
    until(|| store.stuck() == 0);
}

#[test]
fn a_deadline_for_ever_is_one() {
    let store = Deadline::new(MemoryStore::from(vec![7; 10]), Duration::MAX).unwrap();
    assert_eq!(store.read_full_at(&mut [0; 10], 0).unwrap(), 10);
}
