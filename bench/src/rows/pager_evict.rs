//! What a page costs that is given up, and what becomes of that as mappings grow.
#![allow(unsafe_code)]

use std::cell::RefCell;

use folio::Advice;
use folio_pager::{Budget, Paged, Pager, Replacement};
use folio_store::ZeroStore;

use super::bytes;
use super::pager_fault::touch;
use crate::contest::{Contest, cpu};
use crate::pick::{PAGE, Random};
use crate::raw::Raw;
use crate::uffd::{Bare, Dropper, drop_pages};

const EVICTION: &str = "eviction";
const GROWTH: &str = "growth";
const MEMORY: usize = 64 << 20;
const POLICIES: [(&str, Replacement); 3] = [
    ("S3-FIFO", Replacement::S3Fifo),
    ("SIEVE", Replacement::Sieve),
    ("CLOCK", Replacement::Clock),
];

fn map(len: usize, replacement: Replacement) -> Paged {
    let budget = Budget::bytes(MEMORY as u64).replacement(replacement);
    let map = Pager::new(budget).unwrap().options().granule(PAGE).map(ZeroStore::new(len as u64));
    let map = map.unwrap();
    map.advise(.., Advice::Random).unwrap();
    map
}

/// Touches random pages.
fn random(start: *const u8, len: usize, count: usize, random: &mut Random) {
    for _ in 0..count {
        let page = random.below(len / PAGE);
        // SAFETY: each caller passes addresses that are mapped.
        unsafe { start.wrapping_add(page * PAGE).read_volatile() };
    }
}

/// The floor in a budget: pages are dropped 512 at a time, the oldest first.
struct Rotating {
    bare: Bare,
    dropper: Dropper,
    pages: RefCell<(Vec<usize>, usize)>,
}

impl Rotating {
    fn new(len: usize) -> Option<Self> {
        let source: &'static [u8] = vec![0u8; 1 << 20].leak();
        let pages = RefCell::new((vec![usize::MAX; MEMORY / PAGE], 0));
        Some(Self { bare: Bare::new(len, source, PAGE)?, dropper: Dropper::new()?, pages })
    }

    fn touch(&self, count: usize, random: &mut Random) {
        const BATCH: usize = 512;
        let (pages, hand) = &mut *self.pages.borrow_mut();
        let area = &self.bare.area;
        self.bare.turn(|| {
            for _ in 0..count {
                if hand.is_multiple_of(BATCH) {
                    let batch =
                        pages[*hand..*hand + BATCH].iter().filter(|page| **page != usize::MAX);
                    let batch: Vec<_> =
                        batch.map(|page| area.start.wrapping_add(page * PAGE)).collect();
                    self.dropper.drop_pages(&batch);
                }
                let page = random.below(area.len / PAGE);
                // SAFETY: it lies within the area.
                unsafe { area.start.wrapping_add(page * PAGE).read_volatile() };
                pages[*hand] = page;
                *hand = (*hand + 1) % pages.len();
            }
        });
    }
}

pub(crate) fn rows(contest: &mut Contest) {
    if contest.wants(EVICTION) {
        evictions(contest);
    }
    if contest.wants(GROWTH) {
        growth(contest);
    }
}

fn evictions(contest: &mut Contest) {
    let count = 4096;
    let len = count * PAGE;
    let (run, own) = (Raw::anonymous(len), map(len, Replacement::S3Fifo));
    let Some(dropper) = Dropper::new() else {
        contest.skip("eviction", "pidfd_open(2) is not allowed here");
        return;
    };
    let filled = || touch(run.start, len, PAGE);
    // An anonymous area shows the zero page to readers: it is to be written.
    let written = || {
        for offset in (0..len).step_by(PAGE) {
            // SAFETY: it lies within the area.
            unsafe { run.start.wrapping_add(offset).write_volatile(1) };
        }
        filled();
    };
    let pages: Vec<_> = (0..count).map(|page| run.start.wrapping_add(page * PAGE)).collect();
    contest
        .row(EVICTION, "4 KiB of a run, asked for")
        .by("folio, evict", || {
            touch(own.as_ptr(), len, PAGE);
            cpu(count, || drop(own.evict(..)))
        })
        .by("madvise(2) of the run", || {
            written();
            cpu(count, || drop_pages(&run))
        })
        .by("process_madvise(2), 512 pages at a time", || {
            written();
            cpu(count, || pages.chunks(512).for_each(|pages| dropper.drop_pages(pages)))
        })
        .by("madvise(2) of each page", || {
            written();
            cpu(count, || {
                for page in &pages {
                    // SAFETY: as in `drop_pages`.
                    unsafe { libc::madvise(page.cast(), PAGE, libc::MADV_DONTNEED) };
                }
            })
        })
        .rounds(41)
        .run();
    let len = 1 << 30;
    let Some(floor) = Rotating::new(len) else {
        contest.skip("eviction", "userfaultfd(2) is not allowed here");
        return;
    };
    for (name, replacement) in POLICIES {
        let own = map(len, replacement);
        let (mut first, mut second) = (Random(1), Random(1));
        random(own.as_ptr(), len, 3 * MEMORY / PAGE, &mut first);
        floor.touch(2 * MEMORY / PAGE, &mut second);
        contest
            .row(EVICTION, format!("a fault and an eviction, 4 KiB, {name}"))
            .by("folio", || cpu(2048, || random(own.as_ptr(), len, 2048, &mut first)))
            .by("bare, and the oldest dropped", || cpu(2048, || floor.touch(2048, &mut second)))
            .rounds(41)
            .run();
    }
}

fn growth(contest: &mut Contest) {
    let small = map(1 << 30, Replacement::default());
    let mut first = Random(2);
    random(small.as_ptr(), 1 << 30, 3 * MEMORY / PAGE, &mut first);
    for len in [4usize << 30, 16 << 30, 64 << 30] {
        let (own, floor) = (map(len, Replacement::default()), Rotating::new(len));
        let Some(floor) = floor else {
            contest.skip("growth", "userfaultfd(2) is not allowed here");
            return;
        };
        let (mut second, mut third) = (Random(3), Random(3));
        random(own.as_ptr(), len, 3 * MEMORY / PAGE, &mut second);
        floor.touch(2 * MEMORY / PAGE, &mut third);
        contest
            .row(GROWTH, format!("a fault and an eviction, 4 KiB of {}", bytes(len)))
            .by("folio", || cpu(2048, || random(own.as_ptr(), len, 2048, &mut second)))
            .by("folio, 1 GiB", || cpu(2048, || random(small.as_ptr(), 1 << 30, 2048, &mut first)))
            .by("bare, and the oldest dropped", || cpu(2048, || floor.touch(2048, &mut third)))
            .rounds(41)
            .run();
    }
}
