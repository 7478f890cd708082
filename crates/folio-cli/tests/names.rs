//! Names that hide, or turn round what is beside them: people see what is in them, programs get them as they are.

mod common;

use std::process::Command;

use common::sleepers::Sleepers;
use common::{Files, run, text};
use serde_json::Value;

/// It would show as "invoice-fdp.exe", and more.
const NAME: &str = "invoice-\u{202e}exe.pdf\u{200b}\u{2028}";
const SHOWN: &str = "invoice-\\u{202e}exe.pdf\\u{200b}\\u{2028}";

/// That people see it escaped, and programs as it is.
#[track_caller]
fn is_shown(arguments: &[&str], name_of: impl Fn(&Value) -> &Value) {
    let shown = run(arguments);
    let hidden = ['\u{202e}', '\u{200b}', '\u{2028}'];
    assert!(shown.text().contains(SHOWN) && !shown.text().contains(hidden), "{shown:?}");
    let json = run(&[arguments, &["--output", "json"]].concat()).json();
    let name = name_of(&json).as_str().unwrap();
    assert!(name.ends_with(NAME), "{json:#}");
}

#[test]
fn a_files_name_is_shown_as_what_it_is() {
    let files = Files::new();
    let file = files.file(NAME, b"bytes");
    is_shown(&["cache", &file], |json| &json["paths"][0]["path"]);
    is_shown(&["map", &file], |json| &json["source"]);
    let missing = run(&["map", &format!("{file}x")]);
    assert!(missing.line().contains(SHOWN), "{missing:?}");
}

#[test]
fn a_programs_name_is_shown_as_what_it_is() {
    let files = Files::new();
    let Ok(sleep) = std::fs::read("/bin/sleep") else { return common::skip("no /bin/sleep") };
    let program = files.path(NAME);
    std::fs::write(&program, sleep).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    let mut command = Command::new(text(&program));
    let running = Sleepers(vec![command.arg("600").spawn().unwrap()]);
    let pid = running.0[0].id().to_string();
    // Its name is that of the test until it has become the program.
    let is_it = || {
        run(&["ps", "--output", "json", &pid]).json()[0]["executable"]
            .as_str()
            .is_some_and(|path| path.ends_with(NAME))
    };
    while !is_it() {}
    is_shown(&["ps", &pid], |json| &json[0]["executable"]);
    let table = run(&["top", "--plain", "-n", "1", &pid]);
    assert!(table.text().contains("invoice-\\u{202e}"), "{table:?}");
    assert!(!table.text().contains('\u{202e}'), "{table:?}");
}
