//! Which ranges are asked for, for the reads that are wanted together.
//!
//! Neighbours share a request, across gaps that are cheaper to read than to ask around. As long as
//! there are fewer requests than the server answers at a time, they are kept small instead: several
//! connections are faster than one.

use std::ops::Range;

/// How far neighbours are put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most bytes that are read for nothing between two neighbours.
    pub(crate) gap_bytes: u64,
    /// The most bytes of one request.
    pub(crate) largest_bytes: u64,
    /// The fewest bytes that are worth a request of their own.
    pub(crate) worthwhile_bytes: u64,
    /// Requests at a time.
    pub(crate) concurrency: u64,
}

/// The ranges to ask for: disjoint or touching, ascending, none empty, none over the largest. Together
/// they cover every one of `wanted`.
pub(crate) fn ranges(wanted: &[Range<u64>], limits: Limits) -> Vec<Range<u64>> {
    let mut wanted: Vec<_> = wanted.iter().filter(|range| !range.is_empty()).cloned().collect();
    wanted.sort_unstable_by_key(|range| (range.start, range.end));
    let mut runs: Vec<Range<u64>> = Vec::new();
    for range in wanted {
        match runs.last_mut() {
            Some(run) if range.start <= run.end.saturating_add(limits.gap_bytes) => {
                run.end = run.end.max(range.end);
            }
            _ => runs.push(range),
        }
    }
    let total: u64 = runs.iter().map(|run| run.end - run.start).sum();
    let share = total.div_ceil(limits.concurrency.max(1));
    let largest = limits.largest_bytes.max(1);
    let size = share.max(limits.worthwhile_bytes).min(largest).max(1);
    runs.into_iter().flat_map(|run| cut(run, size)).collect()
}

/// `run` in pieces of `size` bytes, the last one shorter.
fn cut(run: Range<u64>, size: u64) -> impl Iterator<Item = Range<u64>> {
    let mut at = run.start;
    std::iter::from_fn(move || {
        let start = at;
        at = run.end.min(start.saturating_add(size));
        (start < at).then_some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(gap: u64, largest: u64, worthwhile: u64, concurrency: u64) -> Limits {
        Limits { gap_bytes: gap, largest_bytes: largest, worthwhile_bytes: worthwhile, concurrency }
    }

    proptest! {
        #[test]
        fn every_wanted_byte_is_asked_for_once_and_no_wide_gap(
            wanted in prop::collection::vec((0_u64..5000, 0_u64..700), 0..20),
            gap in 0_u64..100, largest in 1_u64..900, worthwhile in 0_u64..500,
            concurrency in 0_u64..20,
        ) {
            let wanted: Vec<_> = wanted.into_iter().map(|(at, len)| at..at + len).collect();
            let asked = ranges(&wanted, limits(gap, largest, worthwhile, concurrency));
            for pair in asked.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for range in &asked {
                prop_assert!(!range.is_empty() && range.end - range.start <= largest);
            }
            let is_asked = |byte: u64| asked.iter().any(|range| range.contains(&byte));
            let is_wanted = |byte: u64| wanted.iter().any(|range| range.contains(&byte));
            let mut idle = 0;
            for byte in 0..6000 {
                prop_assert!(!is_wanted(byte) || is_asked(byte), "byte {byte} is not asked for");
                idle = if is_asked(byte) && !is_wanted(byte) { idle + 1 } else { 0 };
                prop_assert!(idle <= gap, "{idle} bytes up to {byte} are asked for in vain");
            }
        }
    }

    #[test]
    fn small_neighbours_share_a_request() {
        let wanted: Vec<_> = (0..256).map(|page| page * 4096..(page + 1) * 4096).collect();
        let asked = ranges(&wanted, limits(65536, 8 << 20, 1 << 20, 16));
        assert_eq!((asked.len(), asked[0].clone()), (1, 0..1 << 20));
    }

    #[test]
    fn big_neighbours_are_asked_for_at_the_same_time() {
        let wanted: Vec<_> = (0..16).map(|part| part << 20..(part + 1) << 20).collect();
        assert_eq!(ranges(&wanted, limits(65536, 8 << 20, 1 << 20, 16)), wanted);
    }

    #[test]
    fn a_range_at_the_end_of_numbers_is_asked_for() {
        let wanted = u64::MAX - 10..u64::MAX;
        let asked = ranges(std::slice::from_ref(&wanted), limits(5, 4, 0, 1));
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[2].end, u64::MAX);
    }
}
