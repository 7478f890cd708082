//! The space that growth takes: reserved, given back, and not there, on each kind of file system.
#![allow(unsafe_code)]

mod common;

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{End, Scratch, fork, in_child, pattern, skip};
use folio::{ErrorKind, FaultKind, Growable};

const MIB: usize = 1 << 20;

#[test]
fn space_is_reserved_as_it_grows_unless_it_is_sparse() {
    let scratch = Scratch::new(b"");
    let taken = || scratch.file().metadata().unwrap().blocks() * 512;
    let sparse = Growable::options().sparse().open(scratch.path(), 16 * MIB).unwrap();
    sparse.grow(8 * MIB).unwrap();
    assert!(taken() < MIB as u64, "{}", taken());
    sparse.write_at(0, &[1; MIB]).unwrap();
    sparse.allocate(..4 * MIB).unwrap();
    assert!((4..5).contains(&(taken() / MIB as u64)), "{}", taken());

    let map = Growable::open(scratch.path(), 16 * MIB).unwrap();
    map.grow(10 * MIB).unwrap();
    assert!((6..8).contains(&(taken() / MIB as u64)), "{}", taken());
    map.shrink(0).unwrap();
    map.grow(10 * MIB).unwrap();
    assert!((10..12).contains(&(taken() / MIB as u64)), "{}", taken());
    map.shrink(0).unwrap();
    assert_eq!(taken(), 0);
}

#[test]
fn a_hole_is_zeros_to_the_byte_and_gives_the_space_back() {
    let bytes = pattern(8 * MIB);
    let scratch = Scratch::new(&bytes);
    let map = Growable::open(scratch.path(), 8 * MIB).unwrap();
    map.flush(..).unwrap();
    let before = scratch.file().metadata().unwrap().blocks();
    map.punch_hole(1001..7 * MIB + 3).unwrap();
    map.punch_hole(5..5).unwrap();
    let mut want = bytes;
    want[1001..7 * MIB + 3].fill(0);
    assert!(map.to_vec().unwrap() == want && scratch.bytes() == want);
    let after = scratch.file().metadata().unwrap().blocks();
    assert!(after * 4 < before, "{after} of {before} blocks");
    assert_eq!(map.len(), 8 * MIB);
}

#[test]
fn a_mapping_at_an_odd_offset_punches_to_the_byte_too() {
    use folio::Mapping;
    let bytes = pattern(100_000);
    let scratch = Scratch::new(&bytes);
    let mut want = bytes;
    let options = Mapping::options().write().offset(777).len(60_000);
    for (from, to, map) in [
        (5, 50_001, options.clone().open(scratch.path()).unwrap()),
        (59_000, 60_000, options.keep_file().map(scratch.file()).unwrap()),
    ] {
        map.punch_hole(from..to).unwrap();
        want[777 + from..777 + to].fill(0);
        assert!(scratch.bytes() == want);
        assert_eq!(map.punch_hole(..60_001).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
    for map in [
        Mapping::open(scratch.path()).unwrap(),
        Mapping::options().private().write().open(scratch.path()).unwrap(),
        Mapping::options().write().anonymous(100_000).unwrap(),
    ] {
        assert_eq!(map.punch_hole(..100).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert!(scratch.bytes() == want);
}

#[test]
fn the_limit_of_file_sizes_is_an_error_and_no_signal() {
    let scratch = Scratch::new(b"0123456789");
    in_child(|| {
        common::limit(libc::RLIMIT_FSIZE, 1 << 16);
        for options in [Growable::options(), Growable::options().sparse()] {
            let map = options.open(scratch.path(), MIB).unwrap();
            let error = map.grow((1 << 16) + 1).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
            assert!(error.to_string().contains("ulimit -f"), "{error}");
            map.grow(1 << 16).unwrap();
            map.shrink(10).unwrap();
        }
    });
    assert_eq!(scratch.bytes(), b"0123456789");
}

/// Runs `work` in a child that has a file system to itself, mounted at the path it is given. Prints
/// what is missing if the machine does not let it.
fn on_a_file_system_of_its_own(kind: &str, options: &str, work: impl FnOnce(&Path)) {
    const CANNOT: i32 = 77;
    let end = fork(|| {
        let text = |text: &str| CString::new(text).unwrap();
        let (kind, target, options, root) = (text(kind), text("/tmp"), text(options), text("/"));
        let none = std::ptr::null();
        // SAFETY: the calls read strings that live through them (unshare(2), mount(2)); the child
        // has one thread.
        let mounted = unsafe {
            let (user, group) = (libc::geteuid(), libc::getegid());
            let map = |file: &str, id| fs::write(file, format!("0 {id} 1")).is_ok();
            (libc::unshare(libc::CLONE_NEWNS) == 0
                || libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0
                    && map("/proc/self/uid_map", user)
                    && fs::write("/proc/self/setgroups", "deny").is_ok()
                    && map("/proc/self/gid_map", group))
                && libc::mount(
                    none,
                    root.as_ptr(),
                    none,
                    libc::MS_REC | libc::MS_PRIVATE,
                    none.cast(),
                ) == 0
                && libc::mount(
                    kind.as_ptr(),
                    target.as_ptr(),
                    kind.as_ptr(),
                    0,
                    options.as_ptr().cast(),
                ) == 0
        };
        if !mounted {
            // SAFETY: ends the process (_exit(2)).
            unsafe { libc::_exit(CANNOT) };
        }
        work(Path::new("/tmp"));
    });
    if end == End::Exit(CANNOT) {
        skip(format!("a mount namespace of one's own with {kind} (unshare(2), mount(2))"));
    } else {
        assert_eq!(end, End::Well);
    }
}

fn in_a_full_house(work: impl FnOnce(&Path)) {
    on_a_file_system_of_its_own("tmpfs", "size=1m", work);
}

#[test]
fn a_file_system_without_fallocate_gets_zeros_and_has_no_holes() {
    on_a_file_system_of_its_own("ramfs", "", |dir| {
        let map = Growable::create(dir.join("file"), MIB).unwrap();
        map.append(b"start").unwrap();
        map.grow(700_001).unwrap();
        assert!(map.file().metadata().unwrap().len() == 700_001);
        let mut want = vec![0; 700_001];
        want[..5].copy_from_slice(b"start");
        assert!(map.to_vec().unwrap() == want);
        let error = map.punch_hole(1..2).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        assert!(error.to_string().contains("fallocate"), "{error}");
        assert!(map.allocate(..).is_err());
        map.shrink(3).unwrap();
        map.grow(10).unwrap();
        assert_eq!(map.to_vec().unwrap(), b"sta\0\0\0\0\0\0\0");
    });
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    if !common::is_root() {
        return skip("root, for a loop device");
    }
    in_a_full_house_of_ext4(|dir| {
        let path = dir.join("file");
        let map = Growable::create(&path, 64 * MIB).unwrap();
        map.append(b"before").unwrap();
        let free = || rustix::fs::statvfs(dir).unwrap().f_bfree;
        let before = free();
        let error = map.grow(32 * MIB).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(free(), before, "blocks are left behind the end of the file");
        map.append(b" and after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before and after");
    });
}

/// Runs `work` in a child with a small ext4 of its own.
fn in_a_full_house_of_ext4(work: impl FnOnce(&Path)) {
    use std::process::Command;
    let image = Scratch::new(b"");
    image.set_len(8 * MIB as u64);
    let dir = std::env::temp_dir().join(format!("folio-ext4-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let run = |command: &mut Command| command.output().is_ok_and(|done| done.status.success());
    let made = run(Command::new("mkfs.ext4").arg("-q").arg(image.path()))
        && run(Command::new("mount").args(["-o", "loop"]).arg(image.path()).arg(&dir));
    if made {
        let end = fork(|| work(&dir));
        assert!(run(Command::new("umount").arg("--lazy").arg(&dir)));
        fs::remove_dir(&dir).unwrap();
        assert_eq!(end, End::Well);
    } else {
        fs::remove_dir(&dir).unwrap();
        skip("mkfs.ext4 and a loop device");
    }
}

#[test]
fn huge_pages_from_the_pool_are_taken_as_it_grows() {
    const HUGE: usize = 2 * MIB;
    let name = CString::new("folio-huge").unwrap();
    let flags = libc::MFD_CLOEXEC | libc::MFD_HUGETLB | libc::MFD_HUGE_2MB;
    // SAFETY: the name lives through the call (memfd_create(2)); the descriptor is new.
    let file = unsafe {
        let fd = libc::memfd_create(name.as_ptr(), flags);
        if fd < 0 {
            return skip("hugetlbfs");
        }
        <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
    };
    let map = Growable::of(&file, 1 << 30).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0, "mapping has not made it longer");
    match map.grow(HUGE) {
        Ok(()) => {}
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
            assert!(error.to_string().contains("vm.nr_hugepages"), "{error}");
            assert_eq!((map.len(), file.metadata().unwrap().len()), (0, 0));
            return skip("a huge page in the pool (vm.nr_hugepages)");
        }
    }
    map.fill(.., 7).unwrap();
    for result in [map.grow(HUGE + 1), map.shrink(HUGE - 1), map.append(b"x").map(drop)] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Misaligned);
    }
    assert_eq!((map.len(), file.metadata().unwrap().len()), (HUGE, HUGE as u64));
    map.shrink(0).unwrap();
}

#[test]
fn a_full_disk_is_an_error_at_growth_and_no_fault_at_a_store() {
    in_a_full_house(|dir| {
        let map = Growable::create(dir.join("file"), 16 * MIB).unwrap();
        let mut len = 0;
        let error = loop {
            match map.grow(len + (100 << 10)) {
                Ok(()) => len += 100 << 10,
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        let text = error.to_string();
        assert!(text.contains("ENOSPC") && text.contains("free space"), "{text}");
        assert!(len > MIB / 2);
        assert_eq!(map.len(), len);
        assert_eq!(map.file().metadata().unwrap().len(), len as u64);
        map.fill(.., 7).unwrap();
        assert!(map.to_vec().unwrap() == vec![7; len]);
        assert!(map.append(&[1; 100 << 10]).is_err());
        assert_eq!(map.file().metadata().unwrap().len(), len as u64);
        map.shrink(len / 2).unwrap();
        map.append(&[1; 100 << 10]).unwrap();
    });
}

#[test]
fn a_full_disk_behind_a_sparse_growth_is_a_fault_at_the_store() {
    in_a_full_house(|dir| {
        let map = Growable::options().sparse().or_create().open(dir.join("file"), 16 * MIB);
        let map = map.unwrap();
        map.grow(8 * MIB).unwrap();
        let fault = map.fill(.., 7).unwrap_err().into_fault().unwrap();
        assert_eq!(fault.kind(), FaultKind::NoSpace);
        assert!(fault.transferred() > MIB / 2 && fault.transferred() <= MIB);

        map.shrink(0).unwrap();
        let fault = map.append(&vec![7; 2 * MIB]).unwrap_err().into_fault().unwrap();
        assert_eq!(fault.kind(), FaultKind::NoSpace);
        assert_eq!(map.len(), 0, "nothing has been appended");
        assert_eq!(map.file().metadata().unwrap().len(), 0);

        let eager = Growable::options().sparse().populate().map(&map, 16 * MIB).unwrap();
        let fault = eager.grow(2 * MIB).unwrap_err().into_fault().unwrap();
        assert_eq!(fault.kind(), FaultKind::NoSpace);
        assert_eq!(eager.len(), 0);
        assert_eq!(map.file().metadata().unwrap().len(), 0);
    });
}
