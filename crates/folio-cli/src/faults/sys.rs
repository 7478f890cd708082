//! The system calls of the profile: perf_event_open(2), the ioctls of its descriptors, getrusage(2).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// `struct perf_event_attr` of include/uapi/linux/perf_event.h, as long as it was in Linux 4.1
/// (`PERF_ATTR_SIZE_VER5`).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attributes {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    /// The bit field, its first bit the lowest.
    pub(crate) flags: u64,
    pub(crate) wakeup_watermark: u32,
    pub(crate) breakpoint: [u32; 5],
    pub(crate) branches: u64,
    pub(crate) registers: u64,
    pub(crate) stack: u32,
    pub(crate) clock: i32,
    pub(crate) registers_of_interrupts: u64,
    pub(crate) auxiliary_watermark: u32,
    pub(crate) most_frames: u16,
    pub(crate) reserved: u16,
}

const _: () = assert!(size_of::<Attributes>() == 112);

/// `PERF_FLAG_FD_CLOEXEC`
const CLOSE_ON_EXEC: libc::c_ulong = 8;
/// `PERF_EVENT_IOC_*`: `_IO('$', …)`
const ENABLE: libc::c_ulong = 0x2400;
const DISABLE: libc::c_ulong = 0x2401;
const SET_OUTPUT: libc::c_ulong = 0x2405;

/// Whose page faults are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The calling thread's, and those of what it starts.
    Own,
    /// Those of the thread with this number.
    Thread(i32),
}

/// Opens an event of a thread on a processor, without a group.
pub(crate) fn open(attributes: &Attributes, whose: Whose, processor: i32) -> io::Result<OwnedFd> {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..*attributes };
    let thread = match whose {
        Whose::Own => 0,
        Whose::Thread(thread) => thread,
    };
    // SAFETY: the kernel reads `size` bytes of the attributes, which live through the call, and
    // writes there only what it fails with E2BIG for, the size it knows (perf_event_open(2)): a
    // copy of our own, which nobody reads again. The other arguments are numbers.
    let fd = unsafe {
        let attributes = &raw const attributes;
        libc::syscall(libc::SYS_perf_event_open, attributes, thread, processor, -1, CLOSE_ON_EXEC)
    };
    match i32::try_from(fd) {
        // SAFETY: a descriptor that the call has just made, and that nobody else knows.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets an event happen, and those of the threads and children that inherited it.
pub(crate) fn enable(event: impl AsFd) -> io::Result<()> {
    control(event, ENABLE, 0)
}

/// The opposite of [`enable`].
pub(crate) fn disable(event: impl AsFd) -> io::Result<()> {
    control(event, DISABLE, 0)
}

/// Lets an event write into the buffer of another of the same processor.
pub(crate) fn redirect(event: impl AsFd, to: impl AsFd) -> io::Result<()> {
    control(event, SET_OUTPUT, to.as_fd().as_raw_fd())
}

fn control(event: impl AsFd, request: libc::c_ulong, argument: i32) -> io::Result<()> {
    let event = event.as_fd();
    // SAFETY: the three requests take a number and no pointer (perf_event_open(2)); the descriptor
    // is open as long as it is borrowed.
    match unsafe { libc::ioctl(event.as_raw_fd(), request, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Minor and major page faults of the children that have ended and been waited for, and of theirs.
pub(crate) fn page_faults_of_children() -> (u64, u64) {
    // SAFETY: all zeros is a value of this structure of numbers, and the call fills it in
    // (getrusage(2)). It fails for a bad pointer or an unknown `who` only.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let count = |number: libc::c_long| u64::try_from(number).unwrap_or(0);
    (count(usage.ru_minflt), count(usage.ru_majflt))
}
