//! What `folio run` costs: a measurement, and no test. Each row is a ratio of times of one process, with
//! and without folio in turn.
//!
//! ```text
//! cargo test --release -p folio-cli --test run_speed -- --ignored --nocapture
//! ```

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::programs::{How, compiled, installed};
use common::{Files, noise, text};

const ROUNDS: usize = 15;

fn time(how: How, files: &Files, words: &[&str], preloaded: Option<&str>, times: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        let mut command = how.command(files, words);
        if let Some(library) = preloaded {
            command.env("LD_PRELOAD", library).env("FOLIO_ON_FAULT", "zeros");
        }
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{words:?}");
    }
    start.elapsed() / times
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn what_it_costs() {
    let files = Files::new();
    let hay: String = noise(4 << 20).iter().map(|byte| format!("{byte} straw\n")).collect();
    let hay = files.file("hay", hay.as_bytes());
    let base = text(&files.path("base"));
    let make = "CREATE TABLE t(n, text);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200000)
        INSERT INTO t SELECT n, printf('%0100d', n) FROM c;";
    if installed("sqlite3").is_some() {
        assert!(How::Plain.output(&files, &["sqlite3", &base, make]).status.success());
    }
    let calls = compiled(&files, "calls.c");
    let one = files.file("one", b"x");
    let ask = "PRAGMA mmap_size = 1073741824; SELECT count(*), max(text) FROM t;";
    let asked = How::Run.output(&files, &["sh", "-c", "echo $LD_PRELOAD"]);
    let library = String::from_utf8(asked.stdout).unwrap().trim().to_owned();

    println!("{:40} {:>10} {:>10} {:>8}", "median of 15", "plain", "folio", "ratio");
    for (name, words, preloaded, times) in [
        ("start: folio run true", &["true"][..], None, 20),
        ("start: a child, true", &["true"], Some(&*library), 50),
        ("rg --mmap, 40 MB", &["rg", "--mmap", "-c", "straw$", &hay], Some(&*library), 3),
        ("sqlite3, mmap_size, 23 MB", &["sqlite3", &base, ask], Some(&*library), 3),
        ("400,000 pwrite(2) of a byte", &[&calls, &one, "pwrite"], Some(&*library), 1),
        ("400,000 sigprocmask(2)", &[&calls, &one, "mask"], Some(&*library), 1),
        ("400,000 mmap(2) and munmap(2)", &[&calls, &one, "map"], Some(&*library), 1),
    ] {
        if installed(words[0].rsplit('/').next().unwrap()).is_none() && !words[0].contains('/') {
            continue;
        }
        let how = if preloaded.is_some() { How::Plain } else { How::Run };
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let plain = time(How::Plain, &files, words, None, times).as_secs_f64();
                (plain, time(how, &files, words, preloaded, times).as_secs_f64())
            })
            .collect();
        let plain = median(rounds.iter().map(|round| round.0).collect());
        let folio = median(rounds.iter().map(|round| round.1).collect());
        let ratio = median(rounds.iter().map(|round| round.1 / round.0).collect());
        println!("{name:40} {:8.2}ms {:8.2}ms {ratio:8.3}", plain * 1e3, folio * 1e3);
    }
}
