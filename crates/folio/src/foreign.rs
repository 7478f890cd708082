//! Mappings that folio did not make: of C libraries, of other crates, of a whole program.
//!
//! ```
//! # use std::fs::{self, File};
//! # use std::os::fd::AsRawFd;
//! # let path = std::env::temp_dir().join(format!("folio-doc-foreign-{}", std::process::id()));
//! # fs::write(&path, vec![7; 10_000])?;
//! # let file = File::options().read(true).write(true).open(&path)?;
//! use folio::foreign;
//! // Some library's mapping:
//! let (len, prot, flags) = (10_000, libc::PROT_READ, libc::MAP_SHARED);
//! // SAFETY: a new mapping touches no other.
//! let bytes = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, file.as_raw_fd(), 0) };
//! let addresses = bytes.addr()..bytes.addr() + len;
//!
//! // SAFETY: the library is ready for zeros where the file has been cut.
//! unsafe { foreign::guard(addresses.clone()) }?;
//! file.set_len(4096)?;
//! // SAFETY: mapped, and nobody writes.
//! assert_eq!(unsafe { bytes.cast::<u8>().add(5000).read() }, 0);
//! let fault = foreign::check(addresses.clone()).unwrap_err();
//! assert_eq!((fault.kind(), fault.offset()), (folio::FaultKind::Truncated, 5000));
//!
//! // SAFETY: the library has no slices of it.
//! foreign::replace(addresses, || match unsafe { libc::munmap(bytes, len) } {
//!     0 => Ok(()),
//!     _ => Err(std::io::Error::last_os_error()),
//! })?;
//! # fs::remove_file(&path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Only SIGBUS in a file's mapping is answered: truncated files, I/O errors, full disks, broken memory.
//! A hit costs nothing, and mapping costs nothing: at a fault the handler asks the kernel which file
//! lies at the address, so system calls that nobody sees are covered too. A fault at an instruction
//! that was to be executed goes on as a signal: zeros are not a program.
//!
//! Zeros are put in page by page, and stay until [`restore`] or [`refresh`]; a page nobody touched is
//! still the file's. What is written to them is lost, and [`check`] tells.
//!
//! What is known of addresses outlives their mapping unless it is said that the mapping goes:
//! [`replace`], [`forget`].
#![allow(unsafe_code)]

use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU8, AtomicUsize};
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fd::BorrowedFd;
use rustix::mm::MapFlags;
use rustix::param::page_size;

use crate::arch::{self, Returned};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Ask, Explained, Fault, FaultKind, Sign};
use crate::guard::{Arms, Guard, GuardSlot, REGISTRY};
use crate::losses::{self, Loss};
use crate::procmap::{self, Known};
use crate::range::{Extent, round_down, round_up};
use crate::region::{Home, Region};
use crate::{Backing, Protection, Sharing, chain, handler, spare, sys};

pub use crate::guarded::Guarded;

/// How faults in every file mapping of the process are answered.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// Zeros, and a record: [`check`].
    Zeros,
    /// The same, and a line on stderr for each file at its first fault.
    ZerosAndTell,
    /// A line on stderr, and the process ends with exit code 1. Nothing else of it runs: no
    /// destructors, and what is still in a buffer is not written (_exit(2)).
    Stop,
}

/// What is done about a signal: the parts of a `struct sigaction` (sigaction(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// SIG_DFL, SIG_IGN, or the address of a function.
    pub handler: usize,
    /// SA_SIGINFO, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND.
    pub flags: i32,
    /// Signals that are blocked meanwhile: signal `n` is bit `n - 1`.
    pub mask: u64,
}

/// The response of [`guard_all`], plus one; 0 for none.
static ALL: AtomicU8 = AtomicU8::new(0);

/// Guarded ranges.
static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// Has SIGBUS faults among these addresses answered with zeros. What was guarded stays guarded.
///
/// # Safety
/// The addresses hold no folio [`Mapping`](crate::Mapping). Whoever reads them is ready for zeros in
/// the place of bytes whose page is lost, and for what it writes there to be lost: no soundness rests
/// on a byte staying what it was. Before they are unmapped or mapped over, that is said:
/// [`replace`] or [`unguard`].
///
/// # Errors
/// [`ErrorKind::OutOfRange`] for an empty range; [`ErrorKind::Unsupported`] where the registry is
/// full; what rt_sigaction(2) fails with.
pub unsafe fn guard(addresses: Range<usize>) -> Result<()> {
    const GUARD: &str = "guard";
    let pages = pages(&addresses);
    if addresses.is_empty() {
        return Err(Error::out_of_range(GUARD, &Backing::ANONYMOUS, &addresses, 0));
    }
    let start = |errno| Error::os(GUARD, &Backing::ANONYMOUS, errno);
    handler::install_for(&[libc::SIGBUS]).map_err(start)?;
    losses::TURN.run(|| {
        if !covered(&pages) {
            // Into the registry first, so that what was guarded is so at any time.
            insert(&pages)?;
            withdraw(&pages, 1);
        }
        Ok(())
    })
}

/// Undoes [`guard`] for these addresses, which may be a part of what it was called for.
pub fn unguard(addresses: Range<usize>) {
    if GUARDS.load(Acquire) > 0 && !addresses.is_empty() {
        losses::TURN.run(|| withdraw(&pages(&addresses), 0));
    }
}

/// Whether each of these addresses is guarded by [`guard`].
pub fn is_guarded(addresses: Range<usize>) -> bool {
    GUARDS.load(Acquire) > 0 && losses::TURN.run(|| covered(&pages(&addresses)))
}

/// Has SIGBUS faults in every file mapping of the process answered, whoever made it, those of the
/// future too. Forked children inherit that; a program that is executed does not.
///
/// # Safety
/// As for [`guard`], for all code of the process.
///
/// # Errors
/// What rt_sigaction(2) fails with.
pub unsafe fn guard_all(response: Response) -> Result<()> {
    losses::remember_stderr();
    let errno = |errno| Error::os("guard", &Backing::ANONYMOUS, errno);
    handler::install_for(&[libc::SIGBUS]).map_err(errno)?;
    ALL.store(response as u8 + 1, Release);
    Ok(())
}

/// Undoes [`guard_all`].
pub fn unguard_all() {
    ALL.store(0, Release);
}

/// How a fault outside of folio's own mappings is answered; for the signal handler.
pub(crate) fn response(guarded: bool) -> Option<Response> {
    match ALL.load(Acquire) {
        1 => Some(Response::Zeros),
        2 => Some(Response::ZerosAndTell),
        3 => Some(Response::Stop),
        _ => guarded.then_some(Response::Zeros),
    }
}

/// Whether no range is guarded and no fault recorded. One or two loads: for the fast path of whoever
/// stands in for munmap(2) and its kin.
#[inline]
pub fn is_quiet() -> bool {
    losses::are_none() && GUARDS.load(Acquire) == 0
}

/// The first fault that was met at these addresses, as far as it is not forgotten.
///
/// # Errors
/// The fault. After faults at more than 4,096 separate places, not all of which are known any more, one
/// of kind [`Unexplained`](FaultKind::Unexplained) for any addresses: that none was met there cannot be
/// said.
pub fn check(addresses: Range<usize>) -> Result<(), Fault> {
    if let Some(loss) = losses::first_in(&addresses) {
        return Err(loss.fault(&addresses));
    }
    if !losses::are_complete() && !addresses.is_empty() {
        let known = Known { page: page_size(), ..Known::default() };
        let region = describe(&known, addresses, &[]);
        let sign = Sign::new(libc::SIGBUS, libc::BUS_ADRERR, false);
        return Err(fault::fault(&region, 0, sign, FaultKind::Unexplained, None));
    }
    Ok(())
}

/// Whether no fault is known of at these addresses. Unlike [`check`] it asks the file nothing.
pub fn is_whole(addresses: Range<usize>) -> bool {
    losses::first_in(&addresses).is_none() && losses::are_complete()
}

/// Drops what is known of faults at these addresses: their mapping is gone, or the caller has seen
/// it. Zeros stay where they are.
pub fn forget(addresses: Range<usize>) {
    if !addresses.is_empty() {
        losses::take_in(&pages(&addresses), |_| true);
    }
}

/// Whether these addresses show one file from end to end, as a shared mapping. Zeros that stand in for
/// its pages count as the file's.
pub fn is_one_shared_file(addresses: Range<usize>) -> bool {
    let pages = pages(&addresses);
    let mut file: Option<(Known, u64)> = None;
    let mut at = pages.start;
    while at < pages.end {
        let Ok(Some(now)) = procmap::at(at, &mut []) else { return false };
        let (known, offset, end) = if now.inode == 0 {
            let Some(loss) = losses::first_in(&(at..at + 1)) else { return false };
            (loss.known, loss.known.offset + (at - loss.start) as u64, loss.end.min(now.end))
        } else {
            (now, now.offset + (at - now.start) as u64, now.end)
        };
        let distance = (at - pages.start) as u64;
        let begins = offset.wrapping_sub(distance);
        let same = file.is_none_or(|(first, start)| {
            (first.device, first.inode, start) == (known.device, known.inode, begins)
        });
        if !known.shared || !same {
            return false;
        }
        file = Some((known, begins));
        at = end;
    }
    file.is_some()
}

/// Runs a call that takes these addresses away or gives them to something else: munmap(2),
/// mmap(2) with MAP_FIXED, mremap(2). If it succeeds, they are no longer guarded, and what is known of
/// them is dropped; no other thread's call of these functions comes in between. The call runs with
/// all signals blocked.
///
/// # Errors
/// Those of the call.
pub fn replace<T, E>(
    addresses: Range<usize>,
    call: impl FnOnce() -> core::result::Result<T, E>,
) -> core::result::Result<T, E> {
    let pages = pages(&addresses);
    losses::vacate(&pages, || {
        let result = call();
        if result.is_ok() {
            withdraw(&pages, 0);
        }
        result
    })
}

/// Puts the file back where zeros stand in for its pages among these addresses, and returns the first
/// fault there. What was written to the zeros is lost.
///
/// # Safety
/// The mapping is the one that met the faults, nobody unmaps it or maps anything over it meanwhile, and
/// no reference to its bytes is alive.
///
/// # Errors
/// [`ErrorKind::Unsupported`] if the file can no longer be found, by its path or among the open
/// descriptors; what mmap(2) fails with. What could not be restored stays recorded.
pub unsafe fn restore(addresses: Range<usize>) -> Result<Option<Fault>> {
    const RESTORE: &str = "restore";
    let addresses = if addresses.is_empty() { addresses } else { pages(&addresses) };
    let mut first = None;
    while let Some(loss) = losses::first_in(&addresses) {
        let fault = loss.fault(&addresses);
        let region = loss.region();
        let write = loss.known.shared && loss.known.protection.contains(Protection::WRITE);
        let file = if write { region.writable_witness() } else { region.witness() };
        let Some(file) = file else {
            let reason = "its file can no longer be found";
            return Err(Error::kind_of(RESTORE, fault.backing(), ErrorKind::Unsupported, reason));
        };
        let mut result = Ok(());
        losses::take_in(&(loss.start.max(addresses.start)..loss.end.min(addresses.end)), |part| {
            result = part.put_back(file.as_fd(), true).map(drop);
            result.is_ok()
        });
        result.map_err(|errno| Error::os(RESTORE, fault.backing(), errno))?;
        first.get_or_insert(fault);
    }
    Ok(first)
}

/// Puts pages of a file back where zeros stand in for them, after `range` of the file has been written
/// by other means than its mappings: pwrite(2), ftruncate(2), fallocate(2). Only where the mapping is
/// read-only: elsewhere the program may have written to the zeros. The descriptor must permit reading;
/// it is used as it is, since to open and close the file once more would give up the process's record
/// locks on it (fcntl(2)). Returns the bytes that are back.
/// May be called from a signal handler, like the calls that write.
///
/// # Safety
/// Whoever unmaps such a mapping, or maps over it, does so by [`replace`].
pub unsafe fn refresh(file: impl AsFd, range: Range<u64>) -> usize {
    if losses::are_none() {
        return 0;
    }
    let Ok(stat) = rustix::fs::fstat(file.as_fd()) else { return 0 };
    let page = page_size() as u64;
    let range = range.start / page * page..range.end.min(stat.st_size as u64);
    let mut done = 0;
    while let Some(loss) = losses::first_of(&range, |loss| {
        let known = &loss.known;
        !known.protection.contains(Protection::WRITE)
            && (known.device, known.inode) == (stat.st_dev, stat.st_ino)
    }) {
        let offset = |at: u64| at.saturating_sub(loss.known.offset) as usize;
        let start = loss.start + round_down(offset(range.start), page_size());
        let end = offset(range.end).next_multiple_of(page_size()).min(loss.end - loss.start);
        let mut back = 0;
        losses::take_in(&(start..loss.start + end), |part| {
            if !part.is_of(&loss.known) {
                return false;
            }
            let result = part.put_back(file.as_fd(), false);
            back = result.unwrap_or(0);
            // Where something else lies by now, nothing is known of it.
            result.is_ok()
        });
        if back == 0 {
            break;
        }
        done += back;
    }
    done
}

/// Copies `count` bytes from any mapping to memory of the program's own, and reports what cannot be
/// reached: of folio's or of somebody else's making, or not mapped at all.
///
/// # Safety
/// `to` has room for `count` bytes, initialised or not, that nobody else uses meanwhile. No Rust
/// reference claims those at `from` for itself; others may change them. The handler is installed
/// with the first call: a program that sets an own one for SIGBUS or SIGSEGV afterwards, and does not
/// pass signals on, takes the faults.
///
/// # Errors
/// [`ErrorKind::Fault`]: [`Fault::transferred`] bytes have been copied then.
pub unsafe fn read(from: *const u8, to: *mut u8, count: usize) -> Result<()> {
    copy("read", from.addr(), count, |done| {
        // SAFETY: `to` has room for the rest; a page that cannot be had ends the copy, now that the
        // handler is installed (`copy`).
        unsafe { arch::copy_out(from.wrapping_add(done).cast_mut(), to.add(done), count - done) }
    })
}

/// Copies `count` bytes of the program's own to any mapping; otherwise as [`read`].
///
/// # Safety
/// `from` points to `count` bytes that nobody changes meanwhile. No Rust reference covers those at
/// `to`. The rest as for [`read`].
///
/// # Errors
/// As [`read`].
pub unsafe fn write(to: *mut u8, from: *const u8, count: usize) -> Result<()> {
    copy("write", to.addr(), count, |done| {
        // SAFETY: as in `read`.
        unsafe { arch::copy_in(from.add(done), to.wrapping_add(done), count - done) }
    })
}

fn copy(
    verb: &'static str,
    address: usize,
    count: usize,
    step: impl Fn(usize) -> Returned,
) -> Result<()> {
    const TRIES: usize = 64;
    if address.checked_add(count).is_none() {
        let range = address..usize::MAX;
        return Err(Error::out_of_range(verb, &Backing::ANONYMOUS, &range, usize::MAX));
    }
    let errno = |errno| Error::os(verb, &Backing::ANONYMOUS, errno);
    handler::install_for(&[libc::SIGBUS, libc::SIGSEGV]).map_err(errno)?;
    let (mut done, mut tries) = (0, 0);
    while done < count {
        let Returned { value, sign } = step(done);
        let before = done;
        done = count - value as usize;
        if sign == 0 {
            continue;
        }
        tries = if done > before { 0 } else { tries + 1 };
        let (sign, at) = (Sign(sign), address + done);
        let mut name = [0; losses::NAME];
        let found = procmap::at(at, &mut name).map_err(errno)?;
        // The end of the last page of all would be no address.
        let page = round_down(at, page_size()).min(usize::MAX - 2 * page_size() + 1);
        let known = found.unwrap_or(Known {
            start: page,
            end: page + page_size(),
            page: page_size(),
            ..Known::default()
        });
        let region = describe(&known, known.addresses(), &name);
        let position = at - known.start;
        let (kind, errno) = match fault::explain(&region, position, sign, Ask::Region) {
            _ if found.is_none() => (FaultKind::Unmapped, None),
            Explained::Lasting(kind, errno) => (kind, errno),
            Explained::Passing if tries < TRIES => continue,
            Explained::Passing => (FaultKind::Unexplained, None),
        };
        let mut fault = fault::fault(&region, position, sign, kind, errno);
        fault.transferred = done;
        return Err(fault.into());
    }
    Ok(())
}

/// What folio passes `signal`, SIGBUS or SIGSEGV, on to when it is not its own; None while folio does
/// not handle it. Safe to call from a signal handler.
pub fn next_action(signal: i32) -> Option<Action> {
    chain::get_next(signal)
}

/// Sets what folio passes `signal` on to: for whoever stands in for sigaction(2), so that the
/// program's handlers and folio's live together. Returns what it was before; None, and nothing is
/// done, while folio does not handle the signal. Safe to call from a signal handler.
///
/// # Safety
/// The handler is SIG_DFL, SIG_IGN or a function that may handle the signal, as the flags say.
pub unsafe fn set_next_action(signal: i32, action: Action) -> Option<Action> {
    chain::set_next(signal, action)
}

/// The pages that these addresses touch.
fn pages(addresses: &Range<usize>) -> Range<usize> {
    let end = round_up(addresses.end, page_size()).unwrap_or(usize::MAX & !(page_size() - 1));
    round_down(addresses.start, page_size())..end
}

fn insert(pages: &Range<usize>) -> Result<()> {
    enter(pages, 0, false)?;
    GUARDS.fetch_add(1, Release);
    Ok(())
}

/// Enters pages of a foreign mapping into the registry, the first byte shown of which is the file's at
/// `offset`. If they are `owned`, their owner alone takes the slot away.
pub(crate) fn enter(pages: &Range<usize>, offset: u64, owned: bool) -> Result<&'static GuardSlot> {
    spare::keep();
    let arms =
        Arms { page: page_size(), writable: false, widen: false, fd: -1, offset, only_in: 0 };
    let slot = REGISTRY.insert(pages.start, pages.end, |guard: &Guard| {
        guard.arm(arms);
        guard.foreign.store(true, Relaxed);
        guard.owned.store(owned, Relaxed);
    });
    slot.ok_or_else(|| {
        let reason = "the registry of guarded mappings is full";
        Error::kind_of("guard", &Backing::ANONYMOUS, ErrorKind::Unsupported, reason)
    })
}

/// Takes these pages out of all guarded ranges but the last `keep` that were made.
fn withdraw(pages: &Range<usize>, keep: usize) {
    let foreign = |guard: &Guard| guard.foreign.load(Relaxed) && !guard.owned.load(Relaxed);
    let mut kept = 0;
    let mut index = 0;
    while let Some((found, slot)) = REGISTRY.overlapping(pages, index, foreign) {
        index = found + 1;
        let (start, end) = (slot.start(), slot.end());
        if kept < keep && (start, end) == (pages.start, pages.end) {
            kept += 1;
            continue;
        }
        let rests = [start..pages.start.max(start), pages.end.min(end)..end];
        for rest in rests.iter().filter(|rest| !rest.is_empty()) {
            // Without room the rest is guarded no longer: its faults are signals again.
            let _ = insert(rest);
        }
        REGISTRY.remove(slot);
        GUARDS.fetch_sub(1, Release);
    }
}

fn covered(pages: &Range<usize>) -> bool {
    let mut at = pages.start;
    while at < pages.end {
        match REGISTRY.find(at, |guard| guard.foreign.load(Relaxed)) {
            Some(slot) => at = slot.end(),
            None => return false,
        }
    }
    true
}

/// A region that says what lies at some addresses, and owns nothing.
pub(crate) fn describe(known: &Known, addresses: Range<usize>, name: &[u8]) -> Region {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    let path = (!name.is_empty()).then(|| Path::new(OsStr::from_bytes(name)));
    let backing = match known.inode {
        0 => Backing::ANONYMOUS,
        // What the kernel calls anonymous memory of huge pages.
        _ if name == b"/anon_hugepage" => Backing::ANONYMOUS,
        inode => Backing::found(path, known.device, inode),
    };
    let sharing = if known.shared { Sharing::Shared } else { Sharing::Private };
    let (start, len) = (addresses.start, addresses.len());
    let extent = Extent { start, lead: 0, len, page: known.page };
    Region::new(extent, known.offset, backing, sharing, known.protection, Home::Described)
}

impl Loss {
    pub(crate) fn region(&self) -> Region {
        describe(&self.known, self.start..self.end, &losses::name_of(&self.known))
    }

    /// The fault, at the first of `addresses` that it concerns.
    pub(crate) fn fault(&self, addresses: &Range<usize>) -> Fault {
        let first = addresses.start.max(self.start);
        let at = if addresses.contains(&self.at) { self.at } else { first };
        fault::lasting(&self.region(), self.sign.at(at - self.start))
    }

    /// Maps the file where zeros still are: memory without a file, protected as it is now. Where it
    /// may be written to, only if `written` says so.
    fn put_back(&self, file: BorrowedFd<'_>, written: bool) -> Result<usize, sys::Errno> {
        let sharing = if self.known.shared { MapFlags::SHARED } else { MapFlags::PRIVATE };
        let mut done = 0;
        for piece in procmap::pieces(&(self.start..self.end), &mut []) {
            let now = piece.ok_or(sys::Errno::ACCESS)?;
            let writable = now.protection.contains(Protection::WRITE);
            if now.inode != 0 || now.shared || (writable && !written) {
                continue;
            }
            let (start, len) = (now.start, now.end - now.start);
            // A system call that nobody saw may have made this memory of the program's.
            if !written && !sys::has_zeros(start, len) {
                continue;
            }
            let source = Some((file, self.known.offset + (start - self.start) as u64));
            let flags = sharing | MapFlags::FIXED;
            // Zeros are not executable, whatever the file's pages were.
            let protection = if self.known.protection.contains(Protection::EXEC) {
                now.protection | Protection::EXEC
            } else {
                now.protection
            };
            // SAFETY: zeros of folio's lie there, in a mapping that nobody has unmapped since
            // (contracts of `restore` and `refresh`).
            unsafe { sys::map(start, len, protection.flags(), flags, source) }?;
            done += len;
        }
        Ok(done)
    }
}
