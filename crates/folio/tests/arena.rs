//! The arena hands out memory that is nobody else's, and gives all of it back.
#![allow(unsafe_code)]

mod common;

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::thread;

use common::mincore;
use folio::{Arena, ErrorKind, HugePage, MapOptions};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn address(piece: NonNull<u8>) -> usize {
    piece.addr().get()
}

#[test]
fn a_large_capacity_costs_no_memory_until_it_is_used() {
    let arena = Arena::new(64 << 30).unwrap();
    assert_eq!((arena.used(), arena.committed(), arena.capacity()), (0, 0, 64 << 30));
    arena.alloc_slice(&[1u8; 100]).unwrap();
    assert!(arena.used() == 100 && arena.committed() <= MIB);
    // A step that is one large allocation is touched no more than any other.
    let large = arena.alloc_layout(layout(4 << 30, 4096)).unwrap();
    let resident = mincore(address(large), 4 << 30).unwrap();
    assert!(resident.iter().all(|&page| !page));
}

#[test]
fn a_full_arena_refuses_and_what_fits_still_goes_in() {
    let arena = Arena::new(MIB).unwrap();
    let error = arena.alloc_layout(layout(MIB + 1, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    assert!(error.to_string().contains("capacity of 1048576, of which 0"), "{error}");
    arena.alloc_layout(layout(MIB - 8, 1)).unwrap();
    assert!(arena.alloc([0u64; 2]).is_err());
    *arena.alloc(0u64).unwrap() = 7;
    assert!(arena.alloc(1u8).is_err());
    arena.alloc(()).unwrap();
    assert_eq!(arena.used(), MIB);
    assert!(arena.alloc_layout(layout(isize::MAX as usize, 1)).is_err());
    assert!(arena.alloc_layout(layout(1, 1 << 62)).is_err());
}

#[test]
fn near_a_limit_of_memory_it_hands_out_what_there_is() {
    common::in_child(|| {
        let arena = Arena::new(1 << 30).unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let field = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
        let kib: u64 = field.trim().trim_end_matches(" kB").parse().unwrap();
        // A failure that finds no memory to say so must not wait for ever.
        // SAFETY: takes a number (alarm(2)).
        unsafe { libc::alarm(20) };
        common::limit(libc::RLIMIT_DATA, (kib << 10) + 5 * MIB as u64 + MIB as u64 / 2);
        let piece = layout(MIB, 1);
        // Steps of 1, 1 and 2 MiB; the next would be 4.
        assert!((0..5).all(|_| arena.alloc_layout(piece).is_ok()));
        let error = arena.alloc_layout(piece).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(arena.used(), 5 * MIB);
    });
}

#[test]
fn reset_gives_every_page_back_and_what_comes_after_is_zeros() {
    let mut arena = Arena::new(64 * MIB).unwrap();
    for round in 0..3 {
        let piece = arena.alloc_layout(layout(10 * MIB, 1)).unwrap();
        assert_eq!(address(piece), arena.address());
        assert_eq!(common::peek(address(piece)), 0, "in round {round}");
        assert_eq!(common::peek(address(piece) + 10 * MIB - 1), 0);
        arena.alloc_slice(&vec![9u8; 20 * MIB]).unwrap();
        common::poke(address(piece), 9);
        common::poke(address(piece) + 10 * MIB - 1, 9);
        arena.reset().unwrap();
        assert_eq!((arena.used(), arena.committed()), (0, 0));
        let vma = common::vma_at(arena.address()).unwrap();
        assert_eq!(vma.access, "---p");
    }
}

#[test]
fn threads_share_an_arena_and_no_byte_is_handed_out_twice() {
    let arena = Arena::new(256 * MIB).unwrap();
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=4u8)
            .map(|mark| {
                let arena = &arena;
                scope.spawn(move || {
                    let pieces: Vec<&mut [u8]> = (0..20_000)
                        .map(|i| arena.alloc_slice(&[mark; 64][..i % 64 + 1]).unwrap())
                        .collect();
                    assert!(pieces.iter().all(|piece| piece.iter().all(|&byte| byte == mark)));
                    pieces.iter().map(|piece| piece.len()).sum::<usize>()
                })
            })
            .collect();
        let total: usize = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        assert_eq!(arena.used(), total);
    });
}

#[test]
fn steps_are_of_the_pages_asked_for() {
    let arena = MapOptions::new().transparent_huge_pages().arena(1 << 30).unwrap();
    assert!(arena.address().is_multiple_of(HugePage::Mib2.bytes()));
    let piece = arena.alloc_layout(layout(8 * MIB, 1)).unwrap();
    assert!(common::vma_at(address(piece)).unwrap().has("hg"), "MADV_HUGEPAGE is set");

    let arena = MapOptions::new().huge_pages_or_base(HugePage::Mib2).arena(3 * MIB).unwrap();
    assert_eq!(arena.capacity(), 4 * MIB);
    *arena.alloc(5).unwrap() += 1;
    assert!(arena.committed().is_multiple_of(2 * MIB));

    let arena = MapOptions::new().populate().name("folio-arena").arena(MIB).unwrap();
    let piece = arena.alloc(1u8).unwrap();
    let resident = mincore(std::ptr::from_mut(piece).addr(), arena.committed()).unwrap();
    assert!(resident.iter().all(|&page| page));

    for options in [
        MapOptions::new().near(1 << 40),
        MapOptions::new().shared(),
        MapOptions::new().droppable(),
        MapOptions::new().protection(folio::Protection::READ),
        MapOptions::new().huge_pages(HugePage::Mib2).no_reserve(),
    ] {
        assert_eq!(options.arena(MIB).unwrap_err().kind(), ErrorKind::Invalid);
    }
    let offset = MapOptions::new().offset(1).arena(MIB).unwrap();
    assert_eq!(offset.alloc(1).unwrap_err().kind(), ErrorKind::Invalid);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_never_overlap_and_are_aligned(
        rounds in proptest::collection::vec(
            proptest::collection::vec((0usize..40_000, 0u32..14), 0..100),
            1..4,
        ),
    ) {
        let mut arena = Arena::new(8 * MIB).unwrap();
        for round in rounds {
            let mut taken = BTreeMap::new();
            for (size, align) in round {
                let asked = layout(size, 1 << align);
                let piece = address(arena.alloc_layout(asked).unwrap());
                prop_assert!(piece != 0 && piece.is_multiple_of(asked.align()));
                if size == 0 {
                    continue;
                }
                let before = taken.range(..piece + size).next_back();
                prop_assert!(before.is_none_or(|(_, &end)| end <= piece));
                taken.insert(piece, piece + size);
                prop_assert!(piece >= arena.address());
                prop_assert!(piece + size <= arena.address() + arena.committed());
                common::poke(piece, 1);
                common::poke(piece + size - 1, 1);
            }
            arena.reset().unwrap();
        }
    }
}

#[cfg(feature = "allocator-api2")]
mod allocator {
    use std::alloc::Layout;
    use std::ptr::NonNull;

    use allocator_api2::alloc::Allocator;
    use allocator_api2::{boxed::Box, vec::Vec};
    use folio::Arena;
    use proptest::prelude::*;

    use super::{MIB, layout};

    #[test]
    fn a_vector_that_is_last_grows_in_place() {
        let arena = Arena::new(64 * MIB).unwrap();
        let mut numbers = Vec::new_in(&arena);
        numbers.push(0u32);
        let address = numbers.as_ptr();
        (1..1_000_000).for_each(|number| numbers.push(number));
        assert_eq!(numbers.as_ptr(), address);
        assert!(numbers.iter().enumerate().all(|(i, &number)| i == number as usize));
        assert!(arena.used() < 9 * MIB);
        numbers.shrink_to_fit();
        assert_eq!(arena.used(), 4_000_000);
        drop(numbers);
        assert_eq!(arena.used(), 0);
    }

    #[test]
    fn values_in_boxes_are_dropped_and_a_full_arena_is_an_allocation_error() {
        let arena = Arena::new(4096).unwrap();
        let count = std::rc::Rc::new(());
        let first = Box::new_in(count.clone(), &arena);
        let second = Box::new_in(count.clone(), &arena);
        assert_eq!(std::rc::Rc::strong_count(&count), 3);
        drop((first, second));
        assert_eq!(std::rc::Rc::strong_count(&count), 1);
        assert!(Box::try_new_in([0u8; 5000], &arena).is_err());
        let mut bytes: Vec<u8, &Arena> = Vec::new_in(&arena);
        bytes.try_reserve(5000).unwrap_err();
        bytes.try_reserve(1000).unwrap();
    }

    #[derive(Clone, Debug)]
    enum Step {
        Take(usize, u32),
        Free(usize),
        Resize(usize, usize, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..5000, 0u32..13).prop_map(|(size, align)| Step::Take(size, align)),
            any::<usize>().prop_map(Step::Free),
            (any::<usize>(), 0usize..5000, 0u32..13)
                .prop_map(|(which, size, align)| Step::Resize(which, size, align)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn blocks_keep_their_bytes_through_any_order_of_freeing_and_resizing(
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let arena = Arena::new(8 * MIB).unwrap();
            let allocator = &arena;
            let mut blocks = std::vec::Vec::new();
            let mut mark = 0u8;
            for step in steps {
                let (pointer, of, kept) = match step {
                    Step::Take(size, align) => {
                        let of = layout(size, 1 << align);
                        (allocator.allocate(of).unwrap(), of, None)
                    }
                    Step::Free(which) if !blocks.is_empty() => {
                        let (pointer, of, _) = blocks.swap_remove(which % blocks.len());
                        free(&allocator, pointer, of);
                        continue;
                    }
                    Step::Resize(which, size, align) if !blocks.is_empty() => {
                        let (pointer, old, mark) = blocks.swap_remove(which % blocks.len());
                        let new = layout(size, 1 << align);
                        let moved = resize(&allocator, pointer, old, new);
                        (moved, new, Some((mark, old.size().min(size))))
                    }
                    _ => continue,
                };
                prop_assert_eq!(pointer.len(), of.size());
                let address = pointer.cast::<u8>();
                prop_assert!(address.addr().get().is_multiple_of(of.align()));
                if let Some((mark, count)) = kept {
                    prop_assert!(bytes_are(address, count, mark));
                }
                mark = mark.wrapping_add(1);
                (0..of.size()).for_each(|i| super::common::poke(address.addr().get() + i, mark));
                blocks.push((address, of, mark));
                for &(address, of, mark) in &blocks {
                    prop_assert!(bytes_are(address, of.size(), mark));
                }
            }
            while let Some((pointer, of, _)) = blocks.pop() {
                free(&allocator, pointer, of);
            }
        }
    }

    fn bytes_are(address: NonNull<u8>, count: usize, mark: u8) -> bool {
        (0..count).all(|i| super::common::peek(address.addr().get() + i) == mark)
    }

    fn free(arena: &&Arena, pointer: NonNull<u8>, of: Layout) {
        // SAFETY: callers pass a block of this arena and its layout, once.
        unsafe { arena.deallocate(pointer, of) };
    }

    fn resize(arena: &&Arena, pointer: NonNull<u8>, old: Layout, new: Layout) -> NonNull<[u8]> {
        // SAFETY: as in `free`; the larger of the sizes decides which of the two it is.
        let moved = unsafe {
            if new.size() >= old.size() {
                arena.grow(pointer, old, new)
            } else {
                arena.shrink(pointer, old, new)
            }
        };
        moved.unwrap()
    }
}
