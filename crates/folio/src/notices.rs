//! Notices: faults that slices met, told to a callback of the program's.
//!
//! 1. [`on_fault`] keeps the callback and starts a thread.
//! 2. The signal handler notes a mapping's first fault in a free place here, and wakes the thread.
//! 3. The thread finds out why, as [`check`](crate::Mapping::check) would, and calls the callback: in
//!    ordinary code, where it may allocate, lock and log.
//!
//! Invariants:
//! - A place is touched by whoever moved its state last: free to taken by a handler, noted to free by
//!   the thread. Where none is free, a fault is not told of; the mapping's own record keeps it.
//! - The handler takes no lock and frees nothing: what a place refers to is freed by the thread.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::fault::{self, Fault, Sign};
use crate::guard::Guard;
use crate::losses::Loss;
use crate::region::Region;
use crate::{Backing, sys};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const NOTED: u32 = 2;

enum Notice {
    /// A mapping of folio's, described, and what its guard recorded.
    Guarded(Arc<Region>, Sign),
    Lost(Loss),
}

struct Place {
    state: AtomicU32,
    notice: UnsafeCell<Option<Notice>>,
}

// SAFETY: `notice` is touched by one thread at a time (module invariant).
unsafe impl Sync for Place {}

static PLACES: [Place; 32] =
    [const { Place { state: AtomicU32::new(FREE), notice: UnsafeCell::new(None) } }; 32];

/// Counts notices; the thread sleeps on it.
static NEWS: AtomicU32 = AtomicU32::new(0);

/// The process whose thread reads the notices; 0 for none.
static READER: AtomicU32 = AtomicU32::new(0);

type Callback = Arc<dyn Fn(&Fault) + Send + Sync>;

static CALLBACK: Mutex<Option<Callback>> = Mutex::new(None);

/// Has `callback` told of every fault that slices meet, in the whole process: the first of each
/// mapping, until it is taken ([`Mapping::restore`](crate::Mapping::restore)). Copies return their
/// faults themselves. Replaces the last callback.
///
/// The callback runs a moment after the fault, on a thread named "folio-faults" that ends with the
/// process: it may log, allocate and lock. A forked child has no such thread until it calls this
/// again.
///
/// ```
/// # use std::{fs, sync::mpsc};
/// # let path = std::env::temp_dir().join(format!("folio-doc-notices-{}", std::process::id()));
/// let (tell, told) = mpsc::channel();
/// folio::on_fault(move |fault| drop(tell.send(fault.to_string())))?;
///
/// fs::write(&path, vec![7; 10_000])?;
/// let map = folio::Mapping::open(&path)?;
/// fs::File::options().write(true).open(&path)?.set_len(0)?;
/// // SAFETY: nobody writes to the file.
/// assert_eq!(unsafe { map.as_slice() }[5000], 0);
/// assert!(told.recv()?.contains("truncated at offset"));
/// # fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// EAGAIN if no thread can be had.
pub fn on_fault(callback: impl Fn(&Fault) + Send + Sync + 'static) -> Result<()> {
    // Dropped after the lock: it may do anything when it goes.
    let _last;
    let mut current = CALLBACK.lock().unwrap_or_else(PoisonError::into_inner);
    _last = current.replace(Arc::new(callback));
    let process = std::process::id();
    if READER.load(Relaxed) == process {
        return Ok(());
    }
    let thread = std::thread::Builder::new().name("folio-faults".into());
    thread.spawn(read).map_err(|error| {
        let errno = error.raw_os_error().map_or(sys::Errno::AGAIN, sys::Errno::from_raw_os_error);
        Error::os("start a thread for faults of", &Backing::ANONYMOUS, errno)
    })?;
    READER.store(process, Release);
    Ok(())
}

/// Notes the first fault of a guarded mapping. For the signal handler.
pub(crate) fn of_guard(guard: &Guard, sign: Sign) {
    if READER.load(Relaxed) == 0 {
        return;
    }
    if let Some(region) = guard.about() {
        note(Notice::Guarded(region, sign));
    }
}

/// Notes a new loss. For the signal handler.
pub(crate) fn of_loss(loss: &Loss) {
    if READER.load(Relaxed) != 0 {
        note(Notice::Lost(*loss));
    }
}

fn note(notice: Notice) {
    let take = |place: &&Place| place.state.compare_exchange(FREE, TAKEN, AcqRel, Relaxed).is_ok();
    let Some(place) = PLACES.iter().find(take) else {
        // A handler frees nothing.
        core::mem::forget(notice);
        return;
    };
    // SAFETY: this handler has just taken the place, which holds None.
    unsafe { place.notice.get().write(Some(notice)) };
    place.state.store(NOTED, Release);
    NEWS.fetch_add(1, Release);
    sys::futex_wake(&NEWS);
}

fn read() {
    // Signals that are sent are for the program's own threads; what the callback causes comes here.
    let caused = [libc::SIGBUS, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP];
    sys::set_signal_mask(caused.iter().fold(u64::MAX, |mask, signal| mask & !(1 << (signal - 1))));
    loop {
        let seen = NEWS.load(Acquire);
        for place in &PLACES {
            if place.state.load(Acquire) != NOTED {
                continue;
            }
            // SAFETY: only this thread touches a place that is noted.
            let notice = unsafe { (*place.notice.get()).take() };
            place.state.store(FREE, Release);
            let callback = CALLBACK.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let (Some(notice), Some(callback)) = (notice, callback) {
                let fault = match notice {
                    Notice::Guarded(region, sign) => fault::lasting(&region, sign),
                    Notice::Lost(loss) => loss.fault(&(loss.start..loss.end)),
                };
                // A panic has been reported by its hook; the next fault is told of all the same.
                let _ = catch_unwind(AssertUnwindSafe(|| callback(&fault)));
            }
        }
        let long = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
        sys::futex_wait(&NEWS, seen, &long);
    }
}
