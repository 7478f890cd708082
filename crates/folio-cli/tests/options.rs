//! Each option, by what comes of it.

mod common;

use std::fs;
use std::process::Stdio;

use common::{Files, Ran, folio, has_flag, hex, is_root, map_json, noise, number, run};
use serde_json::Value;

const MIB: u64 = 1 << 20;

#[test]
fn offset_and_length_choose_the_bytes_exactly() {
    let files = Files::new();
    let content = noise(20_000);
    let path = files.file("f", &content);
    for (offset, length, pages) in [(0, 1, 1), (1, 4095, 1), (4095, 2, 2), (5000, 9000, 3)] {
        let (o, l) = (offset.to_string(), length.to_string());
        let report = map_json(&["-o", &o, "-l", &l, "-b", "64K", "-t", "all", &path]).json();
        assert_eq!(report["bytes"], hex(&content[offset..offset + length]));
        assert_eq!(number(&report, "offset_bytes"), offset as u64);
        assert_eq!(number(&report, "length_bytes"), length as u64);
        assert_eq!(number(&report, "address") % 4096, offset as u64 % 4096);
        assert_eq!(number(&report, "pages"), pages);
        assert_eq!(number(&report, "resident_bytes"), pages * 4096);
        assert_eq!(number(&report, "page_cache_resident_pages"), pages);
    }
    let rest = map_json(&["--offset", "0x1000", &path]).json();
    assert_eq!(number(&rest, "length_bytes"), 20_000 - 4096);
}

#[test]
fn protection_and_sharing_are_those_the_kernel_has() {
    let files = Files::new();
    let path = files.file("f", &noise(5000));
    for (letters, expected) in
        [("r", "r--"), ("rw", "rw-"), ("wr", "rw-"), ("rwx", "rwx"), ("none", "---"), ("x", "--x")]
    {
        let report = map_json(&["--private", "-t", "none", "-p", letters, &path]).json();
        assert_eq!(report["protection"], expected);
        assert_eq!(report["sharing"], "private");
    }
    let shared = map_json(&["--shared", "-p", "rw", &path]).json();
    assert_eq!((&shared["protection"], &shared["sharing"]), (&"rw-".into(), &"shared".into()));
}

#[test]
fn touching_a_private_writable_mapping_copies_its_pages_and_leaves_the_file() {
    let files = Files::new();
    let content = noise(3 * 4096 + 3);
    let path = files.file("f", &content);
    let report = map_json(&["--private", "-p", "rw", "-t", "all", "-b", "64K", &path]).json();
    for key in ["private_dirty_bytes", "anonymous_bytes", "resident_bytes"] {
        assert_eq!(number(&report, key), 4 * 4096, "{key}");
    }
    assert_eq!(report["bytes"], hex(&content));
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn touching_a_shared_writable_mapping_leaves_the_file() {
    let files = Files::new();
    let content = noise(9000);
    let path = files.file("f", &content);
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();
    let before = modified();
    let report = map_json(&["-p", "rw", "-t", "all", &path]).json();
    assert!(has_flag(&report, "shared") && has_flag(&report, "writable"));
    assert_eq!(number(&report, "resident_bytes"), 3 * 4096);
    assert_eq!((fs::read(&path).unwrap(), modified()), (content, before));
}

#[test]
fn anonymous_memory_has_the_size_that_source_names() {
    for (size, bytes) in [("8193", 8193), ("1MiB", MIB), ("64KB", 64_000), ("0x3000", 0x3000)] {
        let report = map_json(&["--anonymous", size]).json();
        assert_eq!(number(&report, "length_bytes"), bytes);
        assert_eq!(number(&report, "pages"), bytes.div_ceil(4096));
        assert_eq!(report["backing"], "anonymous");
        assert_eq!(report["sharing"], "private");
        assert_eq!(report["protection"], "rw-");
    }
    let shared = map_json(&["--anonymous", "64K", "--shared", "-t", "all"]).json();
    assert_eq!(shared["sharing"], "shared");
    assert_eq!(number(&shared, "resident_bytes"), 64 << 10);
}

#[test]
fn touch_chooses_the_pages() {
    let base = ["-a", "1M", "--advise", "no-huge-pages", "-b", "0"];
    for (touch, pages) in [("none", 0), ("first", 1), ("all", 256), ("random:17", 17)] {
        let report = map_json(&[&base[..], &["--touch", touch]].concat()).json();
        assert_eq!(number(&report, "touched_pages"), pages);
        assert_eq!(number(&report, "minor_faults"), pages, "{touch}");
        assert_eq!(number(&report, "resident_bytes"), pages * 4096, "{touch}");
    }
    let more = map_json(&[&base[..], &["--touch", "random:100000"]].concat()).json();
    assert_eq!(number(&more, "touched_pages"), 256);
}

#[test]
fn populated_pages_are_there_before_the_touch() {
    let files = Files::new();
    let path = files.file("f", &noise(256 << 10));
    let report = map_json(&["--populate", "-t", "all", &path]).json();
    assert_eq!(number(&report, "resident_bytes"), 256 << 10);
    assert_eq!(number(&report, "minor_faults") + number(&report, "major_faults"), 0);
}

#[test]
fn locked_pages_are_counted_and_on_fault_only_when_touched() {
    let now = map_json(&["-a", "64K", "--lock", "-t", "none"]).json();
    assert!(has_flag(&now, "locked"));
    assert_eq!(number(&now, "locked_bytes"), 64 << 10);
    assert_eq!(number(&now, "resident_bytes"), 64 << 10);

    let on_fault = map_json(&["-a", "64K", "--lock=on-fault", "--advise", "no-huge-pages"]).json();
    assert!(has_flag(&on_fault, "locked") && has_flag(&on_fault, "lock-on-fault"));
    assert_eq!(number(&on_fault, "resident_bytes"), 4096);
    assert_eq!(number(&on_fault, "locked_bytes"), 4096);
}

#[test]
fn every_advice_reaches_the_kernel_or_says_why_not() {
    let files = Files::new();
    let path = files.file("f", &noise(64 << 10));
    let (file, memory) = (vec![path.as_str()], vec!["-a", "4M"]);
    let populated = vec!["-a", "4M", "--populate"];
    let cases = [
        ("normal", &file, None),
        ("random", &file, Some("random-advised")),
        ("sequential", &file, Some("sequential-advised")),
        ("will-need", &file, None),
        ("cold", &memory, None),
        ("page-out", &memory, None),
        ("populate-read", &file, None),
        ("populate-write", &memory, None),
        ("huge-pages", &memory, Some("huge-page-advised")),
        ("no-huge-pages", &memory, Some("no-huge-page-advised")),
        ("collapse", &populated, None),
        ("mergeable", &memory, Some("merge-advised")),
        ("unmergeable", &memory, None),
        ("dont-dump", &memory, Some("do-not-dump")),
        ("do-dump", &memory, None),
        ("soft-offline", &memory, None),
    ];
    for (advice, source, flag) in cases {
        let ran = map_json(&[&["--advise", advice], &source[..]].concat());
        if ran.code == 1 {
            // Of the kernel, the machine or the user this test runs on.
            let line = ran.line();
            assert!(line.contains("EINVAL") || line.contains("EPERM"), "{advice}: {line}");
            common::skip(format_args!("--advise {advice}: {line}"));
            continue;
        }
        let report = ran.json();
        if let Some(flag) = flag {
            assert!(has_flag(&report, flag), "{advice}: {}", report["flags"]);
        }
        if advice == "collapse" {
            assert_eq!(number(&report, "transparent_huge_bytes"), 4 * MIB);
        }
        if advice.starts_with("populate") {
            assert_eq!(number(&report, "resident_bytes"), number(&report, "pages") * 4096);
            assert_eq!(number(&report, "minor_faults"), 0);
        }
    }
}

#[test]
fn advice_is_given_in_order() {
    let report = map_json(&["-a", "64K", "--advise", "dont-dump", "--advise", "do-dump"]).json();
    assert!(!has_flag(&report, "do-not-dump"));
    let report = map_json(&["-a", "64K", "--advise", "do-dump", "--advise", "dont-dump"]).json();
    assert!(has_flag(&report, "do-not-dump"));
}

#[test]
fn an_address_is_asked_for() {
    // Below what the kernel gives out by itself, and rounded down by it.
    let report = map_json(&["-a", "64K", "--near", "0x200000000123"]).json();
    assert_eq!(number(&report, "address"), 0x2000_0000_0000);
}

#[test]
fn flags_of_the_kernel_follow_the_options() {
    let files = Files::new();
    let path = files.file("f", b"x");
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    if overcommit.trim() == "2" {
        common::skip("vm.overcommit_memory is 2 and ignores MAP_NORESERVE");
    } else {
        assert!(has_flag(&map_json(&["-a", "64K", "--no-reserve"]).json(), "no-reserve"));
    }
    let droppable = map_json(&["-a", "64K", "--droppable"]);
    if droppable.code == 1 {
        assert!(droppable.line().contains("6.11"), "{}", droppable.line());
        common::skip(format_args!("{}", droppable.line()));
    } else {
        assert!(has_flag(&droppable.json(), "droppable"));
    }
    let sync = map_json(&["--sync", &path]);
    if sync.code == 1 {
        assert!(sync.line().contains("DAX"), "{}", sync.line());
        common::skip(format_args!("{}", sync.line()));
    } else {
        assert!(has_flag(&sync.json(), "synchronous-faults"));
    }
}

#[test]
fn transparent_huge_pages_show_as_the_page_size_really_used() {
    let ran = map_json(&["-a", "4M", "--transparent-huge", "-t", "all"]);
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !setting.is_ok_and(|setting| !setting.contains("[never]")) {
        common::skip("no transparent huge pages here");
        return;
    }
    let report = ran.json();
    assert!(has_flag(&report, "huge-page-advised"));
    assert_eq!(number(&report, "resident_bytes"), 4 * MIB);
    let huge = number(&report, "transparent_huge_bytes");
    if huge == 4 * MIB {
        assert_eq!(number(&report, "page_size_bytes"), 2 * MIB);
        assert!(number(&report, "minor_faults") <= 3);
    } else {
        common::skip(format_args!("memory is too fragmented for huge pages: {huge} bytes in them"));
    }
}

#[test]
fn huge_pages_come_from_the_pool_or_fall_back_where_that_is_allowed() {
    let or_base = map_json(&["-a", "3M", "--huge", "--or-base", "-t", "all"]).json();
    check_huge(&or_base);

    let _pool = Pool::raise();
    let ran = map_json(&["-a", "3M", "--huge", "-t", "all"]);
    if ran.code == 1 {
        assert!(ran.line().contains("nr_hugepages"), "{}", ran.line());
        common::skip("the pool of huge pages is empty");
        return;
    }
    let report = ran.json();
    check_huge(&report);
    assert_eq!(number(&report, "page_size_bytes"), 2 * MIB);
    assert!(has_flag(&report, "hugetlb"));
}

fn check_huge(report: &Value) {
    assert_eq!(number(report, "length_bytes"), 3 * MIB);
    match number(report, "hugetlb_bytes") {
        0 => assert_eq!(number(report, "resident_bytes"), 3 * MIB),
        huge => {
            assert_eq!((huge, number(report, "pages")), (4 * MIB, 2));
            assert_eq!(number(report, "resident_bytes"), 4 * MIB);
        }
    }
}

/// Lets two huge pages more be made on demand, where we may, until it is dropped.
struct Pool(Option<u64>);

impl Pool {
    const LIMIT: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages";

    fn raise() -> Self {
        let read = || fs::read_to_string(Self::LIMIT).ok()?.trim().parse::<u64>().ok();
        let before = is_root().then(read).flatten();
        Self(before.filter(|before| fs::write(Self::LIMIT, (before + 2).to_string()).is_ok()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            let _ = fs::write(Self::LIMIT, before.to_string());
        }
    }
}

#[test]
fn a_character_device_maps_with_a_length() {
    let report = map_json(&["--length", "64K", "-t", "all", "/dev/zero"]).json();
    assert_eq!(report["backing"], "character-device");
    assert_eq!(report["bytes"], hex(&[0; 64]));
    let written = map_json(&["--length", "64K", "-t", "all", "--private", "-p", "rw", "/dev/zero"]);
    assert_eq!(number(&written.json(), "private_dirty_bytes"), 64 << 10);
}

#[test]
fn a_block_device_has_its_own_length() {
    let files = Files::new();
    let content = noise(1 << 20);
    let image = files.file("image", &content);
    let losetup =
        |arguments: &[&str]| std::process::Command::new("losetup").args(arguments).output();
    let device = match losetup(&["--find", "--show", "--read-only", &image]) {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => return common::skip("no loop device (root, losetup)"),
    };
    let device = device.trim();
    let ran = map_json(&["-t", "all", "-o", "1000", device]);
    let raw = run(&["map", "--output", "raw", device]);
    let _ = losetup(&["--detach", device]);
    let report = ran.json();
    assert_eq!(report["backing"], "block-device");
    assert_eq!(number(&report, "length_bytes"), (1 << 20) - 1000);
    assert_eq!(report["bytes"], hex(&content[1000..1064]));
    assert_eq!(number(&report, "page_cache_resident_pages"), 256);
    assert!(raw.stdout == content);
}

#[test]
fn a_file_on_standard_input_is_mapped() {
    let files = Files::new();
    let content = noise(9000);
    let path = files.file("f", &content);
    let with_input = |arguments: &[&str]| {
        Ran::of(folio(arguments).stdin(Stdio::from(fs::File::open(&path).unwrap())))
    };
    let report = with_input(&["map", "-", "--output", "json", "-t", "all"]).json();
    assert_eq!(report["source"], "-");
    assert_eq!(number(&report, "page_cache_resident_pages"), 3);
    assert_eq!(with_input(&["map", "-", "--output", "raw"]).stdout, content);
}
