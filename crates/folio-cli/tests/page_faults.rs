//! `folio faults`: page faults of programs that take known ones.

mod common;

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::page_faults::{APART, Bench, COUNT, can_watch, counted, faults, lacks};
use common::programs::installed;
use common::{Files, Ran, folio, is_root, number, run, skip, text};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

#[test]
fn known_pages_of_a_known_file_are_told_by_offset_and_by_function() {
    let bench = Bench::new();
    let Some((ran, report)) = bench.watch(&[], &["here", &bench.file, &COUNT.to_string()]) else {
        return;
    };
    assert_eq!((ran.code, counted(&ran)), (0, COUNT));
    let file = bench.of_file(&report);
    assert_eq!((faults(file), &file["kind"]), (COUNT, &"file".into()));
    assert!(number(file, "in_order_faults") >= COUNT - 1, "{file:#}");
    assert!(number(file, "stall_nanoseconds") > 0, "{file:#}");
    let heat = &file["heat"];
    assert_eq!(number(heat, "offset_step_bytes"), 4096);
    let mut offsets: Vec<_> =
        heat["cells"].as_array().unwrap().iter().map(|cell| number(cell, "offset_bytes")).collect();
    offsets.dedup();
    assert_eq!(offsets, (0..COUNT).map(|page| page * APART).collect::<Vec<_>>());
    let function = &file["functions"][0];
    assert_eq!((&function["function"], faults(function)), (&"touch_page".into(), COUNT));
    assert_eq!(function["caller"], "touch_pages");
    assert_eq!((number(&report, "missed_faults"), number(&report, "lost_records")), (0, 0));
}

#[test]
fn without_call_chains_functions_are_told_all_the_same() {
    let bench = Bench::new();
    let Some((_, report)) = bench.watch(&["--frames", "0"], &["here", &bench.file, "200"]) else {
        return;
    };
    let function = &bench.of_file(&report)["functions"][0];
    assert_eq!((&function["function"], faults(function)), (&"touch_page".into(), COUNT));
    assert_eq!((&function["caller"], number(&report, "short_chains")), (&Value::Null, 0));
}

#[test]
fn page_faults_of_threads_and_children_are_in() {
    let bench = Bench::new();
    for (wher, processes) in [("thread", 1), ("child", 2)] {
        let Some((ran, report)) = bench.watch(&[], &[wher, &bench.file, &COUNT.to_string()]) else {
            return;
        };
        assert!(counted(&ran) >= COUNT, "{ran:?}");
        assert_eq!(faults(bench.of_file(&report)), COUNT, "{wher}");
        assert_eq!(report["processes"].as_array().unwrap().len(), processes, "{report:#}");
    }
}

#[test]
fn page_faults_that_end_in_a_signal_are_told_apart() {
    let bench = Bench::new();
    let Some((_, report)) = bench.watch(&[], &["signal", &bench.file, &COUNT.to_string()]) else {
        return;
    };
    // Each is taken again when its page may be touched.
    let file = bench.of_file(&report);
    assert_eq!((number(file, "signalled_faults"), faults(file)), (COUNT, COUNT));
}

#[test]
fn page_faults_that_folios_pager_handles_are_in() {
    if !can_watch() {
        return;
    }
    let files = Files::new();
    let (path, folio) = (text(&files.path("report.json")), env!("CARGO_BIN_EXE_folio"));
    let options = ["faults", "--output", "json", "-o", &path, "--", folio];
    let ran = run(&[&options[..], &["map", "zero:16M", "--touch", "all"]].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let backings = report["backings"].as_array().unwrap();
    let paged: Vec<_> =
        backings.iter().filter(|one| number(one, "signalled_faults") > 10).collect();
    assert_eq!(paged.len(), 1, "{report:#}");
    assert_eq!(paged[0]["name"], "[anon:folio:zeros]");
}

#[test]
fn counts_agree_with_the_kernels() {
    let bench = Bench::new();
    let count = 20_000;
    let Some((ran, report)) = bench.watch(&[], &["here", "-", &count.to_string()]) else { return };
    let inside = counted(&ran);
    assert!((count..count + 20).contains(&inside), "{inside}");
    let (seen, counted) = (faults(&report), number(&report, "counted_faults"));
    assert_eq!(seen + number(&report, "missed_faults"), counted);
    let usage = number(&report, "usage_minor_faults") + number(&report, "usage_major_faults");
    // getrusage(2) counts from fork(2) on, and what the kernel does for execve(2).
    assert!(counted <= usage && usage - counted < 400, "{counted} of {usage}");
    if number(&report, "missed_faults") == 0 {
        let heap = report["backings"].as_array().unwrap();
        let anonymous = heap.iter().filter(|one| one["kind"] == "anonymous").map(faults);
        let anonymous: u64 = anonymous.sum();
        assert!((count..count + 100).contains(&anonymous), "{report:#}");
    }
}

#[test]
fn none_is_missed_where_they_come_faster_than_they_are_taken_in() {
    let bench = Bench::new();
    let many = format!("for one in 1 2 3 4; do {} thread - 25000 & done; wait", bench.program);
    let Some((_, report)) = bench.watch_command(&[], &["sh", "-c", &many]) else { return };
    let (seen, missed) = (faults(&report), number(&report, "missed_faults"));
    assert_eq!(seen + missed, number(&report, "counted_faults"));
    assert!(seen + missed > 4 * 25_000, "{seen}");
    match number(&report, "ring_bytes") {
        ..1_000_000 => skip("so little memory may be locked that some may be missed"),
        _ => assert_eq!(missed, 0, "of {seen}"),
    }
}

#[test]
fn where_no_memory_may_be_locked_rings_are_small() {
    let bench = Bench::new();
    std::fs::set_permissions(bench.files.0.path(), Permissions::from_mode(0o755)).unwrap();
    let mut limited = Command::new("sh");
    common::same_everywhere(&mut limited);
    let script = "ulimit -l 0; exec \"$0\" faults --output json -- \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_folio"), &bench.program, "here", "-", "20000"]);
    if is_root() {
        limited.uid(65534).gid(65534);
    }
    let ran = Ran::of(&mut limited);
    if lacks(&ran) {
        return;
    }
    if ran.code == 126 {
        return skip("another user cannot run folio from here");
    }
    let report: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{ran:?}"));
    let bytes = number(&report, "ring_bytes");
    // perf_event_mlock_kb is for all processors together, unless the machine has very many.
    let allowed = std::fs::read_to_string("/proc/sys/kernel/perf_event_mlock_kb").unwrap();
    let allowed = 1024 * allowed.trim().parse::<u64>().unwrap();
    assert!(bytes.is_power_of_two() && bytes <= allowed, "{bytes} of {allowed}");
    let (seen, missed) = (faults(&report), number(&report, "missed_faults"));
    assert_eq!(seen + missed, number(&report, "counted_faults"));
    assert!(seen > 0, "{report:#}");
}

#[test]
fn those_that_a_system_call_fails_for_are_counted_apart() {
    let bench = Bench::new();
    let words = ["refused", &bench.file, &COUNT.to_string()];
    let Some((ran, report)) = bench.watch(&[], &words) else { return };
    assert_eq!(counted(&ran), COUNT);
    if report["sees_kernel_faults"] == false {
        return skip("what the kernel touches is not seen (kernel.perf_event_paranoid)");
    }
    let file = bench.of_file(&report);
    assert_eq!((number(file, "failed_faults"), faults(file)), (COUNT, 0), "{file:#}");
    assert_eq!(number(&report, "failed_faults"), COUNT, "{report:#}");
    assert_eq!(number(file, "signalled_faults"), 0);
    let told = run(&["faults", "--", &bench.program, "refused", &bench.file, "200"]).stderr;
    assert!(told.contains("failed") && told.contains("200 page faults of system calls"), "{told}");
}

#[test]
fn perf_counts_the_same() {
    if installed("perf").is_none() {
        return;
    }
    let bench = Bench::new();
    let count = 5000.to_string();
    let Some((_, report)) = bench.watch(&[], &["here", "-", &count]) else { return };
    let mut perf = Command::new("perf");
    common::same_everywhere(&mut perf);
    perf.args(["stat", "-x,", "-e", "minor-faults,major-faults", &bench.program, "here", "-"]);
    let output = perf.arg(&count).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let counts = errors.lines().filter_map(|line| line.split(',').next()?.parse::<u64>().ok());
    let perf: u64 = counts.sum();
    if perf == 0 {
        return skip(format_args!("perf counts nothing: {errors}"));
    }
    let folio = number(&report, "counted_faults");
    assert!(folio.abs_diff(perf) < 60, "{folio} and {perf}");
}

#[test]
fn a_process_that_runs_is_watched_until_it_ends() {
    if !can_watch() {
        return;
    }
    let bench = Bench::new();
    let mut program = Command::new(&bench.program)
        .args(["thread", &bench.file, &COUNT.to_string(), "wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let pid = program.id().to_string();
    let mut folio = folio(&["faults", "--pid", &pid, "--output", "json"]);
    let folio = folio.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It watches when it has rings mapped and the mappings read; then it sleeps in poll(2).
    let watches = || {
        let syscall = format!("/proc/{}/syscall", folio.id());
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", folio.id()));
        let syscall = std::fs::read_to_string(syscall).unwrap_or_default();
        let sleeps = ["7 ", "271 "].iter().any(|poll| syscall.starts_with(poll));
        sleeps && maps.unwrap_or_default().contains("[perf_event]")
    };
    let patience = Instant::now() + Duration::from_secs(20);
    while !watches() {
        assert!(Instant::now() < patience, "folio does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    program.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(program.wait().unwrap().success());
    let ran = Ran::from(folio.wait_with_output().unwrap());
    let report = ran.json();
    assert_eq!(faults(bench.of_file(&report)), COUNT);
    assert_eq!(report["processes"][0]["name"], "faults");
}

#[test]
fn the_exit_status_is_the_programs_and_standard_output_its_own() {
    if !can_watch() {
        return;
    }
    for (script, code) in [("echo out; exit 7", 7), ("echo out; kill -TERM $$", 143)] {
        let ran = run(&["faults", "--", "sh", "-c", script]);
        assert_eq!((ran.code, ran.text()), (code, "out\n"));
        assert!(ran.stderr.contains("page faults, which stalled it for"), "{}", ran.stderr);
    }
    let ignoring = "import os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
                    os.execv(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    python.args([
        "-c",
        ignoring,
        env!("CARGO_BIN_EXE_folio"),
        "faults",
        "--",
        "sh",
        "-c",
        "exit 7",
    ]);
    match python.output() {
        Ok(output) => assert_eq!(Ran::from(output).code, 7),
        Err(_) => skip("no python3"),
    }
    for (program, code) in [("no-such-program", 127), ("/", 126)] {
        let ran = run(&["faults", "--", program]);
        assert_eq!((ran.code, ran.text()), (code, ""));
        assert!(ran.line().starts_with(&format!("cannot run {program}: ")));
    }
    let ran = run(&["faults", "--pid", "4194305"]);
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("4194305"), "{ran:?}");
}

#[test]
fn signals_reach_the_program_and_the_report_follows() {
    if !can_watch() {
        return;
    }
    let script = "trap 'exit 8' INT; trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done";
    // From a terminal, Ctrl-C goes to both; what somebody else sends, to folio alone.
    for (signal, is_for_group, code) in [(Signal::INT, true, 8), (Signal::TERM, false, 9)] {
        // A shell traps no signal that was ignored when it started, as by somebody's nohup(1).
        let mut folio = Command::new("env");
        folio.args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_folio"), "faults", "--"]);
        folio
            .args(["sh", "-c", script])
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut folio = folio.spawn().unwrap();
        let mut lines = BufReader::new(folio.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let process = Pid::from_child(&folio);
        match is_for_group {
            true => kill_process_group(process, signal).unwrap(),
            false => kill_process(process, signal).unwrap(),
        }
        let output = folio.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains("which stalled it for"), "{errors}");
    }
}

#[test]
fn signals_that_are_ignored_are_so_for_the_program() {
    if !can_watch() {
        return;
    }
    let script = "trap '' HUP INT TERM; exec \"$1\" faults -- sh -c \
                  'for signal in HUP INT TERM; do kill -$signal $$; done; echo alive'";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_folio")]).output().unwrap();
    let ran = Ran::from(output);
    assert_eq!((ran.code, ran.text()), (0, "alive\n"), "{ran:?}");
}

#[test]
fn maps_drawings_and_call_chains_show_the_file() {
    if !can_watch() {
        return;
    }
    let bench = Bench::new();
    let (svg, folded) = (bench.files.path("heat.svg"), bench.files.path("folded"));
    let drawn = ["faults", "--heat", "--svg", svg.to_str().unwrap()];
    let chains = ["--folded", folded.to_str().unwrap(), "--", &bench.program];
    let arguments = [&drawn[..], &chains, &["here", &bench.file, "200"]].concat();
    let ran = Ran::of(folio(&arguments).env("COLUMNS", "120"));
    assert_eq!(ran.code, 0);
    let name = bench.file.rsplit('/').next().unwrap();
    let mut lines = ran.stderr.lines().skip_while(|line| !line.ends_with(name));
    assert!(lines.any(|line| line.contains(['░', '▒', '▓', '█'])), "{}", ran.stderr);
    assert!(ran.stderr.contains("  touch_page (faults.c:"), "{}", ran.stderr);

    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains(&format!(">{}</text>", bench.file)), "{svg}");

    let folded = std::fs::read_to_string(folded).unwrap();
    let end = format!(";touch_pages;touch_page;{} 200", bench.file);
    let mut lines = folded.lines().filter(|line| line.starts_with("faults;"));
    assert!(lines.any(|line| line.contains(";main;") && line.ends_with(&end)), "{folded}");

    let mut output = folio(&["faults", "--folded", "-", "--", "echo", "its own"]);
    let ran = Ran::of(output.current_dir(bench.files.path(".")));
    assert!(ran.text().starts_with("its own\necho;"), "{ran:?}");
    assert!(!bench.files.path("-").exists());
}

#[test]
fn every_key_is_documented() {
    let bench = Bench::new();
    let Some((_, report)) = bench.watch(&[], &["here", &bench.file, "200"]) else { return };
    let file = bench.of_file(&report);
    let (heat, function) = (&file["heat"], &file["functions"][0]);
    let manual = include_str!("../../../docs/command.md");
    let parts = [&report, file, heat, &heat["cells"][0], function, &report["processes"][0]];
    for key in parts.into_iter().flat_map(|part| part.as_object().unwrap().keys()) {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}
