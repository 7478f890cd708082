//! What can be done with a range of a region's pages: the calls behind the methods of
//! [`Mapping`](crate::Mapping) and its kin.
//!
//! Each resolves its range in [`crate::range`], works on whole pages, and returns the positions it
//! really touched. What changes nothing that a caller could notice in the bytes works on the pages
//! around the range; what changes bytes works on the pages inside it.
#![allow(unsafe_code)]

use core::ops::{Range, RangeBounds};

use rustix::mm::{MapFlags, MsyncFlags, ProtFlags};
use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Ask, Explained, Fault, Sign};
use crate::range::{Pages, resolve};
use crate::region::Region;
use crate::sys::{self, Errno};
use crate::{
    Advice, BackingKind, FaultKind, Fork, Lock, Protection, Residency, Sharing, View, spare,
};

impl Region {
    pub(crate) fn resolve(
        &self,
        operation: &'static str,
        range: impl RangeBounds<usize>,
    ) -> Result<Range<usize>> {
        resolve(&range, self.len())
            .ok_or_else(|| Error::out_of_range(operation, &self.backing, &range, self.len()))
    }

    fn around(&self, operation: &'static str, range: impl RangeBounds<usize>) -> Result<Pages> {
        Ok(self.extent.around(self.resolve(operation, range)?))
    }

    /// The error of a system call on some pages.
    pub(crate) fn failed(&self, operation: &'static str, pages: &Pages, errno: Errno) -> Error {
        let Range { start, end } = pages.touched;
        let range = self.offset + start as u64..self.offset + end as u64;
        Error::os(operation, &self.backing, errno).range(range)
    }

    pub(crate) fn flush(
        &self,
        range: impl RangeBounds<usize>,
        flags: MsyncFlags,
    ) -> Result<Range<usize>> {
        let range = self.resolve("flush", range)?;
        let pages = self.extent.around(range.clone());
        // What was written to zeros that stand in for a lost page reaches nobody.
        if let Some(fault) = self.sticky_in(&pages.touched) {
            return Err(fault.into());
        }
        if pages.len > 0 {
            sys::sync(pages.start, pages.len, flags).map_err(|errno| {
                self.failed("flush", &pages, errno)
                    .hint_for(libc::EBUSY, "the pages are locked: unlock them to invalidate")
            })?;
        }
        // Nor does what was written behind the end of a file that was cut.
        let writes = self.sharing == Sharing::Shared && self.is_writable() && !self.tail;
        match writes.then(|| self.cut(range, true)).flatten() {
            Some(fault) => Err(fault.into()),
            None => Ok(pages.touched),
        }
    }

    pub(crate) fn advise(
        &self,
        range: impl RangeBounds<usize>,
        advice: Advice,
    ) -> Result<Range<usize>> {
        match advice {
            Advice::PopulateRead | Advice::PopulateWrite => {
                let range = self.resolve("populate", range)?;
                self.populate_for(range, advice == Advice::PopulateWrite)
            }
            _ => self.advise_pages(range, advice.raw(), "advise"),
        }
    }

    pub(crate) fn advise_pages(
        &self,
        range: impl RangeBounds<usize>,
        advice: i32,
        operation: &'static str,
    ) -> Result<Range<usize>> {
        let pages = self.around(operation, range)?;
        if pages.len > 0 {
            // SAFETY: callers pass only advice that changes no byte (`Advice`, MADV_HUGEPAGE).
            unsafe { sys::advise(pages.start, pages.len, advice) }
                .map_err(|errno| self.advice_failed(operation, advice, &pages, errno))?;
        }
        Ok(pages.touched)
    }

    /// Advice that changes what the bytes read as, for the pages inside the range.
    pub(crate) fn change_pages(
        &mut self,
        range: impl RangeBounds<usize>,
        advice: i32,
        operation: &'static str,
    ) -> Result<Range<usize>> {
        let range = self.resolve(operation, range)?;
        // Behind the last byte shown of anonymous memory there is nothing; of a file there may be.
        // A guard on the last page is the mapping's own.
        let whole_ends =
            self.backing.kind() == BackingKind::Anonymous || advice == sys::MADV_GUARD_REMOVE;
        let pages = self.extent.inside(range, whole_ends);
        if pages.len > 0 {
            // SAFETY: the region owns the pages, and `&mut self` says that no slice into them is
            // borrowed.
            unsafe { sys::advise(pages.start, pages.len, advice) }
                .map_err(|errno| self.advice_failed(operation, advice, &pages, errno))?;
        }
        Ok(pages.touched)
    }

    fn advice_failed(
        &self,
        operation: &'static str,
        advice: i32,
        pages: &Pages,
        errno: Errno,
    ) -> Error {
        let invalid = match advice {
            sys::MADV_COLLAPSE => {
                "the kernel lacks it, it is not for this kind of mapping, or it has no pages yet: \
                 populate it first"
            }
            _ => "the kernel lacks it, or it is not for this kind of mapping",
        };
        self.failed(operation, pages, errno)
            .hint_for(libc::EINVAL, invalid)
            .hint_for(libc::EPERM, "it needs root, or the mapping is sealed")
    }

    pub(crate) fn set_fork(&mut self, fork: Fork) -> Result<()> {
        const SET: &str = "set what a forked child sees of";
        let advice: &[i32] = match fork {
            // Only private anonymous memory can have been wiped; others answer EINVAL. So does
            // droppable memory, which always is.
            Fork::Inherit => &[libc::MADV_DOFORK, libc::MADV_KEEPONFORK],
            Fork::Exclude => &[libc::MADV_DONTFORK],
            // What may be refused comes first.
            Fork::Wipe => &[libc::MADV_WIPEONFORK, libc::MADV_DOFORK],
        };
        let memory =
            self.backing.kind() == BackingKind::Anonymous && self.sharing == Sharing::Private;
        let result = advice.iter().try_for_each(|&advice| self.change_all(advice, SET));
        match result {
            Err(error)
                if fork == Fork::Inherit
                    && !memory
                    && error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => {
                let hint = match fork {
                    Fork::Wipe => "wiping is for private anonymous memory",
                    _ => "droppable memory is always wiped",
                };
                return Err(error.hint_for(libc::EINVAL, hint));
            }
            Ok(()) => {}
        }
        self.set_only_in((fork == Fork::Exclude).then(std::process::id));
        Ok(())
    }

    /// The range, if bytes of it have to be cleared, after making sure that they can be.
    pub(crate) fn prepare_to_clear(&mut self, range: Range<usize>) -> Result<Option<Range<usize>>> {
        let view = View::new(self, range.clone());
        let bytes = match view.to_vec() {
            // A page that cannot be had holds nothing yet.
            Err(error) if error.fault().map(Fault::kind) == Some(FaultKind::NoSpace) => {
                return Ok(None);
            }
            bytes => bytes?,
        };
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        view.write_at(0, &bytes)?;
        Ok(Some(range))
    }

    fn change_all(&mut self, advice: i32, operation: &'static str) -> Result<()> {
        let Range { start, end } = self.addresses();
        if start == end {
            return Ok(());
        }
        let pages = Pages { start, len: end - start, touched: 0..self.len() };
        // SAFETY: as in `change_pages`; fork behaviour changes no byte in this process.
        unsafe { sys::advise(start, end - start, advice) }
            .map_err(|errno| self.failed(operation, &pages, errno))
    }

    pub(crate) fn lock(&self, range: impl RangeBounds<usize>, lock: Lock) -> Result<Range<usize>> {
        let pages = self.around("lock", range)?;
        if pages.len > 0 {
            sys::lock(pages.start, pages.len, lock == Lock::OnFault).map_err(|errno| {
                let limit = "the limit of locked memory is reached (ulimit -l), or a page of the \
                             range cannot be had";
                self.failed("lock", &pages, errno)
                    .hint_for(libc::ENOMEM, limit)
                    .hint_for(libc::EPERM, limit)
                    .hint_for(libc::EAGAIN, limit)
            })?;
        }
        Ok(pages.touched)
    }

    pub(crate) fn unlock(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let pages = self.around("unlock", range)?;
        if pages.len > 0 {
            sys::unlock(pages.start, pages.len)
                .map_err(|errno| self.failed("unlock", &pages, errno))?;
        }
        Ok(pages.touched)
    }

    pub(crate) fn protect(
        &mut self,
        range: impl RangeBounds<usize>,
        protection: Protection,
    ) -> Result<Range<usize>> {
        let pages = self.around("protect", range)?;
        if pages.len > 0 {
            // SAFETY: the region owns the pages, and `&mut self` says that no slice into them is
            // borrowed. Folio's own accesses to them take a refusal as a fault.
            unsafe { sys::protect(pages.start, pages.len, protection.flags()) }.map_err(
                |errno| {
                    self.failed("protect", &pages, errno)
                        .hint_for(
                            libc::EACCES,
                            "the file was not opened for that, or a seal or the file system's noexec \
                             forbids it",
                        )
                        .hint_for(libc::ENOMEM, "vm.max_map_count is reached, or memory to commit")
                },
            )?;
        }
        if pages.touched == (0..self.len()) {
            self.set_protection(protection);
        } else if protection.contains(Protection::WRITE) {
            self.set_writable(true);
        }
        Ok(pages.touched)
    }

    pub(crate) fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        const ASK: &str = "ask the residency of";
        let pages = self.around(ASK, range)?;
        // mincore(2) answers for base pages, however large the mapping's own are.
        let page = page_size();
        let first = pages.start - self.extent.start;
        let mut resident = vec![0; pages.len / page];
        if pages.len > 0 {
            sys::residency(pages.start, pages.len, &mut resident)
                .map_err(|errno| self.failed(ASK, &pages, errno))?;
        }
        Ok(Residency::new(page, first as isize - self.extent.lead as isize, resident))
    }

    /// Brings the pages of a range into memory.
    pub(crate) fn populate(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let range = self.resolve("populate", range)?;
        self.populate_for(range, self.populates_for_writing())
    }

    pub(crate) fn populates_for_writing(&self) -> bool {
        self.sharing == Sharing::Private && self.protection().contains(Protection::WRITE)
    }

    pub(crate) fn populate_for(&self, range: Range<usize>, write: bool) -> Result<Range<usize>> {
        let pages = self.extent.around(range);
        if pages.len == 0 {
            return Ok(pages.touched);
        }
        match sys::populate(pages.start, pages.len, write) {
            Ok(()) => Ok(pages.touched),
            Err(errno @ (Errno::FAULT | Errno::HWPOISON)) => {
                match self.first_unreachable(&pages, write) {
                    Some(fault) => Err(fault.into()),
                    None => Err(self.failed("populate", &pages, errno)),
                }
            }
            Err(errno) => Err(self
                .failed("populate", &pages, errno)
                .hint_for(libc::ENOMEM, "memory is short")
                .hint_for(libc::EINVAL, "the protection forbids it, or it is device memory")),
        }
    }

    /// The first page that populating fails at, found by halving, and why.
    fn first_unreachable(&self, pages: &Pages, write: bool) -> Option<Fault> {
        let page = self.extent.page;
        let (mut start, mut count) = (pages.start, pages.len / page);
        while count > 1 {
            let half = count / 2;
            if sys::populate(start, half * page, write).is_ok() {
                start += half * page;
                count -= half;
            } else {
                count = half;
            }
        }
        let errno = sys::populate(start, page, write).err()?;
        let code = if errno == Errno::HWPOISON { libc::BUS_MCEERR_AR } else { libc::BUS_ADRERR };
        let sign = Sign::new(libc::SIGBUS, code, write);
        let position = start.saturating_sub(self.address());
        match fault::explain(self, position, sign, Ask::Region) {
            Explained::Passing => None,
            Explained::Lasting(kind, errno) => {
                Some(fault::fault(self, position, sign, kind, errno))
            }
        }
    }

    /// Takes the sticky fault, and puts the backing in the place of zeros again.
    pub(crate) fn restore(&mut self) -> Result<Option<Fault>> {
        let Some(fault) = self.sticky() else { return Ok(None) };
        let slot = self.slot().expect("a region with a fault has a slot");
        for patch in self.patches(&slot.payload.patched()) {
            self.map_again(patch.start, patch.len())?;
        }
        slot.payload.forget();
        spare::keep();
        Ok(Some(fault))
    }

    fn map_again(&mut self, start: usize, len: usize) -> Result<()> {
        const RESTORE: &str = "restore";
        let offset = self.offset - self.extent.lead as u64 + (start - self.extent.start) as u64;
        let flags = match self.sharing {
            Sharing::Shared => MapFlags::SHARED,
            Sharing::Private => MapFlags::PRIVATE,
        };
        let writes =
            self.sharing == Sharing::Shared && self.protection().contains(Protection::WRITE);
        if self.backing.inode().is_none() {
            // Zeros of base pages stand in for a huge page that the pool did not have.
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => file.try_clone().ok(),
            None if writes => self.writable_witness(),
            None => self.witness(),
        };
        let file = file.ok_or_else(|| self.lost(RESTORE))?;
        let file = Some((std::os::fd::AsFd::as_fd(&file), offset));
        let prot: ProtFlags = self.protection().flags();
        // SAFETY: the target lies in the region, which owns it; `&mut self` says that no slice into it
        // is borrowed.
        unsafe { sys::map_over(start, len, prot, flags, file) }
            .map_err(|errno| Error::os(RESTORE, &self.backing, errno))?;
        if self.only_in.is_some() {
            // SAFETY: as above; what a child inherits changes no byte here.
            unsafe { sys::advise(start, len, libc::MADV_DONTFORK) }
                .map_err(|errno| Error::os(RESTORE, &self.backing, errno))?;
        }
        Ok(())
    }

    fn lost(&self, operation: &'static str) -> Error {
        let reason = "the file can no longer be found";
        Error::kind_of(operation, &self.backing, ErrorKind::Unsupported, reason)
            .hint("map it with keep_file")
    }
}
