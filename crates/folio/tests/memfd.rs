//! Memory with a descriptor: its length, its seals, and what they make of its mappings.

mod common;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use folio::{BackingKind, ErrorKind, HugePage, Mapping, Memfd, Seals};

const MIB: u64 = 1 << 20;

fn filled(bytes: &[u8]) -> Memfd {
    let memfd = Memfd::new("folio-test").unwrap();
    memfd.set_len(bytes.len() as u64).unwrap();
    memfd.map().unwrap().write_at(0, bytes).unwrap();
    memfd
}

#[test]
fn a_memfd_has_its_name_its_length_and_its_bytes() {
    let memfd = Memfd::new("folio-named").unwrap();
    assert!(memfd.is_empty().unwrap());
    memfd.set_len(5).unwrap();
    let map = memfd.map().unwrap();
    assert_eq!(map.backing().kind(), BackingKind::SharedMemory);
    map.write_at(0, b"bytes").unwrap();
    let file = File::from(OwnedFd::from(memfd));
    assert_eq!(std::io::read_to_string(&file).unwrap(), "bytes");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.starts_with(&format!("{:x}-", map.address())));
    assert!(line.unwrap().ends_with("/memfd:folio-named (deleted)"), "{line:?}");
}

#[test]
fn a_memfd_is_not_inherited_by_programs_and_not_executable_unless_asked_for() {
    let memfd = Memfd::new("folio-noexec").unwrap();
    let flags = rustix::io::fcntl_getfd(&memfd).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    let mode = |memfd: &Memfd| rustix::fs::fstat(memfd).unwrap().st_mode & 0o111;
    if memfd.seals().unwrap().contains(Seals::EXEC) {
        assert_eq!(mode(&memfd), 0);
    } else {
        common::skip("MFD_NOEXEC_SEAL (Linux 6.3)");
    }
    match Memfd::executable("folio-exec") {
        Ok(memfd) => {
            assert_eq!(mode(&memfd), 0o111);
            assert_eq!(memfd.seals().unwrap(), Seals::NONE);
        }
        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EACCES), "{error}"),
    }
}

#[test]
fn sealed_against_writing_and_shrinking_it_becomes_stable_however_it_is_mapped() {
    let memfd = filled(b"never again");
    memfd.add_seals(Seals::WRITE | Seals::SHRINK).unwrap();
    let seals = memfd.seals().unwrap();
    assert!(seals.contains(Seals::WRITE | Seals::SHRINK) && !seals.contains(Seals::GROW));

    let map = memfd.map().unwrap();
    let private = Mapping::options().private().map(&memfd).unwrap();
    let shared = Mapping::of(&memfd);
    let part = Mapping::options().private().offset(6).map(&memfd).unwrap();
    for map in [map, private] {
        assert_eq!(&*map.into_stable().unwrap(), b"never again");
    }
    assert_eq!(&*part.into_stable().unwrap(), b"again");
    match shared {
        Ok(map) => assert_eq!(&*map.into_stable().unwrap(), b"never again"),
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EPERM));
            common::skip("shared mappings of sealed memory (Linux 6.7)");
        }
    }
    // It keeps its own descriptor.
    let map = memfd.map().unwrap();
    drop(memfd);
    assert_eq!(&*map.into_stable().unwrap(), b"never again");
}

#[test]
fn every_weaker_set_of_seals_is_refused_and_the_mapping_comes_back() {
    let all = [Seals::SHRINK, Seals::GROW, Seals::WRITE, Seals::FUTURE_WRITE, Seals::SEAL];
    for bits in 0..1 << all.len() {
        let picked = all.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        let seals = picked.fold(Seals::NONE, |set, (_, &seal)| set | seal);
        let memfd = filled(b"weak");
        memfd.add_seals(seals).unwrap();
        let stable = memfd.map().unwrap().into_stable();
        if seals.contains(Seals::WRITE | Seals::SHRINK) {
            assert_eq!(&*stable.unwrap(), b"weak", "{seals:?}");
            continue;
        }
        let (map, error) = stable.expect_err("bytes that others can change").into_parts();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{seals:?}");
        assert_eq!(map.to_vec().unwrap(), b"weak", "{seals:?}");
    }
}

#[test]
fn a_tail_behind_the_end_is_stable_only_if_the_memfd_cannot_grow() {
    let memfd = filled(&[7; 4096]);
    memfd.add_seals(Seals::WRITE | Seals::SHRINK).unwrap();
    let long = || Mapping::options().private().len(8192).beyond_end().map(&memfd).unwrap();
    assert_eq!(long().into_stable().unwrap_err().error().kind(), ErrorKind::Invalid);
    memfd.add_seals(Seals::GROW).unwrap();
    assert_eq!(long().into_stable().unwrap()[..4096], [7; 4096]);
}

#[test]
fn a_seal_forbids_what_it_says_and_a_writable_mapping_forbids_the_seal() {
    let memfd = filled(&[1; 100]);
    let errno = |result: folio::Result<()>| result.unwrap_err().raw_os_error();
    let map = memfd.map().unwrap();
    assert_eq!(errno(memfd.add_seals(Seals::WRITE)), Some(libc::EBUSY));
    memfd.add_seals(Seals::FUTURE_WRITE).unwrap();
    map.write_at(0, &[2]).unwrap();
    drop(map);
    memfd.add_seals(Seals::SHRINK | Seals::GROW).unwrap();
    assert_eq!(errno(memfd.set_len(99)), Some(libc::EPERM));
    assert_eq!(errno(memfd.set_len(101)), Some(libc::EPERM));
    assert_eq!(errno(memfd.allocate(50..200)), Some(libc::EPERM));
    assert_eq!(memfd.len().unwrap(), 100);
    let error = Mapping::options().write().map(&memfd).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert!(error.to_string().contains("seal"), "{error}");
    memfd.add_seals(Seals::SEAL).unwrap();
    assert_eq!(errno(memfd.add_seals(Seals::WRITE)), Some(libc::EPERM));
}

#[test]
fn allocating_takes_the_memory_and_lengthens() {
    let memfd = Memfd::new("folio-allocate").unwrap();
    memfd.allocate(0..0).unwrap();
    memfd.allocate(8192..20_000).unwrap();
    let stat = rustix::fs::fstat(&memfd).unwrap();
    assert_eq!((stat.st_size, stat.st_blocks * 512), (20_000, 12_288));
    #[expect(clippy::reversed_empty_ranges)]
    let reversed = memfd.allocate(2..1).unwrap_err();
    assert_eq!(reversed.kind(), ErrorKind::OutOfRange);
    let huge = memfd.allocate(1..u64::MAX).unwrap_err();
    assert!(matches!(huge.raw_os_error(), Some(libc::EFBIG | libc::EINVAL)), "{huge}");
}

#[test]
fn too_few_huge_pages_are_an_error_when_allocated() {
    let memfd = match Memfd::huge_pages("folio-huge", HugePage::Mib2) {
        Ok(memfd) => memfd,
        Err(error) => {
            common::skip(format_args!("huge pages of 2 MiB ({error})"));
            return;
        }
    };
    memfd.set_len(4096).unwrap();
    assert_eq!(memfd.len().unwrap(), 2 * MIB, "rounded up to a huge page");
    let copy = Memfd::try_from(memfd.as_fd().try_clone_to_owned().unwrap()).unwrap();
    copy.set_len(2 * MIB + 1).unwrap();
    assert_eq!(memfd.len().unwrap(), 4 * MIB);
    assert_eq!(memfd.set_len(u64::MAX).unwrap_err().raw_os_error(), Some(libc::EFBIG));
    // More than any pool has.
    let error = memfd.allocate(0..1 << 45).unwrap_err();
    assert!(matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::ENOMEM)), "{error}");
    assert!(error.to_string().contains("huge pages"), "{error}");
}

#[test]
fn secret_memory_is_read_and_written_like_any_other() {
    let memfd = match Memfd::secret() {
        Ok(memfd) => memfd,
        Err(error) => {
            assert!(error.to_string().contains("secretmem.enable=1"), "{error}");
            common::skip("memfd_secret");
            return;
        }
    };
    memfd.set_len(8192).unwrap();
    assert_eq!(memfd.set_len(4096).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    let map = match memfd.map() {
        Ok(map) => map,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EAGAIN), "{error}");
            common::skip("locked memory");
            return;
        }
    };
    assert_eq!(map.backing().kind(), BackingKind::Secret);
    map.write_at(4090, b"a secret").unwrap();
    assert_eq!(&map.to_vec().unwrap()[4090..4098], b"a secret");
    assert_eq!(memfd.seals().unwrap(), Seals::NONE);
    assert_eq!(memfd.add_seals(Seals::WRITE).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert!(map.into_stable().is_err());
    let fd: OwnedFd = memfd.into();
    assert!(Memfd::try_from(fd).is_ok());
}

#[test]
fn only_a_memfd_is_taken_for_one() {
    let memfd = filled(b"handed over");
    let copy = memfd.as_fd().try_clone_to_owned().unwrap();
    let taken = Memfd::try_from(copy).unwrap();
    assert_eq!(taken.map().unwrap().to_vec().unwrap(), b"handed over");

    let file = File::open("/proc/self/exe").unwrap();
    let (fd, error) = Memfd::try_from(OwnedFd::from(file)).unwrap_err().into_parts();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(File::from(fd).metadata().unwrap().len() > 0);
}

#[test]
fn a_name_that_is_too_long_is_refused() {
    let error = Memfd::new(&"n".repeat(250)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    assert!(error.to_string().contains("249"), "{error}");
}

#[test]
fn posix_shared_memory_is_mapped_by_its_path() {
    let name = format!("/dev/shm/folio-test-{}", std::process::id());
    if std::fs::write(&name, [0; 4096]).is_err() {
        common::skip("a writable /dev/shm");
        return;
    }
    let one = Mapping::options().write().open(&name).unwrap();
    let other = Mapping::open(&name).unwrap();
    std::fs::remove_file(&name).unwrap();
    assert_eq!(one.backing().kind(), BackingKind::SharedMemory);
    one.write_at(100, b"seen by all").unwrap();
    let mut seen = [0; 11];
    other.read_at(100, &mut seen).unwrap();
    assert_eq!(&seen, b"seen by all");
}

#[test]
fn memory_of_huge_pages_is_allocated_sealed_and_mapped_again() {
    let memfd = Memfd::huge_pages("folio-pool", HugePage::Mib2);
    let Some(memfd) = memfd.ok().filter(|memfd| memfd.allocate(0..3 * MIB).is_ok()) else {
        common::skip("two free huge pages in the pool (vm.nr_hugepages)");
        return;
    };
    let map = memfd.map().unwrap();
    assert_eq!((map.page_size() as u64, memfd.len().unwrap()), (2 * MIB, 4 * MIB));
    map.write_at(2_500_000, b"far").unwrap();
    drop(map);
    memfd.add_seals(Seals::WRITE | Seals::SHRINK).unwrap();
    // There is no huge page left for copies, and none is needed.
    let stable = memfd.map().unwrap().into_stable().unwrap();
    assert_eq!(&stable[2_500_000..2_500_003], b"far");
}
