//! Known numbers of pages are touched, and every interface must find exactly them.

mod common;

use common::*;
use folio_stat::{BackingKind, ErrorKind, Flag, Process, Sharing, Via};

const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

#[test]
fn pages_written_in_private_memory_are_private_and_dirty_and_pages_read_cost_nothing() {
    let area = Area::anonymous(16);
    area.write(0..5);
    area.read(8..11);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.range(), area.range());
        assert_eq!(costs.mapped_bytes, 16 * PAGE);
        assert_eq!(costs.resident_bytes, 5 * PAGE, "{via:?}");
        assert_eq!(costs.private_dirty_bytes, 5 * PAGE);
        assert_eq!(costs.proportional_bytes, 5 * PAGE);
        assert_eq!(costs.anonymous_bytes, 5 * PAGE);
        assert!(costs.referenced_bytes <= 5 * PAGE);
        assert_eq!(costs.page_size_bytes, PAGE);
        assert_eq!((costs.swapped_bytes, costs.locked_bytes, costs.hugetlb_bytes), (0, 0, 0));
        assert!(!costs.estimated);
        assert_eq!(costs.protection().unwrap().to_string(), "rw-");
        assert_eq!(costs.sharing(), Some(Sharing::Private));
        assert_eq!(costs.backing().unwrap().kind, BackingKind::Anonymous);
        assert!(costs.flags().contains(Flag::Writable));
    }
    let process = Process::current().unwrap();
    let pages = process.pages(area.range()).unwrap();
    assert_eq!(pages.resident_bytes, 5 * PAGE);
    assert_eq!(pages.private_bytes, 5 * PAGE);
    assert_eq!(pages.anonymous_bytes, 5 * PAGE);
    assert_eq!(pages.zero_bytes, Some(3 * PAGE));
    assert_eq!(pages.huge_bytes, Some(0));
    assert_eq!(pages.written_bytes, Some(5 * PAGE));
    let text = process.via(Via::Text).pages(area.range()).unwrap();
    assert_eq!((text.resident_bytes, text.zero_bytes), (8 * PAGE, None));
}

#[test]
fn a_private_file_is_clean_until_it_is_copied() {
    let file = clean_file(8);
    let area = Area::new(8 * PAGE, RW, libc::MAP_PRIVATE, Some((file.as_file(), 0)));
    area.read(0..8);
    area.write(2..4);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.private_clean_bytes, 6 * PAGE, "{via:?}");
        assert_eq!(costs.private_dirty_bytes, 2 * PAGE);
        assert_eq!(costs.anonymous_bytes, 2 * PAGE);
        assert_eq!(costs.proportional_bytes, 8 * PAGE);
        assert!(!costs.estimated);
        let backing = costs.backing().unwrap();
        assert_eq!(backing.kind, BackingKind::File);
        assert_eq!(backing.path.as_deref(), Some(file.path()));
        use std::os::unix::fs::MetadataExt;
        let status = file.as_file().metadata().unwrap();
        let device = (libc::major(status.dev()), libc::minor(status.dev()));
        assert_eq!((backing.device, backing.inode), (device, status.ino()));
    }
}

#[test]
fn a_shared_file_is_dirty_until_it_is_flushed() {
    let file = clean_file(8);
    let area = Area::new(8 * PAGE, RW, libc::MAP_SHARED, Some((file.as_file(), 0)));
    area.write(0..3);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!(costs.private_dirty_bytes, 3 * PAGE, "{via:?}");
        assert_eq!((costs.resident_bytes, costs.anonymous_bytes), (3 * PAGE, 0));
        assert_eq!(costs.sharing(), Some(Sharing::Shared));
    }
    file.as_file().sync_all().unwrap();
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.private_dirty_bytes, costs.private_clean_bytes), (0, 3 * PAGE));
    }
}

#[test]
fn memory_mapped_twice_is_shared_and_each_mapping_bears_half() {
    let file = memfd(c"twice", 0, 8 * PAGE).unwrap();
    let one = Area::new(8 * PAGE, RW, libc::MAP_SHARED, Some((&file, 0)));
    let other = Area::new(8 * PAGE, RW, libc::MAP_SHARED, Some((&file, 0)));
    one.write(0..6);
    other.write(0..4);
    for via in VIAS {
        let costs = one.costs(via);
        assert_eq!((costs.shared_dirty_bytes, costs.private_dirty_bytes), (4 * PAGE, 2 * PAGE));
        assert_eq!(costs.proportional_bytes, 4 * PAGE);
        let part = costs_of(&one, 3..6, via);
        assert_eq!((part.shared_dirty_bytes, part.private_dirty_bytes), (PAGE, 2 * PAGE));
        let unshared = costs_of(&one, 4..6, via);
        assert_eq!((unshared.shared_bytes(), unshared.proportional_bytes), (0, 2 * PAGE));
        assert!(!unshared.estimated);
        assert_eq!(costs.backing().unwrap().kind, BackingKind::SharedMemory);
    }
}

fn costs_of(area: &Area, pages: std::ops::Range<usize>, via: Via) -> folio_stat::Costs {
    costs(area.pages(pages), via)
}

#[test]
fn locked_bytes_are_the_resident_bytes_of_locked_mappings() {
    let area = Area::anonymous(16);
    area.lock(4..8).unwrap();
    area.write(10..11);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.locked_bytes, costs.resident_bytes), (4 * PAGE, 5 * PAGE), "{via:?}");
        assert_eq!(costs.mappings.len(), 3);
        assert!(!costs.flags().contains(Flag::Locked));
        let locked = costs_of(&area, 5..7, via);
        assert_eq!(locked.locked_bytes, 2 * PAGE);
        assert!(locked.flags().contains(Flag::Locked));
    }
}

#[test]
fn an_inaccessible_mapping_costs_nothing() {
    let area = Area::new(8 * PAGE, libc::PROT_NONE, ANONYMOUS, None);
    for via in VIAS {
        let costs = area.costs(via);
        assert_eq!((costs.mapped_bytes, costs.resident_bytes), (8 * PAGE, 0));
        assert_eq!(costs.protection().unwrap().to_string(), "---");
        assert_eq!(costs.page_size_bytes, PAGE);
    }
}

#[test]
fn a_part_of_a_mapping_is_counted_exactly_where_only_one_answer_is_possible() {
    let area = Area::anonymous(64);
    area.write(10..20);
    area.read(20..30);
    for via in VIAS {
        let costs = costs_of(&area, 15..25, via);
        assert_eq!((costs.address, costs.length_bytes), (area.address + 15 * PAGE, 10 * PAGE));
        assert_eq!((costs.mapped_bytes, costs.resident_bytes), (10 * PAGE, 5 * PAGE), "{via:?}");
        assert_eq!(costs.private_dirty_bytes, 5 * PAGE);
        assert_eq!(costs.proportional_bytes, 5 * PAGE);
        assert!(!costs.estimated);
    }
}

#[test]
fn a_part_that_may_be_clean_or_dirty_says_that_it_is_estimated() {
    let file = clean_file(8);
    let area = Area::new(8 * PAGE, RW, libc::MAP_SHARED, Some((file.as_file(), 0)));
    area.read(0..8);
    area.write(0..4);
    for via in VIAS {
        let half = costs_of(&area, 2..6, via);
        assert_eq!(half.resident_bytes, 4 * PAGE);
        assert_eq!((half.private_clean_bytes, half.private_dirty_bytes), (2 * PAGE, 2 * PAGE));
        assert!(half.estimated);
        // Only four pages are clean, so of seven at least three are dirty.
        let most = costs_of(&area, 0..7, via);
        assert!((3..=4).contains(&(most.private_dirty_bytes / PAGE)));
        assert!(!area.costs(via).estimated);
    }
}

#[test]
fn a_part_starts_further_on_in_its_file() {
    let file = clean_file(16);
    let area =
        Area::new(8 * PAGE, libc::PROT_READ, libc::MAP_SHARED, Some((file.as_file(), 16384)));
    for via in VIAS {
        let costs = costs_of(&area, 3..5, via);
        assert_eq!(costs.backing().unwrap().offset_bytes, 16384 + 3 * PAGE as u64);
        assert_eq!(costs.mappings[0].range(), area.pages(3..5));
    }
}

#[test]
fn a_range_over_several_mappings_and_a_hole_adds_up() {
    let area = Area::anonymous(16);
    area.write(0..12);
    area.protect(2..4, libc::PROT_READ).unwrap();
    area.unmap(6..9);
    for via in VIAS {
        let costs = costs_of(&area, 1..16, via);
        assert_eq!(costs.mapped_bytes, 12 * PAGE);
        assert_eq!(costs.resident_bytes, 8 * PAGE);
        assert_eq!(costs.mappings.len(), 4);
        assert_eq!(costs.protection(), None);
        assert_eq!(costs.sharing(), Some(Sharing::Private));
        assert_eq!(costs.backing().unwrap().kind, BackingKind::Anonymous);
        let hole = costs_of(&area, 6..9, via);
        assert_eq!((hole.mapped_bytes, hole.length_bytes), (0, 3 * PAGE));
        assert_eq!((hole.protection(), hole.backing()), (None, None));
    }
}

#[test]
fn a_range_is_rounded_to_whole_pages_and_a_wrong_one_is_an_error() {
    let area = Area::anonymous(4);
    area.write(0..4);
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let costs = process.costs(area.address + PAGE - 1..area.address + PAGE + 1).unwrap();
        assert_eq!((costs.address, costs.length_bytes), (area.address, 2 * PAGE));
        assert_eq!(costs.resident_bytes, 2 * PAGE);
        let empty = process.costs(area.address..area.address).unwrap();
        assert_eq!((empty.length_bytes, empty.resident_bytes), (0, 0));
        #[allow(clippy::reversed_empty_ranges)]
        let wrong = [8192..4096, 4096..usize::MAX];
        for range in wrong {
            for error in [
                process.costs(range.clone()).unwrap_err(),
                process.pages(range.clone()).unwrap_err(),
                process.residency(range.clone()).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidRange, "{error}");
            }
        }
        let kernel = usize::MAX - 0xffff..usize::MAX - 0xfff;
        assert_eq!(process.costs(kernel).unwrap().mapped_bytes, 0);
    }
}

#[test]
fn residency_tells_the_pages_that_are_there() {
    let area = Area::anonymous(1000);
    area.write(0..1);
    area.write(500..600);
    area.write(999..1000);
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let residency = process.residency(area.range()).unwrap();
        assert_eq!(residency.pages(), 1000);
        assert_eq!(residency.runs().collect::<Vec<_>>(), [0..1, 500..600, 999..1000], "{via:?}");
        let part = process.residency(area.pages(550..650)).unwrap();
        assert_eq!((part.pages(), part.resident_in(0..100)), (100, 50));
    }
}

#[test]
fn thousands_of_scattered_pages_are_all_found() {
    let area = Area::anonymous(9000);
    for page in (0..9000).step_by(3) {
        area.write(page..page + 1);
    }
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let residency = process.residency(area.range()).unwrap();
        assert_eq!((residency.resident_pages(), residency.runs().count()), (3000, 3000), "{via:?}");
        assert_eq!(process.pages(area.range()).unwrap().private_bytes, 3000 * PAGE);
        assert_eq!(costs_of(&area, 0..8999, via).private_dirty_bytes, 3000 * PAGE);
    }
}

#[test]
fn a_reservation_of_sixteen_terabytes_is_looked_at_in_no_time() {
    let area = Area::new(16 << 40, RW, ANONYMOUS | libc::MAP_NORESERVE, None);
    area.write(0..1);
    area.write((8 << 40) / PAGE..(8 << 40) / PAGE + 3);
    let process = Process::current().unwrap();
    let start = std::time::Instant::now();
    let residency = process.residency(area.range()).unwrap();
    assert_eq!(residency.resident_pages(), 4);
    assert_eq!(residency.runs().count(), 2);
    assert_eq!(area.costs(Via::Ioctl).resident_bytes, 4 * PAGE);
    assert_eq!(process.pages(area.range()).unwrap().resident_bytes, 4 * PAGE);
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
}
