//! Handlers that others installed: each scenario runs twice in processes of their own, without
//! folio and with it, and nobody can tell which was which.
#![allow(unsafe_code)]

mod signals_common;

use std::ffi::{c_int, c_void};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::{fs, ptr};

use signals_common::*;

const BOTH: [c_int; 2] = [libc::SIGBUS, libc::SIGSEGV];

/// The page that [`repair`] may put there.
static LOST: AtomicUsize = AtomicUsize::new(0);

fn touch(address: *mut u8) -> u8 {
    // SAFETY: the caller wants whatever comes of it, in a process of its own.
    unsafe { address.read_volatile() }
}

/// A fault of `signal` that nobody can repair.
fn wild(signal: c_int) {
    match signal {
        libc::SIGBUS => touch(foreign_lost_pages().wrapping_add(100)),
        _ => touch(ptr::without_provenance_mut(24)),
    };
    note("went on after a wild fault", &[]);
}

fn errno() -> u64 {
    std::io::Error::last_os_error().raw_os_error().unwrap() as u64
}

extern "C" fn one_argument(signal: c_int) {
    note("one argument", &[signal as u64, mask(), errno()]);
    repair();
}

extern "C" fn three_arguments(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel, or folio for it, passes valid structures.
    let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
    // SAFETY: which fields are filled in depends on the code (sigaction(2)).
    let who = unsafe {
        if info.si_code > 0 {
            (info.si_addr() as usize).wrapping_sub(LOST.load(Ordering::Relaxed)) as u64
        } else {
            assert_eq!(info.si_pid(), libc::getpid());
            assert_eq!(info.si_uid(), libc::getuid());
            info.si_value().sival_ptr as u64
        }
    };
    let interrupted = context.uc_mcontext.gregs[libc::REG_RIP as usize];
    let who = if info.si_code <= 0 && info.si_code != libc::SI_QUEUE { 0 } else { who };
    note(
        "three arguments",
        &[signal as u64, info.si_code as u64, who, mask(), errno(), u64::from(interrupted != 0)],
    );
    repair();
}

/// Puts a page where one was lost. As handlers do, it spoils errno.
fn repair() {
    let lost = LOST.load(Ordering::Relaxed);
    if lost != 0 {
        // SAFETY: the address is that of `foreign_lost_pages`.
        unsafe {
            libc::mmap(
                ptr::with_exposed_provenance_mut(lost),
                PAGE,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
        }
    }
}

/// Sends `signal` to this thread as raise(3), tgkill(2), kill(2) and sigqueue(3) do, which say so in
/// the siginfo. (A signal to the process could go to any of its threads.)
fn send(signal: c_int) {
    note("raise", &[]);
    // SAFETY: raise(3) and tgkill(2) take numbers.
    unsafe {
        libc::raise(signal);
        note("tgkill", &[]);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
    }
    for (what, code) in [("kill", libc::SI_USER), ("sigqueue", libc::SI_QUEUE)] {
        note(what, &[]);
        // SAFETY: these take nothing.
        let who = unsafe { u64::from(libc::getpid() as u32) | u64::from(libc::getuid()) << 32 };
        queue(signal, code, &[who, 0x1234_5678_9abc]);
    }
}

/// Queues a signal to this thread with a siginfo of one's own.
fn queue(signal: c_int, code: c_int, fields: &[u64]) {
    // SAFETY: all zeros is a valid siginfo; what depends on the code starts at byte 16 of it
    // (sigaction(2)); a thread may queue any siginfo to itself (rt_tgsigqueueinfo(2)).
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        info.si_signo = signal;
        info.si_code = code;
        for (at, &field) in fields.iter().enumerate() {
            (&raw mut info).cast::<u64>().add(2 + at).write(field);
        }
        let (process, thread) = (libc::getpid(), libc::gettid());
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, &raw const info);
    }
}

/// Queues a signal that says it was a fault.
fn pretend(signal: c_int, code: c_int, address: usize) {
    queue(signal, code, &[address as u64]);
}

fn killed(name: &str, signal: c_int, scenario: fn(&dyn Fn())) {
    let ended = same_without_folio(name, scenario);
    assert!(ended.died_of(signal), "{ended:#?}");
}

#[test]
fn a_wild_sigbus_kills_a_rust_program_with_sigbus() {
    killed("a_wild_sigbus_kills_a_rust_program_with_sigbus", libc::SIGBUS, |folio| {
        folio();
        wild(libc::SIGBUS);
    });
}

#[test]
fn a_wild_sigsegv_kills_a_rust_program_with_sigsegv() {
    killed("a_wild_sigsegv_kills_a_rust_program_with_sigsegv", libc::SIGSEGV, |folio| {
        folio();
        wild(libc::SIGSEGV);
    });
}

#[test]
fn a_wild_sigbus_meets_the_default_action() {
    killed("a_wild_sigbus_meets_the_default_action", libc::SIGBUS, |folio| {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        folio();
        wild(libc::SIGBUS);
    });
}

#[test]
fn a_wild_sigsegv_meets_the_default_action() {
    killed("a_wild_sigsegv_meets_the_default_action", libc::SIGSEGV, |folio| {
        handle(libc::SIGSEGV, libc::SIG_DFL, 0, &[]);
        folio();
        wild(libc::SIGSEGV);
    });
}

#[test]
fn a_wild_fault_of_code_that_jumps_nowhere_kills() {
    killed("a_wild_fault_of_code_that_jumps_nowhere_kills", libc::SIGSEGV, |folio| {
        folio();
        // SAFETY: it is not, on purpose: the process dies.
        let nowhere: extern "C" fn() = unsafe { std::mem::transmute(64usize) };
        nowhere();
    });
}

#[test]
fn a_sent_sigbus_meets_the_default_action() {
    killed("a_sent_sigbus_meets_the_default_action", libc::SIGBUS, |folio| {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        folio();
        send(libc::SIGBUS);
    });
}

#[test]
fn a_sent_sigsegv_meets_the_default_action_without_room_in_the_queue() {
    let name = "a_sent_sigsegv_meets_the_default_action_without_room_in_the_queue";
    killed(name, libc::SIGSEGV, |folio| {
        handle(libc::SIGSEGV, libc::SIG_DFL, 0, &[]);
        folio();
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives through the call.
        unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const none) };
        send(libc::SIGSEGV);
    });
}

#[test]
fn a_fault_that_does_not_come_again_by_itself_kills_too() {
    killed("a_fault_that_does_not_come_again_by_itself_kills_too", libc::SIGBUS, |folio| {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        folio();
        pretend(libc::SIGBUS, libc::BUS_ADRERR, 64);
        note("alive", &[]);
    });
}

#[test]
fn news_of_broken_memory_elsewhere_kills_by_default() {
    killed("news_of_broken_memory_elsewhere_kills_by_default", libc::SIGBUS, |folio| {
        handle(libc::SIGBUS, libc::SIG_DFL, 0, &[]);
        folio();
        pretend(libc::SIGBUS, libc::BUS_MCEERR_AO, 64);
        note("alive", &[]);
    });
}

#[test]
fn news_of_broken_memory_elsewhere_can_be_ignored_or_handled() {
    let name = "news_of_broken_memory_elsewhere_can_be_ignored_or_handled";
    let ended = same_without_folio(name, |folio| {
        handle(libc::SIGBUS, libc::SIG_IGN, 0, &[]);
        folio();
        pretend(libc::SIGBUS, libc::BUS_MCEERR_AO, 64);
        note("alive", &[]);
    });
    ended.assert_success();
    assert_eq!(ended.notes, ["alive"]);
}

#[test]
fn an_ignored_signal_is_ignored_when_sent() {
    let ended = same_without_folio("an_ignored_signal_is_ignored_when_sent", |folio| {
        for signal in BOTH {
            handle(signal, libc::SIG_IGN, 0, &[]);
        }
        folio();
        BOTH.into_iter().for_each(send);
        folio();
    });
    ended.assert_success();
}

#[test]
fn an_ignored_sigbus_kills_when_it_is_a_fault() {
    killed("an_ignored_sigbus_kills_when_it_is_a_fault", libc::SIGBUS, |folio| {
        for signal in BOTH {
            handle(signal, libc::SIG_IGN, 0, &[]);
        }
        folio();
        wild(libc::SIGBUS);
    });
}

#[test]
fn an_ignored_sigsegv_kills_when_it_is_a_fault() {
    killed("an_ignored_sigsegv_kills_when_it_is_a_fault", libc::SIGSEGV, |folio| {
        for signal in BOTH {
            handle(signal, libc::SIG_IGN, 0, &[]);
        }
        folio();
        wild(libc::SIGSEGV);
    });
}

/// What handlers see of sent signals and of faults they repair, for many sets of flags.
fn see(folio: &dyn Fn(), kinds: &[(usize, c_int)]) {
    let blocked = [libc::SIGUSR1, libc::SIGTERM];
    for &(handler, flags) in kinds {
        for signal in BOTH {
            handle(signal, handler, flags, &blocked);
        }
    }
    folio();
    // SAFETY: `__errno_location` returns a valid pointer (errno(3)).
    unsafe { *libc::__errno_location() = 77 };
    let before = mask();
    BOTH.into_iter().for_each(send);
    note("errno and mask", &[errno(), u64::from(mask() == before)]);
    let pages = foreign_lost_pages();
    LOST.store(pages.expose_provenance(), Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = 78 };
    note("repaired", &[u64::from(touch(pages.wrapping_add(40)))]);
    assert_eq!(mask(), before);
    folio();
}

fn seen(name: &str, scenario: fn(&dyn Fn())) {
    let ended = same_without_folio(name, scenario);
    ended.assert_success();
    let handled = ended.notes.iter().filter(|note| note.contains("argument")).count();
    assert_eq!(handled, 9, "{ended:#?}");
}

#[test]
fn a_handler_of_one_argument_sees_what_it_saw() {
    seen("a_handler_of_one_argument_sees_what_it_saw", |folio| {
        see(folio, &[(one_argument as *const () as usize, 0)]);
    });
}

#[test]
fn a_handler_of_three_arguments_sees_what_it_saw() {
    seen("a_handler_of_three_arguments_sees_what_it_saw", |folio| {
        see(folio, &[(three_arguments as *const () as usize, libc::SA_SIGINFO)]);
    });
}

#[test]
fn a_handler_that_may_be_interrupted_by_its_own_signal_still_may() {
    seen("a_handler_that_may_be_interrupted_by_its_own_signal_still_may", |folio| {
        let flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_RESTART;
        see(folio, &[(three_arguments as *const () as usize, flags)]);
    });
}

#[test]
fn a_handler_on_the_alternate_stack_sees_what_it_saw() {
    seen("a_handler_on_the_alternate_stack_sees_what_it_saw", |folio| {
        // Rust's own is too small for a handler that a sanitizer has made larger.
        let room = Box::leak(vec![0_u8; 64 << 10].into_boxed_slice());
        let stack =
            libc::stack_t { ss_sp: room.as_mut_ptr().cast(), ss_flags: 0, ss_size: room.len() };
        // SAFETY: the memory is this thread's for good.
        assert_eq!(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) }, 0);
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        see(folio, &[(three_arguments as *const () as usize, flags)]);
    });
}

/// Uses more stack than an alternate stack has.
extern "C" fn deep(signal: c_int) {
    let room = std::hint::black_box([signal as u8; 64 << 10]);
    note("deep", &[u64::from(room[room.len() - 1]), mask()]);
    repair();
}

#[test]
fn a_handler_that_asked_for_no_alternate_stack_has_the_room_it_had() {
    let name = "a_handler_that_asked_for_no_alternate_stack_has_the_room_it_had";
    let ended = same_without_folio(name, |folio| {
        handle(libc::SIGSEGV, deep as *const () as usize, 0, &[libc::SIGUSR1]);
        handle(libc::SIGBUS, deep as *const () as usize, 0, &[]);
        folio();
        // SAFETY: raise(3) takes a number.
        unsafe { libc::raise(libc::SIGSEGV) };
        let pages = foreign_lost_pages();
        LOST.store(pages.expose_provenance(), Ordering::Relaxed);
        touch(pages.wrapping_add(40));
        folio();
        note("done", &[]);
    });
    ended.assert_success();
    assert_eq!(ended.notes.len(), 3);
}

#[test]
fn a_handler_that_resets_itself_gets_one_signal() {
    let ended = same_without_folio("a_handler_that_resets_itself_gets_one_signal", |folio| {
        let flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        handle(libc::SIGSEGV, three_arguments as *const () as usize, flags, &[]);
        folio();
        // SAFETY: raise(3) takes a number.
        unsafe { libc::raise(libc::SIGSEGV) };
        note("between", &[]);
        folio();
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGSEGV) };
        note("after", &[]);
    });
    assert!(ended.died_of(libc::SIGSEGV), "{ended:#?}");
    assert_eq!(ended.notes.len(), 2);
}

extern "C" fn gives_up(signal: c_int) {
    note("gives up", &[signal as u64]);
    handle(signal, libc::SIG_DFL, 0, &[]);
}

#[test]
fn a_handler_that_gives_up_on_a_fault_leaves_it_to_the_default_action() {
    let name = "a_handler_that_gives_up_on_a_fault_leaves_it_to_the_default_action";
    let ended = same_without_folio(name, |folio| {
        handle(libc::SIGBUS, gives_up as *const () as usize, 0, &[]);
        folio();
        wild(libc::SIGBUS);
    });
    assert!(ended.died_of(libc::SIGBUS) && ended.notes.len() == 1, "{ended:#?}");
}

#[test]
fn faults_of_folios_own_are_errors_after_a_handler_gave_up_on_a_sent_signal() {
    let name = "faults_of_folios_own_are_errors_after_a_handler_gave_up_on_a_sent_signal";
    let ended = same_without_folio(name, |folio| {
        handle(libc::SIGBUS, gives_up as *const () as usize, 0, &[]);
        folio();
        // SAFETY: raise(3) takes a number.
        unsafe { libc::raise(libc::SIGBUS) };
        folio();
        note("still works", &[]);
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGBUS) };
        note("alive", &[]);
    });
    assert!(ended.died_of(libc::SIGBUS) && ended.notes.len() == 2, "{ended:#?}");
}

/// A read of a pipe that nobody writes to, interrupted once.
fn interrupted_read(folio: &dyn Fn(), flags: c_int) {
    handle(libc::SIGBUS, one_argument as *const () as usize, flags, &[]);
    folio();
    let mut ends = [0; 2];
    // SAFETY: pipe(2) writes two descriptors, which are then owned by the files made of them.
    let (mut reader, writer) = unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        (fs::File::from_raw_fd(ends[0]), fs::File::from_raw_fd(ends[1]))
    };
    // SAFETY: pthread_self(3) takes nothing.
    let reading = unsafe { libc::pthread_self() };
    let fd = writer.as_raw_fd();
    let other = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        // SAFETY: the thread that reads waits for this one; the descriptor is open until then.
        unsafe {
            libc::pthread_kill(reading, libc::SIGBUS);
            std::thread::sleep(std::time::Duration::from_millis(100));
            libc::write(fd, b"x".as_ptr().cast(), 1);
        }
    });
    let read = reader.read(&mut [0]).map_err(|error| error.raw_os_error());
    note("read", &[u64::from(read == Ok(1)), u64::from(read == Err(Some(libc::EINTR)))]);
    other.join().unwrap();
}

#[test]
fn a_handler_interrupts_system_calls_if_it_did() {
    let ended = same_without_folio("a_handler_interrupts_system_calls_if_it_did", |folio| {
        interrupted_read(folio, 0);
    });
    assert_eq!(ended.notes.last().unwrap(), "read 0 1");
}

#[test]
fn a_handler_restarts_system_calls_if_it_did() {
    let ended = same_without_folio("a_handler_restarts_system_calls_if_it_did", |folio| {
        interrupted_read(folio, libc::SA_RESTART);
    });
    assert_eq!(ended.notes.last().unwrap(), "read 1 0");
}

static FOLIOS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

extern "C" fn asks_folio(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: set before this handler was installed.
    let folios = unsafe { &*FOLIOS.load(Ordering::Relaxed) };
    // SAFETY: the kernel passes valid structures; folio's handler takes three arguments.
    unsafe {
        let address = (*info).si_addr() as usize;
        let lost = LOST.load(Ordering::Relaxed);
        if lost != 0 && (lost..lost + PAGE).contains(&address) {
            three_arguments(signal, info, context);
        } else {
            let folios: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                std::mem::transmute(folios.sa_sigaction);
            folios(signal, info, context);
        }
    }
}

#[test]
fn a_handler_installed_after_folio_that_chains_back_keeps_both_working() {
    let name = "a_handler_installed_after_folio_that_chains_back_keeps_both_working";
    let ended = in_child(name, || {
        folio_handles_a_fault();
        // SAFETY: all zeros is a valid sigaction; sigaction(2) fills it in.
        let mut folios: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut folios) };
        FOLIOS.store(Box::into_raw(Box::new(folios)), Ordering::Relaxed);
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        handle(libc::SIGBUS, asks_folio as *const () as usize, flags, &[]);
        folio_handles_a_fault();
        let pages = foreign_lost_pages();
        LOST.store(pages.expose_provenance(), Ordering::Relaxed);
        assert_eq!(touch(pages.wrapping_add(8)), 0);
        folio_handles_a_fault();
        touch(pages.wrapping_add(PAGE));
    });
    let ended = ended.unwrap();
    assert!(ended.died_of(libc::SIGBUS) && ended.notes.len() == 1, "{ended:#?}");
}

#[test]
fn a_handled_fault_leaves_errno_and_the_mask_alone() {
    let name = "a_handled_fault_leaves_errno_and_the_mask_alone";
    let ended = in_child(name, || {
        let path = child_dir().join("cut");
        fs::write(&path, pattern(4 * PAGE)).unwrap();
        let map = folio::Mapping::options().write().open(&path).unwrap();
        // SAFETY: the bytes read are known to become zeros.
        let start = unsafe { map.as_slice() }.as_ptr();
        set_len(&path, 0);
        // SAFETY: the set lives through the calls.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&raw mut set, libc::SIGUSR2);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        }
        let before = mask();
        // SAFETY: `__errno_location` returns a valid pointer (errno(3)); the slice is guarded.
        unsafe {
            *libc::__errno_location() = 99;
            assert_eq!(start.wrapping_add(PAGE).read_volatile(), 0);
            assert_eq!(*libc::__errno_location(), 99);
        }
        assert_eq!(mask(), before);
        map.write_at(2 * PAGE, b"lost").unwrap_err();
        assert_eq!(mask(), before);
    });
    ended.unwrap().assert_success();
}
