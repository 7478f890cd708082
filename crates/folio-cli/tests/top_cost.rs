//! What `folio top` costs with 300 processes: the part of a processor that it takes, on a terminal of 120 by
//! 40. The test is short, and has a bound that a busy machine and a build without optimisation keep. The
//! measurement is
//!
//! ```text
//! FOLIO_TOP_SECONDS=20 cargo test --release -p folio-cli --test top_cost -- --nocapture
//! ```

mod common;

use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::folio;
use common::sleepers::Sleepers;
use common::terminal::terminal;
use rustix::process::{Pid, Signal, kill_process};

const PROCESSES: usize = 300;

/// Processor time that a process has had (proc_pid_stat(5)).
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 =
        [fields[11], fields[12]].map(|field| field.parse::<u64>().unwrap()).iter().sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[test]
fn it_takes_a_small_part_of_a_processor_whatever_it_is_sorted_by() {
    let seconds = std::env::var("FOLIO_TOP_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(5));
    let _sleepers = Sleepers::start(PROCESSES);
    for sort in ["resident", "proportional"] {
        let ratio = cost(sort, time);
        let percent = ratio * 100.0;
        println!(
            "folio top --sort {sort}, {PROCESSES} processes, 1 Hz: {percent:.2} % of a processor"
        );
        assert!(ratio < 0.25, "{sort}: {ratio}");
    }
}

/// The part of a processor that it takes in some time.
fn cost(sort: &str, time: Duration) -> f64 {
    let (mut ours, theirs) = terminal(120, 40);
    let mut command = folio(&["top", "--interval", "1s", "--sort", sort]);
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs).stderr(Stdio::null());
    let mut top = command.spawn().unwrap();
    // It holds the terminal open too.
    drop(command);

    let (drawn, pictures) = channel();
    let reader = thread::spawn(move || {
        let mut bytes = [0; 1 << 16];
        while let Ok(1..) = ours.read(&mut bytes) {
            let _ = drawn.send(());
        }
    });
    // What it takes to start is not what it takes to go on.
    pictures.recv_timeout(Duration::from_secs(60)).unwrap();
    let (start, before) = (Instant::now(), processor_time(top.id()));
    let rest = || time.checked_sub(start.elapsed()).filter(|rest| !rest.is_zero());
    let mut count = 0;
    while let Some(rest) = rest() {
        count += u32::from(pictures.recv_timeout(rest).is_ok());
    }
    let ratio = (processor_time(top.id()) - before).as_secs_f64() / start.elapsed().as_secs_f64();
    kill_process(Pid::from_child(&top), Signal::TERM).unwrap();
    top.wait().unwrap();
    reader.join().unwrap();
    assert!(count >= 2, "it draws");
    ratio
}
