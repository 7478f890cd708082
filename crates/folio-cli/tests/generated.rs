//! Completions and man pages.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use common::run;
use folio_cli::arguments::Arguments;

/// Commands that have options.
const PAGES: &[&str] = &[
    "map",
    "run",
    "pack",
    "shm-ls",
    "shm-stat",
    "shm-create",
    "shm-write",
    "shm-send",
    "shm-recv",
    "shm-tail",
    "shm-cat",
    "shm-watch",
    "shm-gc",
    "ps",
    "cache",
    "faults",
    "top",
    "compare-ipc",
];

fn options(command: &str) -> Vec<String> {
    let mut folio = Arguments::command();
    folio.build();
    let mut parts = command.split('-');
    let command = parts.try_fold(&folio, |command, part| command.find_subcommand(part)).unwrap();
    command.get_arguments().filter_map(|argument| argument.get_long()).map(String::from).collect()
}

/// Whether a program takes the text on its standard input; `None` where there is no such program.
fn accepts(program: &str, arguments: &[&str], text: &[u8]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn completions_know_every_option_and_are_valid_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""));
        for option in PAGES.iter().copied().flat_map(options) {
            assert!(script.text().contains(&option), "{shell}: {option}");
        }
        if ["bash", "zsh", "fish"].contains(&shell)
            && accepts(shell, &["-n"], &script.stdout).is_none()
        {
            common::skip(format_args!("no {shell} to check its completions"));
        }
    }
}

#[test]
fn bash_completes_options_and_their_values() {
    let script = run(&["completions", "bash"]);
    let complete = |words: &str| {
        let ask = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); \
             _folio folio \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
             echo \"${{COMPREPLY[@]}}\"",
            script.text()
        );
        accepts("bash", &["--norc"], ask.as_bytes())
    };
    let Some(options) = complete("folio map --be") else {
        return common::skip("no bash");
    };
    assert_eq!(options.trim(), "--beyond-end");
    assert_eq!(complete("folio map --advise will").unwrap().trim(), "will-need");
    assert_eq!(complete("folio run --on-fault s").unwrap().trim(), "stop");
    assert_eq!(complete("folio compare ipc --q").unwrap().trim(), "--quick");
    assert_eq!(complete("folio shm recv --f").unwrap().trim(), "--follow");
    assert_eq!(complete("folio map --output j").unwrap().trim(), "json");
}

#[test]
fn man_pages_have_every_option_and_render() {
    for command in PAGES {
        let page = run(&["man", command]);
        assert_eq!((page.code, page.stderr.as_str()), (0, ""));
        let source = page.text().replace("\\-", "-");
        for option in options(command) {
            assert!(source.contains(&format!("--{option}")), "{option}");
        }
    }
    let page = run(&["man", "map"]);
    let source = page.text().replace("\\-", "-");
    assert!(page.text().contains(".TH folio-map 1"), "{}", page.text());
    for part in
        ["folio map [OPTIONS] <SOURCE>", ".SH \"EXAMPLES\"", ".SH \"EXIT STATUS\"", "folio 0."]
    {
        assert!(source.contains(part), "no {part} in {source}");
    }
    assert!(!source.contains("EXTRA") && !source.contains("v0."), "{source}");
    let others = ["compare", "shm", "shm-rm", "completions", "man"];
    for command in PAGES.iter().copied().chain(others).map(Some).chain([None]) {
        let page = run(&[&["man"], command.as_slice()].concat());
        match accepts("man", &["-l", "-"], &page.stdout) {
            Some(rendered) => assert!(rendered.contains("DESCRIPTION"), "{rendered}"),
            None => common::skip("no man(1)"),
        }
    }
    assert_eq!(run(&["man", "nothing"]).code, 2);
}
