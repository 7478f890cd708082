//! `folio compare ipc`: ways between processes, measured.

mod common;

use common::{Files, Ran, folio, run, text};
use serde_json::Value;

const WAYS: [&str; 8] = [
    "folio, adaptive",
    "folio, busy",
    "folio, sleeping",
    "pipe",
    "message queue",
    "shmget, semaphores",
    "socket, stream",
    "socket, seqpacket",
];

#[test]
fn ways_are_measured_drawn_and_shown() {
    let files = Files::new();
    let svg = text(&files.path("ipc.svg"));
    let report = run(&["compare", "ipc", "--quick", "--output", "json", "--svg", &svg]).json();
    let ways = report["ways"].as_array().unwrap();
    assert_eq!(ways.iter().map(|way| way["way"].as_str().unwrap()).collect::<Vec<_>>(), WAYS);
    for way in ways {
        if let Some(reason) = way["lacking"].as_str() {
            common::skip(format_args!("no {}: {reason}", way["way"]));
            continue;
        }
        let figures = way["figures"].as_array().unwrap();
        let sizes: Vec<_> =
            figures.iter().map(|one| one["message_bytes"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [64, 4096, 1 << 20]);
        for one in figures {
            let figure = |key: &str| one[key].as_f64().unwrap();
            let (median, p99) = (figure("median_nanoseconds"), figure("p99_nanoseconds"));
            assert!(0.0 < median && median <= p99 && p99 <= figure("p999_nanoseconds"), "{way:#}");
            assert!(figure("messages_per_second") > 0.0, "{way:#}");
        }
    }
    // Every key is documented.
    let manual = include_str!("../../../docs/command.md");
    let parts = [&report, &ways[0], &ways[0]["figures"][0], &report["properties"][0]];
    for key in parts.into_iter().flat_map(|part: &Value| part.as_object().unwrap().keys()) {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
    let svg = std::fs::read_to_string(svg).unwrap();
    assert!(svg.starts_with("<svg xmlns") && svg.ends_with("</svg>\n"), "{svg}");

    let shown = run(&["compare", "ipc", "--quick", "--anywhere"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    for way in WAYS {
        assert_eq!(svg.matches(&format!(">{way}</text>")).count(), 5, "{way} in {svg}");
        let rows = shown.text().lines().filter(|line| line.starts_with(way));
        assert_eq!(rows.count(), 3, "{way} in {}", shown.text());
    }
    let rows = [
        "64 B there and back",
        "4 KiB one way",
        "1 MiB one way",
        "copying",
        "sharing",
        "message boundaries",
        "several receivers",
        "death is told",
        "file backing",
        "outlives",
    ];
    for row in rows {
        let mut lines = shown.text().lines().filter(|line| line.starts_with(row));
        let cells = lines.next().unwrap_or_else(|| panic!("no {row} in {}", shown.text()));
        assert!(cells.len() > row.len() + 5 * " no".len(), "{cells}");
    }
    assert_eq!(report["properties"].as_array().unwrap().len(), 5);
    assert!(shown.text().lines().all(|line| line.chars().count() <= 80), "{}", shown.text());
}

#[test]
fn a_drawing_that_cannot_be_written_is_said_before_anything_is_measured() {
    let ran = run(&["compare", "ipc", "--svg", "/no/such/directory/ipc.svg"]);
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    for part in ["cannot write /no/such/directory/ipc.svg", "No such file", "--svg"] {
        assert!(ran.line().contains(part), "{}", ran.line());
    }
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    for arguments in [&["compare"][..], &["compare", "x"], &["compare", "ipc", "x"]] {
        assert_eq!(run(arguments).code, 2, "{arguments:?}");
    }
    let ran = other_process("pigeon 64 0 -");
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("FOLIO_COMPARE_PEER says \"pigeon"), "{}", ran.line());
}

fn other_process(part: &str) -> Ran {
    Ran::of(folio(&["compare", "ipc"]).env("FOLIO_COMPARE_PEER", part))
}

#[test]
fn the_other_process_ends_with_its_end_of_the_way() {
    // Standard input is at its end.
    let ran = other_process("pipe 64 0 -");
    assert_eq!((ran.code, ran.stdout.len()), (1, 64));
    assert!(ran.line().contains("the other process"), "{}", ran.line());
}
