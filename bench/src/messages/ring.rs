//! The bare ring: one sender, one receiver, messages of one size in shared memory, and nothing that a
//! message does not need. Nobody notices a death, nobody owns an end, and no word is checked.
//!
//! 1. The sender writes the payload, and then the *commit word* before it: the message's number from 1 on.
//! 2. The receiver looks at the next commit word, reads the payload, and writes how many it has read.
//! 3. The sender reads that only when what it saw of it last is used up.
//! 4. The receiver of one with a [`Bell`] says that it sleeps, and looks again; the sender commits, and asks
//!    whether anybody sleeps; each with a fence between.
//!
//! Layout: how many were read; on the next cache line whether the receiver sleeps; behind the first page
//! the records, so that long payloads begin with a line.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use folio_cli::ipc::transport::Transport;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::thread::futex;

use super::payload::{Payload, circle_bytes};
use super::way::Made;
use crate::raw::{self, Raw};

const ASLEEP: usize = 64;
const RECORDS: usize = 4096 + 56;
const WORD: usize = 8;

/// How its receivers wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bell {
    /// They look again and again.
    None,
    /// They look for so many microseconds, and then sleep on a futex.
    Futex { looks_us: u64 },
    /// They sleep in read(2) of an eventfd.
    Eventfd,
}

/// One direction, as one side has it.
struct Ring {
    memory: Raw,
    stride: usize,
    /// A power of two.
    slots: u64,
    /// The number of the next message, from 0 on.
    next: u64,
    /// How many were read, as the sender saw last.
    read: u64,
    bell: Bell,
    eventfd: Option<File>,
}

/// Bytes of a record, and how many there are: as in folio's queue.
fn shape(size: usize) -> (usize, u64) {
    let unit = if size < 512 { 8 } else { 64 };
    let stride = (WORD + size).next_multiple_of(unit);
    (stride, (circle_bytes(size) / stride).next_power_of_two() as u64)
}

impl Ring {
    fn new(memory: &File, eventfd: Option<File>, size: usize, bell: Bell) -> Self {
        let (stride, slots) = shape(size);
        let memory = Raw::writable(memory, raw::len(memory));
        Self { memory, stride, slots, next: 0, read: 0, bell, eventfd }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: each caller's offset is a multiple of 8 within the mapping, which lives as long as `self`;
        // both sides use the word as an atomic only.
        unsafe { AtomicU64::from_ptr(self.memory.start.add(at).cast()) }
    }

    fn asleep(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(self.memory.start.add(ASLEEP).cast()) }
    }

    /// Where the next record is.
    fn at(&self) -> usize {
        RECORDS + (self.next & (self.slots - 1)) as usize * self.stride
    }

    fn send(&mut self, payload: Payload, number: u64) -> io::Result<()> {
        while self.next - self.read >= self.slots {
            self.read = self.word(0).load(Ordering::Acquire);
            std::hint::spin_loop();
        }
        let at = self.at();
        let start = self.memory.start.wrapping_add(at + WORD);
        // SAFETY: within the mapping (`make`), and this side's alone: the receiver has read what was there,
        // and does not look before the commit.
        payload.fill(unsafe { std::slice::from_raw_parts_mut(start, payload.size) }, number);
        self.next += 1;
        self.word(at).store(self.next, Ordering::Release);
        self.ring()
    }

    fn ring(&mut self) -> io::Result<()> {
        if self.bell == Bell::None {
            return Ok(());
        }
        fence(Ordering::SeqCst);
        if self.asleep().load(Ordering::Relaxed) == 0
            || self.asleep().swap(0, Ordering::AcqRel) == 0
        {
            return Ok(());
        }
        match &mut self.eventfd {
            Some(eventfd) => eventfd.write_all(&1u64.to_ne_bytes()),
            None => Ok(futex::wake(self.asleep(), futex::Flags::empty(), 1).map(|_| ())?),
        }
    }

    fn is_there(&self) -> bool {
        self.word(self.at()).load(Ordering::Acquire) == self.next + 1
    }

    fn recv(&mut self, payload: Payload) -> io::Result<u64> {
        if !self.is_there() {
            self.wait()?;
        }
        let start = self.memory.start.wrapping_add(self.at() + WORD);
        // SAFETY: within the mapping (`make`), and the sender leaves it alone until it has been read.
        let number = payload.check(unsafe { std::slice::from_raw_parts(start, payload.size) })?;
        self.next += 1;
        self.word(0).store(self.next, Ordering::Release);
        Ok(number)
    }

    fn wait(&mut self) -> io::Result<()> {
        let looks = match self.bell {
            Bell::None => Duration::MAX,
            Bell::Futex { looks_us } => Duration::from_micros(looks_us),
            Bell::Eventfd => Duration::ZERO,
        };
        if !looks.is_zero() && self.look(looks) {
            return Ok(());
        }
        loop {
            self.asleep().store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let is_there = self.is_there();
            if is_there && self.asleep().swap(0, Ordering::AcqRel) == 1 {
                return Ok(());
            }
            if let Some(eventfd) = &mut self.eventfd {
                // The sender has written to it, or will.
                eventfd.read_exact(&mut [0; 8])?;
            } else if !is_there {
                let _ = futex::wait(self.asleep(), futex::Flags::empty(), 1, None);
            }
            if is_there || self.is_there() {
                return Ok(());
            }
        }
    }

    /// Looks for a while; whether there is something.
    fn look(&self, most: Duration) -> bool {
        let begin = Instant::now();
        loop {
            for _ in 0..64 {
                if self.is_there() {
                    return true;
                }
                std::hint::spin_loop();
            }
            if begin.elapsed() >= most {
                return false;
            }
        }
    }
}

struct Rings {
    output: Ring,
    input: Ring,
    payload: Payload,
}

impl Transport for Rings {
    fn send(&mut self, number: u64) -> io::Result<()> {
        self.output.send(self.payload, number)
    }

    fn recv(&mut self) -> io::Result<u64> {
        self.input.recv(self.payload)
    }
}

fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: eventfd(2) takes numbers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn make(payload: Payload, bell: Bell) -> io::Result<Made> {
    let (stride, slots) = shape(payload.size);
    let len = (RECORDS + slots as usize * stride) as u64;
    let (mut rings, mut fds) = (Vec::new(), Vec::new());
    for name in ["folio-bench-ring-there", "folio-bench-ring-back"] {
        let memory = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        ftruncate(&memory, len)?;
        let eventfd = (bell == Bell::Eventfd).then(eventfd).transpose()?;
        fds.push(memory.as_fd().try_clone_to_owned()?);
        fds.extend(
            eventfd.as_ref().map(AsFd::as_fd).map(|fd| fd.try_clone_to_owned()).transpose()?,
        );
        rings.push(Ring::new(&memory, eventfd.map(File::from), payload.size, bell));
    }
    let (Some(input), Some(output)) = (rings.pop(), rings.pop()) else { unreachable!("two") };
    Ok(Made { transport: Box::new(Rings { output, input, payload }), fds, word: String::new() })
}

pub(crate) fn join(fds: Vec<OwnedFd>, payload: Payload, bell: Bell) -> Option<Box<dyn Transport>> {
    let mut files = fds.into_iter().map(File::from);
    let mut next = || {
        let memory = files.next()?;
        let eventfd = if bell == Bell::Eventfd { Some(files.next()?) } else { None };
        Some(Ring::new(&memory, eventfd, payload.size, bell))
    };
    let (input, output) = (next()?, next()?);
    Some(Box::new(Rings { output, input, payload }))
}
