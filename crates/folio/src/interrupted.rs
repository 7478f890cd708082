//! The interrupted stack: where a signal handler goes on that need not be on the alternate one.
//!
//! folio's handler runs on the thread's alternate stack, since a stack overflow leaves no other.
//! That stack is small: Rust gives its threads 8 KiB, of which the kernel takes nearly half. A
//! handler of somebody else's that was installed without SA_ONSTACK, and a page hook, which does a
//! pager's work, run where they would without folio: below what the interrupted code uses of its
//! own stack.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ops::Range;

use crate::switch;

/// Bytes below the stack pointer that the interrupted code may use (System V ABI, 3.2.2).
const RED_ZONE: usize = 128;

/// Runs `work` on the stack that the signal interrupted, if this is the alternate stack and the
/// other does not lie in `except`.
///
/// # Safety
/// Called from a signal handler with the context it got from the kernel.
pub(crate) unsafe fn run<W: FnOnce()>(context: &libc::ucontext_t, except: Range<usize>, work: W) {
    let stack = &context.uc_stack;
    let start = stack.ss_sp.addr();
    let alternate = start..start.saturating_add(stack.ss_size);
    let interrupted = context.uc_mcontext.gregs[libc::REG_RSP as usize] as usize;
    let here = (&raw const work).addr();
    if !alternate.contains(&here)
        || alternate.contains(&interrupted)
        || except.contains(&interrupted)
    {
        return work();
    }
    let top = core::ptr::with_exposed_provenance_mut((interrupted - RED_ZONE) & !15);
    // SAFETY: the interrupted code uses nothing below its stack pointer but the red zone, which is
    // why the kernel puts handlers without SA_ONSTACK there too; a guard bounds that stack as it
    // did before.
    unsafe { run_below(top, work) };
}

/// Runs `work` on another stack, below `top`.
///
/// # Safety
/// `top` is the aligned end of a stack that nobody else uses, with room for `work`.
pub(crate) unsafe fn run_below<W: FnOnce()>(top: *mut u8, work: W) {
    unsafe extern "C" fn call<W: FnOnce()>(work: *mut c_void) {
        // SAFETY: points to the option below, which nobody else refers to meanwhile.
        if let Some(work) = unsafe { &mut *work.cast::<Option<W>>() }.take() {
            work();
        }
    }
    let mut work = Some(work);
    // SAFETY: by the caller's contract. `call` is given what it expects, and ends the process rather
    // than unwind, as every function with the C ABI does.
    unsafe { switch::call_on((&raw mut work).cast(), call::<W>, top) };
}
