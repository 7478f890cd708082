//! What `folio faults` costs the program that is watched: a measurement, and no test. Both run in turn.
//!
//! ```text
//! cargo test --release -p folio-cli --test page_faults_speed -- --ignored --nocapture
//! ```

mod common;

use std::process::Command;

use common::programs::compiled;
use common::{Files, folio, same_everywhere, text};

const ROUNDS: usize = 15;
/// Page faults of a round, and in a second.
const FAULTS: u64 = 10_000;
const RATE: f64 = 10_000.0;

/// Microseconds by the clock and on a processor, as the program measures them itself.
fn times(output: &[u8]) -> (f64, f64) {
    let text = String::from_utf8_lossy(output);
    let words = text.lines().last().unwrap_or_default().split(' ');
    let times: Vec<f64> = words.map(|word| word.parse().expect("a time")).collect();
    (times[0], times[1])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn what_it_costs() {
    let files = Files::new();
    let program = compiled(&files, "faults.c");
    let report = text(&files.path("report.json"));
    let faults = FAULTS.to_string();
    let words = |work: u64| -> [String; 6] {
        let work = work.to_string();
        ["paced", "-", "512", &faults, &work, ""].map(String::from)
    };
    let plain = |work| {
        let mut command = Command::new(&program);
        same_everywhere(&mut command);
        times(&command.args(&words(work)[..5]).output().expect("it starts").stdout)
    };
    let watched = |work| {
        let options = ["faults", "--output", "json", "-o", &report, "--", &program];
        let output = folio(&options).args(&words(work)[..5]).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        times(&output.stdout)
    };
    // So much work between two page faults that there are so many in a second.
    let (_, some) = plain(10_000);
    let step = some / FAULTS as f64 / 10_000.0;
    let work = (1e6 / RATE / step) as u64;

    let mut lost = 0;
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let round = (plain(work), watched(work));
            let report = std::fs::read(&report).expect("a report");
            let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
            lost += common::number(&report, "missed_faults");
            round
        })
        .collect();
    println!("{:28} {:>10} {:>10} {:>8}", "median of 15", "plain", "watched", "ratio");
    for (name, of) in [
        ("on a processor", (|times| times.1) as fn((f64, f64)) -> f64),
        ("by the clock", |times| times.0),
    ] {
        let plain = median(rounds.iter().map(|round| of(round.0)).collect());
        let watched = median(rounds.iter().map(|round| of(round.1)).collect());
        let ratio = median(rounds.iter().map(|round| of(round.1) / of(round.0)).collect());
        println!("{name:28} {:8.1}ms {:8.1}ms {ratio:8.3}", plain / 1e3, watched / 1e3);
        let rate = FAULTS as f64 / (plain / 1e6);
        println!("{:28} {rate:8.0}/s", "  page faults");
    }
    println!("{:28} {lost:10} of {}", "not seen", ROUNDS as u64 * FAULTS);
}
