//! The stack: memory for a thread or a coroutine to run on, with a guard at both ends.
//!
//! ```text
//! bottom - guard       bottom                                     top               top + guard
//! |------ guard -------|=============== stack, grows downwards ===|------ guard ----|
//! ```
//!
//! 1. [`Stack::new`] reserves the range, and commits the part between the guards. Pages take memory
//!    when they are first touched.
//! 2. Something runs on it: [`Stack::run`] calls a function there; clone(2) takes
//!    [`Stack::top`], pthread_attr_setstack(3) takes [`Stack::bottom`] and the length.
//! 3. [`Stack::touched`] tells how deep it went, and [`Stack::discard`] gives the pages back, so
//!    that the stack is as new.
//!
//! Invariant: the guards are reserved and never mapped, so nothing else can come to lie there while
//! the stack exists.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::fmt;
use core::ops::Range;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Result};
use crate::range::round_up;
use crate::{Advice, Backing, Discard, MapOptions, Mapping, Reservation, switch};

/// A stack with a guard at both ends.
///
/// ```
/// let mut stack = folio::Stack::new(256 << 10)?;
/// let sum = stack.run(|| (1..=100).sum::<u32>());
/// assert_eq!(sum, 5050);
/// assert!((1..64 << 10).contains(&stack.touched()?));
/// # Ok::<(), folio::Error>(())
/// ```
///
/// Whoever runs past an end touches a guard and gets SIGSEGV, whose address
/// [`Stack::overflow`] tells apart from other bad ones. Rust code touches every page of a large
/// frame in order, so that it cannot step over a guard (`-Z stack-probes`, on by default); for C
/// code see `-fstack-clash-protection`, or ask for a larger guard.
pub struct Stack {
    /// The stack proper; the rest of the reservation is the guards.
    mapping: Mapping,
    space: Reservation,
}

/// An end of a [`Stack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Below the lowest address: it overflowed.
    Below,
    /// From the highest address on: it underflowed.
    Above,
}

impl Stack {
    /// A stack of `len` bytes, rounded up to whole pages, with a guard of one page at each end.
    ///
    /// # Errors
    /// As [`with_guard`](Self::with_guard).
    pub fn new(len: usize) -> Result<Self> {
        Self::with_guard(len, page_size())
    }

    /// A stack of `len` bytes with `guard` bytes at each end, both rounded up to whole pages.
    ///
    /// # Errors
    /// ENOMEM where there is no address space or memory to commit, or vm.max_map_count is reached;
    /// [`ErrorKind::OutOfRange`] for a length or guard of 0, or lengths that overflow.
    pub fn with_guard(len: usize, guard: usize) -> Result<Self> {
        let page = page_size();
        let lens = (len > 0 && guard > 0)
            .then(|| {
                let (len, guard) = (round_up(len, page)?, round_up(guard, page)?);
                Some((len, guard, guard.checked_mul(2)?.checked_add(len)?))
            })
            .flatten();
        let Some((len, guard, whole)) = lens else {
            let reason = format!("{len} bytes between guards of {guard} are no stack");
            let none = &Backing::ANONYMOUS;
            return Err(Error::kind_of("make a stack of", none, ErrorKind::OutOfRange, reason));
        };
        let space = Reservation::new(whole)?;
        let options = MapOptions::new().private().write().stack().no_reserve();
        let mapping = options.inside(&space, guard).anonymous(len)?;
        // Before Linux 6.7 MAP_STACK did not say so. A huge page would be all touched at once.
        let _ = mapping.advise(.., Advice::NoHugePages);
        Ok(Self { mapping, space })
    }

    /// The address behind the highest byte: where a stack pointer starts. A multiple of the page
    /// size.
    pub fn top(&self) -> usize {
        self.bottom() + self.len()
    }

    /// The address of the lowest byte.
    pub fn bottom(&self) -> usize {
        self.mapping.address()
    }

    /// Pointer to the lowest byte, for pthread_attr_setstack(3) and the like.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.mapping.as_mut_ptr()
    }

    /// Bytes between the guards.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// The addresses of the guards, below and above.
    pub fn guards(&self) -> [Range<usize>; 2] {
        let start = self.space.address();
        [start..self.bottom(), self.top()..start + self.space.len()]
    }

    /// Which guard an address lies in, if it does: for the handler of a SIGSEGV (`si_addr` in
    /// sigaction(2)), to tell an overflow of this stack from other faults. Does nothing that a
    /// signal handler may not do.
    pub fn overflow(&self, address: usize) -> Option<Side> {
        let [below, above] = self.guards();
        if below.contains(&address) {
            Some(Side::Below)
        } else if above.contains(&address) {
            Some(Side::Above)
        } else {
            None
        }
    }

    /// Bytes from the top to the lowest page that was ever touched since the stack was made or
    /// [`discard`](Self::discard)ed: how deep it went.
    ///
    /// # Errors
    /// What /proc/self/pagemap could not be read with; without /proc, ENOENT.
    pub fn touched(&self) -> Result<usize> {
        const ENTRY: usize = 8;
        /// In memory, or swapped out (Documentation/admin-guide/mm/pagemap.rst).
        const TOUCHED: u64 = 1 << 63 | 1 << 62;
        let page = page_size();
        let mut entries = vec![0; self.len() / page * ENTRY];
        File::open("/proc/self/pagemap")
            .and_then(|map| map.read_exact_at(&mut entries, (self.bottom() / page * ENTRY) as u64))
            .map_err(|error| {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let errno = crate::sys::Errno::from_raw_os_error(errno);
                Error::os("ask what was touched of a stack of", self.mapping.backing(), errno)
                    .hint("it takes /proc/self/pagemap")
            })?;
        let untouched = entries
            .chunks_exact(ENTRY)
            .take_while(|entry| {
                let entry = u64::from_ne_bytes((*entry).try_into().expect("eight bytes"));
                entry & TOUCHED == 0
            })
            .count();
        Ok(self.len() - untouched * page)
    }

    /// Gives all its pages back to the kernel: the next one to run on it finds zeros.
    ///
    /// # Errors
    /// EINVAL for locked pages (mlockall(2)).
    pub fn discard(&mut self) -> Result<()> {
        self.mapping.discard(.., Discard::Now).map(drop)
    }

    /// Calls a function on this stack, and returns what it returns. A panic in it goes on to the
    /// caller.
    ///
    /// An overflow ends the process by SIGSEGV, as it does on any stack. `thread::current()` and
    /// thread-locals are those of the calling thread. Signals without SA_ONSTACK are handled on
    /// this stack too: leave room for them.
    ///
    /// # Panics
    /// As `function`.
    pub fn run<R>(&mut self, function: impl FnOnce() -> R) -> R {
        let mut call = Call { function: Some(function), result: None };
        let entry = entry(&call);
        let argument = (&raw mut call).cast::<c_void>();
        let top = self.mapping.as_mut_ptr().wrapping_add(self.len());
        // SAFETY: `top` is a multiple of the page size, the bytes below it down to the guard are
        // mapped and writable, and `&mut self` says that nothing else runs there. `entry` takes a
        // pointer to a `Call` of these types, which lives through the call, and does not unwind.
        unsafe { switch::call_on(argument, entry, top) };
        match call.result.expect("the function has run") {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// A function to call on another stack, and then what came of it.
struct Call<F, R> {
    function: Option<F>,
    result: Option<thread::Result<R>>,
}

/// The entry for calls of these types.
fn entry<F: FnOnce() -> R, R>(_: &Call<F, R>) -> unsafe extern "C" fn(*mut c_void) {
    run_call::<F, R>
}

/// # Safety
/// `argument` points to a `Call<F, R>` that nobody else uses meanwhile.
unsafe extern "C" fn run_call<F: FnOnce() -> R, R>(argument: *mut c_void) {
    // SAFETY: forwarded to the caller.
    let call = unsafe { &mut *argument.cast::<Call<F, R>>() };
    // The panic goes on in `Stack::run`, where whoever catches it sees the same as if it had never
    // been stopped: nothing here is left half done.
    call.result = call.function.take().map(|function| catch_unwind(AssertUnwindSafe(function)));
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack({:#x}..{:#x}, guarded)", self.bottom(), self.top())
    }
}
