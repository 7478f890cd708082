//! A process as a whole: who it is, and what it costs altogether.
#![allow(unsafe_code)]

mod common;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use common::*;
use folio_stat::{ErrorKind, Process};

#[test]
fn every_process_has_a_status_even_one_that_is_not_ours() {
    let sleeper = Sleeper::new();
    let pids = Process::pids().unwrap();
    assert!(
        pids.is_sorted() && pids.contains(&sleeper.pid()) && pids.contains(&std::process::id())
    );
    let status = Process::of(sleeper.pid()).unwrap().status().unwrap();
    assert_eq!((status.pid, status.parent), (sleeper.pid(), std::process::id()));
    assert_eq!((status.name.as_str(), status.threads), ("sleep", 1));
    assert!(!status.has_ended && !status.is_kernel_thread && status.started_ticks > 0);
    let init = Process::of(1).unwrap().status().unwrap();
    assert_eq!((init.user, init.parent), (0, 0));
    let executable = Process::of(sleeper.pid()).unwrap().executable().unwrap();
    assert!(executable.ends_with("sleep") || executable.ends_with("coreutils"), "{executable:?}");
}

#[test]
fn a_process_may_be_called_anything() {
    let mut child = Command::new("sleep");
    // SAFETY: prctl(2) is all that happens between fork and exec, and the name is a C string.
    unsafe {
        child.arg("60").pre_exec(|| {
            // exec would give it the name of the file; the sleeping child keeps its own here.
            libc::prctl(libc::PR_SET_NAME, c"a) R (\n\xff".as_ptr());
            libc::pause();
            Ok(())
        });
    }
    // It never gets to exec, so spawn would wait: another thread is the one that does.
    let pid = std::thread::spawn(move || drop(child.spawn()));
    let named = |pid: &u32| {
        Process::of(*pid)
            .and_then(|p| p.status())
            .is_ok_and(|status| status.name.starts_with("a) R"))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = loop {
        assert!(Instant::now() < deadline, "the child does not appear");
        if let Some(found) = Process::pids().unwrap().iter().copied().find(named) {
            break found;
        }
    };
    let process = Process::of(found).unwrap();
    assert_eq!(process.status().unwrap().name, "a) R (\n\u{fffd}");
    assert!(!process.status().unwrap().has_ended);
    process.faults().unwrap();
    // SAFETY: the child that was found by its name is this test's.
    unsafe { libc::kill(found as i32, libc::SIGKILL) };
    pid.join().unwrap();
}

#[test]
fn what_all_mappings_cost_together_is_the_sum_of_what_each_costs() {
    let sleeper = Sleeper::new();
    let process = Process::of(sleeper.pid()).unwrap();
    // What is shared changes with every other process that maps the same files.
    let at_rest = || {
        let total = process.total_costs().unwrap();
        let each = process.costs_by_mapping().unwrap();
        (process.total_costs().unwrap() == total).then_some((total, each))
    };
    let (total, each) = (0..1000).find_map(|_| at_rest()).expect("others pause");
    assert_eq!(each.len(), process.mapping_count().unwrap());
    let sum = |of: fn(&folio_stat::Costs) -> usize| each.iter().map(of).sum::<usize>();
    assert_eq!(total.resident_bytes, sum(|costs| costs.resident_bytes));
    assert_eq!(total.mapped_bytes, sum(|costs| costs.mapped_bytes));
    assert_eq!(total.shared_bytes() + total.private_bytes(), total.resident_bytes);
    assert_eq!(total.anonymous_bytes, sum(|costs| costs.anonymous_bytes));
    let rounded = total.proportional_bytes - sum(|costs| costs.proportional_bytes);
    assert!(rounded <= each.len() << 10, "{rounded}");
    // The kernel's counters lag behind by less than 64 pages a processor.
    let status = process.status().unwrap();
    assert!(status.resident_bytes.abs_diff(total.resident_bytes) < 512 * PAGE);
    assert_eq!(status.mapped_bytes, total.mapped_bytes);
}

#[test]
fn the_costs_altogether_of_what_ended_or_is_not_ours_are_an_error() {
    let mut sleeper = Sleeper::new();
    let process = Process::of(sleeper.pid()).unwrap();
    sleeper.0.kill().unwrap();
    sleeper.0.wait().unwrap();
    assert_eq!(process.total_costs().unwrap_err().kind(), ErrorKind::ProcessGone);
    assert_eq!(process.mapping_count().unwrap_err().kind(), ErrorKind::ProcessGone);
    assert_eq!(process.status().unwrap_err().kind(), ErrorKind::ProcessGone);
    assert_eq!(process.executable(), None);
    if is_root() {
        return again_as_nobody("the_costs_altogether_of_what_ended_or_is_not_ours_are_an_error");
    }
    let init = Process::of(1).unwrap();
    assert_eq!(init.total_costs().unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(init.mapping_count().unwrap_err().kind(), ErrorKind::PermissionDenied);
}
