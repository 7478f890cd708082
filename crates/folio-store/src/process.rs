//! A store over the memory of another process: addresses are offsets.
//!
//! ```
//! use folio_store::{ProcessStore, Store};
//!
//! // This process, here; any other that ptrace(2) would be allowed on.
//! let word = *b"some words";
//! let store = ProcessStore::open(std::process::id())?;
//! let mut bytes = [0; 5];
//! store.read_full_at(&mut bytes, word.as_ptr().addr() as u64 + 5)?;
//! assert_eq!(&bytes, b"words");
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! It reads `/proc/PID/mem` (proc_pid_mem(5)) with pread(2), on a descriptor that stands for the
//! process's memory and not for its number. process_vm_readv(2) takes the number anew in each call, and
//! reads whoever has it by then. Pages one by one cost the same either way (2 to 3 µs for 4 KiB on a busy
//! virtual machine with two cores, Linux 6.18); of 64 KiB and more the file takes 1.5 to 2.3 times as long
//! (1 MiB 280 against 125 µs), since the kernel copies each page twice. The file also reads pages that
//! the process itself has made unreadable.
//!
//! Invariants:
//! - What is read is the memory that the process had when the store was opened. When it has ended or
//!   executed another program, every read is [`ErrorKind::NotFound`], whoever has its number.
//! - A read ends before the first page that nothing is mapped at; one that begins there is
//!   [`ErrorKind::NotFound`], with the range.
//! - It is never written: that would change memory behind references to it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, open, openat};

use crate::range::inside;
use crate::{Capabilities, Cost, Error, ErrorKind, Result, Store};

/// The end of what a process can map, five levels of page tables included.
const ADDRESSES_END: u64 = 1 << 56;

/// The memory of a process. See the [module](self).
#[derive(Debug)]
pub struct ProcessStore {
    memory: File,
    name: String,
    identity: String,
    base: u64,
    len: u64,
}

impl ProcessStore {
    /// The memory of process `pid`, from address 0 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such process, [`ErrorKind::Denied`] if this one may not
    /// ptrace(2) it.
    pub fn open(pid: u32) -> Result<Self> {
        let name = format!("the memory of process {pid}");
        let failed = |error: io::Error| match error.raw_os_error() {
            // ESRCH: it ended meanwhile.
            Some(3) => Error::new(ErrorKind::NotFound, "open", &name),
            _ => Error::os("open", &name, &error),
        };
        let denied = |error: Error| match error.kind() {
            ErrorKind::Denied => error.advice(
                "be its user or have CAP_SYS_PTRACE; kernel.yama.ptrace_scope may forbid more",
            ),
            _ => error,
        };
        // One directory for both files, which no other process gets with the number.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open_in = |directory: &rustix::fd::OwnedFd, file| {
            openat(directory, file, flags, Mode::empty()).map_err(|error| failed(error.into()))
        };
        let directory = open(format!("/proc/{pid}"), flags | OFlags::DIRECTORY, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        let memory = File::from(open_in(&directory, "mem").map_err(denied)?);
        let stat = io::read_to_string(File::from(open_in(&directory, "stat")?)).map_err(failed)?;
        let started = started_at(&stat);
        let identity = format!("process {pid} of {started}");
        Ok(Self { memory, name, identity, base: 0, len: ADDRESSES_END })
    }

    /// Only the bytes at `addresses`, of which the first has offset 0 then.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a range that is reversed or reaches behind the addresses that there
    /// can be, or that are shown already.
    pub fn window(mut self, addresses: Range<u64>) -> Result<Self> {
        let shown = self.base..self.base + self.len;
        if addresses.start > addresses.end
            || addresses.start < shown.start
            || addresses.end > shown.end
        {
            let error = Error::new(ErrorKind::Invalid, "show", self.name).range(addresses);
            return Err(error.reason("there are no such addresses in it"));
        }
        self.base = addresses.start;
        self.len = addresses.end - addresses.start;
        let (start, end) = (addresses.start, addresses.end);
        self.name = format!("{} at {start:#x}-{end:#x}", self.name);
        self.identity = format!("{} at {start:#x}-{end:#x}", self.identity);
        Ok(self)
    }

    fn lost(&self, reason: &'static str, count: usize, offset: u64) -> Error {
        Error::new(ErrorKind::NotFound, "read", &self.name)
            .range(offset..offset + count as u64)
            .reason(reason)
    }
}

/// When a process started, in ticks since boot: the 22nd field of proc_pid_stat(5), of which the
/// second may have spaces and parentheses.
fn started_at(stat: &str) -> &str {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_ascii_whitespace().nth(19).unwrap_or("an unknown time")
}

impl Store for ProcessStore {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let count = inside(buf.len(), offset, self.len);
        if count == 0 {
            return Ok(0);
        }
        loop {
            match self.memory.read_at(&mut buf[..count], self.base + offset) {
                Ok(0) => {
                    let reason = "the process has ended or executed another program";
                    return Err(self.lost(reason, count, offset));
                }
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EIO
                Err(error) if error.raw_os_error() == Some(5) => {
                    return Err(self.lost("nothing is mapped at its beginning", count, offset));
                }
                Err(error) => {
                    let range = offset..offset + count as u64;
                    return Err(Error::os("read", &self.name, &error).range(range));
                }
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Local).granule(4 << 10).concurrency(1).touching_mappings(false)
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::started_at;

    #[test]
    fn the_start_is_found_behind_a_name_with_spaces_and_parentheses() {
        let numbers = (4..=52).map(|at| at.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(started_at(&format!("12 (a b) c) S {numbers}")), "22");
        assert_eq!(started_at("nonsense"), "an unknown time");
    }
}
