//! Colours, widths and progress, on a terminal and off it.

mod common;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::terminal::terminal;
use common::{Files, folio, noise};

const ESCAPE: char = '\x1b';

/// All that is written to a terminal until it is closed.
fn read_all(mut terminal: File) -> String {
    let mut bytes = Vec::new();
    // Its end is the error EIO.
    let _ = terminal.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What a command writes to a terminal, and its exit status.
fn on_terminal(command: &mut Command, columns: u16) -> (String, i32) {
    let (ours, theirs) = terminal(columns, 24);
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    // The command holds the terminal open too.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let written = read_all(ours);
    (written, child.wait().unwrap().code().expect("no signal"))
}

fn off_terminal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let files = Files::new();
    let path = files.file("f", &noise(100));
    for command in [&["map", path.as_str()][..], &["map", "no/such/file"]] {
        let with = |more: &[&str]| folio(&[command, more].concat());
        let colour = |text: &str| text.contains(ESCAPE);
        assert!(colour(&on_terminal(&mut with(&[]), 80).0));
        assert!(!colour(&on_terminal(with(&[]).env("NO_COLOR", "1"), 80).0));
        assert!(!colour(&on_terminal(with(&[]).env("TERM", "dumb"), 80).0));
        assert!(!colour(&on_terminal(&mut with(&["--color", "never"]), 80).0));
        assert!(!colour(&off_terminal(&mut with(&[]))));
        assert!(!colour(&off_terminal(&mut with(&["--color", "auto"]))));
        assert!(colour(&off_terminal(&mut with(&["--color", "always"]))));
        assert!(colour(&off_terminal(with(&["--color=always"]).env("NO_COLOR", "1"))));
    }
}

#[test]
fn json_and_raw_bytes_have_no_colours_ever() {
    let files = Files::new();
    let path = files.file("f", b"plain");
    for output in ["json", "raw"] {
        let mut command = folio(&["map", "--output", output, "--color", "always", &path]);
        let (text, code) = on_terminal(&mut command, 80);
        assert_eq!((text.contains(ESCAPE), code), (false, 0), "{text}");
    }
}

#[test]
fn the_width_is_that_of_the_terminal() {
    let files = Files::new();
    let path = files.file("f", &noise(4 << 20));
    for (columns, row) in [(120, 16), (80, 16), (60, 8), (40, 4)] {
        let mut command = folio(&["map", "--color=never", "--populate", &path]);
        let (text, _) = on_terminal(command.env("COLUMNS", "200"), columns);
        let line = text.lines().find(|line| line.starts_with("  00000000")).unwrap();
        let letters = line.split('|').nth(1).unwrap().chars().count();
        assert_eq!(letters, row, "{text}");
        let strip = text.lines().find(|line| line.contains('█')).unwrap().trim_end();
        assert!(strip.chars().count() <= usize::from(columns), "{text}");
    }
}

#[test]
fn a_watch_is_redrawn_in_place_on_a_terminal_and_no_line_is_wider_than_it() {
    let name = common::shm::Name::new();
    common::shm::shm(&["create", &name, "--queue"]);
    let mut watch = folio(&["shm", "watch", "-i", "20ms", "-n", "3", "--color=never", &name]);
    let (text, code) = on_terminal(&mut watch, 60);
    let pictures: Vec<_> = text.split("\x1b[2A\r\x1b[J").collect();
    assert_eq!((pictures.len(), code), (3, 0), "{text:?}");
    for picture in pictures {
        let lines: Vec<_> = picture.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("name"), "{picture:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{picture:?}");
    }
    let (text, code) = on_terminal(watch.env("TERM", "dumb"), 60);
    assert_eq!((text.contains(ESCAPE), text.lines().count(), code), (false, 4, 0), "{text:?}");
}

#[test]
fn a_terminal_shows_which_pages_of_a_file_are_in_the_page_cache() {
    let files = Files::new();
    let path = files.file("f", &noise(64 << 12));
    for columns in [100, 60] {
        let (text, code) = on_terminal(&mut folio(&["cache", "--color=never", &path]), columns);
        assert_eq!((text.matches("████████").count() > 0, code), (true, 0), "{text}");
        assert!(!off_terminal(&mut folio(&["cache", &path])).contains('█'));
    }
}

#[test]
fn a_table_of_files_is_as_wide_as_the_terminal_and_keeps_the_ends_of_paths() {
    let files = Files::new();
    let path = files.file(&format!("{}.end", "long".repeat(30)), &noise(64 << 12));
    for columns in [40, 60, 80] {
        let mut cache = folio(&["cache", "--each", "--color=never", &path]);
        let (text, code) = on_terminal(&mut cache, columns);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(code == 0 && widest <= Some(columns.into()), "{columns}: {text}");
        assert!(text.contains("…") && text.contains("long.end"), "{columns}: {text}");
        assert_eq!(text.contains("████████"), columns > 40, "{columns}: {text}");
    }
    assert!(off_terminal(&mut folio(&["cache", &path])).contains(&path));
}

#[test]
fn a_plain_table_of_processes_is_as_wide_as_the_terminal() {
    for columns in [40, 60, 80] {
        let mut top = folio(&["top", "--plain", "-n", "1", "--rows", "3", "--color=never"]);
        let (text, code) = on_terminal(&mut top, columns);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(code == 0 && widest <= Some(columns.into()), "{columns}: {text}");
    }
}

/// Writes to a pipe that nobody reads for a while, then reads it all.
fn slowly(command: &mut Command) -> usize {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    command.stderr(Stdio::null());
    thread::sleep(Duration::from_millis(1600));
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    bytes.len()
}

#[test]
fn progress_shows_on_a_terminal_when_it_takes_over_a_second() {
    let files = Files::new();
    let path = files.file("f", &noise(8 << 20));
    let (ours, theirs) = terminal(100, 24);
    let reader = thread::spawn(move || read_all(ours));
    let mut command = folio(&["map", "--output", "raw", &path]);
    assert_eq!(slowly(command.stderr(theirs)), 8 << 20);
    drop(command);
    let shown = reader.join().unwrap();
    let mut unmoved = shown.split('\r').filter(|drawn| drawn.contains("0 bytes of"));
    assert!(unmoved.all(|drawn| !drawn.contains("left")), "nothing has moved: {shown:?}");
    assert!(shown.contains("writing") && shown.contains("0 bytes of 8 MiB"), "{shown:?}");

    let (ours, theirs) = terminal(100, 24);
    let (quick, code) = on_terminal(&mut folio(&["map", "--output=json", "-t", "all", &path]), 100);
    assert_eq!((quick.contains("touching"), code), (false, 0));
    drop((ours, theirs));
}

#[test]
fn progress_does_not_show_off_a_terminal() {
    let files = Files::new();
    let path = files.file("f", &noise(1 << 20));
    let log = files.path("log");
    let mut command = folio(&["map", "--output", "raw", &path]);
    slowly(command.stderr(File::create(&log).unwrap()));
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
}
