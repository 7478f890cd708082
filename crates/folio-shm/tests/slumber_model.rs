//! The slumber in a model checker: `loom` runs a sleeper and the thread that makes the rounds in every order of their steps.
//! Whoever sleeps is rung for, whatever was seen of it before.

#[allow(dead_code)]
#[path = "../src/slumber.rs"]
mod slumber;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
}

use loom::sync::{Arc, Mutex};
use loom::thread;

use slumber::Slumber;
use sync::AtomicU32;

/// A sleeper, and what the watch has of it.
struct Watch {
    slumber: Slumber,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    seen: u32,
    /// Whether there will be another round.
    is_due: bool,
    is_closed: bool,
}

impl Watch {
    fn new() -> Arc<Self> {
        let table = Mutex::new(Table::default());
        Arc::new(Self { slumber: Slumber(AtomicU32::new(0)), table })
    }

    /// As `Watched::slumber` begins.
    fn begin(&self) -> bool {
        self.slumber.begin() || self.asks() && self.slumber.begin()
    }

    fn asks(&self) -> bool {
        let mut table = self.table.lock().unwrap();
        if !table.is_closed {
            table.is_due = true;
            self.slumber.ask();
        }
        !table.is_closed
    }

    /// As the watch makes it, if it is due; whether it rings.
    fn round(&self) -> bool {
        let mut table = self.table.lock().unwrap();
        if !table.is_due {
            return false;
        }
        let rings = self.slumber.look(&mut table.seen);
        table.is_due = self.slumber.is_looked_after();
        rings
    }

    fn close(&self) -> bool {
        let mut table = self.table.lock().unwrap();
        table.is_closed = true;
        self.slumber.forsake()
    }
}

/// A thread that sleeps, if it can, awakes, and tells whether it sleeps again.
fn sleep_twice(watch: &Arc<Watch>) -> thread::JoinHandle<bool> {
    let watch = watch.clone();
    thread::spawn(move || {
        if watch.begin() {
            watch.slumber.end();
        }
        watch.begin()
    })
}

#[test]
fn who_sleeps_is_rung_for_within_two_rounds_whatever_came_before() {
    loom::model(|| {
        let watch = Watch::new();
        let sleeper = sleep_twice(&watch);
        for _ in 0..3 {
            watch.round();
        }
        // It may find that nobody looks after it just after it has asked: then it has a timer.
        if sleeper.join().unwrap() {
            let (first, second) = (watch.round(), watch.round());
            assert!(first || second, "nobody rings for it");
            assert!(watch.round(), "and not again");
        }
    });
}

#[test]
fn who_sleeps_when_the_rounds_end_is_rung_for_and_nobody_goes_to_sleep_after() {
    loom::model(|| {
        let watch = Watch::new();
        let sleeper = sleep_twice(&watch);
        watch.round();
        let rings = watch.close();
        let sleeps = sleeper.join().unwrap();
        assert!(rings || !sleeps, "nobody will ring for it");
        assert!(!watch.slumber.is_looked_after() && !watch.begin());
    });
}
