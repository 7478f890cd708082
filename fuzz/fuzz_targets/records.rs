//! Any bytes at all as what the kernel writes into the rings of `folio faults`: nothing panics, reading
//! ends, and records come out in the order of their times.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run records -- -max_total_time=120
//! ```
#![no_main]

use folio_cli::faults::order::Order;
use folio_cli::faults::profile::{Event, Profile};
use folio_cli::faults::record::Records;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let events = [(1, Event::Begun), (2, Event::Minor), (3, Event::Major)];
    let mut profile = Profile::new(events.into(), 0);
    let mut order = Order::default();
    let mut count = 0;
    for record in Records::of(bytes) {
        order.push(record);
        count += 1;
    }
    assert!(count <= bytes.len() / 8);
    let mut last = 0;
    order.finish(|stamped| {
        assert!(stamped.nanoseconds >= last);
        last = stamped.nanoseconds;
        count -= 1;
        profile.apply(stamped);
    });
    assert_eq!(count, 0);
});
