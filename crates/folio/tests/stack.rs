//! A stack that functions and threads run on, between guards.
#![allow(unsafe_code)]

mod common;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use common::{End, fork, in_child, page, peek, poke};
use folio::{ErrorKind, Side, Stack};

/// Goes down about a KiB at a time.
#[inline(never)]
fn descend(kib: usize) -> usize {
    let mut frame = [0u8; 1024];
    frame[kib % 1024] = 1;
    black_box(&mut frame);
    if kib == 0 { 0 } else { descend(kib - 1) + usize::from(frame[kib % 1024]) }
}

#[test]
fn a_function_runs_between_bottom_and_top_and_returns_its_result() {
    let mut stack = Stack::new(256 << 10).unwrap();
    let (bottom, top) = (stack.bottom(), stack.top());
    assert_eq!((top - bottom, stack.len()), (256 << 10, 256 << 10));
    let mut outside = vec![1, 2];
    let (inside, text) = stack.run(|| {
        outside.push(3);
        let local = 0u8;
        ((&raw const local).addr(), format!("{outside:?}"))
    });
    assert!((bottom..top).contains(&inside));
    assert_eq!(text, "[1, 2, 3]");
    assert_eq!(stack.run(|| thread::current().id()), thread::current().id());
}

#[test]
fn stacks_nest_and_are_used_again() {
    let mut outer = Stack::new(64 << 10).unwrap();
    let mut inner = Stack::new(64 << 10).unwrap();
    for round in 0..100 {
        let sum = outer.run(|| inner.run(|| descend(10)) + descend(20) + round);
        assert_eq!(sum, 30 + round);
    }
}

#[test]
fn a_panic_goes_on_where_the_function_was_called() {
    let mut stack = Stack::new(256 << 10).unwrap();
    struct OnDrop<'a>(&'a mut bool);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            *self.0 = true;
        }
    }
    let mut dropped = false;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        stack.run(|| {
            let _on_drop = OnDrop(&mut dropped);
            std::panic::panic_any(42);
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&42));
    assert!(dropped, "destructors on the stack have run");
    assert_eq!(stack.run(|| 7), 7);
}

#[test]
fn a_backtrace_walks_across_to_the_caller() {
    #[inline(never)]
    fn the_caller_of_the_stack() -> String {
        let mut stack = Stack::new(4 << 20).unwrap();
        stack.run(|| std::backtrace::Backtrace::force_capture().to_string())
    }
    let text = black_box(the_caller_of_the_stack());
    assert!(text.contains("the_caller_of_the_stack"), "{text}");
}

#[test]
fn what_was_touched_is_the_deepest_it_went_until_discarded() {
    let mut stack = Stack::new(1 << 20).unwrap();
    assert_eq!(stack.touched().unwrap(), 0);
    stack.run(|| descend(10));
    let shallow = stack.touched().unwrap();
    assert!((10 << 10..100 << 10).contains(&shallow), "{shallow}");
    stack.run(|| descend(400));
    let deep = stack.touched().unwrap();
    assert!((400 << 10..800 << 10).contains(&deep), "{deep}");
    stack.run(|| descend(10));
    assert_eq!(stack.touched().unwrap(), deep);
    stack.discard().unwrap();
    assert_eq!(stack.touched().unwrap(), 0);
    poke(stack.top() - 1, 1);
    assert_eq!(stack.touched().unwrap(), page());
}

#[test]
fn addresses_are_told_apart() {
    let stack = Stack::with_guard(5 * page() - 100, 3 * page() - 1).unwrap();
    let [below, above] = stack.guards();
    assert_eq!(stack.len(), 5 * page());
    assert_eq!((below.len(), above.len()), (3 * page(), 3 * page()));
    assert_eq!((below.end, above.start), (stack.bottom(), stack.top()));
    for (address, side) in [
        (below.start - 1, None),
        (below.start, Some(Side::Below)),
        (stack.bottom() - 1, Some(Side::Below)),
        (stack.bottom(), None),
        (stack.top() - 1, None),
        (stack.top(), Some(Side::Above)),
        (above.end, None),
    ] {
        assert_eq!(stack.overflow(address), side);
    }
    for (len, guard) in [(0, 1), (1, 0), (usize::MAX, 1), (1, usize::MAX), (1, usize::MAX / 2)] {
        assert_eq!(Stack::with_guard(len, guard).unwrap_err().kind(), ErrorKind::OutOfRange);
    }
}

#[test]
fn both_guards_end_a_process_that_touches_them() {
    let stack = Stack::new(64 << 10).unwrap();
    for address in [stack.bottom() - 1, stack.top()] {
        assert_eq!(fork(|| poke(address, 1)), End::Signal(libc::SIGSEGV));
        assert_eq!(fork(|| _ = peek(address)), End::Signal(libc::SIGSEGV));
    }
    in_child(|| poke(stack.bottom(), 1));
}

#[test]
fn an_overflow_ends_the_process_at_the_guard_and_touches_nothing_below() {
    // What lies right below the guard is shared with the child, which would leave its mark there.
    let mut tries = Vec::new();
    let (mut stack, below) = loop {
        let stack = Stack::new(64 << 10).unwrap();
        let [guard, _] = stack.guards();
        let below = folio::Mapping::options().write().exactly_at(guard.start - (1 << 20));
        match below.anonymous(1 << 20) {
            Ok(below) => break (stack, below),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Occupied),
        }
        tries.push(stack);
        assert!(tries.len() < 100, "nowhere is a free MiB below a stack");
    };
    below.fill(.., 0x5a).unwrap();
    let witness = folio::Mapping::options().write().anonymous(16).unwrap();
    let end = fork(|| {
        install_report(&stack, &witness);
        stack.run(|| descend(1 << 20));
    });
    assert_eq!(end, End::Exit(3), "the handler saw the overflow");
    let address = witness.view().atomic_u64(0).unwrap().load().unwrap() as usize;
    assert_eq!(stack.overflow(address), Some(Side::Below));
    assert_eq!(fork(|| _ = stack.run(|| descend(1 << 20))), End::Signal(libc::SIGSEGV));
    assert!(below.to_vec().unwrap().iter().all(|&byte| byte == 0x5a));
}

/// Has SIGSEGV write the address to `witness` and end the process with 3, on a stack of its own.
fn install_report(stack: &Stack, witness: &folio::Mapping) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static TO: AtomicUsize = AtomicUsize::new(0);
    static GUARD: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

    extern "C" fn report(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid siginfo, with an address for SIGSEGV (sigaction(2));
        // `TO` is a mapping that lives as long as the process.
        unsafe {
            let address = (*info).si_addr() as usize;
            std::ptr::with_exposed_provenance_mut::<u64>(TO.load(Relaxed)).write(address as u64);
            let overflow = GUARD[0].load(Relaxed)..GUARD[1].load(Relaxed);
            libc::_exit(if overflow.contains(&address) { 3 } else { 4 });
        }
    }
    TO.store(witness.address(), Relaxed);
    let [below, _] = stack.guards();
    GUARD[0].store(below.start, Relaxed);
    GUARD[1].store(below.end, Relaxed);
    // SAFETY: the structures are filled in as sigaction(2) and sigaltstack(2) want them; the
    // alternate stack is never freed.
    unsafe {
        let memory = Box::leak(vec![0u8; 64 << 10].into_boxed_slice());
        let alternate =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
        assert_eq!(libc::sigaltstack(&raw const alternate, std::ptr::null_mut()), 0);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = report as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
    }
}
