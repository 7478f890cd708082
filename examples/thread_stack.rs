//! A stack with guard pages, and three things that run on it: a function that was called there, a
//! thread of execution made by clone(2), and a recursion without end, which a guard stops in a child
//! process.
//!
//! ```text
//! cargo run --example thread_stack
//! ```
#![allow(unsafe_code)]

use std::error::Error;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use folio::Stack;
use folio_examples::{finish, say, size};

/// The argument of the child that overflows.
const OVERFLOW: &str = "--overflow";

fn main() -> ExitCode {
    let overflow = std::env::args().nth(1).is_some_and(|argument| argument == OVERFLOW);
    finish("thread_stack", if overflow { run_over() } else { run() })
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut stack = Stack::new(256 << 10)?;
    let [below, above] = stack.guards();
    say("stack", format_args!("{:#x}..{:#x}, {}", stack.bottom(), stack.top(), size(stack.len())));
    say("guards", format_args!("{} below, {} above", size(below.len()), size(above.len())));

    let (sum, local) = stack.run(|| (sum_to(100), address_of_a_local()));
    let inside = (stack.bottom()..stack.top()).contains(&local);
    say("call", format_args!("sum 1..=100 is {sum}; a local at {local:#x}, on it: {inside}"));
    say("touched", size(stack.touched()?));

    stack.discard()?;
    let local = clone_on(&mut stack)?;
    let inside = (stack.bottom()..stack.top()).contains(&local);
    say("clone(2)", format_args!("a local at {local:#x}, on it: {inside}"));
    say("touched", size(stack.touched()?));

    let child = Command::new(std::env::current_exe()?).arg(OVERFLOW).output()?;
    print!("{}", String::from_utf8_lossy(&child.stdout));
    match child.status.signal() {
        Some(libc::SIGSEGV) => say("child", "ended by SIGSEGV; this process goes on"),
        _ => return Err(format!("the child was not stopped: {}", child.status).into()),
    }
    Ok(())
}

#[inline(never)]
fn sum_to(number: u64) -> u64 {
    if number == 0 { 0 } else { number + black_box(sum_to(number - 1)) }
}

#[inline(never)]
fn address_of_a_local() -> usize {
    let local = 0u8;
    black_box(&raw const local).addr()
}

/// Has the kernel start a thread of execution on the stack, waits for it, and returns where a local
/// of it was.
fn clone_on(stack: &mut Stack) -> Result<usize, Box<dyn Error>> {
    extern "C" fn entry(result: *mut c_void) -> c_int {
        // SAFETY: `result` points to the `usize` below, which outlives this.
        unsafe { result.cast::<usize>().write(address_of_a_local()) };
        0
    }
    let mut local = 0usize;
    let top = stack.as_mut_ptr().wrapping_add(stack.len());
    // CLONE_VFORK: the caller sleeps until it has ended, so that the two never use the caller's
    // thread-local storage at the same time.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: `top` is the end of a stack that nobody else uses, `entry` neither unwinds nor
    // touches thread-local storage, and memory is shared with it while the caller sleeps
    // (clone(2)).
    let child = unsafe { libc::clone(entry, top.cast(), flags, (&raw mut local).cast()) };
    if child == -1 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: waits for the child made above; a null status is not written (waitpid(2)).
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    Ok(local)
}

/// The guards of the stack that overflows, for the child's handler.
static GUARDS: OnceLock<[Range<usize>; 2]> = OnceLock::new();

/// Overflows a stack. Does not return.
fn run_over() -> Result<(), Box<dyn Error>> {
    extern "C" fn report(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
        // SAFETY: the kernel passes a siginfo, with an address for SIGSEGV (sigaction(2)).
        let address = unsafe { (*info).si_addr() } as usize;
        let text: &[u8] = match GUARDS.get() {
            Some([below, _]) if below.contains(&address) => {
                b"overflow     stopped by the guard below the stack\n"
            }
            _ => b"overflow     somewhere else\n",
        };
        // SAFETY: write(2) reads the text, and may be called in a signal handler.
        unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
        // SA_RESETHAND: the instruction runs again, and the signal ends the process.
    }
    // SAFETY: the structure is filled in as sigaction(2) wants it. Rust has given the main thread an
    // alternate stack for handlers.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = report as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
    }
    let mut stack = Stack::new(64 << 10)?;
    GUARDS.get_or_init(|| stack.guards());
    black_box(stack.run(|| sum_to(u64::MAX)));
    Ok(())
}
