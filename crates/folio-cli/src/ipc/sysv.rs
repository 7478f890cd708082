//! System V shared memory (shmget(2)), as programs use it: slots that semaphores in it (sem_init(3)) hand
//! back and forth, written and read in place.
//!
//! Layout: four semaphores, each on a cache line of its own; behind the first page the slots of one
//! direction, then those of the other.
#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ipc::payload::{check, fill};
use crate::ipc::transport::{Ends, Transport};

const PAGE: usize = 4096;
const LINE: usize = 64;

/// Bytes of the slots of a direction, as many as folio's queue has.
fn bytes(size: usize) -> usize {
    (4 << 20).max(8 * size)
}

/// Nothing else tells that the other process has died.
const PATIENCE_SECONDS: libc::time_t = 10;

/// Memory that is attached. Removed already, it goes with the last process.
struct Memory(*mut u8);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: shmat(2) returned the address, and nothing borrows from the memory any more: what did is
        // dropped with or before `self`.
        unsafe { libc::shmdt(self.0.cast()) };
    }
}

/// One direction, as one side has it.
struct Slots {
    filled: *mut libc::sem_t,
    empty: *mut libc::sem_t,
    start: *mut u8,
    count: usize,
    next: usize,
}

struct Shared {
    output: Slots,
    input: Slots,
    size: usize,
    _memory: Memory,
}

impl Slots {
    /// Those of direction 0 or 1.
    fn at(memory: &Memory, direction: usize, size: usize) -> Self {
        let at = |offset: usize| memory.0.wrapping_add(offset);
        Self {
            filled: at(2 * direction * LINE).cast(),
            empty: at((2 * direction + 1) * LINE).cast(),
            start: at(PAGE + direction * bytes(size)),
            count: bytes(size) / size,
            next: 0,
        }
    }

    /// The slot whose turn it is.
    fn slot(&mut self, size: usize) -> *mut u8 {
        let slot = self.start.wrapping_add(self.next * size);
        self.next = (self.next + 1) % self.count;
        slot
    }
}

impl Transport for Shared {
    fn send(&mut self, number: u64) -> io::Result<()> {
        wait(self.output.empty)?;
        let slot = self.output.slot(self.size);
        // SAFETY: `size` bytes within the memory (`Slots::at`, `attach`), and this side's alone: the peer, which
        // runs this code too, has given the slot back by `empty`, and takes it by `filled` only.
        fill(unsafe { std::slice::from_raw_parts_mut(slot, self.size) }, number);
        post(self.output.filled)
    }

    fn recv(&mut self) -> io::Result<u64> {
        wait(self.input.filled)?;
        let slot = self.input.slot(self.size);
        // SAFETY: as in `send`, the other way round.
        let number = check(unsafe { std::slice::from_raw_parts(slot, self.size) })?;
        post(self.input.empty)?;
        Ok(number)
    }
}

fn wait(semaphore: *mut libc::sem_t) -> io::Result<()> {
    // SAFETY: an initialised semaphore (`make`) in memory that is attached.
    if unsafe { libc::sem_trywait(semaphore) } == 0 {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let tv_sec = now.as_secs() as libc::time_t + PATIENCE_SECONDS;
    let deadline = libc::timespec { tv_sec, tv_nsec: now.subsec_nanos().into() };
    loop {
        // SAFETY: as above; the time lives until it returns.
        let done = unsafe { libc::sem_timedwait(semaphore, &deadline) };
        match io::Error::last_os_error() {
            _ if done == 0 => return Ok(()),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    }
}

fn post(semaphore: *mut libc::sem_t) -> io::Result<()> {
    // SAFETY: as in `wait`.
    match unsafe { libc::sem_post(semaphore) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Attaches memory that was made with [`PAGE`] and twice [`bytes`] bytes.
fn attach(id: i32) -> io::Result<Memory> {
    // SAFETY: a new mapping at an address of the kernel's choice (shmat(2)).
    let start = unsafe { libc::shmat(id, ptr::null(), 0) };
    match start.addr() {
        usize::MAX => Err(io::Error::last_os_error()),
        _ => Ok(Memory(start.cast())),
    }
}

pub(crate) fn make(size: usize) -> io::Result<(Box<dyn Transport>, Ends)> {
    let len = PAGE + 2 * bytes(size);
    // SAFETY: shmget(2) takes numbers.
    let id = unsafe { libc::shmget(libc::IPC_PRIVATE, len, libc::IPC_CREAT | 0o600) };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    let attached = attach(id);
    // Linux lets others attach what has been removed as long as somebody has it attached (shmctl(2)), and
    // however this process ends, nothing stays.
    // SAFETY: IPC_RMID uses no buffer.
    unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
    let memory = attached?;
    for direction in [0, 1] {
        let slots = Slots::at(&memory, direction, size);
        for (semaphore, count) in [(slots.filled, 0), (slots.empty, slots.count)] {
            // SAFETY: zeroed memory for it on a cache line of its own, that nobody else knows of yet.
            if unsafe { libc::sem_init(semaphore, 1, count as libc::c_uint) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    let (output, input) = (Slots::at(&memory, 0, size), Slots::at(&memory, 1, size));
    let us = Shared { output, input, size, _memory: memory };
    Ok((Box::new(us), Ends { input: None, output: None, id }))
}

pub(crate) fn join(size: usize, id: i32) -> io::Result<Box<dyn Transport>> {
    let memory = attach(id)?;
    let (output, input) = (Slots::at(&memory, 1, size), Slots::at(&memory, 0, size));
    Ok(Box::new(Shared { output, input, size, _memory: memory }))
}
