//! What a signal is passed on to, in a model checker: `loom` runs each scenario in every order of its
//! threads, and with every value that the memory model lets a load see.

#[path = "../src/next.rs"]
mod next;

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use loom::thread::yield_now as spin_loop;
}

use loom::thread;
use next::{Next, Place, Words};
use sync::{AtomicU64, AtomicUsize};

/// Leaked, as the program's own is: each run of a model has a new one.
fn with_places(count: usize) -> &'static Next {
    let place = |_| Place::of(AtomicU64::new(0), [0, 0, 0].map(AtomicUsize::new));
    let places: Vec<Place> = (0..count).map(place).collect();
    let next = Next::of(AtomicU64::new(0), AtomicU64::new(0), Box::leak(places.into()));
    let next = Box::leak(Box::new(next));
    assert_eq!(next.get().0, 0);
    assert!(next.replace(0, action(1)));
    next
}

fn action(number: usize) -> Words {
    [number, number * 10, number * 100]
}

fn set(next: &Next, number: usize) -> usize {
    loop {
        let (current, words) = next.get();
        assert_eq!(words, action(words[0]), "an action nobody set");
        if next.replace(current, action(number)) {
            return words[0];
        }
    }
}

fn check(scenario: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(scenario);
}

#[test]
fn a_reader_sees_an_action_that_somebody_set_while_places_are_used_again() {
    check(|| {
        let next = with_places(2);
        let reader = thread::spawn(move || {
            let (_, words) = next.get();
            assert_eq!(words, action(words[0]), "an action nobody set");
            assert!((1..=3).contains(&words[0]));
        });
        assert_eq!(set(next, 2), 1);
        assert_eq!(set(next, 3), 2);
        reader.join().unwrap();
        assert_eq!(next.get().1, action(3));
    });
}

#[test]
fn of_two_who_change_it_each_finds_what_the_other_or_the_first_set() {
    check(|| {
        let next = with_places(3);
        let other = thread::spawn(move || set(next, 2));
        let before_own = set(next, 3);
        let before_other = other.join().unwrap();
        let last = next.get().1[0];
        let mut seen = [before_own, before_other, last];
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    });
}

#[test]
fn an_action_for_one_signal_is_taken_once() {
    check(|| {
        let next = with_places(3);
        let take = move || {
            let (number, words) = next.get();
            words[0] == 1 && next.replace(number, action(9))
        };
        let other = thread::spawn(take);
        let own = take();
        assert!(own ^ other.join().unwrap());
        assert_eq!(next.get().1, action(9));
    });
}
