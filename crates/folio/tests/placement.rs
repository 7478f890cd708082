//! Where a mapping lies: anywhere, near, exactly, or inside a reservation.

#![allow(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Scratch, in_child, mincore, page, pattern, peek, poke, vma_at};
use folio::{ErrorKind, MapOptions, Mapping, Protection, Reservation};

/// An address where nothing is mapped, with room around it.
fn free_address() -> usize {
    let space = Reservation::new(64 * page()).unwrap();
    space.address() + 32 * page()
}

#[test]
fn the_kernel_chooses_an_address_and_different_ones_for_two_mappings() {
    let file = Scratch::new(&pattern(3 * page()));
    let one = Mapping::open(file.path()).unwrap();
    let two = Mapping::open(file.path()).unwrap();
    assert_ne!(one.address(), 0);
    assert!(
        one.address() + 3 * page() <= two.address() || two.address() + 3 * page() <= one.address()
    );
    let vma = vma_at(one.address()).unwrap();
    assert_eq!(vma.name, file.path().display().to_string());
}

#[test]
fn a_hint_at_a_free_address_is_taken_and_at_an_occupied_one_clobbers_nothing() {
    let file = Scratch::new(&pattern(2 * page() + 100));
    let at = 0x2345_6789_0000;
    assert!(vma_at(at).is_none());
    let map = Mapping::options().near(at + 77).offset(50).open(file.path()).unwrap();
    assert_eq!(map.address(), at + 50, "first byte on the page asked for");
    assert_eq!(map.to_vec().unwrap(), pattern(2 * page() + 100)[50..]);
    let other = Mapping::options().near(at).open(file.path()).unwrap();
    assert!(other.address() != map.address() - 50);
    assert_eq!(map.to_vec().unwrap(), pattern(2 * page() + 100)[50..]);
    for absurd in [0, 1, page(), usize::MAX, usize::MAX - page(), 1 << 62] {
        let map = Mapping::options().near(absurd).offset(50).open(file.path()).unwrap();
        assert_eq!(map.to_vec().unwrap(), pattern(2 * page() + 100)[50..], "near {absurd:#x}");
    }
}

#[test]
fn an_exact_address_is_taken_or_refused_and_never_clobbered() {
    let file = Scratch::new(&pattern(2 * page()));
    let at = 0x2456_7890_0000;
    assert!(vma_at(at).is_none());
    let map = Mapping::options().exactly_at(at + 5).offset(5).open(file.path()).unwrap();
    assert_eq!(map.address(), at + 5);
    assert_eq!(peek(at + 5), pattern(6)[5]);

    for overlap in [at - page(), at, at + page()] {
        let error = Mapping::options().exactly_at(overlap).open(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Occupied, "{error}");
        assert!(error.to_string().contains(&format!("{overlap:#x}")), "{error}");
    }
    assert_eq!(map.to_vec().unwrap(), pattern(2 * page())[5..]);
    let behind = Mapping::options().exactly_at(at + 2 * page()).open(file.path()).unwrap();
    assert_eq!(behind.address(), at + 2 * page());
    drop(map);
    assert!(vma_at(at).is_none());
    let again = Mapping::options().exactly_at(at).open(file.path()).unwrap();
    assert_eq!(again.address(), at);
}

#[test]
fn an_exact_address_that_disagrees_with_the_offset_is_misaligned() {
    let file = Scratch::new(&pattern(2 * page()));
    let at = free_address();
    for (address, offset) in [(at + 1, 0), (at, 1), (at + 7, 8), (3, 4)] {
        let options = Mapping::options().exactly_at(address).offset(offset);
        let error = options.open(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misaligned, "{error}");
    }
    for address in [usize::MAX, usize::MAX - 1] {
        Mapping::options().exactly_at(address).open(file.path()).unwrap_err();
    }
    let top = usize::MAX - page() + 1;
    let error = Mapping::options().exactly_at(top).open(file.path()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{error}");
}

#[test]
fn nothing_is_ever_mapped_at_address_0() {
    // Root may; a null pointer is no slice.
    let options = MapOptions::new().exactly_at(0);
    let error = options.memory(page()).unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid || error.raw_os_error() == Some(libc::EPERM));
    options.anonymous(page()).unwrap_err();
    assert!(vma_at(0).is_none());
}

#[test]
fn a_reservation_is_inaccessible_address_space_and_costs_no_memory() {
    let space = Reservation::new(64 << 30).unwrap();
    assert_eq!(space.len(), 64 << 30);
    let vma = vma_at(space.address() + (32 << 30)).unwrap();
    assert_eq!(vma.access, "---p");
    assert_eq!(vma.kib("Rss"), 0);
    let (address, len) = (space.address(), space.len());
    let mut space = Some(space);
    // In a child no other thread can map anything there meanwhile.
    in_child(|| {
        drop(space.take());
        assert!(vma_at(address).is_none() && vma_at(address + len - 1).is_none());
    });
}

#[test]
fn an_aligned_reservation_is_aligned_and_exactly_as_long_as_asked() {
    for align in [1, page(), 64 << 10, 2 << 20, 1 << 30] {
        let space = Reservation::aligned(3 * page() + 1, align).unwrap();
        assert!(space.address().is_multiple_of(align.max(page())), "{align}");
        assert_eq!(space.len(), 4 * page());
        assert!(mincore(space.address(), space.len()).is_some());
    }
    for align in [0, 3, page() + 1] {
        assert_eq!(Reservation::aligned(1, align).unwrap_err().kind(), ErrorKind::Misaligned);
    }
    for len in [0, usize::MAX, usize::MAX - page() + 2] {
        assert_eq!(Reservation::new(len).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
    let error = Reservation::aligned(page(), 1 << 63).unwrap_err();
    assert!(error.raw_os_error() == Some(libc::ENOMEM), "{error}");
    let error = Reservation::new(1 << 60).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    assert!(error.to_string().contains("ulimit -v"), "{error}");
}

#[test]
fn overlap_inside_a_reservation_is_refused_and_neighbours_stay_intact() {
    let space = Reservation::new(16 * page()).unwrap();
    let bytes = pattern(16 * page());
    let file = Scratch::new(&bytes);
    let inside =
        |at: usize, len: usize| Mapping::options().inside(&space, at).len(len).open(file.path());
    let left = inside(2 * page(), 2 * page()).unwrap();
    let right = inside(6 * page(), 3 * page() - 1).unwrap();
    assert_eq!(space.taken(), [2 * page()..4 * page(), 6 * page()..9 * page()]);
    for (at, count) in [(1, 2), (1, 15), (2, 1), (2, 2), (3, 1), (3, 2), (3, 4), (4, 3), (8, 1)] {
        let error = inside(at * page(), count * page()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Occupied, "{at} + {count}: {error}");
    }
    for (at, count) in [(0, 17), (15, 2), (16, 1), (17, 1)] {
        let len = (count * page()).min(bytes.len());
        let result = Mapping::options().inside(&space, at * page()).beyond_end();
        let error = result.len(count * page()).open(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange, "{at} + {len}: {error}");
    }
    for at in [usize::MAX, usize::MAX - 1, usize::MAX / page() * page()] {
        Mapping::options().inside(&space, at).anonymous(page()).unwrap_err();
    }
    let middle = inside(4 * page(), 2 * page()).unwrap();
    assert_eq!(left.to_vec().unwrap(), bytes[..2 * page()]);
    assert_eq!(middle.to_vec().unwrap(), bytes[..2 * page()]);
    assert_eq!(right.to_vec().unwrap(), bytes[..3 * page() - 1]);
    let access: Vec<String> =
        [0, 1, 9, 10, 15].map(|at| vma_at(space.address() + at * page()).unwrap().access).to_vec();
    assert_eq!(access, ["---p"; 5]);
}

#[test]
fn addresses_of_a_dropped_mapping_belong_to_the_reservation_again() {
    let space = Reservation::new(8 * page()).unwrap();
    let address = space.address();
    let memory = space.commit(2 * page(), 3 * page()).unwrap();
    memory.fill(.., 7).unwrap();
    assert_eq!(vma_at(address + 2 * page()).unwrap().access, "rw-p");
    assert_eq!(peek(address + 4 * page()), 7);
    drop(memory);
    assert!(space.taken().is_empty());
    let vma = vma_at(address + 2 * page()).unwrap();
    assert_eq!((vma.access.as_str(), vma.kib("Rss")), ("---p", 0));
    let memory = space.commit(2 * page(), 3 * page()).unwrap();
    assert_eq!(memory.to_vec().unwrap(), vec![0; 3 * page()], "nothing is left of the last one");
    memory.close().unwrap();
    assert!(space.taken().is_empty());
    assert_eq!(vma_at(address + 3 * page()).unwrap().access, "---p");
}

#[test]
fn a_mapping_keeps_its_reservation_alive() {
    let space = Reservation::new(8 * page()).unwrap();
    let address = space.address();
    let memory = space.commit(4 * page(), page()).unwrap();
    drop(space);
    memory.write_at(0, b"here").unwrap();
    assert_eq!(vma_at(address).unwrap().access, "---p");
    assert_eq!(vma_at(address + 7 * page()).unwrap().access, "---p");
    let mut memory = Some(memory);
    in_child(|| {
        drop(memory.take());
        assert!((0..8).all(|at| vma_at(address + at * page()).is_none()));
    });
}

#[test]
fn split_and_join_inside_a_reservation_keep_its_books() {
    let space = Reservation::new(8 * page()).unwrap();
    let whole = space.commit(page(), 4 * page()).unwrap();
    whole.write_at(3 * page(), b"right").unwrap();
    let (left, right) = whole.split_at(3 * page()).unwrap();
    assert_eq!(space.taken(), [page()..4 * page(), 4 * page()..5 * page()]);
    assert_eq!(&right.to_vec().unwrap()[..5], b"right");
    let joined = left.join(right).unwrap();
    assert_eq!(space.taken(), [page()..5 * page()]);
    let (left, right) = joined.split_at(page()).unwrap();
    drop(left);
    assert_eq!(space.taken(), [2 * page()..5 * page()]);
    assert_eq!(&right.to_vec().unwrap()[2 * page()..2 * page() + 5], b"right");
    let other = Reservation::new(8 * page()).unwrap().commit(0, page()).unwrap();
    let refused = right.join(other).unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Invalid);
    let (right, _other) = refused.into_value();
    let mut right = right;
    assert_eq!(right.resize(page(), true).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(right.len(), 3 * page());
}

#[test]
fn a_mapping_that_fails_leaves_its_place_in_the_reservation_reserved() {
    let space = Reservation::aligned(8 << 20, 2 << 20).unwrap();
    let sealed = common::memfd(&pattern(page()));
    common::seal(&sealed, libc::F_SEAL_WRITE);
    let writable = |options: MapOptions| options.write().inside(&space, 0);
    writable(Mapping::options()).map(&sealed).unwrap_err();
    writable(Mapping::options()).open("/proc/self/cmdline").unwrap_err();
    Mapping::options().inside(&space, 0).len(page()).beyond_end().open("/tmp").unwrap_err();
    // Too many for any pool: the kernel finds out after it has taken the place.
    let huge = writable(Mapping::options()).huge_pages(folio::HugePage::Mib2);
    let error = huge.anonymous(8 << 20).err();
    if error.is_none() {
        return common::skip("a machine whose pool of huge pages is empty");
    }
    assert!(space.taken().is_empty());
    for at in (0..8 << 20).step_by(page()) {
        assert!(mincore(space.address() + at, page()).is_some(), "a hole at {at}: {error:?}");
    }
}

#[test]
fn mappings_of_other_threads_never_land_inside_a_reservation() {
    let space = Reservation::new(256 * page()).unwrap();
    let inside = space.address()..space.address() + space.len();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let strangers: Vec<_> = (1..40)
                        .map(|n| Mapping::options().anonymous(n * page()).unwrap())
                        .collect();
                    for stranger in &strangers {
                        assert!(!inside.contains(&stranger.address()));
                    }
                }
            });
        }
        for round in 0..2000usize {
            let at = round * 7 % 200;
            let memory = space.commit(at * page(), (round % 50 + 1) * page()).unwrap();
            poke(memory.address(), 1);
            if round % 3 == 0 {
                memory.close().unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(space.taken().is_empty());
}

#[test]
fn a_mapping_inside_shows_its_file_at_any_agreeing_offset() {
    let bytes = pattern(4 * page());
    let file = Scratch::new(&bytes);
    let space = Reservation::new(16 * page()).unwrap();
    let options = Mapping::options().offset(page() as u64 + 123).len(page());
    let map = options.clone().inside(&space, 3 * page() + 123).open(file.path()).unwrap();
    assert_eq!(map.address(), space.address() + 3 * page() + 123);
    assert_eq!(map.to_vec().unwrap(), bytes[page() + 123..2 * page() + 123]);
    assert_eq!(space.taken(), [3 * page()..5 * page()], "two pages for the bytes of two");
    let error = options.inside(&space, 8 * page()).open(file.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misaligned);
    assert_eq!(map.protection(), Protection::READ);
}
