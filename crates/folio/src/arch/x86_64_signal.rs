//! sigaction(2) as the kernel has it, without the C library: programs put functions of that name in
//! front of the C library's (a Java machine's libjsig, sanitizers, folio's own preload library), and
//! what folio asks of the kernel must reach the kernel.
//!
//! The kernel wants to be told where a handler returns to. The instructions there are those of the C
//! library, byte for byte, since unwinders and debuggers know a signal's frame by them.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::ffi::c_int;

use crate::sys::Errno;

/// How a signal is handled: `struct kernel_sigaction`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KernelAction {
    pub(crate) handler: usize,
    flags: usize,
    restorer: usize,
    pub(crate) mask: u64,
}

const SA_RESTORER: usize = 0x0400_0000;

global_asm!(
    r#"
    .pushsection .text.folio_0_1_return,"ax",@progbits
    .hidden folio_0_1_return
    .globl folio_0_1_return
    .p2align 4
    nop
    .type folio_0_1_return,@function
folio_0_1_return:
    mov rax, 15
    syscall
    .size folio_0_1_return, . - folio_0_1_return
    .popsection
"#
);

unsafe extern "C" {
    fn folio_0_1_return();
}

impl KernelAction {
    pub(crate) fn new(handler: usize, flags: c_int, mask: u64) -> Self {
        Self { handler, flags: flags as u32 as usize, restorer: 0, mask }
    }

    pub(crate) fn flags(&self) -> c_int {
        (self.flags & !SA_RESTORER) as c_int
    }
}

/// Reads a signal's action, and sets it if there is a new one. May be called from a signal handler.
pub(crate) fn sigaction(signal: c_int, new: Option<KernelAction>) -> Result<KernelAction, Errno> {
    let new = new.map(|action| KernelAction {
        flags: action.flags | SA_RESTORER,
        restorer: folio_0_1_return as *const () as usize,
        ..action
    });
    let new = new.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    let mut old = KernelAction::default();
    // SAFETY: the kernel reads an action from `new` unless it is null, and writes one to `old`
    // (rt_sigaction in sigaction(2)); its signal set has eight bytes on x86-64.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, new, &raw mut old, size_of::<u64>())
    };
    if result == -1 {
        // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
        return Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }));
    }
    Ok(KernelAction { flags: old.flags & !SA_RESTORER, ..old })
}
