//! PROCMAP_QUERY and PAGEMAP_SCAN against smaps, against the crate procfs, and against a model.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::*;
use folio_stat::{Costs, Mapping, Process, Via};
use procfs::process::MMapPath;
use proptest::prelude::*;

fn both(pid: u32) -> [Process; 2] {
    [Via::Ioctl, Via::Text].map(|via| Process::of(pid).unwrap().via(via))
}

fn without_flags(mappings: Vec<Mapping>) -> Vec<Mapping> {
    mappings
        .into_iter()
        .map(|mut mapping| {
            mapping.flags = None;
            mapping
        })
        .collect()
}

#[test]
fn another_process_has_the_same_mappings_by_ioctl_and_by_text() {
    let sleeper = Sleeper::new();
    let [ioctl, text] = both(sleeper.pid());
    let mappings = without_flags(ioctl.mappings().unwrap());
    assert!(mappings.len() > 10);
    assert_eq!(mappings, without_flags(text.mappings().unwrap()));
    for mapping in &mappings {
        for address in [mapping.range().start, mapping.range().end - 1] {
            for process in [&ioctl, &text] {
                let found = process.mapping_at(address).unwrap();
                assert_eq!(without_flags(found.into_iter().collect()).first(), Some(mapping));
            }
        }
    }
}

/// The figures that do not depend on what other processes share with this one.
fn own(costs: &Costs) -> [usize; 9] {
    [
        costs.address,
        costs.length_bytes,
        costs.resident_bytes,
        costs.anonymous_bytes,
        costs.swapped_bytes,
        costs.locked_bytes,
        costs.transparent_huge_bytes(),
        costs.hugetlb_bytes,
        costs.page_size_bytes,
    ]
}

fn shares(costs: &Costs) -> [usize; 5] {
    [
        costs.proportional_bytes,
        costs.shared_clean_bytes,
        costs.shared_dirty_bytes,
        costs.private_clean_bytes,
        costs.private_dirty_bytes,
    ]
}

#[test]
fn another_process_has_the_same_costs_by_ioctl_and_by_text() {
    let sleeper = Sleeper::new();
    let [ioctl, text] = both(sleeper.pid());
    // Other processes map and unmap the same libraries meanwhile.
    let agrees = (0..200).any(|_| {
        let by_ioctl = ioctl.costs_by_mapping().unwrap();
        let by_text = text.costs_by_mapping().unwrap();
        assert!(by_ioctl.iter().map(own).eq(by_text.iter().map(own)));
        let all = 0..by_text.last().unwrap().range().end;
        let (a, b) = (ioctl.costs(all.clone()).unwrap(), text.costs(all).unwrap());
        assert_eq!(own(&a), own(&b));
        let equal = by_ioctl == by_text && a == b;
        if !equal {
            std::thread::sleep(Duration::from_millis(10));
        }
        equal
    });
    assert!(agrees);
}

#[test]
fn another_process_has_the_costs_that_procfs_reads() {
    let sleeper = Sleeper::new();
    let process = Process::of(sleeper.pid()).unwrap();
    let theirs = || procfs::process::Process::new(sleeper.pid() as i32).unwrap().smaps().unwrap();
    let agrees = (0..200).any(|_| {
        let ours = process.costs_by_mapping().unwrap();
        let theirs: Vec<_> =
            theirs().into_iter().filter(|mapping| mapping.pathname != MMapPath::Vsyscall).collect();
        assert_eq!(ours.len(), theirs.len());
        let equal = ours.iter().zip(&theirs).all(|(ours, theirs)| {
            let figure = |key: &str| theirs.extension.map[key] as usize;
            let mapping = &ours.mappings[0];
            let backing = &mapping.backing;
            let range = (ours.range().start as u64, ours.range().end as u64);
            assert_eq!(range, theirs.address);
            assert_eq!((backing.offset_bytes, backing.inode), (theirs.offset, theirs.inode));
            assert_eq!((backing.device.0 as i32, backing.device.1 as i32), theirs.dev);
            assert_eq!(mapping.page_size_bytes, figure("KernelPageSize"));
            if let MMapPath::Path(path) = &theirs.pathname {
                assert_eq!(backing.path.as_ref(), Some(path));
            }
            assert_eq!(ours.resident_bytes, figure("Rss"));
            assert_eq!(ours.anonymous_bytes, figure("Anonymous"));
            let keys = ["Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty"];
            shares(ours) == keys.map(figure)
        });
        if !equal {
            std::thread::sleep(Duration::from_millis(10));
        }
        equal
    });
    assert!(agrees);
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize),
    Read(usize, usize),
    Drop(usize, usize),
    Lock(usize, usize),
    Forbid(usize, usize),
    Unmap(usize, usize),
}

const PAGES: usize = 96;

fn step() -> impl Strategy<Value = Step> {
    let part = (0..PAGES, 1..PAGES).prop_map(|(at, length)| (at, (at + length).min(PAGES)));
    (0..14, part).prop_map(|(what, (from, to))| match what {
        0..5 => Step::Write(from, to),
        5..9 => Step::Read(from, to),
        9..11 => Step::Drop(from, to),
        11 => Step::Lock(from, from + 1),
        12 => Step::Forbid(from, from + 1),
        _ => Step::Unmap(from, from + 1),
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_to_memory_every_interface_finds_the_pages_of_the_model(
        steps in prop::collection::vec(step(), 1..12),
        parts in prop::collection::vec((0..PAGES, 1..PAGES), 1..4),
    ) {
        let area = Area::anonymous(PAGES);
        let (mut written, mut locked, mut zero) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut forbidden, mut unmapped) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Write(from, to) | Step::Read(from, to) => {
                    let usable: Vec<_> = (from..to)
                        .filter(|page| !forbidden.contains(page) && !unmapped.contains(page))
                        .collect();
                    for page in usable {
                        if matches!(step, Step::Write(..)) {
                            area.write(page..page + 1);
                            zero.remove(&page);
                            written.insert(page);
                        } else {
                            area.read(page..page + 1);
                            if !written.contains(&page) {
                                zero.insert(page);
                            }
                        }
                    }
                }
                Step::Drop(from, to) => {
                    for page in (from..to)
                        .filter(|page| !locked.contains(page) && !unmapped.contains(page))
                    {
                        area.advise(page..page + 1, libc::MADV_DONTNEED).unwrap();
                        written.remove(&page);
                        zero.remove(&page);
                    }
                }
                Step::Lock(from, to) => {
                    if (from..to).all(|p| !forbidden.contains(&p) && !unmapped.contains(&p)) {
                        area.lock(from..to).unwrap();
                        locked.extend(from..to);
                        written.extend(from..to);
                        (from..to).for_each(|page| { zero.remove(&page); });
                    }
                }
                Step::Forbid(from, to) => {
                    if (from..to).all(|page| !unmapped.contains(&page)) {
                        area.protect(from..to, libc::PROT_NONE).unwrap();
                        forbidden.extend(from..to);
                    }
                }
                Step::Unmap(from, to) => {
                    area.unmap(from..to);
                    unmapped.extend(from..to);
                    for page in from..to {
                        written.remove(&page);
                        zero.remove(&page);
                        locked.remove(&page);
                    }
                }
            }
        }
        let parts = parts.into_iter().map(|(at, length)| at..(at + length).min(PAGES));
        for part in std::iter::once(0..PAGES).chain(parts) {
            let count = |set: &BTreeSet<usize>| set.range(part.clone()).count() * PAGE;
            for via in VIAS {
                let costs = costs(area.pages(part.clone()), via);
                prop_assert_eq!(costs.mapped_bytes, part.len() * PAGE - count(&unmapped));
                prop_assert_eq!(costs.resident_bytes, count(&written), "{:?}", via);
                prop_assert_eq!(costs.private_dirty_bytes, count(&written));
                prop_assert_eq!(costs.proportional_bytes, count(&written));
                prop_assert_eq!(costs.locked_bytes, count(&locked));
                prop_assert!(!costs.estimated);
            }
            let process = Process::current().unwrap().via(Via::Ioctl);
            let pages = process.pages(area.pages(part.clone())).unwrap();
            prop_assert_eq!(pages.resident_bytes, count(&written));
            prop_assert_eq!(pages.zero_bytes, Some(count(&zero)));
            let residency = process.residency(area.pages(part.clone())).unwrap();
            let resident: BTreeSet<_> =
                residency.runs().flatten().map(|page| page as usize + part.start).collect();
            prop_assert!(resident.iter().eq(written.range(part.clone())));
        }
    }
}
