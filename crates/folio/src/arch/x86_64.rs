//! The copy routine and the word operations for x86-64: the only instructions through which folio
//! touches the bytes of a mapping that others can change.
//!
//! A routine that meets a page that is not there goes like this:
//! 1. The instruction raises SIGBUS or SIGSEGV. Its address lies between two labels below.
//! 2. The handler calls [`land`], which checks that the address that could not be reached belongs
//!    to the mapping's side of the copy (`r9..r8`) and sets the program counter to a landing.
//! 3. A fault in the moves lands at the slow copy or fill: at each of them RSI, RDI and RCX say what
//!    is left, and `rep movsb` or `rep stosb` repeats it up to the very byte. There it faults again.
//! 4. A fault in `rep movsb` or `rep stosb` lands at the return, with RCX the bytes not done and
//!    RDX what the handler put there. The processor keeps RSI, RDI and RCX exact at a fault in a
//!    repeated string instruction (AMD64 Architecture Programmer's Manual vol. 3, 1.2.6).
//!
//! Which way is taken for how many bytes was measured (`bench/`, Zen 5): moves of 16 bytes lose to
//! `rep movsb` at some 2 KiB, moves of 32 bytes (AVX) at some 32 KiB.
//!
//! Invariants: between the labels no instruction touches the stack; DF is clear on entry (System V
//! ABI); labels carry the version, so that two versions of the crate can be linked together.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::sync::atomic::{AtomicU8, Ordering};

/// What a routine returns, in RAX and RDX.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    /// Bytes not done, or the word read.
    pub(crate) value: u64,
    /// 0, or what the handler saw, as [`crate::fault::Sign`] packs it.
    pub(crate) sign: u64,
}

impl Returned {
    /// Bytes that a copy has left undone: `value` counts only where a sign says that it ended early.
    pub(crate) fn not_done(self) -> usize {
        if self.sign == 0 { 0 } else { self.value as usize }
    }
}

global_asm!(
    r#"
    .pushsection .bss.folio_0_1,"aw",@nobits
    .hidden folio_0_1_wide
    .globl folio_0_1_wide
folio_0_1_wide:
    .zero 1
    .popsection
    .pushsection .text.folio_0_1,"ax",@progbits
    .hidden folio_0_1_copy, folio_0_1_copy_slow, folio_0_1_fill, folio_0_1_landed
    .hidden folio_0_1_words, folio_0_1_word_landed, folio_0_1_fill_slow
    .globl folio_0_1_fill_slow
    .globl folio_0_1_copy, folio_0_1_copy_slow, folio_0_1_fill, folio_0_1_landed
    .globl folio_0_1_words, folio_0_1_word_landed
    .p2align 6

// (rdi to, rsi from, rdx count, rcx start and r8 end of the mapping's side)
    .type folio_0_1_copy,@function
folio_0_1_copy:
    .cfi_startproc
    mov r9, rcx
    mov rcx, rdx
    cmp rdx, 16
    ja 4f
    cmp rdx, 8
    jae 3f
    cmp rdx, 4
    jae 2f
    test rdx, rdx
    je 9f
    cmp rdx, 1
    je 1f
    movzx eax, word ptr [rsi]
    movzx r11d, byte ptr [rsi + rdx - 1]
    mov word ptr [rdi], ax
    mov byte ptr [rdi + rdx - 1], r11b
    jmp 9f
1:  movzx eax, byte ptr [rsi]
    mov byte ptr [rdi], al
    jmp 9f
2:  mov eax, dword ptr [rsi]
    mov r10d, dword ptr [rsi + rdx - 4]
    mov dword ptr [rdi], eax
    mov dword ptr [rdi + rdx - 4], r10d
    jmp 9f
3:  mov rax, qword ptr [rsi]
    mov r10, qword ptr [rsi + rdx - 8]
    mov qword ptr [rdi], rax
    mov qword ptr [rdi + rdx - 8], r10
    jmp 9f
4:  cmp rdx, 32
    ja 5f
    movdqu xmm0, xmmword ptr [rsi]
    movdqu xmm1, xmmword ptr [rsi + rdx - 16]
    movdqu xmmword ptr [rdi], xmm0
    movdqu xmmword ptr [rdi + rdx - 16], xmm1
    jmp 9f
5:  cmp rdx, 64
    ja 6f
    movdqu xmm0, xmmword ptr [rsi]
    movdqu xmm1, xmmword ptr [rsi + 16]
    movdqu xmm2, xmmword ptr [rsi + rdx - 32]
    movdqu xmm3, xmmword ptr [rsi + rdx - 16]
    movdqu xmmword ptr [rdi], xmm0
    movdqu xmmword ptr [rdi + 16], xmm1
    movdqu xmmword ptr [rdi + rdx - 32], xmm2
    movdqu xmmword ptr [rdi + rdx - 16], xmm3
    jmp 9f
6:  cmp rdx, 128
    ja 8f
7:  movdqu xmm0, xmmword ptr [rsi]
    movdqu xmm1, xmmword ptr [rsi + 16]
    movdqu xmm2, xmmword ptr [rsi + 32]
    movdqu xmm3, xmmword ptr [rsi + 48]
    movdqu xmmword ptr [rdi], xmm0
    movdqu xmmword ptr [rdi + 16], xmm1
    movdqu xmmword ptr [rdi + 32], xmm2
    movdqu xmmword ptr [rdi + 48], xmm3
    add rsi, 64
    add rdi, 64
    sub rcx, 64
    cmp rcx, 64
    jae 7b
    test rcx, rcx
    je 9f
    movdqu xmm0, xmmword ptr [rsi + rcx - 64]
    movdqu xmm1, xmmword ptr [rsi + rcx - 48]
    movdqu xmm2, xmmword ptr [rsi + rcx - 32]
    movdqu xmm3, xmmword ptr [rsi + rcx - 16]
    movdqu xmmword ptr [rdi + rcx - 64], xmm0
    movdqu xmmword ptr [rdi + rcx - 48], xmm1
    movdqu xmmword ptr [rdi + rcx - 32], xmm2
    movdqu xmmword ptr [rdi + rcx - 16], xmm3
9:  xor eax, eax
    xor edx, edx
    ret
8:  cmp byte ptr [rip + folio_0_1_wide], 0
    je 3f
    cmp rdx, 32768
    jae folio_0_1_copy_slow
    cmp rdx, 2048
    jb 4f
    test dil, 63
    jne 4f
    test sil, 31
    jne folio_0_1_copy_slow
4:  vmovdqu ymm4, ymmword ptr [rsi + rdx - 128]
    vmovdqu ymm5, ymmword ptr [rsi + rdx - 96]
    vmovdqu ymm6, ymmword ptr [rsi + rdx - 64]
    vmovdqu ymm7, ymmword ptr [rsi + rdx - 32]
    .p2align 4
2:  vmovdqu ymm0, ymmword ptr [rsi]
    vmovdqu ymm1, ymmword ptr [rsi + 32]
    vmovdqu ymm2, ymmword ptr [rsi + 64]
    vmovdqu ymm3, ymmword ptr [rsi + 96]
    vmovdqu ymmword ptr [rdi], ymm0
    vmovdqu ymmword ptr [rdi + 32], ymm1
    vmovdqu ymmword ptr [rdi + 64], ymm2
    vmovdqu ymmword ptr [rdi + 96], ymm3
    sub rsi, -128
    sub rdi, -128
    sub rcx, 128
    cmp rcx, 128
    ja 2b
    vmovdqu ymmword ptr [rdi + rcx - 128], ymm4
    vmovdqu ymmword ptr [rdi + rcx - 96], ymm5
    vmovdqu ymmword ptr [rdi + rcx - 64], ymm6
    vmovdqu ymmword ptr [rdi + rcx - 32], ymm7
    vzeroupper
    jmp 9b
3:  cmp rdx, 2048
    jb 7b
folio_0_1_copy_slow:
    rep movsb
    xor eax, eax
    xor edx, edx
    ret
    .cfi_endproc

// (rdi to, sil byte, rdx count, rcx start and r8 end of the mapping's side)
    .type folio_0_1_fill,@function
folio_0_1_fill:
    .cfi_startproc
    mov r9, rcx
    mov rcx, rdx
    movzx eax, sil
    cmp rdx, 16
    jb folio_0_1_fill_slow
    cmp rdx, 512
    ja folio_0_1_fill_slow
    imul r10d, eax, 0x01010101
    movd xmm0, r10d
    pshufd xmm0, xmm0, 0
    cmp rdx, 32
    jbe 3f
    cmp rdx, 64
    jbe 2f
    .p2align 4
4:  movdqu xmmword ptr [rdi], xmm0
    movdqu xmmword ptr [rdi + 16], xmm0
    movdqu xmmword ptr [rdi + 32], xmm0
    movdqu xmmword ptr [rdi + 48], xmm0
    add rdi, 64
    sub rcx, 64
    cmp rcx, 64
    ja 4b
    movdqu xmmword ptr [rdi + rcx - 64], xmm0
    movdqu xmmword ptr [rdi + rcx - 48], xmm0
    jmp 5f
2:  movdqu xmmword ptr [rdi], xmm0
    movdqu xmmword ptr [rdi + 16], xmm0
5:  movdqu xmmword ptr [rdi + rcx - 32], xmm0
    jmp 6f
3:  movdqu xmmword ptr [rdi], xmm0
6:  movdqu xmmword ptr [rdi + rcx - 16], xmm0
    xor eax, eax
    xor edx, edx
    ret
folio_0_1_fill_slow:
    rep stosb
    xor eax, eax
    xor edx, edx
    ret
folio_0_1_landed:
    mov rax, rcx
    ret
    .cfi_endproc

folio_0_1_words:
    .cfi_startproc
"#,
    r#"
    .globl folio_0_1_load32, folio_0_1_load64, folio_0_1_swap32, folio_0_1_swap64
    .globl folio_0_1_exchange32, folio_0_1_exchange64, folio_0_1_add32, folio_0_1_add64
    .hidden folio_0_1_load32, folio_0_1_load64, folio_0_1_swap32, folio_0_1_swap64
    .hidden folio_0_1_exchange32, folio_0_1_exchange64, folio_0_1_add32, folio_0_1_add64
folio_0_1_load32:
    mov eax, dword ptr [rdi]
    xor edx, edx
    ret
folio_0_1_load64:
    mov rax, qword ptr [rdi]
    xor edx, edx
    ret
folio_0_1_swap32:
    mov eax, esi
    xchg dword ptr [rdi], eax
    xor edx, edx
    ret
folio_0_1_swap64:
    mov rax, rsi
    xchg qword ptr [rdi], rax
    xor edx, edx
    ret
folio_0_1_exchange32:
    mov eax, esi
    lock cmpxchg dword ptr [rdi], edx
    xor edx, edx
    ret
folio_0_1_exchange64:
    mov rax, rsi
    lock cmpxchg qword ptr [rdi], rdx
    xor edx, edx
    ret
folio_0_1_add32:
    mov eax, esi
    lock xadd dword ptr [rdi], eax
    xor edx, edx
    ret
folio_0_1_add64:
    mov rax, rsi
    lock xadd qword ptr [rdi], rax
    xor edx, edx
    ret
folio_0_1_word_landed:
    xor eax, eax
    ret
    .cfi_endproc
    .popsection
"#
);

unsafe extern "C" {
    fn folio_0_1_copy(
        to: *mut u8,
        from: *const u8,
        count: usize,
        side: *const u8,
        side_end: *const u8,
    ) -> Returned;
    fn folio_0_1_copy_slow();
    fn folio_0_1_fill(
        to: *mut u8,
        byte: u8,
        count: usize,
        side: *const u8,
        side_end: *const u8,
    ) -> Returned;
    fn folio_0_1_fill_slow();
    fn folio_0_1_landed();
    /// Whether the routines may use AVX.
    static folio_0_1_wide: AtomicU8;
    fn folio_0_1_words();
    fn folio_0_1_word_landed();
    fn folio_0_1_load32(at: *const u8) -> Returned;
    fn folio_0_1_load64(at: *const u8) -> Returned;
    fn folio_0_1_swap32(at: *mut u8, new: u32) -> Returned;
    fn folio_0_1_swap64(at: *mut u8, new: u64) -> Returned;
    fn folio_0_1_exchange32(at: *mut u8, current: u32, new: u32) -> Returned;
    fn folio_0_1_exchange64(at: *mut u8, current: u64, new: u64) -> Returned;
    fn folio_0_1_add32(at: *mut u8, value: u32) -> Returned;
    fn folio_0_1_add64(at: *mut u8, value: u64) -> Returned;
}

/// Finds out what the processor has. Until then the routines use what every x86-64 has.
pub(crate) fn prepare() {
    let wide = std::arch::is_x86_feature_detected!("avx");
    // SAFETY: the byte is defined above, zero at first, and touched by atomic operations and, in
    // the copy routine, by a plain load of a byte, which x86-64 makes atomic.
    unsafe { &folio_0_1_wide }.store(wide.into(), Ordering::Relaxed);
}

/// Copies `count` bytes out of a mapping.
///
/// # Safety
/// `to` is valid for writes of `count` bytes. `from..from + count` lies in a range that folio has
/// mapped; its pages need not be there. [`crate::handler::install`] has been called.
#[inline]
pub(crate) unsafe fn copy_out(from: *const u8, to: *mut u8, count: usize) -> Returned {
    // SAFETY: the routine writes `count` bytes at `to` and reads `count` bytes at `from`; reads
    // that cannot be served end at a landing (module documentation).
    unsafe { folio_0_1_copy(to, from, count, from, from.wrapping_add(count)) }
}

/// Copies `count` bytes into a mapping.
///
/// # Safety
/// As [`copy_out`], with the sides exchanged, and no Rust reference covers the target.
#[inline]
pub(crate) unsafe fn copy_in(from: *const u8, to: *mut u8, count: usize) -> Returned {
    // SAFETY: as in `copy_out`.
    unsafe { folio_0_1_copy(to, from, count, to, to.wrapping_add(count)) }
}

/// Sets `count` bytes of a mapping to `byte`.
///
/// # Safety
/// As for the target of [`copy_in`].
#[inline]
pub(crate) unsafe fn fill(to: *mut u8, byte: u8, count: usize) -> Returned {
    // SAFETY: as in `copy_in`.
    unsafe { folio_0_1_fill(to, byte, count, to, to.wrapping_add(count)) }
}

/// A word that the processor reads and writes atomically.
pub(crate) trait Word: Copy {
    /// # Safety
    /// `at` is aligned for the word and lies in a range that folio has mapped, for all four.
    unsafe fn load(at: *mut u8) -> Returned;
    /// # Safety
    /// As [`load`](Self::load).
    unsafe fn swap(at: *mut u8, new: Self) -> Returned;
    /// # Safety
    /// As [`load`](Self::load).
    unsafe fn exchange(at: *mut u8, current: Self, new: Self) -> Returned;
    /// # Safety
    /// As [`load`](Self::load).
    unsafe fn add(at: *mut u8, value: Self) -> Returned;
}

macro_rules! word {
    ($type:ty, $load:ident, $swap:ident, $exchange:ident, $add:ident) => {
        impl Word for $type {
            #[inline]
            unsafe fn load(at: *mut u8) -> Returned {
                // SAFETY: forwarded to the caller; a page that is not there ends at the landing.
                unsafe { $load(at) }
            }
            #[inline]
            unsafe fn swap(at: *mut u8, new: Self) -> Returned {
                // SAFETY: as in `load`.
                unsafe { $swap(at, new) }
            }
            #[inline]
            unsafe fn exchange(at: *mut u8, current: Self, new: Self) -> Returned {
                // SAFETY: as in `load`.
                unsafe { $exchange(at, current, new) }
            }
            #[inline]
            unsafe fn add(at: *mut u8, value: Self) -> Returned {
                // SAFETY: as in `load`.
                unsafe { $add(at, value) }
            }
        }
    };
}
word!(u32, folio_0_1_load32, folio_0_1_swap32, folio_0_1_exchange32, folio_0_1_add32);
word!(u64, folio_0_1_load64, folio_0_1_swap64, folio_0_1_exchange64, folio_0_1_add64);

/// Whether the page fault that a signal reports was a write (bit 1 of the page-fault error code,
/// AMD64 Architecture Programmer's Manual vol. 2, 8.4.2).
pub(crate) fn is_write(context: &libc::ucontext_t) -> bool {
    context.uc_mcontext.gregs[libc::REG_ERR as usize] & 2 != 0
}

/// Whether the page fault was the fetch of an instruction (bit 4).
pub(crate) fn is_fetch(context: &libc::ucontext_t) -> bool {
    context.uc_mcontext.gregs[libc::REG_ERR as usize] & 16 != 0
}

/// Where the interrupted instruction goes on if it is one of ours and was after the mapping's bytes at
/// `address`, or in the block of `reach` bytes (a power of two) that starts there.
fn landing(context: &libc::ucontext_t, address: usize, reach: usize) -> Option<usize> {
    let at = |label: unsafe extern "C" fn()| label as usize;
    let (copy_slow, fill_slow) = (at(folio_0_1_copy_slow), at(folio_0_1_fill_slow));
    let (words, word_landed) = (at(folio_0_1_words), at(folio_0_1_word_landed));
    let copy = folio_0_1_copy as *const () as usize;
    let fill = folio_0_1_fill as *const () as usize;
    let landed = at(folio_0_1_landed);

    let register = |name: i32| context.uc_mcontext.gregs[name as usize] as usize;
    let pc = register(libc::REG_RIP);
    let (side, landing) = if (words..word_landed).contains(&pc) {
        let word = register(libc::REG_RDI);
        (word..word.wrapping_add(size_of::<u64>()), word_landed)
    } else if (copy..landed).contains(&pc) {
        let landing = if pc < copy_slow {
            copy_slow
        } else if (fill..fill_slow).contains(&pc) {
            fill_slow
        } else {
            landed
        };
        (register(libc::REG_R9)..register(libc::REG_R8), landing)
    } else {
        return None;
    };
    let within = address >= side.start & !(reach - 1) && address < side.end;
    within.then_some(landing)
}

/// Whether [`land`] would make the interrupted instruction go on.
pub(crate) fn can_land(context: &libc::ucontext_t, address: usize) -> bool {
    landing(context, address, 1).is_some()
}

/// If the interrupted instruction has a [`landing`], makes it go on there with `sign` as its result, and
/// returns true.
pub(crate) fn land(
    context: &mut libc::ucontext_t,
    address: usize,
    reach: usize,
    sign: u64,
) -> bool {
    let Some(landing) = landing(context, address, reach) else { return false };
    let gregs = &mut context.uc_mcontext.gregs;
    gregs[libc::REG_RIP as usize] = landing as i64;
    let ends = [folio_0_1_landed as unsafe extern "C" fn(), folio_0_1_word_landed];
    if ends.iter().any(|&end| end as usize == landing) {
        gregs[libc::REG_RDX as usize] = sign as i64;
    }
    true
}

/// The same for an interrupted copy whose mapping's side reaches addresses that no page can have:
/// between those of programs and those of the kernel. `sign` is told whether it was a write.
pub(crate) fn land_beyond(context: &mut libc::ucontext_t, sign: impl FnOnce(bool) -> u64) -> bool {
    const PROGRAMS_END: usize = 1 << 47;
    let register = |name: i32| context.uc_mcontext.gregs[name as usize] as usize;
    let side = register(libc::REG_R9)..register(libc::REG_R8);
    let beyond = side.start.max(PROGRAMS_END);
    let sign = sign(side.contains(&register(libc::REG_RDI)));
    land(context, beyond, 1, sign)
}

/// What the processor needs before bytes that were written as data are executed: here nothing.
/// Instruction caches follow stores (Intel SDM vol. 3, 12.6; AMD64 APM vol. 2, 7.6.1), and
/// the change of protection that comes before and after every revision serializes each processor
/// that runs the program. Another processor cleans and invalidates its caches over the range.
pub(crate) fn publish_code(_start: *const u8, _len: usize) {}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn the_labels_carry_the_crates_version() {
        assert!(env!("CARGO_PKG_VERSION").starts_with("0.1."), "rename folio_0_1_*");
    }

    /// Runs `work` with and without AVX.
    fn both_ways(work: impl Fn()) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        crate::handler::install().unwrap();
        // SAFETY: as in `prepare`.
        unsafe { &folio_0_1_wide }.store(0, Ordering::Relaxed);
        work();
        prepare();
        work();
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
    }

    #[test]
    fn every_length_and_alignment_copies_exactly() {
        let from = pattern(40_100);
        let long =
            [511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 32_767, 32_768, 40_000];
        both_ways(|| {
            for count in (0..400).chain(long) {
                for skew in [0, 1, 7, 17, 64] {
                    let mut to = vec![0xAA; 40_400];
                    // SAFETY: both ranges lie within their vectors.
                    let result = unsafe {
                        copy_out(from.as_ptr().add(skew), to.as_mut_ptr().add(skew * 3), count)
                    };
                    assert_eq!((result.value, result.sign), (0, 0));
                    assert_eq!(to[skew * 3..skew * 3 + count], from[skew..skew + count]);
                    assert!(to[skew * 3 + count..].iter().all(|&b| b == 0xAA));
                    assert!(to[..skew * 3].iter().all(|&b| b == 0xAA));
                    // SAFETY: as above.
                    let result = unsafe { fill(to.as_mut_ptr().add(skew), 0xCC, count) };
                    assert_eq!((result.value, result.sign), (0, 0));
                    assert!(to[skew..skew + count].iter().all(|&b| b == 0xCC));
                    assert!(to[..skew].iter().all(|&b| b != 0xCC));
                }
            }
        });
    }

    #[test]
    fn every_length_stops_at_the_very_byte_that_is_missing() {
        const END: usize = 65_536;
        let path = std::env::temp_dir().join(format!("folio-arch-{}", std::process::id()));
        let bytes = pattern(END);
        std::fs::write(&path, &bytes).unwrap();
        let options = crate::Mapping::options().write().beyond_end().len(2 * END).keep_file();
        let map = options.open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let counts =
            [1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 130];
        let more = [191, 192, 193, 255, 256, 257, 300, 511, 512, 513, 600, 2047, 2048, 3000];
        let large = [4096, 32_767, 32_768, 40_000];
        let done_before = [0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 95, 96, 97];
        let more_before = [127, 128, 129, 130, 192, 255, 256, 257, 300, 1000, 2048, 4097, 32_767];
        both_ways(|| {
            for count in counts.into_iter().chain(more).chain(large) {
                let all_but_some =
                    [count - 1, usize::saturating_sub(count, 31), count - count / 3 - 1];
                let done = done_before.into_iter().chain(more_before).chain(all_but_some);
                for done in done.filter(|&done| done < count) {
                    let at = END - done;
                    let transferred = |result: crate::Result<()>| {
                        let error = result.expect_err("bytes behind the end");
                        error.fault().expect("a fault").transferred()
                    };
                    let mut buf = vec![0xEE; count];
                    assert_eq!(transferred(map.read_at(at, &mut buf)), done, "read {count}");
                    assert_eq!(buf[..done], bytes[at..]);
                    assert!(buf[done..].iter().all(|&byte| byte == 0xEE), "read {count}");
                    assert_eq!(transferred(map.fill(at..at + count, 0x5A)), done, "fill {count}");
                    map.read_at(at, &mut buf[..done]).unwrap();
                    assert!(buf[..done].iter().all(|&byte| byte == 0x5A), "fill {count}");
                    buf[..done].copy_from_slice(&bytes[at..]);
                    assert_eq!(transferred(map.write_at(at, &buf)), done, "write {count}");
                    assert_eq!(map.view().range(at..END).unwrap().to_vec().unwrap(), bytes[at..]);
                }
            }
        });
        assert_eq!(map.view().range(..END).unwrap().to_vec().unwrap(), bytes);
    }

    /// Where a thread goes on that was at `pc` with a mapping's side `side` and a word at `word`.
    fn landing(
        pc: unsafe extern "C" fn(),
        side: core::ops::Range<usize>,
        word: usize,
        address: usize,
        reach: usize,
    ) -> Option<usize> {
        // SAFETY: all zeros is a valid ucontext.
        let mut context: libc::ucontext_t = unsafe { core::mem::zeroed() };
        let mut set = |name: i32, value: usize| {
            context.uc_mcontext.gregs[name as usize] = value as i64;
        };
        set(libc::REG_RIP, pc as usize);
        set(libc::REG_R9, side.start);
        set(libc::REG_R8, side.end);
        set(libc::REG_RDI, word);
        let landed = land(&mut context, address, reach, 77);
        landed.then(|| context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize)
    }

    #[test]
    fn only_the_mappings_side_lands_and_broken_memory_counts_from_its_first_byte() {
        let at = |address, reach| {
            landing(folio_0_1_copy_slow, 0x5100..0x5200, 0x9000, address, reach).is_some()
        };
        assert!(at(0x5100, 1) && at(0x51ff, 1));
        assert!(!at(0x50ff, 1) && !at(0x5200, 1) && !at(0x9000, 1));
        assert!(at(0x5000, 4096) && !at(0x4fff, 4096) && !at(0x6000, 4096));
        assert!(at(0x5000, 2 << 20) && at(0, 2 << 20));

        let word =
            |address, reach| landing(folio_0_1_words, 0..0, 0x5108, address, reach).is_some();
        assert!(word(0x5108, 1) && word(0x510f, 1) && word(0x5000, 4096));
        assert!(!word(0x5107, 1) && !word(0x5110, 1) && !word(0x7ffe_0000, 1));
    }
}
