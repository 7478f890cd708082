//! The switch to another stack for x86-64: a call whose callee runs on memory of the caller's
//! choice.
//!
//! 1. The frame pointer is pushed on the old stack and set to it; RBP is callee-saved (System V
//!    ABI), so it is what leads back.
//! 2. The stack pointer becomes the new stack's top, and the function is called.
//! 3. The stack pointer becomes the frame pointer again.
//!
//! The call-frame information says where the caller's frame lies in terms of RBP, so debuggers and
//! backtraces walk across. No panic may leave the function: nothing promises that unwinding would.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::ffi::c_void;

global_asm!(
    r#"
    .pushsection .text.folio_0_1_switch,"ax",@progbits
    .hidden folio_0_1_call_on
    .globl folio_0_1_call_on
    .type folio_0_1_call_on,@function
    .p2align 4
// (rdi argument, rsi function, rdx top of the stack)
folio_0_1_call_on:
    .cfi_startproc
    push rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov rbp, rsp
    .cfi_def_cfa_register rbp
    mov rsp, rdx
    call rsi
    mov rsp, rbp
    pop rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size folio_0_1_call_on, . - folio_0_1_call_on
    .popsection
"#
);

unsafe extern "C" {
    /// Calls `function(argument)` on the stack that ends at `top`.
    ///
    /// # Safety
    /// `top` is a multiple of 16; the bytes below it are mapped, writable, nobody else's, and
    /// bounded by a guard; `function` may be called with `argument` and does not unwind.
    #[link_name = "folio_0_1_call_on"]
    pub(crate) fn call_on(
        argument: *mut c_void,
        function: unsafe extern "C" fn(*mut c_void),
        top: *mut u8,
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_label_carries_the_crates_version() {
        assert!(env!("CARGO_PKG_VERSION").starts_with("0.1."), "rename folio_0_1_call_on");
    }
}
