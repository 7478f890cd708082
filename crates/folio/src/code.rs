//! Generated code: memory that can be written or executed, never both at once (W^X).
//!
//! 1. [`Code::draft`] gives a [`Draft`]: writable, a slice to put instructions into.
//! 2. [`Draft::finish`] makes it executable and no longer writable.
//! 3. [`Code::entry`] gives functions of it, to be called.
//! 4. [`Code::revise`] makes it a draft again; [`Code::seal`] makes it code for good.
//!
//! ```
//! use folio::Code;
//! // mov eax, 42; ret
//! let mut draft = Code::draft(6)?;
//! draft.copy_from_slice(&[0xb8, 42, 0, 0, 0, 0xc3]);
//! let code = draft.finish()?;
//! // SAFETY: the instructions above are a function of this type that touches nothing else, and
//! // `code` lives while it is called.
//! let answer = unsafe { code.entry::<extern "C" fn() -> i32>(0)?() };
//! assert_eq!(answer, 42);
//! # Ok::<(), folio::Error>(())
//! ```
//!
//! Invariants:
//! - The memory is private and anonymous. That of a draft is readable and writable, that of code
//!   readable and executable, at all times and on every page.
//! - Code has no guard. Elsewhere zeros in the place of a page that is lost to broken hardware let a
//!   program go on; zeros are no instructions to go on with, so here the signal comes through.
#![allow(unsafe_code)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::error::{Error, Refused, Result};
use crate::range::fits;
use crate::region::Region;
use crate::{Memory, Protection, View, arch, sealed};

/// Code being written. Dereferences to `[u8]`, all zeros at first. Not executable.
pub struct Draft {
    memory: Memory,
}

/// Code that can be called. Not writable. See the [module](self) documentation.
pub struct Code {
    region: Region,
}

impl Draft {
    /// Makes it executable, and no longer writable (mprotect(2)).
    ///
    /// # Errors
    /// EACCES where the system forbids memory to become executable (SELinux's execmem, a service's
    /// MemoryDenyWriteExecute, PR_SET_MDWE); ENOMEM at the limit of mappings;
    /// [`ErrorKind::Fault`](crate::ErrorKind::Fault) if a page of it was lost to broken hardware.
    /// The draft comes back.
    pub fn finish(self) -> Result<Code, Refused<Self>> {
        let mut region = self.memory.into_mapping().into_region();
        let executable = Protection::READ | Protection::EXEC;
        let finished = match region.sticky() {
            Some(fault) => Err(fault.into()),
            None => region.protect(.., executable),
        };
        match finished {
            Ok(_) => {
                region.unguard();
                arch::publish_code(region.as_ptr(), region.len());
                Ok(Code { region })
            }
            Err(error) => {
                // Part of it may have changed.
                let _ = region.protect(.., Protection::READ | Protection::WRITE);
                let forbidden = "the system forbids memory to become executable (SELinux execmem, \
                                 MemoryDenyWriteExecute, PR_SET_MDWE): permit it for this program";
                let error = error
                    .hint_instead(libc::EACCES, forbidden)
                    .hint_instead(libc::EPERM, forbidden);
                Err(Refused::new(Self { memory: Memory::from_plain(region) }, error))
            }
        }
    }
}

impl Deref for Draft {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Draft({:?})", self.memory)
    }
}

impl Code {
    /// Memory for `len` bytes of code, to be written.
    ///
    /// # Errors
    /// ENOMEM where no address space or memory to commit is left.
    pub fn draft(len: usize) -> Result<Draft> {
        Ok(Draft { memory: Memory::new(len)? })
    }

    /// The function whose first instruction lies at position `at`. `F` is the type of a function
    /// pointer, such as `extern "C" fn(u64) -> u64`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`](crate::ErrorKind::OutOfRange) if the position lies outside.
    ///
    /// # Safety
    /// `F` is a function pointer type, and the instructions at `at` are a function of that type:
    /// its calling convention, its arguments, its effects. If `F` is not itself `unsafe`, whatever
    /// is passed, calling it is sound. The pointer is not called after the `Code` was dropped
    /// or revised.
    pub unsafe fn entry<F: Copy>(&self, at: usize) -> Result<F> {
        const { assert!(size_of::<F>() == size_of::<fn()>(), "F is a function pointer") };
        if !fits(at, 1, self.region.len()) {
            let len = self.region.len();
            return Err(Error::out_of_range("enter", &self.region.backing, &(at..), len));
        }
        let entry: *const u8 = self.region.as_ptr().wrapping_add(at);
        // SAFETY: a function pointer has the size of a data pointer on Linux (asserted above for
        // `F`), `entry` is not null, and that it points to such a function is the caller's word.
        Ok(unsafe { core::mem::transmute_copy::<*const u8, F>(&entry) })
    }

    /// Bytes of code.
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// Address of the first instruction.
    pub fn address(&self) -> usize {
        self.region.address()
    }

    /// The bytes, for copying. Writing to them is a fault of kind
    /// [`Protection`](crate::FaultKind::Protection).
    pub fn view(&self) -> View<'_> {
        View::new(&self.region, 0..self.region.len())
    }

    /// Makes it writable again, and no longer executable. No function of it may be running or be
    /// called any more, as [`entry`](Self::entry) demands.
    ///
    /// # Errors
    /// ENOMEM at the limit of mappings. The code comes back.
    pub fn revise(mut self) -> Result<Draft, Refused<Self>> {
        match self.region.protect(.., Protection::READ | Protection::WRITE) {
            Ok(_) => Ok(Draft { memory: Memory::from_plain(self.region) }),
            Err(error) => {
                // Part of it may have changed.
                let _ = self.region.protect(.., Protection::READ | Protection::EXEC);
                Err(Refused::new(self, error))
            }
        }
    }

    /// Makes it code for good: nobody can write, unmap or replace it any more (mseal(2)).
    ///
    /// # Errors
    /// As [`Mapping::seal`](crate::Mapping::seal). The code comes back.
    pub fn seal(mut self) -> Result<&'static Self, Refused<Self>> {
        match sealed::seal(&mut self.region) {
            Ok(()) => Ok(Box::leak(Box::new(self))),
            Err(error) => Err(Refused::new(self, error)),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({:?})", self.region)
    }
}
