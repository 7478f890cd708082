//! Which pages an operation reaches, and that each map gives back what it took.
#![allow(unsafe_code)]

mod common;

use std::fs;
use std::io::ErrorKind;

use common::{Scratch, in_child, is_mapped, page, pattern, skip};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions, RemapOptions, UncheckedAdvice};

const MIB2: usize = 2 << 20;

/// A page of memory right behind `map`, which is made shorter for it.
fn neighbour(map: &mut MmapMut) -> &'static mut [u8] {
    // SAFETY: nobody holds a pointer into the map; a new mapping touches no other; the page is the
    // caller's alone.
    unsafe {
        map.remap(page(), RemapOptions::new()).unwrap();
        let behind = map.as_mut_ptr().add(page()).cast();
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        assert_eq!(libc::mmap(behind, page(), access, flags, -1, 0), behind);
        std::slice::from_raw_parts_mut(behind.cast(), page())
    }
}

#[test]
fn advice_reaches_no_neighbour() {
    in_child(|| {
        let mut map = MmapMut::map_anon(2 * page()).unwrap();
        let neighbour = neighbour(&mut map);
        neighbour.fill(7);
        let len = map.len();
        for (offset, count) in [(len, len), (len, 1), (1, len), (0, len + 1), (1, usize::MAX)] {
            // SAFETY: no slice of the map is relied on.
            let result =
                unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, count) };
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} + {count}");
            let result = map.advise_range(Advice::Normal, offset, count);
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} + {count}");
        }
        assert!(neighbour.iter().all(|&byte| byte == 7));
        map.advise_range(Advice::Normal, len, 0).unwrap();
        // SAFETY: as above.
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, len) }.unwrap();
        assert!(neighbour.iter().all(|&byte| byte == 7));
    });
}

#[test]
fn a_range_outside_the_map_is_no_range_to_flush() {
    let scratch = Scratch::new(&pattern(100));
    // SAFETY: nobody else changes the file.
    let map = unsafe { MmapMut::map_mut(&scratch.file()) }.unwrap();
    for (offset, len) in [(0, 101), (101, 0), (100, 1), (usize::MAX, 2), (2, usize::MAX)] {
        for result in [map.flush_range(offset, len), map.flush_async_range(offset, len)] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput, "{offset} + {len}");
        }
    }
    map.flush_range(100, 0).unwrap();
}

#[test]
fn a_dropped_map_is_unmapped_to_its_last_page() {
    in_child(|| {
        let scratch = Scratch::new(&pattern(5 * page()));
        let file = scratch.file();
        for (offset, len) in
            [(0, 1), (0, 0), (7, 0), (0, 4096), (100, 4096), (4095, 3), (1, 20_000)]
        {
            let mut options = MmapOptions::new();
            options.offset(offset).len(len);
            // SAFETY: nobody changes the file.
            let map = unsafe { options.map(&file) }.unwrap();
            let first = map.as_ptr().addr() / page() * page();
            let last = map.as_ptr().addr() + len.max(1) - 1;
            assert!(is_mapped(first) && is_mapped(last));
            drop(map);
            assert!(!is_mapped(first) && !is_mapped(last), "{offset} + {len}");
        }
        for len in [0, 1, page() + 1] {
            let map = MmapMut::map_anon(len).unwrap();
            let (first, last) = (map.as_ptr().addr(), map.as_ptr().addr() + len.max(1) - 1);
            assert!(is_mapped(first) && is_mapped(last));
            drop(map);
            assert!(!is_mapped(first) && !is_mapped(last));
        }
    });
}

#[test]
fn a_map_that_shrank_keeps_what_it_shows_and_gives_the_rest_back() {
    in_child(|| {
        let mut map = MmapMut::map_anon(10 * page()).unwrap();
        map.copy_from_slice(&pattern(10 * page()));
        let start = map.as_ptr().addr();
        // Read-only memory too.
        let mut map = map.make_read_only().unwrap();
        // SAFETY: nobody holds a pointer into it.
        unsafe { map.remap(page() + 1, RemapOptions::new()) }.unwrap();
        assert!(map[..] == pattern(page() + 1)[..]);
        assert!(is_mapped(start + page()) && !is_mapped(start + 2 * page()));
        // SAFETY: as above.
        unsafe { map.remap(0, RemapOptions::new()) }.unwrap();
        assert!(map.is_empty());
        // SAFETY: as above.
        unsafe { map.remap(3 * page(), RemapOptions::new().may_move(true)) }.unwrap();
        assert_eq!((map.len(), map[3 * page() - 1]), (3 * page(), 0));
        drop(map);
        assert!(!is_mapped(start));
    });
}

#[test]
fn an_empty_file_has_a_map_that_grows_with_it() {
    let scratch = Scratch::new(b"");
    // SAFETY: nobody changes the file while a slice is looked at.
    let mut map = unsafe { MmapMut::map_mut(&scratch.file()) }.unwrap();
    assert!(map.is_empty());
    map.flush().unwrap();
    scratch.set_len(20_000);
    // SAFETY: nobody holds a pointer into it.
    unsafe { map.remap(20_000, RemapOptions::new().may_move(true)) }.unwrap();
    map.copy_from_slice(&pattern(20_000));
    assert!(scratch.bytes() == pattern(20_000));
}

#[test]
fn a_map_stays_where_it_is_unless_it_may_move() {
    in_child(|| {
        let mut map = MmapMut::map_anon(2 * page()).unwrap();
        let start = map.as_ptr();
        neighbour(&mut map);
        map.fill(5);
        // SAFETY: nobody holds a pointer into it.
        let error = unsafe { map.remap(3 * page(), RemapOptions::new()) }.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
        assert_eq!((map.as_ptr(), map.len(), map[0]), (start, page(), 5));
        // SAFETY: as above.
        unsafe { map.remap(3 * page(), RemapOptions::new().may_move(true)) }.unwrap();
        assert_ne!(map.as_ptr(), start);
        assert_eq!((map[page() - 1], map[page()]), (5, 0));
    });
}

#[test]
fn a_child_that_did_not_inherit_a_map_can_drop_it() {
    in_child(|| {
        let map = MmapMut::map_anon(page()).unwrap();
        map.advise(Advice::DontFork).unwrap();
        let start = map.as_ptr().addr();
        in_child(|| {
            assert!(!is_mapped(start));
            drop(map);
        });
    });
}

/// Runs `work` with more huge pages of 2 MiB in the pool, and gives it a look at how many are free.
fn with_huge_pages(pages: u64, work: impl FnOnce(&dyn Fn() -> u64)) {
    let dir = "/sys/kernel/mm/hugepages/hugepages-2048kB";
    if !common::is_root() {
        return skip("root, to fill the pool of huge pages");
    }
    // The pool is the machine's: folio's tests hold the same lock.
    let lock = fs::File::create(std::env::temp_dir().join("folio-hugepages.lock")).unwrap();
    lock.lock().unwrap();
    let number = |name: &str| {
        let text = fs::read_to_string(format!("{dir}/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let Some(before) = number("nr_hugepages") else {
        return skip("a kernel with huge pages of 2 MiB");
    };
    struct Pool(String, u64);
    impl Pool {
        fn set(&self, pages: u64) {
            fs::write(&self.0, pages.to_string()).unwrap();
        }
    }
    impl Drop for Pool {
        fn drop(&mut self) {
            self.set(self.1);
        }
    }
    let pool = Pool(format!("{dir}/nr_hugepages"), before);
    pool.set(before + pages);
    let free = || number("free_hugepages").unwrap() - number("resv_hugepages").unwrap();
    if free() < pages {
        return skip("free memory for huge pages");
    }
    // In a child: those that other tests fork have none of its pages.
    in_child(|| work(&free));
}

#[test]
fn a_map_of_huge_pages_gives_all_of_them_back() {
    with_huge_pages(4, |free| {
        let before = free();
        for len in [MIB2, 3 * MIB2, 1, MIB2 + 1] {
            for bits in [Some(21), None] {
                let mut map = MmapOptions::new().huge(bits).len(len).map_anon().unwrap();
                map[len - 1] = 7;
                let start = map.as_ptr().addr();
                assert_eq!(free(), before - len.div_ceil(MIB2) as u64);
                drop(map);
                assert_eq!(free(), before, "{len} bytes");
                assert!(!is_mapped(start));
            }
        }
        let mut map = MmapOptions::new().huge(Some(21)).len(3 * MIB2).map_anon().unwrap();
        map.fill(7);
        // SAFETY: nobody holds a pointer into it.
        unsafe { map.remap(MIB2 + 5, RemapOptions::new()) }.unwrap();
        assert_eq!((free(), map[MIB2 + 4]), (before - 2, 7));
        let map = map.make_read_only().unwrap().make_mut().unwrap();
        map.advise_range(Advice::Normal, 0, 5).unwrap();
        drop(map);
        assert_eq!(free(), before);
    });
}

#[test]
fn a_file_of_huge_pages_is_unmapped_whatever_the_length() {
    with_huge_pages(4, |free| {
        // SAFETY: the name is a string that lives through the call (memfd_create(2)); the descriptor
        // is new and has no other owner.
        let file = unsafe {
            use std::os::fd::FromRawFd;
            let fd = libc::memfd_create(c"folio-test".as_ptr(), libc::MFD_HUGETLB);
            assert!(fd >= 0);
            fs::File::from_raw_fd(fd)
        };
        file.set_len(2 * MIB2 as u64).unwrap();
        for (offset, len) in [(0, 2 * MIB2), (0, 1), (0, MIB2 + 1), (5, 100)] {
            let mut options = MmapOptions::new();
            options.offset(offset).len(len);
            // SAFETY: nobody else knows the file.
            let mut map = unsafe { options.map_mut(&file) }.unwrap();
            map[len - 1] = 1;
            map.flush().unwrap();
            let (first, last) = (map.as_ptr().addr(), map.as_ptr().addr() + len - 1);
            drop(map);
            assert!(!is_mapped(first) && !is_mapped(last), "{offset} + {len}");
        }
        let _ = free;
    });
}

#[test]
fn a_slice_of_a_map_is_two_words_behind_it() {
    // Mmap is passed around by value: it stays small.
    assert!(size_of::<Mmap>() <= 4 * size_of::<usize>());
}
