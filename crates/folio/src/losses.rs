//! Losses: pages of mappings that folio did not make, where zeros stand in for what cannot be had.
//!
//! A loss's life:
//! 1. A thread touches a page that cannot be had. The signal handler calls [`stand_in`]: it asks the
//!    kernel what lies there, notes the loss, says so on stderr if that was asked for, and puts zeros
//!    in the place of the page. A page right behind or before a known loss belongs to it.
//! 2. Ordinary code looks ([`first_in`]), and takes losses out of the table ([`take_in`]) when their
//!    pages are gone or the backing's have come back.
//!
//! Invariants:
//! - The table, and the stack for whoever fills it, are touched only by the thread that has the [`TURN`].
//! - It is as large as it will ever be from the start: the handler allocates nothing. It is all zeros
//!   then, so what is not used takes no memory. Where it is full, a new loss is not noted, and that is.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::Write;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicUsize};

use rustix::fd::BorrowedFd;
use rustix::fs::FileType;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::param::page_size;

use crate::fault::Sign;
use crate::foreign::Response;
use crate::guard::GuardSlot;
use crate::procmap::{self, Known};
use crate::range::round_down;
use crate::registry::Slot;
use crate::sys::Errno;
use crate::turn::Turn;
use crate::{Protection, interrupted, notices, spare, sys};

/// Whose turn it is to touch the table, and to change mappings that losses may lie in.
pub(crate) static TURN: Turn = Turn::new();

/// Bytes of a file's name that are kept.
pub(crate) const NAME: usize = 1024;

/// Neighbouring pages of one mapping that zeros stand in for.
#[derive(Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The mapping as it was; its `offset` is that of `start`.
    pub(crate) known: Known,
    /// What the first fault here was, and its address.
    pub(crate) sign: Sign,
    pub(crate) at: usize,
}

/// What a file with losses is called.
struct Name {
    device: u64,
    inode: u64,
    bytes: [u8; NAME],
}

impl Loss {
    fn meets(&self, addresses: &Range<usize>) -> bool {
        self.start.max(addresses.start) < self.end.min(addresses.end)
    }

    pub(crate) fn is_of(&self, known: &Known) -> bool {
        (self.known.device, self.known.inode) == (known.device, known.inode)
    }

    /// Whether a loss of the other mapping would be put back as one of this.
    fn is_kind_of(&self, known: &Known) -> bool {
        let kind = |known: &Known| (known.protection, known.shared, known.page);
        self.is_of(known) && kind(&self.known) == kind(known)
    }

    /// The part of it that lies among `addresses`.
    fn part(&self, addresses: &Range<usize>) -> Self {
        let start = self.start.max(addresses.start);
        let end = self.end.min(addresses.end);
        let mut part = Self { start, end, at: self.at.clamp(start, end - 1), ..*self };
        part.known.offset += (start - self.start) as u64;
        part
    }
}

/// Runs of neighbouring pages that can be known of at a time. A program that reads here and there in a
/// file that was cut makes one with every read.
const LOSSES: usize = 4096;

struct Table {
    losses: [Loss; LOSSES],
    /// How many of them there are, the first first.
    count: usize,
    names: [Name; 16],
    /// The name to be overwritten next.
    next_name: usize,
    /// Room for the longest name of the fault at hand, and a NUL.
    name: [u8; 4097],
    line: Line,
    /// Whether the thread that has the turn is to write the line at [`SPOKEN`].
    speaks: bool,
}

struct Shared(UnsafeCell<Table>);

// SAFETY: whoever has the turn is the only one to touch what is inside (module invariant).
unsafe impl Sync for Shared {}

static TABLE: Shared = Shared(UnsafeCell::new(Table {
    losses: [Loss { start: 0, end: 0, known: NOTHING, sign: Sign(0), at: 0 }; LOSSES],
    count: 0,
    names: [const { Name { device: 0, inode: 0, bytes: [0; NAME] } }; 16],
    next_name: 0,
    name: [0; 4097],
    line: Line { bytes: [0; 640], len: 0 },
    speaks: false,
}));

/// Whose turn it is to write a line. A write may wait, for somebody who may be waiting for [`TURN`].
static SPEAKING: Turn = Turn::new();

struct Spoken(UnsafeCell<Line>);

// SAFETY: whoever has the turn [`SPEAKING`] is the only one to touch what is inside.
unsafe impl Sync for Spoken {}

static SPOKEN: Spoken = Spoken(UnsafeCell::new(Line { bytes: [0; 640], len: 0 }));

const NOTHING: Known = Known {
    start: 0,
    end: 0,
    protection: Protection::NONE,
    shared: false,
    page: 0,
    offset: 0,
    device: 0,
    inode: 0,
    name: 0,
};

const STACK_LEN: usize = 32 * 1024;

/// A stack for whoever has the turn. The alternate stack may have 8 KiB, half of them the kernel's;
/// the interrupted one may be smaller still where a language has its own (OCaml's fibers).
#[repr(align(64))]
struct Stack(UnsafeCell<[u8; STACK_LEN]>);

// SAFETY: whoever has the turn is the only one to use what is inside (module invariant).
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; STACK_LEN]));

/// How many losses there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether some loss was not noted for want of room.
static INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// Whether there are none.
pub(crate) fn are_none() -> bool {
    COUNT.load(Acquire) == 0 && are_complete()
}

/// Whether every loss was noted.
pub(crate) fn are_complete() -> bool {
    !INCOMPLETE.load(Acquire)
}

/// The first loss among these addresses.
pub(crate) fn first_in(addresses: &Range<usize>) -> Option<Loss> {
    find(|loss| loss.meets(addresses))
}

/// The first loss of a file, as `is_of` knows it, within `range` of that file.
pub(crate) fn first_of(range: &Range<u64>, is_of: impl Fn(&Loss) -> bool) -> Option<Loss> {
    find(|loss| {
        let end = loss.known.offset + (loss.end - loss.start) as u64;
        loss.known.offset < range.end && range.start < end && is_of(loss)
    })
}

fn find(wanted: impl Fn(&Loss) -> bool) -> Option<Loss> {
    if are_none() {
        return None;
    }
    with_table(|table| table.losses().iter().find(|loss| wanted(loss)).copied())
}

/// What the kernel called a file, as far as it is still known; ends with a NUL.
pub(crate) fn name_of(known: &Known) -> [u8; NAME] {
    with_table(|table| {
        let of = |name: &&Name| (name.device, name.inode) == (known.device, known.inode);
        table.names.iter().find(of).map_or([0; NAME], |name| name.bytes)
    })
}

/// Takes losses among these addresses out of the table, one after another, as long as `work` agrees;
/// what lies beside the addresses stays. `work` has the turn, and touches no mapping.
pub(crate) fn take_in(addresses: &Range<usize>, work: impl FnMut(&Loss) -> bool) {
    if !are_none() {
        with_table(|table| table.take(addresses, work));
    }
}

/// Runs a call that takes these addresses away or gives them to something else, and drops the losses
/// there if it succeeds. No handler notes any meanwhile.
pub(crate) fn vacate<T, E>(
    addresses: &Range<usize>,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    with_table(|table| {
        let result = call();
        if result.is_ok() {
            table.take(addresses, |_| true);
        }
        result
    })
}

fn with_table<R>(work: impl FnOnce(&mut Table) -> R) -> R {
    // SAFETY: `run` has the turn, and nothing that `work` does asks for it again.
    TURN.run(|| work(unsafe { &mut *TABLE.0.get() }))
}

/// Answers a fault in a mapping that folio did not make: for the signal handler. `owner` is the guard
/// of a mapping that has one of its own. False if it is not a file's page, or nothing can stand in
/// for it.
pub(crate) fn stand_in(
    address: usize,
    sign: Sign,
    write: bool,
    response: Response,
    owner: Option<&GuardSlot>,
) -> bool {
    if let Err(holder) = TURN.take() {
        TURN.wait_for(holder);
        return true;
    }
    let mut handled = false;
    let speaks;
    // SAFETY: this thread has the turn, and a handler that interrupts it finds the turn taken. So
    // nobody else uses the table, nor the stack.
    unsafe {
        let table = &mut *TABLE.0.get();
        let top = STACK.0.get().cast::<u8>().add(STACK_LEN);
        interrupted::run_below(top, || handled = table.lose(address, sign, write, response, owner));
        speaks = core::mem::take(&mut table.speaks);
    }
    TURN.give();
    if speaks {
        // SAFETY: this thread has the line's turn since `tell`.
        unsafe { (*SPOKEN.0.get()).write() };
        SPEAKING.give();
    }
    handled
}

impl Table {
    fn losses(&self) -> &[Loss] {
        &self.losses[..self.count]
    }

    fn losses_mut(&mut self) -> &mut [Loss] {
        &mut self.losses[..self.count]
    }

    /// False where there is no room.
    fn add(&mut self, loss: Loss) -> bool {
        let Some(free) = self.losses.get_mut(self.count) else { return false };
        *free = loss;
        self.count += 1;
        COUNT.store(self.count, Release);
        true
    }

    fn take(&mut self, addresses: &Range<usize>, mut work: impl FnMut(&Loss) -> bool) {
        let mut index = 0;
        let mut left = self.count;
        while left > 0 {
            left -= 1;
            let loss = self.losses[index];
            if !loss.meets(addresses) || !work(&loss.part(addresses)) {
                index += 1;
                continue;
            }
            let before = loss.start..addresses.start;
            let after = addresses.end..loss.end;
            let mut rests = [before, after].into_iter().filter(|rest| !rest.is_empty());
            if let Some(rest) = rests.next() {
                self.losses[index] = loss.part(&rest);
                index += 1;
            } else {
                self.losses.copy_within(index + 1..self.count, index);
                self.count -= 1;
            }
            // Without room a second rest is no longer known of.
            rests.next().map(|rest| self.add(loss.part(&rest)));
        }
        COUNT.store(self.count, Release);
    }

    fn lose(
        &mut self,
        address: usize,
        sign: Sign,
        write: bool,
        response: Response,
        owner: Option<&GuardSlot>,
    ) -> bool {
        // Another thread may have put zeros here meanwhile, or the file may have grown back.
        let base = round_down(address, page_size());
        if !sign.is_poison() && sys::populate(base, page_size(), write).is_ok() {
            return true;
        }
        self.name.fill(0);
        let room = self.name.len() - 1;
        let known = match procmap::at(address, &mut self.name[..room]) {
            Ok(Some(known)) if known.inode != 0 => known,
            Ok(_) => return false,
            // No descriptor is left, or no /proc. What raises SIGBUS is a file's page.
            Err(_) if is_mapped(base) => Known {
                start: base,
                end: base + page_size(),
                // Whether it may be written to is not known; a program that may, does.
                protection: Protection::READ | Protection::WRITE,
                page: page_size(),
                ..Known::default()
            },
            Err(_) => return false,
        };
        let page = round_down(address, known.page);
        let offset = known.offset + (page - known.start) as u64;
        let Some(too_short) = self.ends_before(&known, offset) else { return false };
        let sign = if too_short { sign.too_short() } else { sign };
        if response == Response::Stop || (response == Response::ZerosAndTell && !self.has(&known)) {
            self.tell(&known, address, sign, response);
        }
        if response == Response::Stop {
            // SAFETY: ends the process at once; nothing of it runs any more.
            unsafe { libc::_exit(1) };
        }
        self.keep_name(&known);
        let (start, end) = (page, page + known.page);
        // A page that cannot be had is none of zeros: what was lost here was another mapping's.
        self.take(&(start..end), |_| true);
        let loss = Loss { start, end, known: Known { offset, ..known }, sign, at: address };
        let new = self.note(&loss);
        // An owner is told of once, others of each loss. Before zeros are there to be seen.
        let told = |owner: &GuardSlot| owner.payload.keep_first(sign.at(address - owner.start()));
        if owner.map_or(new, told) {
            notices::of_loss(&loss);
        }
        self.replace(start..end, &known, too_short, owner)
    }

    /// Whether the file at hand ends before `offset`, as far as its name tells; None for a device.
    fn ends_before(&self, known: &Known, offset: u64) -> Option<bool> {
        match self.file(known) {
            Some((FileType::CharacterDevice, _)) => None,
            Some((FileType::RegularFile, len)) => Some(len <= offset),
            _ => Some(false),
        }
    }

    /// Kind and length of the file at hand, if it still has the name the kernel gives.
    fn file(&self, known: &Known) -> Option<(FileType, u64)> {
        let name = CStr::from_bytes_until_nul(&self.name).ok()?;
        let stat = rustix::fs::stat(name).ok().filter(|stat| stat.st_ino == known.inode)?;
        Some((FileType::from_raw_mode(stat.st_mode), stat.st_size as u64))
    }

    /// Keeps the name of the file at hand. A new file may have the number of one that is gone.
    fn keep_name(&mut self, known: &Known) {
        let of = |name: &Name| (name.device, name.inode) == (known.device, known.inode);
        let place = self.names.iter().position(of).unwrap_or_else(|| {
            self.next_name = (self.next_name + 1) % self.names.len();
            self.next_name
        });
        let name = &mut self.names[place];
        (name.device, name.inode) = (known.device, known.inode);
        name.bytes.copy_from_slice(&self.name[..NAME]);
        if known.name >= NAME {
            name.bytes.fill(0);
        }
    }

    fn has(&self, known: &Known) -> bool {
        self.losses().iter().any(|loss| loss.is_of(known))
    }

    /// Notes a loss, and says whether it lies beside none that is known.
    fn note(&mut self, loss: &Loss) -> bool {
        let same = |other: &Loss| {
            other.is_kind_of(&loss.known) && other.sign.access() == loss.sign.access()
        };
        for other in self.losses_mut().iter_mut().filter(|other| same(other)) {
            let behind = other.end == loss.start
                && other.known.offset + (other.end - other.start) as u64 == loss.known.offset;
            let before = loss.end == other.start
                && loss.known.offset + (loss.end - loss.start) as u64 == other.known.offset;
            if behind {
                other.end = loss.end;
                return false;
            }
            if before {
                other.start = loss.start;
                other.known.offset = loss.known.offset;
                return false;
            }
        }
        let noted = self.add(*loss);
        if !noted {
            INCOMPLETE.store(true, Release);
        }
        noted
    }

    fn replace(
        &mut self,
        page: Range<usize>,
        known: &Known,
        too_short: bool,
        owner: Option<&GuardSlot>,
    ) -> bool {
        /// So many pages of an owned mapping are replaced one by one.
        const SINGLE: u32 = 64;
        // Behind the end of the file nothing can be had: zeros up to the mapping's end take one step,
        // and one of the kernel's records of mappings.
        let rest = page.start..owner.map_or(known.end, Slot::end);
        // Without a spare each single page would bring the process nearer to where nothing can be done.
        let alone =
            |owner: &GuardSlot| spare::is_kept() && !(owner.payload.count() >= SINGLE && too_short);
        if owner.is_none_or(alone) && zeros(known, page.clone()) {
            return true;
        }
        // At the limit of records (vm.max_map_count) the spare makes room.
        if (too_short || owner.is_some())
            && (zeros_behind(known, &rest) || spare::release() && zeros_behind(known, &rest))
        {
            let noted = self.losses_mut().iter_mut().find(|loss| loss.meets(&page));
            noted.into_iter().for_each(|loss| loss.end = loss.end.max(rest.end));
            return true;
        }
        match owner {
            Some(owner) => zeros(known, owner.start()..owner.end()),
            None => spare::release() && zeros(known, page),
        }
    }

    fn tell(&mut self, known: &Known, address: usize, sign: Sign, response: Response) {
        let same = rustix::fs::fstat(stderr()).is_ok_and(|stat| {
            // A terminal, for the most part. Not a connection, nor another pipe than it was.
            let device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
            let remembered = [stat.st_dev as usize, stat.st_ino as usize];
            device || remembered == [STDERR[0].load(Relaxed), STDERR[1].load(Relaxed)]
        });
        if !same {
            return;
        }
        let what = if sign.is_too_short() {
            "truncated"
        } else if sign.is_poison() {
            "hardware poison"
        } else if self.file(known).is_some() {
            "no page to be had (I/O error or no space)"
        } else {
            "no page to be had (truncated, I/O error or no space)"
        };
        let then = match response {
            Response::Stop => "stopped",
            _ => "zeros stand in for what is lost",
        };
        let name = self.name.split(|&byte| byte == 0).next().unwrap_or_default();
        let line = &mut self.line;
        line.len = 0;
        line.push(b"folio: ");
        match name {
            [] => line.push(b"a mapping"),
            _ => line.push_printable(name),
        }
        let offset = known.offset + (address - known.start) as u64;
        let process = std::process::id();
        let _ = writeln!(line, ": {what} at offset {offset}; {then} (process {process})");
        if response != Response::Stop && SPEAKING.take().is_ok() {
            // SAFETY: this thread has the line's turn.
            unsafe { *SPOKEN.0.get() = *line };
            self.speaks = true;
        } else {
            line.write();
        }
    }
}

fn zeros(known: &Known, addresses: Range<usize>) -> bool {
    // Zeros are not a program: whoever goes on to execute them gets a signal.
    let mut protection = known.protection.flags();
    protection.remove(ProtFlags::EXEC);
    [MapFlags::PRIVATE, MapFlags::SHARED].into_iter().any(|sharing| {
        let flags = sharing | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: a thread touched the first of these pages and is waiting for it, so the mapping is
        // there; the page, and where there is more than one each page behind it, cannot be had.
        // Whoever asked for zeros has accepted them (`foreign::guard`, `foreign::guard_all`); the owner
        // of a mapping, for all of it (`Guarded::new`).
        unsafe { sys::map(addresses.start, addresses.len(), protection, flags, None) }.is_ok()
    })
}

/// The same for what the file still shows of these addresses: what was written to zeros that lie there
/// already stays for as long as the mapping does.
fn zeros_behind(known: &Known, addresses: &Range<usize>) -> bool {
    let same = |piece: &Known| (piece.device, piece.inode) == (known.device, known.inode);
    let zero = |piece: Known| !same(&piece) || zeros(known, piece.addresses());
    procmap::pieces(addresses, &mut []).all(|piece| piece.is_some_and(zero))
}

fn is_mapped(page: usize) -> bool {
    sys::residency(page, page_size(), &mut [0]).is_ok()
}

/// What stderr was when `guard_all` was called: device and inode.
static STDERR: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Remembers what stderr is, so that nothing is ever written to a file of the program's that has
/// taken its number.
pub(crate) fn remember_stderr() {
    if let Ok(stat) = rustix::fs::fstat(stderr()) {
        STDERR[0].store(stat.st_dev as usize, Relaxed);
        STDERR[1].store(stat.st_ino as usize, Relaxed);
    }
}

fn stderr() -> BorrowedFd<'static> {
    // SAFETY: used for system calls only, which fail where the number is not open.
    unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) }
}

/// A line of text of a fixed size; what does not fit is left out.
#[derive(Clone, Copy)]
struct Line {
    bytes: [u8; 640],
    len: usize,
}

impl Line {
    /// Writes it to stderr.
    fn write(&self) {
        if let Err(Errno::PIPE | Errno::FBIG) = rustix::io::write(stderr(), &self.bytes[..self.len])
        {
            // The signal that comes with that is not for the program.
            sys::drop_write_signals();
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&bytes[..count]);
        self.len += count;
    }

    /// A file's name, which may have a newline in it: what would end the line or move the cursor is
    /// escaped. Of a long one the end, which says more; there is to be room for the rest of the line.
    fn push_printable(&mut self, name: &[u8]) {
        const ROOM: usize = 400;
        let written =
            |byte: u8| if byte.is_ascii_control() { byte.escape_ascii().len() } else { 1 };
        let mut room = ROOM;
        let fits = name.iter().rev().take_while(|&&byte| {
            let fits = written(byte) <= room;
            room = room.saturating_sub(written(byte));
            fits
        });
        let end = &name[name.len() - fits.count()..];
        if end.len() < name.len() {
            self.push(b"...");
        }
        for &byte in end {
            match byte.is_ascii_control() {
                true => byte.escape_ascii().for_each(|byte| self.push(&[byte])),
                false => self.push(&[byte]),
            }
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}
