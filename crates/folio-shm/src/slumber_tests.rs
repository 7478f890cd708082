//! What becomes of a sleeper at each round.

use crate::slumber::Slumber;
use crate::sync::AtomicU32;

fn looked_after() -> Slumber {
    let slumber = Slumber::default();
    assert!(!slumber.begin(), "nobody looks after it");
    slumber.ask();
    slumber
}

#[test]
fn who_sleeps_from_one_round_to_the_next_is_rung_for_and_nobody_else() {
    let (slumber, mut seen) = (looked_after(), 0);
    assert!(!slumber.look(&mut seen), "it is awake");
    assert!(slumber.begin());
    assert!(!slumber.look(&mut seen), "it has just gone to sleep");
    assert!(slumber.look(&mut seen) && slumber.look(&mut seen));
    slumber.end();
    assert!(slumber.begin());
    assert!(!slumber.look(&mut seen), "it is another sleep");
}

#[test]
fn who_has_been_awake_for_a_round_is_not_looked_after_any_more() {
    let (slumber, mut seen) = (looked_after(), 0);
    assert!(!slumber.look(&mut seen) && slumber.is_looked_after());
    assert!(!slumber.look(&mut seen) && !slumber.is_looked_after());
    assert!(!slumber.begin());
}

#[test]
fn whose_rounds_have_ended_is_rung_for_and_sleeps_no_more_without_asking() {
    let slumber = looked_after();
    assert!(slumber.begin());
    assert!(slumber.forsake());
    slumber.end();
    assert!(!slumber.begin() && !slumber.forsake());
}

#[test]
fn numbers_may_come_round() {
    let slumber = Slumber(AtomicU32::new(u32::MAX - 1));
    assert!(slumber.begin());
    slumber.end();
    assert!(slumber.is_looked_after() && slumber.begin());
}
