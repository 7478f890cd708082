//! Ranges that do not fit: every method that takes one says so, and none reaches a neighbour.

mod common;

use std::ops::Bound;

use common::{Scratch, page, pattern, vma_at};
use folio::{Advice, Discard, ErrorKind, Lock, MapOptions, Mapping, Protection, Reservation};
use proptest::prelude::*;

type AnyRange = (Bound<usize>, Bound<usize>);

type Method = Box<dyn Fn(&mut Mapping, AnyRange) -> folio::Result<usize>>;

/// Every method of a mapping that takes a range; each returns the number of bytes it touched.
fn methods() -> Vec<(&'static str, Method)> {
    let mut all: Vec<(_, Method)> = vec![
        ("flush", Box::new(|map, range| Ok(map.flush(range)?.len()))),
        ("flush_async", Box::new(|map, range| Ok(map.flush_async(range)?.len()))),
        ("invalidate", Box::new(|map, range| Ok(map.flush_and_invalidate(range)?.len()))),
        ("lock", Box::new(|map, range| Ok(map.lock(range, Lock::Now)?.len()))),
        ("lock on fault", Box::new(|map, range| Ok(map.lock(range, Lock::OnFault)?.len()))),
        ("unlock", Box::new(|map, range| Ok(map.unlock(range)?.len()))),
        ("protect", Box::new(|map, range| Ok(map.protect(range, Protection::NONE)?.len()))),
        ("populate", Box::new(|map, range| Ok(map.populate(range)?.len()))),
        ("residency", Box::new(|map, range| Ok(map.residency(range)?.pages()))),
        ("fill", Box::new(|map, range| map.fill(range, 0xEE).map(|()| 0))),
        ("range", Box::new(|map, range| map.view().range(range).map(|view| view.len()))),
    ];
    for advice in Advice::ALL {
        all.push(("advise", Box::new(move |map, range| Ok(map.advise(range, advice)?.len()))));
    }
    for how in [
        Discard::Now,
        Discard::NowLocked,
        Discard::Lazily,
        Discard::Hole,
        Discard::Guard,
        Discard::Unguard,
        Discard::Poison,
    ] {
        all.push(("discard", Box::new(move |map, range| Ok(map.discard(range, how)?.len()))));
    }
    all
}

/// A mapping of 3 pages, its neighbours in a reservation, and what a look at these gives.
struct Street {
    left: Mapping,
    map: Mapping,
    right: Mapping,
}

impl Street {
    fn new(options: &MapOptions, source: Option<&Scratch>) -> Self {
        let space = Reservation::new(9 * page()).unwrap();
        let neighbour = |at| {
            let map = space.commit(at, 3 * page()).unwrap();
            map.fill(.., 7).unwrap();
            map
        };
        let options = options.clone().inside(&space, 3 * page());
        let map = match source {
            Some(file) => options.open(file.path()),
            None => options.anonymous(3 * page()),
        };
        Self { left: neighbour(0), map: map.unwrap(), right: neighbour(6 * page()) }
    }

    fn look(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        [&self.left, &self.right].map(|map| {
            let ends = [map.address(), map.address() + map.len() - 1];
            let flags = ["lo", "lf", "rr", "sr", "dd", "hg", "nh", "mg", "dc", "wf"];
            let seen = ends.map(|at| {
                let vma = vma_at(at).unwrap();
                (vma.access.clone(), flags.map(|flag| vma.has(flag)))
            });
            (seen, map.to_vec().unwrap())
        })
    }
}

fn outside(len: usize) -> Vec<AnyRange> {
    use Bound::{Excluded, Included, Unbounded};
    vec![
        (Included(0), Excluded(len + 1)),
        (Included(0), Included(len)),
        (Included(len), Excluded(len + 1)),
        (Included(len), Included(len)),
        (Included(len + 1), Unbounded),
        (Included(len + 1), Excluded(len + 1)),
        (Included(0), Excluded(usize::MAX)),
        (Included(0), Included(usize::MAX)),
        (Unbounded, Included(usize::MAX)),
        (Included(usize::MAX), Unbounded),
        (Included(usize::MAX), Excluded(usize::MAX)),
        (Included(usize::MAX), Included(usize::MAX)),
        (Excluded(usize::MAX), Unbounded),
        (Excluded(usize::MAX), Included(usize::MAX)),
        (Excluded(len), Unbounded),
        (Included(len), Excluded(usize::MAX)),
        (Included(usize::MAX - page() + 1), Excluded(0)),
        (Included(2), Excluded(1)),
        (Included(page()), Excluded(0)),
        (Included(isize::MAX as usize), Excluded(isize::MAX as usize + page())),
    ]
}

fn empty(len: usize) -> Vec<AnyRange> {
    use Bound::{Excluded, Included, Unbounded};
    vec![
        (Included(len), Excluded(len)),
        (Included(len), Unbounded),
        (Included(0), Excluded(0)),
        (Unbounded, Excluded(0)),
        (Included(page()), Excluded(page())),
        (Excluded(len - 1), Unbounded),
        (Included(5), Excluded(5)),
    ]
}

#[test]
fn ranges_outside_are_errors_and_empty_ones_touch_nothing_whoever_lives_next_door() {
    let file = Scratch::new(&pattern(3 * page()));
    let kinds = [
        (MapOptions::new().write(), Some(&file)),
        (MapOptions::new().private().write(), Some(&file)),
        (MapOptions::new().private().write(), None),
        (MapOptions::new().write(), None),
    ];
    for (options, source) in kinds {
        let mut street = Street::new(&options, source);
        street.map.write_at(0, &pattern(3 * page())).unwrap();
        let before = street.look();
        let own = vma_at(street.map.address()).unwrap();
        for (name, method) in methods() {
            for range in outside(3 * page()) {
                let error = method(&mut street.map, range).expect_err(name);
                assert_eq!(error.kind(), ErrorKind::OutOfRange, "{name} {range:?}: {error}");
                assert!(error.to_string().contains("the 12288 bytes") || page() != 4096, "{error}");
            }
            for range in empty(3 * page()) {
                assert_eq!(method(&mut street.map, range).expect(name), 0, "{name} {range:?}");
            }
        }
        assert_eq!(street.look(), before);
        assert_eq!(street.map.to_vec().unwrap(), pattern(3 * page()), "nor here");
        let now = vma_at(street.map.address()).unwrap();
        assert_eq!(now.access, own.access);
        assert_eq!(now.has("lo"), own.has("lo"));
    }
}

#[test]
fn whole_ranges_stop_at_the_neighbours() {
    let file = Scratch::new(&pattern(3 * page()));
    for (options, source) in
        [(MapOptions::new().write(), Some(&file)), (MapOptions::new().private().write(), None)]
    {
        for (name, method) in methods() {
            let mut street = Street::new(&options, source);
            let before = street.look();
            for range in [
                (Bound::Unbounded, Bound::Unbounded),
                (Bound::Included(3 * page() - 1), Bound::Unbounded),
            ] {
                let _ = method(&mut street.map, range);
            }
            assert_eq!(street.look(), before, "{name}");
        }
    }
}

#[test]
fn positions_outside_are_errors_for_every_copy_and_word() {
    let mut street = Street::new(&MapOptions::new().private().write(), None);
    let len = street.map.len();
    let before = street.look();
    for (at, count) in [
        (len, 1),
        (len - 1, 2),
        (0, len + 1),
        (usize::MAX, 1),
        (usize::MAX, 2),
        (usize::MAX - 1, 2),
        (usize::MAX - len, len),
        (isize::MAX as usize, 1),
    ] {
        let mut buf = vec![0x55; count];
        let kind = street.map.read_at(at, &mut buf).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::OutOfRange);
        assert_eq!(buf, vec![0x55; count]);
        assert_eq!(street.map.write_at(at, &buf).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
    for at in [len - 3, len - 1, len, usize::MAX, usize::MAX - 3, usize::MAX - 7] {
        let view = street.map.view();
        assert_eq!(view.atomic_u32(at).unwrap_err().kind(), ErrorKind::OutOfRange, "{at}");
        assert_eq!(view.atomic_u64(at).unwrap_err().kind(), ErrorKind::OutOfRange, "{at}");
    }
    for at in [1, 2, 3, 5, 4095] {
        let view = street.map.view();
        assert_eq!(view.atomic_u32(at).unwrap_err().kind(), ErrorKind::Misaligned, "{at}");
    }
    assert_eq!(street.map.view().atomic_u64(4).unwrap_err().kind(), ErrorKind::Misaligned);
    street.map.view().atomic_u64(len - 8).unwrap().store(1).unwrap();
    let part = street.map.view();
    let part = part.range(10..20).unwrap();
    assert_eq!(part.read_at(10, &mut [0]).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(part.range(11..).unwrap_err().kind(), ErrorKind::OutOfRange);
    assert_eq!(part.range(usize::MAX..).unwrap_err().kind(), ErrorKind::OutOfRange);
    street.map.resize(page(), false).unwrap_err();
    assert_eq!(street.look(), before);
}

fn bound(len: usize) -> impl Strategy<Value = Bound<usize>> {
    let number = prop_oneof![
        4 => 0..=len + 2,
        2 => (0..=len / page() + 1).prop_flat_map(|n| {
            (n * page()).saturating_sub(2)..=n * page() + 2
        }),
        1 => usize::MAX - 2..=usize::MAX,
        1 => any::<usize>(),
    ];
    (number, 0..3).prop_map(|(at, kind)| match kind {
        0 => Bound::Included(at),
        1 => Bound::Excluded(at),
        _ => Bound::Unbounded,
    })
}

/// What a range means, in arithmetic that cannot overflow.
fn means(range: AnyRange, len: usize) -> Option<(usize, usize)> {
    let start = match range.0 {
        Bound::Included(at) => at as u128,
        Bound::Excluded(at) => at as u128 + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.1 {
        Bound::Included(at) => at as u128 + 1,
        Bound::Excluded(at) => at as u128,
        Bound::Unbounded => len as u128,
    };
    (start <= end && end <= len as u128).then_some((start as usize, end as usize))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_range_touches_the_pages_around_it_or_is_an_error(
        offset in 0usize..5000,
        len in 1usize..20_000,
        ranges in prop::collection::vec((bound(20_000), bound(20_000)), 20),
    ) {
        let file = Scratch::new(&pattern(offset + len));
        let mut map = Mapping::options().private().write().offset(offset as u64).open(file.path()).unwrap();
        let lead = offset % page();
        for range in ranges {
            let expected = means(range, len);
            let touched = map.advise(range, Advice::Normal).map_err(|error| error.kind());
            let discarded = map.discard(range, Discard::Now).map_err(|error| error.kind());
            let view = map.view().range(range).map(|view| (view.as_ptr().addr() - map.address(), view.len()));
            match expected {
                None => {
                    prop_assert_eq!(touched, Err(ErrorKind::OutOfRange));
                    prop_assert_eq!(discarded, Err(ErrorKind::OutOfRange));
                    prop_assert!(view.is_err());
                }
                Some((start, end)) => {
                    prop_assert_eq!(view.unwrap(), (start, end - start));
                    let (touched, discarded) = (touched.unwrap(), discarded.unwrap());
                    if start == end {
                        prop_assert!(touched.is_empty() && discarded.is_empty());
                        continue;
                    }
                    let from = ((lead + start) / page() * page()).saturating_sub(lead);
                    let to = ((lead + end).next_multiple_of(page()) - lead).min(len);
                    prop_assert_eq!(touched, from..to);
                    let inside_from = (lead + start).next_multiple_of(page());
                    let inside_to = (lead + end) / page() * page();
                    if inside_from < inside_to {
                        prop_assert_eq!(discarded, inside_from - lead..inside_to - lead);
                    } else {
                        prop_assert!(discarded.is_empty());
                    }
                }
            }
        }


    }
}
