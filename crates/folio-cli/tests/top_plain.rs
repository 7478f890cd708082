//! `folio top` without a screen: tables and JSON.

mod common;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::{Ran, folio, number, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A process that touches a page for each line it is sent, and then tells.
struct Toucher {
    child: Child,
    lines: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Toucher {
    fn start() -> Option<Self> {
        let program = "import mmap, sys\nm = mmap.mmap(-1, 64 << 20)\nm.madvise(mmap.MADV_NOHUGEPAGE)\n\
                       print('ready', flush=True)\n\
                       for i, _ in enumerate(sys.stdin):\n    \
                           for page in range(1000): m[(i * 1000 + page) * 4096] = 1\n    \
                           print(i, flush=True)\n";
        let mut command = Command::new("python3");
        let command = command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut child) = command.spawn() else {
            common::skip("no python3");
            return None;
        };
        let (lines, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut toucher = Self { child, lines, answers: BufReader::new(answers).lines() };
        toucher.answers.next().unwrap().unwrap();
        Some(toucher)
    }

    /// A thousand pages.
    fn touch(&mut self) {
        use std::io::Write;
        self.lines.write_all(b"\n").unwrap();
        self.answers.next().unwrap().unwrap();
    }
}

/// Its lines of JSON as they come.
fn watch(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let top = ["top", "--output", "json", "-i", "20ms", "-n", "1500"];
    let mut command = folio(&[&top, arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

#[test]
fn faults_and_growth_are_counted_in_the_interval_they_happen_in() {
    let Some(mut toucher) = Toucher::start() else { return };
    let pid = toucher.child.id();
    let (mut top, mut lines) = watch(&[&pid.to_string()]);
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(
        (number(&first, "pid"), &first["minor_faults_per_second"]),
        (pid.into(), &Value::Null)
    );
    assert_eq!(first["name"].as_str().map(|name| name.starts_with("python3")), Some(true));
    assert!(number(&first, "proportional_bytes") > 0);
    toucher.touch();
    let (mut faults, mut bytes) = (0.0, 0.0);
    while faults < 999.5 {
        let line = next();
        let seconds = line["interval_seconds"].as_f64().unwrap();
        faults += line["minor_faults_per_second"].as_f64().unwrap() * seconds;
        bytes += line["growth_bytes_per_second"].as_f64().unwrap() * seconds;
        let counted = number(&line, "minor_faults") - number(&first, "minor_faults");
        assert!((faults - counted as f64).abs() < 0.01 * faults + 20.0, "{faults} {counted}");
    }
    assert!((990.0..1100.0).contains(&faults), "{faults}");
    // The kernel's counter may lag behind.
    assert!(bytes > 3.0e6 && bytes < 5.0e6, "{bytes}");
    toucher.child.kill().unwrap();
    toucher.child.wait().unwrap();
    let last = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut last = last.skip_while(|line| line["has_ended"] == false);
    assert!(number(&last.next().unwrap(), "resident_bytes") > 0);
    top.kill().unwrap();
    top.wait().unwrap();
}

#[test]
fn a_table_has_the_largest_first_and_no_more_rows_than_asked_for() {
    let ran =
        run(&["top", "--plain", "-n", "2", "-i", "20ms", "--rows", "3", "--sort", "resident"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(!ran.text().contains('\x1b'));
    for table in ran.text().split("\n\n") {
        let lines: Vec<_> = table.lines().collect();
        assert!(lines.len() <= 5 && lines[0].contains(" processes, memory "), "{table}");
        assert!(lines[1].trim_start().starts_with("pid") && lines[1].ends_with("name"), "{table}");
    }
}

#[test]
fn names_choose_processes_and_what_does_not_exist_is_named() {
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    // Its name is that of the test until it has become sleep.
    let pid = sleeper.id().to_string();
    let mut ran = run(&["top", "-n", "1", "--output", "json", &pid]).json();
    while ran["name"] != "sleep" {
        ran = run(&["top", "-n", "1", "--output", "json", &pid]).json();
    }
    let executable = format!("/proc/{pid}/exe");
    for name in ["sleep", "sle[e]p", executable.as_str()] {
        let ran = run(&["top", "-n", "1", "--output", "json", name]);
        let pids: Vec<Value> =
            ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(pids.iter().all(|line| line["name"] == "sleep"), "{name}");
        assert!(pids.iter().any(|line| number(line, "pid") == u64::from(sleeper.id())), "{name}");
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let ran = run(&["top", "-n", "1", &pid]);
    assert_eq!((ran.code, ran.line().contains(&format!("process {pid}"))), (1, true), "{ran:?}");
    for arguments in [["-i", "1"], ["-n1", "a["]] {
        assert_eq!(run(&[&["top"][..], &arguments].concat()).code, 2, "{arguments:?}");
    }
}

#[test]
fn every_key_is_documented() {
    let manual = include_str!("../../../docs/command.md");
    let pid = std::process::id().to_string();
    let line = run(&["top", "-n", "1", "--output", "json", &pid]).json();
    for key in line.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn an_interrupt_and_a_reader_that_leaves_are_good_ends() {
    let (top, mut lines) = watch(&[]);
    lines.next().unwrap().unwrap();
    kill_process(Pid::from_child(&top), Signal::INT).unwrap();
    lines.for_each(drop);
    assert_eq!(Ran::from(top.wait_with_output().unwrap()).code, 0);

    // It does not wait for the next interval to find out.
    let mut command = folio(&["top", "-i", "1h"]);
    let mut top = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(top.stdout.take());
    assert_eq!(Ran::from(top.wait_with_output().unwrap()).code, 0);
}
