//! A process whose memory is looked at: this one, or any that we may inspect.
//!
//! ```
//! use folio_stat::{Process, Via};
//!
//! let process = Process::current()?;
//! let quick = process.mappings()?;
//! let text = process.via(Via::Text).mappings()?;
//! assert!(!quick.is_empty() && !text.is_empty());
//! # Ok::<(), folio_stat::Error>(())
//! ```
//!
//! Invariants: a `Process` means one process for good. It holds `/proc/PID` open, so when that
//! process ends and its pid is given to another, every question answers
//! [`ErrorKind::ProcessGone`]. What is read of a process that ends meanwhile is an error, never a
//! part. (One that calls execve(2) meanwhile may show a part of its former memory.)

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use rustix::fs::{Mode, OFlags};

use crate::ahead::{self, Ahead};
use crate::backing::Backing;
use crate::costs::Costs;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::FaultCount;
use crate::label::Labels;
use crate::mapping::Mapping;
use crate::pages::Pages;
use crate::protection::{Protection, Sharing};
use crate::scan::{self, Tally};
use crate::smaps::{self, ReadError};
use crate::span::Span;
use crate::status::StatLine;
use crate::sys::{self, ProcmapQuery};

/// So many parts of split memory before one are looked through for its label.
const FARTHEST_LABEL: usize = 64;

/// The kernel interface that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Via {
    /// PROCMAP_QUERY and PAGEMAP_SCAN where the kernel has them (Linux 6.11 and 6.7), text where
    /// it does not; smaps for the costs of whole kernel mappings.
    #[default]
    Best,
    /// PROCMAP_QUERY and PAGEMAP_SCAN for all they can tell; without them
    /// [`ErrorKind::Unsupported`]. What only smaps knows still comes from there.
    Ioctl,
    /// `/proc/PID/smaps` and plain reading of `/proc/PID/pagemap`, which any Linux since 4.2 has.
    Text,
}

/// A process, by its directory in `/proc`. Its [`Via`] is [`Via::Best`] until another is chosen.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    directory: OwnedFd,
    via: Via,
    pub(crate) page_bytes: usize,
}

/// `PROCMAP_QUERY_VMA_*` and `PROCMAP_QUERY_*` of include/uapi/linux/fs.h
mod query {
    pub(super) const READABLE: u64 = 0x01;
    pub(super) const WRITABLE: u64 = 0x02;
    pub(super) const EXECUTABLE: u64 = 0x04;
    pub(super) const SHARED: u64 = 0x08;
    pub(super) const COVERING_OR_NEXT: u64 = 0x10;
}

impl Process {
    /// This process. A child that fork(2) makes must ask again: the value means the parent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where `/proc` is not mounted.
    pub fn current() -> Result<Self> {
        // By its number it would be another process where `/proc` is that of another pid namespace.
        Self::at("/proc/self", std::process::id()).map_err(|error| match error.kind() {
            ErrorKind::ProcessGone => {
                Error::new(ErrorKind::Unsupported, "read the memory", "this process")
                    .detail("/proc does not show it")
                    .advice("mount /proc for the pid namespace this process runs in")
            }
            _ => error,
        })
    }

    /// The process with this pid, as seen in our pid namespace.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProcessGone`] when there is none (or `/proc` is mounted with `hidepid` and
    /// hides it). That we may not look into it shows only when it is asked something.
    pub fn of(pid: u32) -> Result<Self> {
        Self::at(&format!("/proc/{pid}"), pid)
    }

    fn at(path: &str, pid: u32) -> Result<Self> {
        let directory = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| match errno {
            rustix::io::Errno::NOENT => gone("read the memory", pid),
            errno => Error::os("read the memory", format!("process {pid}"), &errno.into()),
        })?;
        Ok(Self { pid, directory, via: Via::Best, page_bytes: rustix::param::page_size() })
    }

    /// Asks through another kernel interface from now on.
    ///
    /// ```
    /// use folio_stat::{Process, Via};
    ///
    /// let process = Process::current()?.via(Via::Text);
    /// let code = process.mapping_at(Process::of as *const () as usize)?.unwrap();
    /// assert!(code.flags.is_some());
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    #[must_use]
    pub fn via(mut self, via: Via) -> Self {
        self.via = via;
        self
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// All its mappings, by address. A kernel thread has none.
    ///
    /// By PROCMAP_QUERY, one call for each mapping: [`Mapping::flags`] are `None`. With
    /// [`Via::Text`], by smaps (proc_pid_smaps(5)).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`] for another user's process, [`ErrorKind::ProcessGone`].
    pub fn mappings(&self) -> Result<Vec<Mapping>> {
        let operation = "list the mappings";
        if self.via != Via::Text {
            match self.query_all(operation) {
                Err(error) if self.falls_back(&error) => {}
                answer => return answer,
            }
        }
        let costs = self.smaps(Span::new(0, usize::MAX).expect("0 is first"), operation)?;
        Ok(costs.into_iter().flat_map(|costs| costs.mappings).collect())
    }

    /// The mapping that covers an address, if there is one.
    ///
    /// By PROCMAP_QUERY, in the time of one lookup: [`Mapping::flags`] is `None`. With
    /// [`Via::Text`], by smaps up to the address.
    ///
    /// # Errors
    ///
    /// As for [`mappings`](Self::mappings).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio_stat::Process;
    ///
    /// let process = Process::current()?;
    /// let code = process.mapping_at(Process::of as *const () as usize)?.unwrap();
    /// assert!(code.protection.execute && !code.protection.write);
    /// assert_eq!(process.mapping_at(0)?, None);
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn mapping_at(&self, address: usize) -> Result<Option<Mapping>> {
        let operation = "find a mapping";
        if self.via != Via::Text {
            let answer = self
                .open("maps", operation)
                .and_then(|maps| self.query_one(&maps, address, operation));
            match answer {
                Err(error) if self.falls_back(&error) => {}
                answer => return answer,
            }
        }
        let Some(end) = address.checked_add(1) else { return Ok(None) };
        let span = Span::new(address, end).expect("one more is more");
        let costs = self.smaps(span, operation)?;
        Ok(costs.into_iter().flat_map(|costs| costs.mappings).next())
    }

    /// What a range of addresses costs, rounded to whole pages.
    ///
    /// The range may cover several mappings, parts of some, and addresses where nothing is
    /// mapped; see the [module](crate::costs) for what is exact. Smaps is read up to the end of
    /// the range, so the time grows with the resident memory below it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRange`] when the range ends before it starts; else as for
    /// [`mappings`](Self::mappings).
    pub fn costs(&self, range: Range<usize>) -> Result<Costs> {
        let operation = "read the costs";
        let span = Span::of_pages(&range, self.page_bytes, operation)?;
        let mut sum = Costs::empty(span);
        for whole in self.smaps(span, operation)? {
            let mapped = whole.mappings[0].span();
            let Some(part) = mapped.intersect(span) else { continue };
            if part == mapped && self.via != Via::Ioctl {
                sum.add(whole);
            } else {
                let tally = self.tally(part, operation)?;
                sum.add(whole.part(part, &tally, self.page_bytes));
            }
        }
        sum.set_page_size(self.page_bytes);
        Ok(sum)
    }

    /// What each of its mappings costs, by address: one [`Costs`] with one [`Mapping`] each.
    ///
    /// # Errors
    ///
    /// As for [`mappings`](Self::mappings).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio_stat::Process;
    ///
    /// let mut all = Process::current()?.costs_by_mapping()?;
    /// all.sort_by_key(|costs| std::cmp::Reverse(costs.proportional_bytes));
    /// let dearest = &all[0];
    /// println!("{} {}", dearest.proportional_bytes, dearest.backing().unwrap());
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn costs_by_mapping(&self) -> Result<Vec<Costs>> {
        let operation = "read the costs";
        let all = self.smaps(Span::new(0, usize::MAX).expect("0 is first"), operation)?;
        if self.via != Via::Ioctl {
            return Ok(all);
        }
        all.into_iter()
            .map(|whole| {
                let span = whole.mappings[0].span();
                let tally = self.tally(span, operation)?;
                Ok(whole.part(span, &tally, self.page_bytes))
            })
            .collect()
    }

    /// How the pages of a range are, counted from the page tables alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRange`] when the range ends before it starts or leaves the user's half
    /// of the address space; else as for [`mappings`](Self::mappings).
    pub fn pages(&self, range: Range<usize>) -> Result<Pages> {
        let operation = "count the pages";
        let span = Span::of_pages(&range, self.page_bytes, operation)?;
        Ok(Pages::new(span, &self.tally(span, operation)?))
    }

    /// Its faults since it started (proc_pid_stat(5)). Anyone may ask.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProcessGone`].
    ///
    /// # Examples
    ///
    /// ```
    /// let parent = folio_stat::Process::of(std::os::unix::process::parent_id())?;
    /// println!("{} minor faults", parent.faults()?.minor);
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn faults(&self) -> Result<FaultCount> {
        Ok(self.stat("count the faults")?.faults)
    }

    fn tally(&self, span: Span, operation: &'static str) -> Result<Tally> {
        let mut tally = Tally::default();
        let page_bytes = self.page_bytes;
        self.with_pagemap(
            span,
            operation,
            &mut tally,
            |pagemap, span, tally| {
                *tally = scan::tally_by_scan(pagemap, span, page_bytes)?;
                Ok(())
            },
            |pagemap, span, tally| {
                tally.add(&scan::tally_by_entries(pagemap, span, page_bytes)?);
                Ok(())
            },
        )?;
        Ok(tally)
    }

    /// Runs `by_scan` on the span, or `by_entries` on what is mapped of it.
    pub(crate) fn with_pagemap<T>(
        &self,
        span: Span,
        operation: &'static str,
        state: &mut T,
        by_scan: impl Fn(&File, Span, &mut T) -> io::Result<()>,
        by_entries: impl Fn(&File, Span, &mut T) -> io::Result<()>,
    ) -> Result<()> {
        let pagemap = self.open("pagemap", operation)?;
        let failed = |error: io::Error| match error.raw_os_error() {
            // The process ended, and its memory with it, or it is a kernel thread.
            Some(libc::EINVAL | libc::ESRCH) => match self.ensure_alive(operation) {
                Err(error) => error,
                Ok(()) => self.error(operation, &error),
            },
            _ => self.error(operation, &error),
        };
        if self.via != Via::Text {
            match by_scan(&pagemap, span, state).map_err(failed) {
                Err(error) if self.falls_back(&error) => {}
                answer => return answer,
            }
        }
        // Reading takes eight bytes a page, mapped or not: leave out what is not.
        for mapping in self.read("maps", span, operation)? {
            if let Some(part) = mapping.mappings[0].span().intersect(span) {
                by_entries(&pagemap, part, state).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn query_all(&self, operation: &'static str) -> Result<Vec<Mapping>> {
        let maps = self.open("maps", operation)?;
        let mut found = Vec::new();
        let mut address = 0;
        let mut labels = Labels::default();
        while let Some(mut mapping) =
            self.query(&maps, address, query::COVERING_OR_NEXT, operation)?
        {
            address = mapping.range().end;
            labels.look_at(&mapping);
            labels.name(&mut mapping);
            found.push(mapping);
        }
        self.ensure_alive(operation)?;
        Ok(found)
    }

    /// The mapping that covers an address, with the name that a label before it says.
    fn query_one(
        &self,
        maps: &File,
        address: usize,
        operation: &'static str,
    ) -> Result<Option<Mapping>> {
        let Some(mut mapping) = self.query(maps, address, 0, operation)? else { return Ok(None) };
        let mut labels = Labels::default();
        let mut goes_on = labels.look_at(&mapping);
        let mut start = mapping.address;
        for _ in 0..FARTHEST_LABEL {
            let Some(before) = start.checked_sub(1).filter(|_| goes_on) else { break };
            let Some(neighbour) = self.query(maps, before, 0, operation)? else { break };
            goes_on = labels.look_at(&neighbour);
            start = neighbour.address;
        }
        labels.name(&mut mapping);
        Ok(Some(mapping))
    }

    /// Asks PROCMAP_QUERY for the mapping at an address, or the next.
    fn query(
        &self,
        maps: &File,
        address: usize,
        how: u64,
        operation: &'static str,
    ) -> Result<Option<Mapping>> {
        let mut name = [0; libc::PATH_MAX as usize];
        let mut answer = ProcmapQuery::new(address as u64, how);
        let mut status = sys::procmap_query(maps.as_fd(), &mut answer, &mut name);
        if status.as_ref().is_err_and(|e| e.raw_os_error() == Some(libc::ENAMETOOLONG)) {
            status = sys::procmap_query(maps.as_fd(), &mut answer, &mut []);
        }
        match status {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            // There is no memory: a process that ended, or a kernel thread.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
                return self.ensure_alive(operation).map(|()| None);
            }
            Err(error) => return Err(self.error(operation, &error)),
        }
        let span = Span::new(answer.vma_start as usize, answer.vma_end as usize)
            .filter(|span| !span.is_empty() && span.end() > address)
            .ok_or_else(|| {
                Error::new(ErrorKind::Malformed, operation, self.thing())
                    .detail("PROCMAP_QUERY answered with a mapping that ends before it starts")
            })?;
        let has = |flag| answer.vma_flags & flag != 0;
        let page_size_bytes = answer.vma_page_size as usize;
        let name_bytes = (answer.vma_name_size as usize).saturating_sub(1).min(name.len());
        Ok(Some(Mapping {
            address: span.start(),
            length_bytes: span.length(),
            page_size_bytes,
            protection: Protection::new(
                has(query::READABLE),
                has(query::WRITABLE),
                has(query::EXECUTABLE),
            ),
            sharing: if has(query::SHARED) { Sharing::Shared } else { Sharing::Private },
            backing: Backing::new(
                &name[..name_bytes],
                answer.vma_offset,
                (answer.dev_major, answer.dev_minor),
                answer.inode,
                page_size_bytes,
                self.page_bytes,
            ),
            flags: None,
        }))
    }

    fn smaps(&self, wanted: Span, operation: &'static str) -> Result<Vec<Costs>> {
        self.read("smaps", wanted, operation)
    }

    fn read(&self, file: &str, wanted: Span, operation: &'static str) -> Result<Vec<Costs>> {
        let text = self.open(file, operation)?;
        let parse = |text: &mut dyn BufRead| smaps::read(text, wanted, self.page_bytes);
        // A thread would show among the mappings of this process itself.
        let is_long = wanted.end() == usize::MAX && self.pid != std::process::id();
        let (sender, receiver) = mpsc::sync_channel(ahead::CHUNKS);
        let found = thread::scope(|scope| {
            let reader = text.try_clone().ok().filter(|_| is_long).and_then(|text| {
                let read = move || ahead::read(text, &sender);
                thread::Builder::new().spawn_scoped(scope, read).ok()
            });
            match reader {
                Some(_) => parse(&mut Ahead::new(receiver)),
                None => parse(&mut BufReader::with_capacity(64 << 10, text)),
            }
        });
        let found = found.map_err(|error| match error {
            ReadError::Io(error) => self.error(operation, &error),
            ReadError::Malformed(line) => Error::new(ErrorKind::Malformed, operation, self.thing())
                .detail(format!("/proc/{}/{file} has the line {line:?}", self.pid)),
        })?;
        // The text of a process that ends just stops.
        self.ensure_alive(operation)?;
        Ok(found)
    }

    pub(crate) fn stat(&self, operation: &'static str) -> Result<StatLine> {
        let text = self.text_of_all("stat", operation)?;
        StatLine::parse(&text).ok_or_else(|| self.malformed("stat", operation))
    }

    /// A text that everybody may read, of a process that has ended too.
    pub(crate) fn text_of_all(&self, file: &str, operation: &'static str) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        // Without the questions for a length that there is not.
        let read = self.open_at(file).and_then(|mut file| {
            let mut part = [0; 4096];
            loop {
                match file.read(&mut part) {
                    Ok(0) => return Ok(()),
                    Ok(bytes) => text.extend_from_slice(&part[..bytes]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        });
        read.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => gone(operation, self.pid),
            _ => self.error(operation, &error),
        })?;
        Ok(text)
    }

    pub(crate) fn malformed(&self, file: &str, operation: &'static str) -> Error {
        Error::new(ErrorKind::Malformed, operation, self.thing())
            .detail(format!("/proc/{}/{file} is not as proc(5) says", self.pid))
    }

    /// Where a symbolic link in its directory leads.
    pub(crate) fn link(&self, name: &str) -> Option<PathBuf> {
        let path = rustix::fs::readlinkat(&self.directory, name, Vec::new()).ok()?;
        Some(PathBuf::from(OsString::from_vec(path.into_bytes())))
    }

    /// Fails if the process no longer had its memory at some time before now.
    pub(crate) fn ensure_alive(&self, operation: &'static str) -> Result<()> {
        match self.stat(operation)?.has_ended() {
            true => Err(gone(operation, self.pid)),
            false => Ok(()),
        }
    }

    pub(crate) fn open(&self, name: &str, operation: &'static str) -> Result<File> {
        self.open_at(name).map_err(|error| self.unopened(name, operation, &error))
    }

    /// Why a file of its directory could not be opened.
    pub(crate) fn unopened(&self, name: &str, operation: &'static str, error: &io::Error) -> Error {
        if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) {
            return self.error(operation, error);
        }
        // The file is missing: with the process, or in this kernel.
        let unsupported = Error::new(ErrorKind::Unsupported, operation, self.thing());
        match self.stat(operation) {
            Err(error) => error,
            Ok(line) if line.has_ended() => gone(operation, self.pid),
            Ok(line) if line.is_kernel_thread() => {
                unsupported.detail("it is a kernel thread, which has no memory of its own")
            }
            Ok(_) => unsupported
                .detail(format!("/proc/{}/{name} does not exist", self.pid))
                .advice("use a kernel with CONFIG_PROC_PAGE_MONITOR; gVisor has none of it"),
        }
    }

    pub(crate) fn open_at(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.directory, name, flags, Mode::empty())?.into())
    }

    /// Whether text is to answer instead.
    fn falls_back(&self, error: &Error) -> bool {
        self.via == Via::Best && error.errno().is_some() && error.kind() == ErrorKind::Unsupported
    }

    fn thing(&self) -> String {
        format!("process {}", self.pid)
    }

    pub(crate) fn error(&self, operation: &'static str, error: &io::Error) -> Error {
        let error = Error::os(operation, self.thing(), error);
        match error.kind() {
            // To all but root, a process whose memory is gone is one that must not be seen.
            ErrorKind::PermissionDenied => match self.ensure_alive(operation) {
                Err(gone) if gone.kind() == ErrorKind::ProcessGone => gone,
                _ if rustix::process::geteuid().is_root() => error.advice(
                    "a container or a security module refuses it even to root: run it outside \
                     (ptrace(2), PTRACE_MODE_READ)",
                ),
                _ => error.advice("run as the same user or as root (ptrace(2), PTRACE_MODE_READ)"),
            },
            ErrorKind::Unsupported => error.advice(
                "PROCMAP_QUERY needs Linux 6.11 and PAGEMAP_SCAN 6.7; Via::Best does without",
            ),
            _ => error,
        }
    }
}

fn gone(operation: &'static str, pid: u32) -> Error {
    Error::new(ErrorKind::ProcessGone, operation, format!("process {pid}"))
        .detail("it does not exist or has ended")
}
