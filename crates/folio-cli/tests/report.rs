//! What `folio map` shows, as text and as JSON.

mod common;

use std::process::Command;

use common::{Files, Ran, folio, hex, map_json, noise, number, run, skip};
use serde_json::Value;

/// A text report without what differs from run to run.
fn stable(text: &str, path: &str) -> String {
    let mut lines = Vec::new();
    for line in text.replace(path, "FILE").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let line = match words.as_slice() {
            [.., "at", address] if address.starts_with("0x") => line.replace(address, "ADDRESS"),
            // Whether a file system has written a page back yet.
            ["elsewhere", "too" | "here", .., "KiB"] | ["only" | "total", .., "KiB"] => {
                let [.., number, unit] = words.as_slice() else { unreachable!() };
                format!("{}{number} {unit}", &line[..16])
            }
            [.., "written", "back"] => continue,
            ["faults", _, "minor,", _, "major,", rest @ ..] => {
                format!("  faults        M minor, N major, {}", rest.join(" "))
            }
            // A temporary directory on tmpfs.
            ["mapping", "shared", "memory,", ..] => line.replace("shared memory", "file"),
            _ => line.to_owned(),
        };
        lines.push(line);
    }
    lines.join("\n")
}

fn contents() -> Vec<u8> {
    let mut bytes = b"# folio\n\0\0\0\0\0\0\0\0".to_vec();
    bytes.resize(48, 0);
    bytes.extend(0..=255);
    bytes.resize(10_000, b'x');
    bytes
}

#[test]
fn a_file_is_shown_with_its_first_bytes_and_its_costs() {
    let files = Files::new();
    let path = files.file("f", &contents());
    let ran = run(&["map", "--touch", "all", "--bytes", "80", &path]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let expected = "\
FILE  10,000 bytes at ADDRESS

  00000000  23 20 66 6f 6c 69 6f 0a  00 00 00 00 00 00 00 00  |# folio.........|
  00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
  *
  00000030  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|
  00000040  10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|

  mapping       file, shared, r--
  pages         3 of 4 KiB

  in memory           clean      dirty      total
  elsewhere too           -          -          -
  only here     12 KiB
  total         12 KiB

  resident      3 of 3  ███
  page cache    3 of 3  ███
  faults        M minor, N major, 3 pages touched";
    assert_eq!(stable(ran.text(), &path), expected);
}

#[test]
fn a_locale_without_unicode_gets_ascii() {
    let files = Files::new();
    let path = files.file("f", &contents());
    let ran = Ran::of(folio(&["map", "--touch", "all", &path]).env("LANG", "C"));
    assert!(ran.text().contains("resident      3 of 3  ###"), "{}", ran.text());
    let rest = ran.text().replace(&path, "");
    assert!(rest.is_ascii(), "{rest}");
    let overruled = Ran::of(folio(&["map", "-t", "all", &path]).env("LC_ALL", "C"));
    assert!(overruled.text().contains("###"));
}

#[test]
fn no_row_is_wider_than_the_page_is_said_to_be() {
    let files = Files::new();
    let path = files.file("f", &noise(1 << 20));
    for width in [45, 50, 80, 120] {
        let ran = Ran::of(
            folio(&["map", "--touch", "random:40", "--lock", "--offset", "1234", &path])
                .env("COLUMNS", width.to_string()),
        );
        let rows = ran.text().lines().skip(1);
        let widest = rows.map(|row| row.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest} > {width}: {}", ran.text());
    }
}

#[test]
fn json_has_every_key_with_its_type_and_the_facts() {
    let files = Files::new();
    let content = noise(10_000);
    let path = files.file("f", &content);
    let report = map_json(&["--touch", "all", &path]).json();

    for key in ["source", "backing", "protection", "sharing", "bytes"] {
        assert!(report[key].is_string(), "{key} in {report:#}");
    }
    assert!(report["flags"].as_array().unwrap().iter().all(Value::is_string));
    assert_eq!(report["source"], path.as_str());
    assert!(["file", "shared-memory"].contains(&report["backing"].as_str().unwrap()));
    assert_eq!(report["protection"], "r--");
    assert_eq!(report["sharing"], "shared");
    assert_eq!(report["fault"], Value::Null);
    assert_eq!(report["bytes"], hex(&content[..64]));

    let figure = |key| number(&report, key);
    assert_eq!(figure("address") % 4096, 0);
    assert!(figure("address") > 0);
    for (key, expected) in [
        ("offset_bytes", 0),
        ("length_bytes", 10_000),
        ("page_size_bytes", 4096),
        ("pages", 3),
        ("resident_bytes", 3 * 4096),
        ("anonymous_bytes", 0),
        ("swapped_bytes", 0),
        ("locked_bytes", 0),
        ("transparent_huge_bytes", 0),
        ("hugetlb_bytes", 0),
        ("touched_pages", 3),
        ("page_cache_resident_pages", 3),
    ] {
        assert_eq!(figure(key), expected, "{key}");
    }
    let parts = ["shared_clean", "shared_dirty", "private_clean", "private_dirty"];
    let sum: u64 = parts.iter().map(|part| number(&report, &format!("{part}_bytes"))).sum();
    assert_eq!(sum, figure("resident_bytes"));
    assert!(figure("proportional_bytes") <= figure("resident_bytes"));
    assert!((1..=3).contains(&(figure("minor_faults") + figure("major_faults"))));
    assert!(figure("page_cache_dirty_pages") <= 3);
}

#[test]
fn the_documentation_has_every_key_of_the_json() {
    let report = map_json(&["-a", "4K"]).json();
    let documented = include_str!("../../../docs/command.md");
    for key in report.as_object().unwrap().keys() {
        assert!(documented.contains(&format!("| `{key}` |")), "{key} is not documented");
    }
}

#[test]
fn a_page_that_others_map_too_is_shared() {
    let files = Files::new();
    let path = files.file("f", &noise(16 << 10));
    let other = folio::Mapping::options().populate().open(&path).unwrap();
    let report = map_json(&["--touch", "all", &path]).json();
    let shared = number(&report, "shared_clean_bytes") + number(&report, "shared_dirty_bytes");
    assert_eq!(shared, 16 << 10);
    assert_eq!(number(&report, "proportional_bytes"), 8 << 10);
    let text = run(&["map", "--touch", "all", &path]);
    assert!(text.text().contains("  proportional"), "{}", text.text());
    let row = text.text().lines().find(|line| line.starts_with("  elsewhere too")).unwrap();
    assert!(row.ends_with("16 KiB"), "{}", text.text());
    drop(other);
}

#[test]
fn an_empty_file_is_an_empty_mapping() {
    let files = Files::new();
    let path = files.file("empty", b"");
    let report = map_json(&["--touch", "all", &path]).json();
    for key in ["length_bytes", "pages", "resident_bytes", "touched_pages", "minor_faults"] {
        assert_eq!(number(&report, key), 0, "{key}");
    }
    assert_eq!(report["bytes"], "");
    assert_eq!(report["page_cache_resident_pages"], 0);
    let text = run(&["map", &path]);
    assert!(text.text().contains("0 bytes, an empty mapping"), "{}", text.text());
}

#[test]
fn the_first_line_names_the_thing_once() {
    let memory = run(&["map", "-a", "64M"]);
    assert!(memory.text().starts_with("anonymous memory  64 MiB at 0x"), "{}", memory.text());
    let files = Files::new();
    let file = std::fs::File::open(files.file("f", b"ten bytes\n")).unwrap();
    let input = Ran::of(folio(&["map", "-"]).stdin(file));
    assert!(input.text().starts_with("standard input  10 bytes at 0x"), "{}", input.text());
}

#[test]
fn both_strips_have_one_scale_where_the_file_ends_before_the_mapping() {
    let files = Files::new();
    for (file, mapping, cells) in [(256, 512, 32), (4, 256, 1), (0, 256, 0), (12, 16, 3)] {
        let path = files.file("f", &noise(file << 10));
        let length = format!("{mapping}K");
        let arguments = ["map", "-t", "none", "-l", &length, "--beyond-end", &path];
        let ran = Ran::of(folio(&arguments).env("COLUMNS", "120"));
        let strip = |label: &str| {
            let line = ran.text().lines().find(|line| line.starts_with(label)).unwrap();
            line.chars().filter(|cell| "█▓▒░·".contains(*cell)).count()
        };
        assert_eq!(strip("  resident"), (mapping / 4).min(64), "{}", ran.text());
        assert_eq!(strip("  page cache"), cells, "{}", ran.text());
    }
}

#[test]
fn what_has_no_page_cache_says_null() {
    for arguments in [&["-a", "64K"][..], &["--length", "64K", "/dev/zero"]] {
        let report = map_json(arguments).json();
        assert_eq!(report["page_cache_resident_pages"], Value::Null);
        assert_eq!(report["page_cache_dirty_pages"], Value::Null);
    }
}

#[test]
fn a_name_with_control_characters_does_not_reach_the_terminal() {
    let files = Files::new();
    let path = files.file("a\nb\x1b[31m", b"x");
    let ran = run(&["map", &path]);
    assert!(ran.text().lines().next().unwrap().contains(r"a\nb\u{1b}[31m"), "{}", ran.text());
    assert_eq!(map_json(&[&path]).json()["source"], path.as_str());
}

#[test]
fn faults_of_the_program_itself_are_not_counted() {
    let report = map_json(&["-a", "1M", "--advise", "no-huge-pages", "-t", "all"]).json();
    assert_eq!((number(&report, "minor_faults"), number(&report, "major_faults")), (256, 0));
    // Where the program's own pages lie differs from run to run.
    for _ in 0..20 {
        for (length, faults) in [("4K", 1), ("5000", 1), ("4", 1), ("2", 2), ("1", 2)] {
            let report = map_json(&["-a", length]).json();
            assert_eq!(number(&report, "minor_faults"), faults, "{length}");
        }
        let read = map_json(&["-a", "4K", "-p", "r"]).json();
        assert_eq!(number(&read, "minor_faults"), 1);
    }
    let untouched = map_json(&["-a", "1M", "-t", "none"]).json();
    assert_eq!(number(&untouched, "minor_faults"), 0);
    assert_eq!(number(&untouched, "resident_bytes"), 0);
    let populated = map_json(&["-a", "1M", "-t", "all", "--populate"]).json();
    assert_eq!(number(&populated, "minor_faults"), 0);
    assert_eq!(number(&populated, "resident_bytes"), 1 << 20);
}

#[test]
fn the_proc_of_another_pid_namespace_shows_this_process_too() {
    let namespace = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--pid", "--fork", program]);
        command
    };
    if !namespace("true").output().is_ok_and(|output| output.status.success()) {
        return skip("a pid namespace of one's own (unshare(1))");
    }
    let files = Files::new();
    let path = files.file("f", &contents());
    let ran = Ran::of(namespace(env!("CARGO_BIN_EXE_folio")).args(["map", &path]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}
