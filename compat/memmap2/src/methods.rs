//! Methods that several map types have.

/// What every map has.
macro_rules! methods_of_all {
    () => {
        /// The first fault that this map's bytes met: somebody cut the file, the disk failed, there
        /// was no room. From then on bytes of the map are zeros that stand in for those of the file.
        /// The fault stays until [`take_fault`](Self::take_fault). Costs a load where nothing
        /// happened.
        ///
        /// # Errors
        /// The fault.
        pub fn check(&self) -> Result<(), folio::Fault> {
            self.inner.check()
        }

        /// Takes the fault, and puts the file's pages back in the place of the zeros: as far as the
        /// file has them by now, the bytes are its own again. What was written to the zeros is lost.
        ///
        /// # Errors
        /// Kind [`Unsupported`](std::io::ErrorKind::Unsupported) if the file can no longer be found:
        /// no descriptor of this process is open on it. Otherwise what mmap(2) fails with. The fault
        /// stays then.
        pub fn take_fault(&mut self) -> std::io::Result<Option<folio::Fault>> {
            self.inner.take_fault()
        }

        /// Tells the kernel how the map will be used (madvise(2)).
        ///
        /// # Errors
        /// What madvise(2) fails with: EINVAL where the kernel or the kind of map does not support
        /// it; EFAULT where [`PopulateRead`](crate::Advice::PopulateRead) or
        /// [`PopulateWrite`](crate::Advice::PopulateWrite) meets a page that cannot be had.
        pub fn advise(&self, advice: crate::Advice) -> std::io::Result<()> {
            // SAFETY: this advice changes what no byte reads as.
            unsafe { self.inner.advise(advice as libc::c_int, 0, self.inner.len()) }
        }

        /// As [`advise`](Self::advise), with advice that changes what the bytes read as.
        ///
        /// # Errors
        /// As `advise`.
        ///
        /// # Safety
        /// See [`UncheckedAdvice`](crate::UncheckedAdvice): to every slice of the map this is a
        /// write by somebody else.
        pub unsafe fn unchecked_advise(
            &self,
            advice: crate::UncheckedAdvice,
        ) -> std::io::Result<()> {
            // SAFETY: the contract is the same.
            unsafe { self.inner.advise(advice as libc::c_int, 0, self.inner.len()) }
        }

        /// As [`advise`](Self::advise), for the pages around `len` bytes at `offset`.
        ///
        /// # Errors
        /// As `advise`; kind [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the range does
        /// not lie within the map.
        pub fn advise_range(
            &self,
            advice: crate::Advice,
            offset: usize,
            len: usize,
        ) -> std::io::Result<()> {
            // SAFETY: as in `advise`.
            unsafe { self.inner.advise(advice as libc::c_int, offset, len) }
        }

        /// As [`unchecked_advise`](Self::unchecked_advise), for the pages around `len` bytes at
        /// `offset`.
        ///
        /// # Errors
        /// As [`advise_range`](Self::advise_range).
        ///
        /// # Safety
        /// As for `unchecked_advise`.
        pub unsafe fn unchecked_advise_range(
            &self,
            advice: crate::UncheckedAdvice,
            offset: usize,
            len: usize,
        ) -> std::io::Result<()> {
            // SAFETY: the contract is the same.
            unsafe { self.inner.advise(advice as libc::c_int, offset, len) }
        }

        /// Keeps the map's pages in memory (mlock(2)).
        ///
        /// # Errors
        /// ENOMEM, EPERM or EAGAIN at the limit of locked memory (RLIMIT_MEMLOCK), and where a page
        /// cannot be had.
        pub fn lock(&self) -> std::io::Result<()> {
            self.inner.lock()
        }

        /// Undoes [`lock`](Self::lock), however often that was called (munlock(2)).
        ///
        /// # Errors
        /// What munlock(2) fails with.
        pub fn unlock(&self) -> std::io::Result<()> {
            self.inner.unlock()
        }

        /// Changes the map's length (mremap(2)). Memory gains zeros; bytes behind the end of a file
        /// are zeros, and behind its last page faults.
        ///
        /// # Errors
        /// ENOMEM where there is no room, at the map's address unless
        /// [`may_move`](crate::RemapOptions::may_move). A map that has met a fault cannot be
        /// resized until [`take_fault`](Self::take_fault). On failure nothing has changed.
        ///
        /// # Safety
        /// With `may_move`, nobody holds a pointer into the map. See
        /// [`RemapOptions`](crate::RemapOptions::may_move) for `StableDeref`.
        pub unsafe fn remap(
            &mut self,
            new_len: usize,
            options: crate::RemapOptions,
        ) -> std::io::Result<()> {
            self.inner.remap(new_len, options)
        }
    };
}

/// What maps have that may be written through.
macro_rules! methods_of_writers {
    () => {
        /// Writes what was changed to the file, and waits until it is there (msync(2), MS_SYNC).
        ///
        /// # Errors
        /// EIO or ENOSPC where the file could not take it; and where zeros stand in for pages of the
        /// map, since what was written to those reaches nobody: an error that holds a
        /// [`folio::Error`] with the [`Fault`](folio::Fault).
        pub fn flush(&self) -> std::io::Result<()> {
            self.inner.flush(0, self.inner.len())
        }

        /// Asks for what was changed to be written, without waiting (MS_ASYNC). Linux writes it in
        /// its own time anyway.
        ///
        /// # Errors
        /// As [`flush`](Self::flush).
        pub fn flush_async(&self) -> std::io::Result<()> {
            self.inner.flush_async(0, self.inner.len())
        }

        /// As [`flush`](Self::flush), for the pages around `len` bytes at `offset`.
        ///
        /// # Errors
        /// As `flush`; kind [`InvalidInput`](std::io::ErrorKind::InvalidInput) if the range does not
        /// lie within the map.
        pub fn flush_range(&self, offset: usize, len: usize) -> std::io::Result<()> {
            self.inner.flush(offset, len)
        }

        /// As [`flush_async`](Self::flush_async), for the pages around `len` bytes at `offset`.
        ///
        /// # Errors
        /// As [`flush_range`](Self::flush_range).
        pub fn flush_async_range(&self, offset: usize, len: usize) -> std::io::Result<()> {
            self.inner.flush_async(offset, len)
        }
    };
}

pub(crate) use {methods_of_all, methods_of_writers};
