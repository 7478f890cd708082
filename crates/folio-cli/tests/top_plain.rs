//! `folio top` without a screen: tables and JSON.

mod common;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::sleepers::Sleepers;
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
fn the_order_by_proportional_size_is_that_of_what_was_read() {
    let top = ["top", "--sort", "proportional", "-n", "2", "-i", "20ms"];
    let ran = run(&[&top[..], &["--output", "json"]].concat());
    let lines: Vec<Value> =
        ran.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut looks: Vec<Vec<Option<u64>>> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index == 0 || line["interval_seconds"] != lines[index - 1]["interval_seconds"] {
            looks.push(Vec::new());
        }
        if line["has_ended"] == false {
            assert_eq!(line["proportional_bytes"].is_u64(), line["costs_age_seconds"].is_f64());
        }
        looks.last_mut().unwrap().push(line["proportional_bytes"].as_u64());
    }
    assert_eq!(looks.len(), 2);
    for look in looks {
        assert!(look.is_sorted_by(|a, b| a >= b), "{look:?}");
    }
    let table = run(&[&top[..], &["--plain", "--rows", "3"]].concat());
    let titles = table.text().lines().nth(1).unwrap().to_owned();
    assert!(titles.contains("proportional") && titles.contains(" age "), "{titles}");
}

#[test]
fn a_process_asked_for_by_its_number_stays_when_it_has_ended_and_programs_are_told_once() {
    let sleepers = Sleepers::start(1);
    let pid = sleepers.0[0].id().to_string();
    let (mut top, mut lines) = watch(&[&pid]);
    let mut table = folio(&["top", "--plain", "-i", "20ms", "-n", "1500", &pid]);
    let mut table = table.stdout(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(table.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    rows.next().unwrap().unwrap();
    drop(sleepers);
    let has_ended = |line: &std::io::Result<String>| line.as_ref().unwrap().contains("has ended: ");
    let ended: Vec<_> = rows.by_ref().filter(has_ended).take(3).map(Result::unwrap).collect();
    assert_eq!(ended.len(), 3, "it stays");
    for row in ended {
        assert!(row.trim_start().starts_with(&pid), "{row}");
        assert!(row.contains(" KiB") || row.contains(" MiB"), "the last figures: {row}");
    }
    for child in [&mut top, &mut table] {
        kill_process(Pid::from_child(child), Signal::INT).unwrap();
        child.wait().unwrap();
    }
    let ended = lines.filter(|line| line.as_ref().unwrap().contains("\"has_ended\":true"));
    assert_eq!(ended.count(), 1);
}

#[test]
fn processes_beyond_the_limit_of_open_files_are_counted_and_none_of_the_others_ends() {
    let sleepers = Sleepers::start(60);
    let last = sleepers.0.last().unwrap().id();
    let limited = |limit: &str, arguments: &str| {
        let folio = folio(&[]).get_program().to_string_lossy().into_owned();
        let line = format!("ulimit {limit} 40; exec {folio} top -n 3 -i 20ms {arguments}");
        Ran::from(Command::new("sh").args(["-c", &line]).output().unwrap())
    };
    let says = "left out: too many for the limit of open files: raise it (ulimit -n)";
    let table = limited("-n", "--plain");
    assert_eq!((table.code, table.text().matches(says).count()), (0, 3), "{table:?}");
    // Others may end meanwhile.
    let pids: Vec<String> = sleepers.0.iter().map(|child| child.id().to_string()).collect();
    let ended = table.text().lines().filter(|line| line.contains("has ended"));
    let mut ended = ended.filter_map(|line| line.split_whitespace().next());
    assert!(!ended.any(|pid| pids.iter().any(|known| known == pid)), "{}", table.text());
    let json = limited("-n", "--output json");
    assert_eq!((json.code, json.line().contains(says)), (0, true), "{json:?}");
    // Who is asked for by number is not left out.
    let one = limited("-n", &format!("--output json {last}"));
    assert_eq!((one.stderr.as_str(), one.text().lines().count()), ("", 3), "{one:?}");
    // The soft limit is no limit.
    let soft = limited("-S -n", "--plain");
    assert!(!soft.text().contains("left out"), "{soft:?}");
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
