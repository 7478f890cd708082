//! Ways in which safe code once broke what folio promises: a signal, bytes of a slice that change,
//! a write that is lost. Each ended badly before it was a test.

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use common::{End, Scratch, fork, in_child, page, skip};
use folio::{Discard, ErrorKind, HugePage, MapOptions, Mapping, Memfd, Memory, Seals};

#[test]
fn bytes_with_a_guard_among_them_are_not_stable_until_it_is_taken_away() {
    let mut map = MapOptions::new().private().write().anonymous(4 * page()).unwrap();
    match map.discard(page()..2 * page(), Discard::Guard) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return skip("Linux 6.13 for MADV_GUARD_INSTALL");
        }
        touched => drop(touched.unwrap()),
    }
    let refused = map.into_stable().unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("guard"), "{refused}");
    let mut map = refused.into_parts().0;
    map.discard(.., Discard::Unguard).unwrap();
    assert!(map.into_stable().unwrap().iter().all(|&byte| byte == 0));

    let memfd = Memfd::new("folio-test").unwrap();
    memfd.set_len(2 * page() as u64).unwrap();
    memfd.add_seals(Seals::WRITE | Seals::SHRINK).unwrap();
    let mut map = Mapping::options().private().keep_file().map(&memfd).unwrap();
    map.discard(..page(), Discard::Guard).unwrap();
    let (left, right) = map.split_at(page()).unwrap();
    assert!(left.into_stable().is_err());
    assert!(right.into_stable().is_err(), "which of the two has the guard is not known");
}

#[test]
fn memory_that_could_not_be_frozen_can_still_be_written() {
    let mut memory = Memory::new(2 * page()).unwrap();
    memory[0] = 1;
    assert_eq!(
        fork(|| {
            if !common::seal_pages(memory.address() + page(), page()) {
                return skip("Linux 6.10 for mseal");
            }
            let refused = memory.freeze().unwrap_err();
            let mut memory = refused.into_parts().0;
            memory[0] += 1;
            memory[page()] = 1;
            assert_eq!(memory[0], 2);
        }),
        End::Well
    );
}

#[test]
fn nothing_is_mapped_at_address_zero() {
    // Root may, where an ordinary user gets EPERM; a slice may not begin there.
    let error = MapOptions::new().exactly_at(0).memory(page()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Os), "{error}");
    let file = Scratch::new(&common::pattern(2 * page()));
    assert!(MapOptions::new().exactly_at(10).offset(10).open(file.path()).is_err());
}

#[test]
fn an_empty_file_of_huge_pages_maps_to_an_empty_mapping_and_stays_empty() {
    let memfd = match Memfd::huge_pages("folio-test", HugePage::Mib2) {
        Ok(memfd) => memfd,
        Err(error) => return skip(error),
    };
    let map = memfd.map().unwrap();
    assert!(map.is_empty());
    assert!(memfd.is_empty().unwrap());
    // Another test maps a file whose name is no UTF-8.
    let maps = std::fs::read("/proc/self/maps").unwrap();
    let maps = String::from_utf8_lossy(&maps);
    let inode = map.backing().inode().unwrap().1.to_string();
    assert!(!maps.lines().any(|line| line.split_whitespace().nth(4) == Some(&inode)), "{maps}");
}

#[test]
fn a_memfd_beyond_the_limit_of_file_sizes_is_an_error_and_no_signal() {
    let memfd = Memfd::new("folio-test").unwrap();
    in_child(|| {
        common::limit(libc::RLIMIT_FSIZE, 1 << 20);
        memfd.set_len(1 << 20).unwrap();
        let error = memfd.set_len((1 << 20) + 1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
        let error = memfd.allocate(0..2 << 20).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
        memfd.set_len(0).unwrap();
    });
}

#[test]
fn what_was_written_between_lost_pages_stays_whatever_other_mappings_are_called() {
    let file = Scratch::new(&common::pattern(3 * page()));
    let odd = std::env::temp_dir().join(OsStr::from_bytes(
        format!("folio-test-odd-{}-\u{fffd}", std::process::id()).as_bytes(),
    ));
    let mut name = odd.into_os_string().into_encoded_bytes();
    name.push(0xff);
    let odd = std::path::PathBuf::from(OsStr::from_bytes(&name));
    if std::fs::write(&odd, b"a name that is no UTF-8").is_err() {
        return skip("a file system that takes any name");
    }
    let other = Mapping::open(&odd).unwrap();

    let mut map = Mapping::options().private().write().keep_file().open(file.path()).unwrap();
    file.set_len(0);
    let bytes = common::slice(&map);
    assert_eq!((bytes[0], bytes[2 * page()]), (0, 0));
    file.set_len(3 * page() as u64);
    map.write_at(page(), b"kept").unwrap();
    assert!(map.restore().unwrap().is_some());
    let mut kept = [0; 4];
    map.read_at(page(), &mut kept).unwrap();
    assert_eq!(&kept, b"kept");
    drop(other);
    std::fs::remove_file(&odd).unwrap();
}

#[test]
fn a_lost_page_becomes_zeros_at_the_limit_of_data() {
    let file = Scratch::new(&common::pattern(2 * page()));
    let map = Mapping::options().write().keep_file().open(file.path()).unwrap();
    file.set_len(page() as u64);
    let (first, second) = (common::slice(&map).as_ptr().addr(), map.address() + page());
    in_child(|| {
        common::limit(libc::RLIMIT_DATA, page() as u64);
        common::poke(second, 7);
        assert_eq!((common::peek(first), common::peek(second)), (1, 7));
    });
}
