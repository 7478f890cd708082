//! One fault: a touch of a page that is missing and whose bytes are in memory.
#![allow(unsafe_code)]

use folio::Advice;
use folio_pager::{Budget, Paged, Pager};
use folio_store::MemoryStore;

use super::bytes;
use crate::contest::{Contest, cpu, wall};
use crate::machine;
use crate::raw::Raw;
use crate::uffd::{Bare, Handler, drop_pages};

const GROUP: &str = "one fault";

/// A pager without what the list names.
pub(crate) fn pager_without(without: &str, budget: Budget) -> Pager {
    // SAFETY: the rows run one after the other, and no other thread reads the environment meanwhile.
    unsafe { std::env::set_var("FOLIO_PAGER_WITHOUT", without) };
    let pager = Pager::new(budget).unwrap();
    // SAFETY: as above.
    unsafe { std::env::remove_var("FOLIO_PAGER_WITHOUT") };
    pager
}

/// Touches the first byte of each granule.
pub(crate) fn touch(start: *const u8, len: usize, granule: usize) {
    for offset in (0..len).step_by(granule) {
        // SAFETY: each caller passes addresses that are mapped.
        unsafe { start.wrapping_add(offset).read_volatile() };
    }
}

fn evicted(map: &Paged) {
    map.evict(..).unwrap();
}

pub(crate) fn rows(contest: &mut Contest) {
    if !contest.wants(GROUP) {
        return;
    }
    let source: &'static [u8] =
        (0..32 << 20).map(|at: u32| (at >> 5) as u8).collect::<Vec<_>>().leak();
    for (granule, count) in [(4 << 10, 1024), (64 << 10, 128), (1 << 20, 16)] {
        let len = granule * count;
        let name = bytes(granule);
        let budget = Budget::bytes(128 << 20);
        let map_of = |without: &str| {
            let pager = pager_without(without, budget);
            let map = pager.options().granule(granule).map(MemoryStore::fixed(&source[..len]));
            let map = map.unwrap();
            map.advise(.., Advice::Random).unwrap();
            map
        };
        let (map, copied) = (map_of(""), map_of("move"));
        let Some(bare) = Bare::new(len, source, granule) else {
            contest.skip("one fault", "userfaultfd(2) is not allowed here");
            return;
        };
        let ours = |map: &Paged, clock: fn(usize, &mut dyn FnMut()) -> f64| {
            let start = map.as_ptr();
            let time = clock(count, &mut || touch(start, len, granule));
            evicted(map);
            time
        };
        let by_bare = |area: &Raw, clock: fn(usize, &mut dyn FnMut()) -> f64| {
            let time = bare.turn(|| clock(count, &mut || touch(area.start, len, granule)));
            drop_pages(area);
            time
        };
        let by_cpu: fn(usize, &mut dyn FnMut()) -> f64 = |count, work| cpu(count, work);
        let by_wall: fn(usize, &mut dyn FnMut()) -> f64 = |count, work| wall(count, work);
        contest
            .row(GROUP, format!("{name}, processor time"))
            .by("folio", || ours(&map, by_cpu))
            .by("SIGBUS + UFFDIO_COPY, bare", || by_bare(&bare.area, by_cpu))
            .aim(1.15)
            .by("folio, copying always", || ours(&copied, by_cpu))
            .rounds(101)
            .run();

        let handled = |handler: &Handler| {
            let time = wall(count, || touch(handler.area.start, len, granule));
            drop_pages(&handler.area);
            time
        };
        let free = Handler::new(len, source, granule, None);
        let bound = Handler::new(len, source, granule, Some(0));
        let (Some(free), Some(bound)) = (free, bound) else {
            contest.skip("handler thread", "userfaultfd(2) is not allowed here");
            return;
        };
        let idle_aim = if granule == 4 << 10 { 0.1 } else { 1.0 };
        contest
            .row(GROUP, format!("{name}, time"))
            .by("folio", || ours(&map, by_wall))
            .by("handler thread, anywhere", || handled(&free))
            .aim(idle_aim)
            .by("handler thread, both on one processor", || {
                let before = machine::pin_to(0);
                let time = handled(&bound);
                machine::unpin(&before);
                time
            })
            .aim(1.0)
            .rounds(41)
            .run();
    }
}
