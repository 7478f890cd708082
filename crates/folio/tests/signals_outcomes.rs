//! Every operation of the view on every outcome: how many bytes were transferred, and why no more.
//!
//! Each outcome is a mapping whose bytes can be had up to a position and not from there on. Each
//! runs in a process of its own, where a signal that gets through shows; what needs mounts has
//! them in a mount namespace that ends with the process.
#![allow(unsafe_code)]

mod signals_common;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use folio::{Access, Discard, Fault, FaultKind, Fork, HugePage, Mapping, Protection};
use signals_common::*;

/// Up to where an access succeeds, and what the fault is then. `None`: it succeeds everywhere.
#[derive(Clone, Copy)]
struct Limit {
    good: usize,
    kind: Option<FaultKind>,
    errno: Option<i32>,
}

impl Limit {
    const NONE: Self = Self { good: usize::MAX, kind: None, errno: None };

    fn at(good: usize, kind: FaultKind) -> Self {
        Self { good, kind: Some(kind), errno: None }
    }

    fn errno(self, errno: i32) -> Self {
        Self { errno: Some(errno), ..self }
    }

    /// Bytes of `count` at `at` that are transferred.
    fn done(&self, at: usize, count: usize) -> usize {
        count.min(self.good.saturating_sub(at))
    }

    #[track_caller]
    fn assert_fault(&self, map: &Mapping, fault: &Fault, access: Access, at: usize, done: usize) {
        assert_eq!(Some(fault.kind()), self.kind, "{fault}");
        assert_eq!((fault.transferred(), fault.position()), (done, at + done), "{fault}");
        assert_eq!(fault.offset(), map.offset() + (at + done) as u64);
        assert_eq!(fault.address(), map.address() + at + done);
        assert_eq!(fault.access(), access, "{fault}");
        assert_eq!(fault.backing(), map.backing());
        if self.errno.is_some() {
            assert_eq!(fault.raw_os_error(), self.errno, "{fault}");
        }
    }

    /// Asserts what an operation on `count` bytes at `at` that may have succeeded came to.
    #[track_caller]
    fn assert(
        &self,
        map: &Mapping,
        access: Access,
        at: usize,
        count: usize,
        result: folio::Result<()>,
    ) -> usize {
        let done = self.done(at, count);
        match result {
            Ok(()) => assert_eq!(done, count, "succeeded, at {at}"),
            Err(error) => {
                assert!(done < count, "{error}, {count} at {at}");
                self.assert_fault(map, error.fault().unwrap(), access, at, done);
            }
        }
        done
    }

    /// The same for a word, which is reached whole or not at all.
    #[track_caller]
    fn assert_word<T>(
        &self,
        map: &Mapping,
        access: Access,
        at: usize,
        size: usize,
        result: folio::Result<T>,
    ) {
        match result {
            Ok(_) => assert_eq!(self.done(at, size), size),
            Err(error) => {
                assert_eq!(self.done(at, size), 0, "{error}");
                self.assert_fault(map, error.fault().unwrap(), access, at, 0);
            }
        }
    }
}

const COUNTS: [usize; 26] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 1000, 1023, 1024,
    1025, 5000,
];

/// Where operations of `count` bytes begin, to end before, on and behind a limit.
fn positions(good: usize, count: usize, len: usize) -> impl Iterator<Item = usize> {
    let good = good.min(len);
    let back = [0, 1, 2, 5, 8, 17, 40, count / 2, count.saturating_sub(1), count, count + 1];
    back.into_iter()
        .filter_map(move |back| good.checked_sub(back))
        .chain([good + 1, len - count])
        .filter(move |at| at + count <= len)
}

/// A user's buffer that lies in a guarded mapping of a file cut to its first page.
fn lost_buffer() -> Mapping {
    let path = child_dir().join("buffer");
    fs::write(&path, pattern(4 * PAGE)).unwrap();
    let map = Mapping::options().private().write().open(&path).unwrap();
    set_len(&path, PAGE as u64);
    map
}

/// Every operation on every size class around both limits. Bytes that can be read are those of
/// [`pattern`].
fn operations(map: &Mapping, read: Limit, write: Limit) {
    let len = map.len();
    let bytes = pattern(len);
    for count in COUNTS {
        for at in positions(read.good, count, len) {
            let mut buf = vec![0xee; count];
            let done = read.assert(map, Access::Read, at, count, map.read_at(at, &mut buf));
            if done > 0 {
                assert_eq!(buf[..done], bytes[at..at + done]);
            }
            assert!(buf[done..].iter().all(|&byte| byte == 0xee));

            let part = map.view().range(at..at + count).unwrap();
            let vec = part.to_vec().map(|vec| {
                assert_eq!(vec, bytes[at..at + count]);
            });
            read.assert(map, Access::Read, at, count, vec);

            let mut copy = Vec::new();
            let all = part.copy_to(&mut copy);
            assert_eq!((all.is_ok(), copy.len()), (done == count, done));

            let mut cursor = part.cursor();
            let mut buf = vec![0xee; count];
            match cursor.read(&mut buf) {
                Ok(some) => assert_eq!(some, done),
                Err(_) => assert!(done == 0 && count > 0),
            }
            assert_eq!(cursor.position(), done as u64);
            assert_eq!(cursor.read(&mut buf).is_err(), done < count);
        }
        for at in positions(write.good, count, len) {
            let expect = &bytes[at..at + count];
            let done = write.assert(map, Access::Write, at, count, map.write_at(at, expect));
            let done_again = map.view().range(at..at + count).unwrap().cursor().write(expect);
            match done_again {
                Ok(some) => assert_eq!(some, done),
                Err(_) => assert!(done == 0 && count > 0),
            }
            write.assert(map, Access::Write, at, count, map.fill(at..at + count, 0x5a));
            if read.done(at, done) == done && done > 0 {
                let mut filled = vec![0; done];
                map.read_at(at, &mut filled).unwrap();
                assert!(filled.iter().all(|&byte| byte == 0x5a));
                map.write_at(at, &expect[..done]).unwrap();
                map.read_at(at, &mut filled).unwrap();
                assert_eq!(filled, expect[..done]);
            }
        }
    }
    for at in [0, 8, 4096]
        .into_iter()
        .flat_map(|back| [read.good, write.good].map(|good| good.min(len - 8).saturating_sub(back)))
    {
        let (wide, half) = (map.view().atomic_u64(at).unwrap(), map.view().atomic_u32(at).unwrap());
        read.assert_word(map, Access::Read, at, 8, wide.load());
        read.assert_word(map, Access::Read, at, 4, half.load());
        let limit = if read.good < write.good { read } else { write };
        let (word, half_word) = (wide.load().unwrap_or(0), half.load().unwrap_or(0));
        limit.assert_word(map, Access::Write, at, 8, wide.swap(word));
        limit.assert_word(map, Access::Write, at, 8, wide.compare_exchange(word, word));
        limit.assert_word(map, Access::Write, at, 8, wide.compare_exchange(!word, 0));
        limit.assert_word(map, Access::Write, at, 8, wide.fetch_add(0));
        limit.assert_word(map, Access::Write, at, 4, half.swap(half_word));
        limit.assert_word(map, Access::Write, at, 4, half.compare_exchange(half_word, half_word));
        limit.assert_word(map, Access::Write, at, 4, half.compare_exchange(!half_word, 0));
        limit.assert_word(map, Access::Write, at, 4, half.fetch_add(0));
    }
    // The other side of the copy faults too, and is somebody else's slice.
    for count in [100, 1000, 5000, 8192] {
        for at in positions(read.good, count, len) {
            let mut user = lost_buffer();
            // SAFETY: nobody else touches the file any more, and zeros are accepted.
            let buf = &mut unsafe { user.as_mut_slice() }[PAGE - 50..][..count];
            let done = read.assert(map, Access::Read, at, count, map.read_at(at, buf));
            if done > 0 {
                assert_eq!(buf[..done], bytes[at..at + done]);
            }
            assert_eq!(user.check().is_err(), done > 50, "{done}");
        }
        for at in positions(write.good, count, len) {
            let user = lost_buffer();
            // SAFETY: as above.
            let from = &unsafe { user.as_slice() }[PAGE - 50..][..count];
            let done = write.assert(map, Access::Write, at, count, map.write_at(at, from));
            if read.done(at, done) == done && done > 0 {
                let mut written = vec![0; done];
                map.read_at(at, &mut written).unwrap();
                let kept = done.min(50);
                assert_eq!(written[..kept], pattern(PAGE)[PAGE - 50..][..kept]);
                assert!(written[kept..].iter().all(|&byte| byte == 0));
                map.write_at(at, &bytes[at..at + done]).unwrap();
            }
            if done > 50 {
                assert_eq!(user.check().unwrap_err().kind(), FaultKind::Truncated);
            }
        }
    }
}

/// What a slice over the same mapping meets at `position`.
fn slice_fault(map: &Mapping, position: usize, write: bool) -> Result<u8, Fault> {
    let byte = map.as_mut_ptr().wrapping_add(position);
    // SAFETY: the byte lies in the mapping, which is guarded; nobody holds a reference to it.
    unsafe {
        map.guarded(|_| {
            if write {
                byte.write_volatile(byte.read_volatile());
            }
            byte.read_volatile()
        })
    }
}

const GOOD: usize = 2 * PAGE;
const LEN: usize = 4 * PAGE;

fn file(name: &str) -> PathBuf {
    let path = child_dir().join(name);
    fs::write(&path, pattern(LEN)).unwrap();
    path
}

#[track_caller]
fn passed(ended: Option<Ended>) {
    let ended = ended.unwrap();
    for note in &ended.notes {
        println!("{note}");
    }
    ended.assert_success();
}

/// Ends the child with the reason why the test cannot run.
fn cannot(what: &str) -> ! {
    note(&format!("skipped: {what}"), &[]);
    std::process::exit(0);
}

#[test]
fn no_fault_at_all() {
    passed(in_child("no_fault_at_all", || {
        let map = Mapping::options().write().open(file("whole")).unwrap();
        operations(&map, Limit::NONE, Limit::NONE);
    }));
}

#[test]
fn truncation_shared_and_private_and_with_an_offset() {
    passed(in_child("truncation_shared_and_private_and_with_an_offset", || {
        for private in [false, true] {
            let path = file("cut");
            let options = Mapping::options().write();
            let options = if private { options.private() } else { options };
            let map = options.open(&path).unwrap();
            set_len(&path, GOOD as u64);
            let cut = Limit::at(GOOD, FaultKind::Truncated);
            operations(&map, cut, cut);
            assert_eq!(slice_fault(&map, GOOD, true).unwrap_err().kind(), FaultKind::Truncated);
        }
        let path = child_dir().join("offset");
        let mut shifted = vec![0xff; 1001];
        shifted.extend(pattern(LEN - 1001));
        fs::write(&path, shifted).unwrap();
        let map = Mapping::options().write().offset(1001).open(&path).unwrap();
        set_len(&path, GOOD as u64);
        let cut = Limit::at(GOOD - 1001, FaultKind::Truncated);
        for count in COUNTS {
            for at in positions(cut.good, count, map.len()) {
                let mut buf = vec![0; count];
                cut.assert(&map, Access::Read, at, count, map.read_at(at, &mut buf));
                cut.assert(&map, Access::Write, at, count, map.write_at(at, &buf));
            }
        }
        let fault = slice_fault(&map, GOOD - 1001 + 7, false).unwrap_err();
        assert_eq!(fault.offset(), GOOD as u64 + 7);
    }));
}

#[test]
fn growth_back_after_truncation() {
    passed(in_child("growth_back_after_truncation", || {
        let path = file("back");
        let mut map = Mapping::options().write().open(&path).unwrap();
        set_len(&path, 0);
        let none = Limit::at(0, FaultKind::Truncated);
        operations(&map, none, none);
        fs::write(&path, pattern(LEN)).unwrap();
        operations(&map, Limit::NONE, Limit::NONE);

        set_len(&path, 0);
        assert_eq!(slice_fault(&map, PAGE, true).unwrap_err().offset(), PAGE as u64);
        fs::write(&path, pattern(LEN)).unwrap();
        assert_eq!(slice_fault(&map, 0, false).unwrap_err().kind(), FaultKind::Truncated);
        assert_eq!(map.restore().unwrap().unwrap().kind(), FaultKind::Truncated);
        assert_eq!(slice_fault(&map, PAGE, true), Ok(pattern(LEN)[PAGE]));
        operations(&map, Limit::NONE, Limit::NONE);
    }));
}

#[test]
fn protection_none_read_only_and_guards() {
    passed(in_child("protection_none_read_only_and_guards", || {
        let path = file("protected");
        let forbidden = Limit::at(GOOD, FaultKind::Protection);
        let mut map = Mapping::options().write().open(&path).unwrap();
        map.protect(GOOD.., Protection::NONE).unwrap();
        operations(&map, forbidden, forbidden);

        let map = Mapping::open(&path).unwrap();
        operations(&map, Limit::NONE, Limit::at(0, FaultKind::Protection));

        let map = Mapping::options().protection(Protection::NONE).anonymous(LEN).unwrap();
        let none = Limit::at(0, FaultKind::Protection);
        operations(&map, none, none);

        let mut map = Mapping::options().private().write().anonymous(LEN).unwrap();
        map.write_at(0, &pattern(LEN)).unwrap();
        match map.discard(GOOD.., Discard::Guard) {
            Ok(_) => operations(&map, forbidden, forbidden),
            Err(error) => cannot(&format!("guard pages, {error}")),
        }
    }));
}

#[test]
fn a_forked_child_that_does_not_inherit_the_mapping() {
    passed(in_child("a_forked_child_that_does_not_inherit_the_mapping", || {
        let map = Mapping::options().write().fork(Fork::Exclude).open(file("excluded")).unwrap();
        let forbidden = Limit::at(0, FaultKind::Protection);
        // SAFETY: the child runs on its own copy of everything, and ends without cleaning up.
        unsafe {
            match libc::fork() {
                0 => {
                    operations(&map, forbidden, forbidden);
                    libc::_exit(0);
                }
                child => {
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                    assert_eq!(status, 0, "{status:#x}");
                }
            }
        }
        operations(&map, Limit::NONE, Limit::NONE);
    }));
}

#[test]
fn an_empty_pool_of_huge_pages() {
    passed(in_child("an_empty_pool_of_huge_pages", || {
        // The tests that fill the pool hold this lock.
        let lock = File::create(std::env::temp_dir().join("folio-hugepages.lock"));
        let _lock = lock.map(|file| file.lock().map(|()| file));
        let pool = Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB");
        let free = |name| fs::read_to_string(pool.join(name)).unwrap_or("no pool".into());
        if free("free_hugepages").trim() != "0" || free("nr_overcommit_hugepages").trim() != "0" {
            cannot("an empty pool of huge pages");
        }
        let mut options = Mapping::options().write().no_reserve();
        for sharing in ["private", "shared"] {
            options = if sharing == "private" { options.private() } else { options.shared() };
            let map = match options.clone().huge_pages(HugePage::Mib2).anonymous(4 << 20) {
                Ok(map) => map,
                Err(error) => cannot(&format!("huge pages, {error}")),
            };
            let none = Limit::at(0, FaultKind::NoSpace);
            operations(&map, none, none);
            let fault = slice_fault(&map, (2 << 20) + 5, true).unwrap_err();
            assert_eq!((fault.kind(), fault.position()), (FaultKind::NoSpace, (2 << 20) + 5));
        }
    }));
}

#[test]
fn broken_memory() {
    passed(in_child("broken_memory", || {
        let mut map = Mapping::options().private().write().anonymous(LEN).unwrap();
        map.write_at(0, &pattern(LEN)).unwrap();
        match map.discard(GOOD..GOOD + PAGE, Discard::Poison) {
            Ok(_) => {
                let broken = Limit::at(GOOD, FaultKind::Poison).errno(libc::EHWPOISON);
                operations(&map, broken, broken);
                let fault = slice_fault(&map, GOOD, false).unwrap_err();
                assert_eq!(fault.kind(), FaultKind::Poison);
            }
            Err(error) => cannot(&format!("MADV_HWPOISON, {error}")),
        }
    }));
}

/// Gives this process, or a single-threaded one that goes on in its place, a mount namespace.
fn own_mounts() {
    // SAFETY: these calls take flags and strings that live through them. The process that forks
    // has threads that only wait; the child goes on alone.
    unsafe {
        let mut flags = libc::CLONE_NEWNS;
        if !is_root() {
            match libc::fork() {
                0 => flags |= libc::CLONE_NEWUSER,
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &raw mut status, 0);
                    libc::_exit(if status & 0x7f == 0 { status >> 8 } else { 99 });
                }
            }
        }
        if libc::unshare(flags) != 0 {
            cannot(&format!("a mount namespace, {}", std::io::Error::last_os_error()));
        }
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        let (none, root) = (c"none".as_ptr(), c"/".as_ptr());
        if libc::mount(none, root, std::ptr::null(), flags, std::ptr::null()) != 0 {
            cannot(&format!("private mounts, {}", std::io::Error::last_os_error()));
        }
    }
}

/// A file whose third and fourth page are a hole, on a file system that is full.
fn sparse_on_full(dir: &Path) -> PathBuf {
    let path = dir.join("sparse");
    fs::write(&path, pattern(GOOD)).unwrap();
    set_len(&path, LEN as u64);
    let mut filler = File::create(dir.join("filler")).unwrap();
    for size in [64 << 10, PAGE, 1024, 1] {
        while filler.write_all(&vec![1; size]).and_then(|()| filler.sync_data()).is_ok() {}
    }
    path
}

#[test]
fn a_full_tmpfs_behind_a_sparse_file() {
    passed(in_child("a_full_tmpfs_behind_a_sparse_file", || {
        own_mounts();
        let dir = child_dir().join("tmpfs");
        fs::create_dir(&dir).unwrap();
        let target = CString::new(dir.to_str().unwrap()).unwrap();
        // SAFETY: mount(2) takes strings that live through the call.
        let mounted = unsafe {
            let options = c"size=256k".as_ptr().cast();
            libc::mount(c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, options)
        };
        if mounted != 0 {
            cannot(&format!("a tmpfs, {}", std::io::Error::last_os_error()));
        }
        let path = sparse_on_full(&dir);
        let mut map = Mapping::options().write().open(&path).unwrap();
        let full = Limit::at(GOOD, FaultKind::NoSpace).errno(libc::ENOSPC);
        operations(&map, full, full);
        assert_eq!(slice_fault(&map, GOOD + 1, true).unwrap_err().kind(), FaultKind::NoSpace);

        fs::remove_file(dir.join("filler")).unwrap();
        assert_eq!(map.restore().unwrap().unwrap().position(), GOOD + 1);
        assert_eq!(slice_fault(&map, GOOD + 1, true), Ok(0));
        map.write_at(GOOD, &pattern(LEN)[GOOD..]).unwrap();
        operations(&map, Limit::NONE, Limit::NONE);
    }));
}

fn run(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn a_full_ext4_behind_a_sparse_file() {
    passed(in_child("a_full_ext4_behind_a_sparse_file", || {
        if !is_root() {
            cannot("root, to mount a file system");
        }
        own_mounts();
        let (image, dir) = (child_dir().join("image"), child_dir().join("ext4"));
        fs::create_dir(&dir).unwrap();
        File::create(&image).unwrap().set_len(2 << 20).unwrap();
        let make = ["-q", "-b", "1024", "-m", "0", "-O", "^has_journal"];
        let made = run(Command::new("mkfs.ext4").args(make).arg(&image))
            .and_then(|_| run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&dir)));
        if made.is_none() {
            cannot("an ext4 on a loop device");
        }
        let path = sparse_on_full(&dir);
        {
            let map = Mapping::options().write().open(&path).unwrap();
            let full = Limit::at(GOOD, FaultKind::NoSpace);
            // A hole can be read without a block.
            let zeros = map.view().range(GOOD..).unwrap().to_vec().unwrap();
            assert!(zeros.iter().all(|&byte| byte == 0));
            for count in COUNTS {
                for at in positions(GOOD, count, LEN) {
                    let bytes = &pattern(LEN)[at..at + count];
                    full.assert(&map, Access::Write, at, count, map.write_at(at, bytes));
                    full.assert(&map, Access::Write, at, count, map.fill(at..at + count, 9));
                }
            }
            let word = map.view().atomic_u64(GOOD).unwrap();
            assert_eq!(word.load().unwrap(), 0);
            full.assert_word(&map, Access::Write, GOOD, 8, word.fetch_add(1));
            assert_eq!(slice_fault(&map, GOOD + 3, false), Ok(0));
            let fault = slice_fault(&map, GOOD + 3, true).unwrap_err();
            assert_eq!((fault.kind(), fault.access()), (FaultKind::NoSpace, Access::Write));
        }
        run(Command::new("umount").arg(&dir));
    }));
}

/// A loop device, detached when dropped.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        run(Command::new("losetup").args(["-d", &self.0]));
    }
}

#[test]
fn a_device_that_fails() {
    passed(in_child("a_device_that_fails", || {
        if !is_root() {
            cannot("root, for a loop device");
        }
        let image = file("image");
        let attach = Command::new("losetup").args(["-f", "--show"]).arg(&image).output();
        let device = match attach {
            Ok(output) if output.status.success() => {
                Loop(String::from_utf8(output.stdout).unwrap().trim().to_owned())
            }
            _ => cannot("a loop device"),
        };
        let whole = Mapping::options().open(&device.0).unwrap();
        assert_eq!(whole.len(), LEN);
        assert_eq!(whole.to_vec().unwrap(), pattern(LEN));
        drop(whole);

        set_len(&image, GOOD as u64);
        let open = File::options().read(true).write(true).open(&device.0).unwrap();
        const BLKFLSBUF: libc::c_ulong = 0x1261;
        // SAFETY: BLKFLSBUF takes no argument (ioctl(2)).
        assert_eq!(unsafe { libc::ioctl(open.as_raw_fd(), BLKFLSBUF) }, 0);
        let error = open.read_at(&mut [0; 512], GOOD as u64).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));

        let failed = Limit::at(GOOD, FaultKind::Io).errno(libc::EIO);
        for keep in [false, true] {
            let options = Mapping::options().write();
            let options = if keep { options.keep_file() } else { options };
            let map = options.map(open.as_fd()).unwrap();
            operations(&map, failed, failed);
            let fault = slice_fault(&map, GOOD + 9, false).unwrap_err();
            assert_eq!((fault.kind(), fault.offset()), (FaultKind::Io, GOOD as u64 + 9));
        }
    }));
}
