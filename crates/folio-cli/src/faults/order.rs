//! Records of several processors, brought into the order of their times.
//!
//! 1. A round takes what is in every ring ([`Order::push`]).
//! 2. [`Order::finish_round`] gives out, in order, what is no later than the latest record of the round
//!    before: whatever was written by then has been taken by now.
//! 3. [`Order::finish`] gives out the rest.

use std::collections::BTreeMap;

use crate::faults::record::{Record, Stamped};

/// Records that wait for earlier ones.
#[derive(Debug, Default)]
pub struct Order {
    /// By time, then as they came, which is the order of each processor.
    waiting: BTreeMap<(u64, u64), Record>,
    count: u64,
    latest: u64,
    latest_before: u64,
}

impl Order {
    /// Adds a record.
    pub fn push(&mut self, stamped: Stamped) {
        self.count += 1;
        self.latest = self.latest.max(stamped.nanoseconds);
        self.waiting.insert((stamped.nanoseconds, self.count), stamped.record);
    }

    /// Gives out what no later record can precede.
    pub fn finish_round(&mut self, mut each: impl FnMut(Stamped)) {
        let horizon = std::mem::replace(&mut self.latest_before, self.latest);
        while let Some(first) = self.waiting.first_entry() {
            let nanoseconds = first.key().0;
            if nanoseconds > horizon {
                break;
            }
            each(Stamped { nanoseconds, record: first.remove() });
        }
    }

    /// Gives out all that is left.
    pub fn finish(&mut self, each: impl FnMut(Stamped)) {
        self.latest_before = u64::MAX;
        self.finish_round(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(nanoseconds: u64) -> Stamped {
        Stamped { nanoseconds, record: Record::Lost(0) }
    }

    #[test]
    fn a_record_that_comes_a_round_late_is_in_its_place() {
        let mut order = Order::default();
        let mut out = Vec::new();
        for time in [5, 9, 7] {
            order.push(lost(time));
        }
        order.finish_round(|stamped| out.push(stamped.nanoseconds));
        assert!(out.is_empty());
        for time in [6, 12] {
            order.push(lost(time));
        }
        order.finish_round(|stamped| out.push(stamped.nanoseconds));
        assert_eq!(out, [5, 6, 7, 9]);
        order.finish(|stamped| out.push(stamped.nanoseconds));
        assert_eq!(out, [5, 6, 7, 9, 12]);
    }
}
