//! `folio faults`: the code that takes page faults, its lines, and code that was made at run time.

mod common;

use std::fs;

use common::page_faults::{Bench, COUNT, faults, lacks};
use common::programs::{compiled, installed};
use common::{Ran, number, run, skip};
use serde_json::Value;

/// What stands for functions that touched memory, in all backings.
fn functions(report: &Value) -> Vec<&Value> {
    let backings = report["backings"].as_array().unwrap();
    backings.iter().flat_map(|backing| backing["functions"].as_array().unwrap()).collect()
}

/// The map that the program wrote goes away with it.
fn remove_map(ran: &Ran) {
    let path = ran.text().trim();
    assert!(path.starts_with("/tmp/perf-"), "{ran:?}");
    fs::remove_file(path).unwrap();
}

#[test]
fn code_that_was_made_at_run_time_has_the_name_that_its_program_tells() {
    let bench = Bench::new();
    let program = compiled(&bench.files, "generates.c");
    let folded = common::text(&bench.files.path("folded"));
    let command = [program.as_str(), &COUNT.to_string()];
    let Some((ran, report)) = bench.watch_command(&["--folded", &folded], &command) else { return };
    assert_eq!(ran.code, 0);
    remove_map(&ran);
    let functions = functions(&report);
    let named = functions.iter().find(|one| one["function"] == "made_at_run_time /srv/app:12");
    let named = named.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((faults(named), &named["caller"]), (COUNT, &"main".into()), "{named:#}");
    let folded = fs::read_to_string(folded).unwrap();
    let end = format!(";main;made_at_run_time /srv/app:12;anonymous {COUNT}");
    assert!(folded.lines().any(|line| line.ends_with(&end)), "{folded}");
}

#[test]
fn code_of_a_jvm_that_tells_its_names_at_its_end_has_them() {
    if installed("java").is_none() {
        return;
    }
    let bench = Bench::new();
    let folded = common::text(&bench.files.path("folded"));
    let options = ["-XX:+UnlockDiagnosticVMOptions", "-XX:+DumpPerfMapAtExit", "-Xint"];
    let command = [&["java"], &options[..], &["-version"]].concat();
    let report = common::text(&bench.files.path("report.json"));
    let words = ["faults", "--folded", &folded, "--output", "json", "-o", &report, "--"];
    let ran = run(&[&words[..], &command].concat());
    if lacks(&ran) {
        return;
    }
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let process = number(&report["processes"][0], "process");
    if fs::remove_file(format!("/tmp/perf-{process}.map")).is_err() {
        return skip(format_args!("java has no -XX:+DumpPerfMapAtExit: {}", ran.stderr));
    }
    let folded = fs::read_to_string(folded).unwrap();
    assert!(folded.contains(";Interpreter;"), "{folded}");
    assert!(!folded.contains("[no file]"), "{folded}");
}

#[test]
fn a_function_is_told_with_the_line_that_touched_memory() {
    let bench = Bench::new();
    let words = ["here", &bench.file, &COUNT.to_string()];
    let Some((_, report)) = bench.watch(&[], &words) else { return };
    let function = &bench.of_file(&report)["functions"][0];
    assert_eq!(function["function"], "touch_page");
    assert!(
        function["source_file"].as_str().unwrap().ends_with("/programs/faults.c"),
        "{function}"
    );
    let source = include_str!("programs/faults.c").lines();
    let line = source.clone().nth(number(function, "source_line") as usize - 1).unwrap();
    assert!(line.contains("pages[page * APART] ="), "{line}");

    // Without debug information there is none.
    let stripped = std::process::Command::new("strip").args(["-g", &bench.program]).status();
    if !stripped.is_ok_and(|status| status.success()) {
        return skip("no strip");
    }
    let Some((_, report)) = bench.watch(&[], &words) else { return };
    let function = &bench.of_file(&report)["functions"][0];
    assert_eq!(
        (&function["function"], &function["source_line"]),
        (&"touch_page".into(), &Value::Null)
    );
}
