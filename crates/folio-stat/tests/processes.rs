//! Other processes: those that end, and those that are not ours to look into.

mod common;

use common::*;
use folio_stat::{Error, ErrorKind, Process};

fn every_question(process: &Process) -> Vec<Error> {
    let range = 0x10000..0x20000;
    vec![
        process.mappings().unwrap_err(),
        process.mapping_at(range.start).unwrap_err(),
        process.costs(range.clone()).unwrap_err(),
        process.costs_by_mapping().unwrap_err(),
        process.pages(range.clone()).unwrap_err(),
        process.residency(range).unwrap_err(),
    ]
}

fn by_every_interface(pid: u32) -> Vec<Process> {
    VIAS.into_iter().map(|via| Process::of(pid).unwrap().via(via)).collect()
}

#[test]
fn a_process_that_ended_is_gone_as_a_zombie_and_after() {
    let mut sleeper = Sleeper::new();
    let pid = sleeper.pid();
    let processes = by_every_interface(pid);
    sleeper.0.kill().unwrap();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let all_gone = || {
        for error in processes.iter().flat_map(every_question) {
            assert_eq!(error.kind(), ErrorKind::ProcessGone, "{error}");
            assert!(error.to_string().contains(&format!("process {pid}")), "{error}");
        }
    };
    all_gone();
    for process in &processes {
        process.faults().unwrap();
    }
    sleeper.0.wait().unwrap();
    all_gone();
    for process in &processes {
        assert_eq!(process.faults().unwrap_err().kind(), ErrorKind::ProcessGone);
    }
    assert_eq!(Process::of(pid).unwrap_err().kind(), ErrorKind::ProcessGone);
}

#[test]
fn a_process_that_ends_while_it_is_read_is_gone_and_never_half_there() {
    for round in 0..30 {
        let mut sleeper = Sleeper::new();
        let processes = by_every_interface(sleeper.pid());
        let whole = processes[0].mappings().unwrap().len();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_micros(50 * round));
                sleeper.0.kill().unwrap();
            });
            for process in &processes {
                loop {
                    match process.mappings() {
                        Ok(mappings) => assert_eq!(mappings.len(), whole),
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::ProcessGone, "{error}");
                            break;
                        }
                    }
                }
            }
        });
    }
}

#[test]
fn a_process_that_is_not_ours_is_refused_with_the_way_out() {
    if is_root() {
        return again_as_nobody("a_process_that_is_not_ours_is_refused_with_the_way_out");
    }
    for process in by_every_interface(1) {
        for error in every_question(&process) {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("run as the same user or as root"), "{error}");
        }
        assert!(process.faults().unwrap().minor > 0);
    }
}

#[test]
fn a_kernel_thread_has_no_mappings_and_costs_nothing() {
    let is_kernel_thread = |pid: &u32| {
        Process::of(*pid).is_ok()
            && std::fs::read_to_string(format!("/proc/{pid}/status"))
                .is_ok_and(|status| status.contains("Kthread:\t1"))
    };
    let Some(pid) = (2..200).find(is_kernel_thread) else {
        common::skip("no kernel thread is visible");
        return;
    };
    for process in by_every_interface(pid) {
        match process.mappings() {
            Ok(mappings) => assert!(mappings.is_empty()),
            Err(error) => assert!(!is_root(), "{error}"),
        }
        match process.total_costs() {
            Ok(costs) => assert_eq!((costs.mapped_bytes, costs.resident_bytes), (0, 0)),
            Err(error) => assert!(!is_root(), "{error}"),
        }
    }
}
