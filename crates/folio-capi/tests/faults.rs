//! What folio.h promises about faults: the cases of c/faults.c, each in a process of its own.

mod common;

use std::process::{Command, Stdio};

use common::{Installed, has_asan, output, run};

/// Runs every case and returns what failed.
fn failures(program: &std::path::Path, options: &[(&str, &str)]) -> Vec<String> {
    let cases = output(&mut Command::new(program));
    assert!(cases.lines().count() > 20, "{cases}");
    let mut failed = Vec::new();
    for case in cases.lines() {
        let mut command = Command::new(program);
        let output = run(command.arg(case).envs(options.iter().copied()).stdin(Stdio::null()));
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            failed.push(format!("{case}: {}: {errors}", output.status));
        }
    }
    failed
}

#[test]
fn faults_are_what_the_manual_says_with_the_shared_library() {
    let installed = Installed::new("faults");
    let program = installed.program(common::source("tests/c/faults.c"), &common::C);
    assert_eq!(failures(&program, &[]), [""; 0]);
}

#[test]
fn faults_are_what_the_manual_says_with_the_static_library() {
    let installed = Installed::new("static");
    let program = installed.path("work/faults");
    let mut compile = Command::new("cc");
    compile
        .args(common::C)
        .args(["-pthread", "-I"])
        .arg(installed.path("usr/include"))
        .arg(common::source("tests/c/faults.c"))
        .arg(installed.path("usr/lib/libfolio.a"))
        .arg("-o")
        .arg(&program);
    output(&mut compile);
    assert_eq!(failures(&program, &[]), [""; 0]);
}

#[test]
fn faults_are_what_the_manual_says_under_address_sanitizer() {
    let installed = Installed::new("asan");
    if !has_asan(&installed) {
        return;
    }
    let flags = [&common::C[..], &["-g", "-fsanitize=address,undefined"]].concat();
    let program = installed.program(common::source("tests/c/faults.c"), &flags);
    // The cases look at the handlers, and read NULL on purpose.
    let options = "handle_segv=0:handle_sigbus=0:disable_coredump=0:detect_leaks=0";
    assert_eq!(failures(&program, &[("ASAN_OPTIONS", options)]), [""; 0]);
}
