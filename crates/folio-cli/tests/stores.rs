//! `folio map` of what a pager maps: packed files, objects, processes, zeros, files in little memory.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::server::Server;
use common::{Files, Ran, folio, hex, map_json, noise, number, run, text};
use serde_json::Value;

/// Lines that tell where they are.
fn log(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        let at = bytes.len();
        writeln!(bytes, "line at byte {at}").unwrap();
    }
    bytes.truncate(len);
    bytes
}

/// A file with these bytes, packed.
fn packed(files: &Files, content: &[u8]) -> String {
    let path = files.file("f", content);
    let out = text(&files.path("packed"));
    assert_eq!(run(&["pack", "-o", &out, &path]).code, 0);
    out
}

#[track_caller]
fn fails(arguments: &[&str], parts: &[&str]) {
    let ran = run(&[&["map"], arguments].concat());
    assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{ran:?}");
    for part in parts {
        assert!(ran.line().contains(part), "{part:?} is not in {:?}", ran.line());
    }
}

#[test]
fn a_thousand_pages_of_64_gib_are_touched_quickly() {
    let begun = Instant::now();
    let report = map_json(&["zero:64G", "--touch", "random:1000"]).json();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(report["backing"], "zeros");
    assert_eq!(number(&report, "length_bytes"), 64 << 30);
    assert_eq!(number(&report, "pages"), 16 << 20);
    assert_eq!(number(&report, "touched_pages"), 1000);
    assert!(number(&report, "loaded_granules") + number(&report, "prefetched_granules") >= 1000);
    assert_eq!(report["bytes"], "0".repeat(128));
    assert_eq!((&report["fault"], &report["packing"]), (&Value::Null, &Value::Null));
    let stalls = report["stalls"].as_array().unwrap();
    let count: u64 = stalls.iter().map(|stalls| number(stalls, "count")).sum();
    assert!(count >= 1000 && number(&report, "stall_median_nanoseconds") > 0);
}

#[test]
fn every_key_of_the_report_is_documented() {
    let manual = include_str!("../../../docs/command.md");
    let report = map_json(&["zero:1M"]).json();
    for key in report.as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key} is not documented");
    }
    for key in report["stalls"][0].as_object().unwrap().keys() {
        assert!(manual.contains(&format!("| `{key}` |")), "{key} is not documented");
    }
}

#[test]
fn a_packed_file_is_addressed_by_what_it_was() {
    let files = Files::new();
    let content = log(3_000_000);
    let path = packed(&files, &content);
    let report = map_json(&["--offset", "2000001", "--bytes", "64", &path]).json();
    assert_eq!(report["bytes"], hex(&content[2_000_001..2_000_065]));
    assert_eq!(number(&report, "offset_bytes"), 2_000_001);
    assert_eq!(number(&report, "length_bytes"), 999_999);
    assert_eq!((&report["backing"], &report["packing"]), (&"file".into(), &"zstd".into()));
    assert_eq!(number(&report, "granule_bytes"), 64 << 10);
    let raw = run(&["map", "--output", "raw", &path]);
    assert!(raw.stdout == content, "{}", raw.stderr);
    let part = run(&["map", "--output", "raw", "-o", "70K", "-l", "3", &path]);
    assert_eq!(part.stdout, content[70 << 10..][..3]);
    let input = File::open(&path).unwrap();
    let stdin = Ran::of(folio(&["map", "--output", "raw", "-"]).stdin(input));
    assert!(stdin.stdout == content, "{}", stdin.stderr);
    let text = run(&["map", &path]);
    assert!(text.text().contains("file, paged, r--, unpacked from zstd"), "{}", text.text());
}

#[test]
fn a_packed_file_as_it_is_shows_its_own_bytes() {
    let files = Files::new();
    let path = packed(&files, &log(100_000));
    let bytes = fs::read(&path).unwrap();
    for more in [&[][..], &["--memory", "1M"]] {
        let raw = run(&[&["map", "--as-is", "--output", "raw", &path], more].concat());
        assert!(raw.stdout == bytes, "{}", raw.stderr);
    }
    assert_eq!(map_json(&["--as-is", "--lock", &path]).json()["sharing"], "shared");
}

#[test]
fn what_is_packed_so_that_it_cannot_be_mapped_says_what_to_do() {
    let files = Files::new();
    let zstd = [&b"\x28\xb5\x2f\xfd"[..], &noise(1000)].concat();
    let zstd = files.file("old.zst", &zstd);
    fails(&[&zstd], &[&zstd, "no seek table", "folio pack - -o OUT", "--as-is"]);
    assert_eq!(run(&["map", "--as-is", &zstd]).code, 0);
    let gzip = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &noise(1000)].concat();
    let gzip = files.file("f.gz", &gzip);
    fails(&[&gzip], &[&gzip, "gzip and no bgzip", "folio pack - -o OUT", "--as-is"]);
    // By its first bytes, and not by its name.
    let named = files.file("plain.zst", b"no zstd at all");
    assert_eq!(map_json(&[&named]).json()["bytes"], hex(b"no zstd at all"));
}

#[test]
fn options_of_the_kernel_are_not_for_packed_files() {
    let files = Files::new();
    let path = packed(&files, &log(100_000));
    for option in ["--populate", "--lock", "--shared", "--transparent-huge"] {
        fails(&[option, &path], &[&path, "packed (zstd)", option, "--as-is"]);
    }
    let usage = run(&["map", "zero:1G", "--lock"]);
    assert_eq!(usage.code, 2);
    assert!(usage.stderr.contains("--lock is for mappings by the kernel"), "{}", usage.stderr);
}

#[test]
fn bytes_that_are_damaged_are_a_fault_with_its_place() {
    let files = Files::new();
    let path = packed(&files, &noise(1 << 20));
    let mut bytes = fs::read(&path).unwrap();
    bytes[700_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ran = map_json(&["--touch", "all", &path]);
    assert_eq!(ran.code, 1);
    let report = ran.report();
    assert_eq!(report["fault"]["kind"], "corrupt");
    let offset = number(&report["fault"], "offset");
    assert!((600_000..700_000).contains(&offset), "{offset}");
    assert_eq!(number(&report, "touched_pages"), offset / 4096);
    assert!(ran.line().contains("is corrupt"), "{}", ran.line());
    assert_eq!(run(&["map", &path]).code, 0, "the first page is not damaged");
}

#[test]
fn bgzip_is_unpacked_with_its_index_and_without() {
    let files = Files::new();
    let content = log(1_000_000);
    let path = files.file("f", &content);
    let bgzip = |more: &[&str]| {
        let done = Command::new("bgzip").args(more).arg(&path).status();
        done.is_ok_and(|status| status.success())
    };
    if !bgzip(&["-i"]) {
        return common::skip("no bgzip (Debian: tabix)");
    }
    let path = format!("{path}.gz");
    for _ in 0..2 {
        let report = map_json(&["--offset", "900K", "--bytes", "20", &path]).json();
        assert_eq!(report["bytes"], hex(&content[900 << 10..][..20]));
        assert_eq!(report["packing"], "bgzip");
        let _ = fs::remove_file(format!("{path}.gzi"));
    }
}

#[test]
fn a_file_is_mapped_in_no_more_memory_than_it_is_allowed() {
    let files = Files::new();
    let content = noise(4 << 20);
    let path = files.file("f", &content);
    for policy in ["s3-fifo", "sieve", "clock"] {
        let arguments =
            ["--memory", "256K", "--granule", "16K", "--policy", policy, "-t", "all", &path];
        let report = map_json(&arguments).json();
        assert_eq!(report["bytes"], hex(&content[..64]), "{report}");
        assert_eq!((&report["backing"], &report["policy"]), (&"file".into(), &policy.into()));
        assert_eq!(number(&report, "memory_bytes"), 256 << 10);
        assert!(number(&report, "memory_used_bytes") <= 256 << 10);
        assert!(number(&report, "resident_bytes") <= 256 << 10);
        assert!(number(&report, "evicted_granules") >= 240, "{report}");
        assert_eq!(number(&report, "touched_pages"), 1024);
    }
    let raw = run(&["map", "-m", "128K", "--output", "raw", &path]);
    assert!(raw.stdout == content);
    fails(&["-m", "4K", &path], &["--memory"]);
    fails(&["-m", "64K", "--granule", "1M", &path], &["--memory", "--granule"]);
    fails(&["-m", "1M", "-o", "5M", &path], &["--offset"]);
    let device = run(&["map", "-m", "1M", "/dev/zero"]);
    assert!(device.line().ends_with("/dev/zero: it is neither a file nor a block device"));
}

#[test]
fn the_memory_of_a_process_is_mapped_by_its_addresses() {
    let words = *b"words in the memory of this process";
    let (process, address) = (std::process::id(), words.as_ptr().addr());
    let source = format!("process:{process}");
    let (address, length) = (format!("{address:#x}"), words.len().to_string());
    let ran = map_json(&[&source, "-o", &address, "-l", &length]);
    if ran.code == 1 && ran.stderr.contains("ptrace") {
        return common::skip("one's parent may not be looked at (kernel.yama.ptrace_scope)");
    }
    let report = ran.json();
    assert_eq!(report["bytes"], hex(&words));
    assert_eq!(format!("{:#x}", number(&report, "offset_bytes")), address);
    assert_eq!(report["backing"], "process");
    let hole = run(&["map", &source, "-o", "64K", "-l", "4K"]);
    assert_eq!(hole.code, 1, "{hole:?}");
    assert_eq!(run(&["map", &source]).code, 2);
}

#[test]
fn an_object_on_a_server_is_mapped() {
    let content = noise(3_000_000);
    let server = Server::of(content.clone());
    let report = map_json(&[&server.url(), "--offset", "1M", "--bytes", "100"]).json();
    assert_eq!(report["bytes"], hex(&content[1 << 20..][..100]));
    assert_eq!(number(&report, "length_bytes"), 3_000_000 - (1 << 20));
    assert_eq!((&report["backing"], &report["guarantee"]), (&"object".into(), &"if-match".into()));
    assert_eq!(report["is_fixed_version"], true);
    let raw = run(&["map", "--output", "raw", &server.url()]);
    assert!(raw.stdout == content, "{}", raw.stderr);
}

#[test]
fn a_packed_object_is_unpacked_and_only_the_frames_needed_are_fetched() {
    let files = Files::new();
    let content = noise(20 << 20);
    let bytes = fs::read(packed(&files, &content)).unwrap();
    let server = Server::of(bytes);
    let arguments = ["--offset", "10M", "--length", "64K", "--granule", "64K"];
    let report = map_json(&[&[&*server.url()], &arguments[..]].concat()).json();
    assert_eq!(report["bytes"], hex(&content[10 << 20..][..64]));
    assert_eq!(report["packing"], "zstd");
    let sent = server.object.sent_bytes.load(Ordering::SeqCst);
    assert!(sent < 4 << 20, "{sent} bytes for 64 KiB");
}

#[test]
fn servers_and_objects_that_are_not_there_are_one_line() {
    let server = Server::of(noise(1000));
    fails(&[&format!("{}s", server.url())], &["objects", ": "]);
    server.object.fails.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    fails(&[&server.url()], &["/object"]);
    assert!(begun.elapsed() < Duration::from_secs(60));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/object", listener.local_addr().unwrap());
    drop(listener);
    fails(&[&nobody], &["/object"]);
}

#[test]
fn what_is_no_file_on_standard_input_is_not_paged() {
    let ran = Ran::of(folio(&["map", "-m", "1M", "-"]).stdin(Stdio::piped()));
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("standard input"), "{}", ran.line());
}
