//! `folio cache` that does something: warms, evicts and locks.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::cache::{PAGE, cache, counts, evict, is_on_disk, on_disk};
use common::{Files, folio, is_root, noise, number, run, text};
use rustix::process::{Pid, Signal, kill_process};

fn resident(path: &str) -> u64 {
    counts(&cache(&[path])["total"]).1
}

/// A directory with a file of so many pages, on a disk.
fn file(pages: usize) -> Option<(Files, String)> {
    let files = on_disk();
    let path = files.file("f", &noise(pages * PAGE));
    is_on_disk(&path).then_some((files, path))
}

#[test]
fn evicting_writes_back_what_is_dirty_and_drops_all() {
    let Some((_files, path)) = file(30) else { return };
    let bytes = noise(30 * PAGE).into_iter().rev().collect::<Vec<_>>();
    OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&bytes, 0).unwrap();
    assert_eq!(counts(&cache(&[&path])["total"]), (1, 30, 30));
    let report = cache(&["--evict", &path]);
    assert_eq!(counts(&report["total"]), (1, 0, 0));
    assert_eq!(number(&report, "evicted_now_bytes"), 30 * PAGE as u64);
    assert!(report["stayed"].as_array().unwrap().is_empty());
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_range_is_evicted_and_warmed_and_the_rest_stays() {
    let Some((_files, path)) = file(64) else { return };
    evict(&path);
    cache(&["--warm", &path]);
    assert_eq!(resident(&path), 64);
    cache(&["--evict", "--range", "32K..64K", &path]);
    let report = cache(&["--strip", &path]);
    let ranges = report["paths"][0]["resident_ranges"].as_array().unwrap();
    let ranges: Vec<_> =
        ranges.iter().map(|r| (number(r, "offset_bytes"), number(r, "length_bytes"))).collect();
    let inside = |(offset, length): &(u64, u64)| *offset < 64 << 10 && offset + length > 32 << 10;
    // Pages that lie in a folio with others outside of the range stay.
    if !ranges.iter().any(inside) {
        assert_eq!(ranges, [(0, 32 << 10), (64 << 10, 192 << 10)]);
    }
    cache(&["--evict", &path]);
    let report = cache(&["--warm", "--rate", "1G", "--range", "128K..", &path]);
    assert_eq!(counts(&report["total"]).1, 32);
    assert!(resident(&path) >= 32);
}

#[test]
fn a_range_is_evicted_in_whole_pages() {
    let Some((_files, path)) = file(2) else { return };
    for range in ["..5000", "1..", "4095..4097"] {
        evict(&path);
        fs::read(&path).unwrap();
        let report = cache(&["--evict", "--range", range, &path]);
        assert_eq!(counts(&report["total"]), (1, 0, 0), "{range}");
        assert_eq!(number(&report, "evicted_now_bytes"), 2 * PAGE as u64, "{range}");
    }
}

#[test]
fn warming_loads_what_is_missing_and_says_how_much() {
    let Some((files, path)) = file(3000) else { return };
    fs::create_dir(files.path("t")).unwrap();
    for number in 0..40 {
        files.file(&format!("t/{number}"), &noise(PAGE * (1 + number % 5) - 1));
    }
    let tree = text(&files.path("t"));
    let sum = cache(&["--evict", &path, &tree]);
    assert_eq!(counts(&sum["total"]), (41, 0, 0));
    let report = cache(&["--warm", "--each", &path, &tree]);
    let (count, pages, _) = counts(&report["total"]);
    assert_eq!((count, pages), (41, number(&report["total"], "pages")));
    assert_eq!(number(&report, "loaded_bytes"), pages * PAGE as u64);
    assert_eq!(report["files"].as_array().unwrap().len(), 40);
    assert_eq!(number(&cache(&["--warm", &path, &tree]), "loaded_bytes"), 0);
}

/// A file as long as its file system allows, up to a pebibyte, with a mebibyte of data at either end, a page
/// not far behind the first, and a page in the middle; and how many pages that are.
fn sparse() -> Option<(Files, String, u64)> {
    let (files, path) = file(1)?;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let bytes = noise(1 << 20);
    let end = (30..=50).rev().map(|bits| (1 << bits) - PAGE as u64);
    let end = end.into_iter().find(|&end| file.set_len(end).is_ok()).unwrap();
    for (at, length) in [(0, 1 << 20), (3 << 19, 1), (end / 2, 1), (end - (1 << 20), 1 << 20)] {
        file.write_all_at(&bytes[..length], at).unwrap();
    }
    file.sync_all().unwrap();
    evict(&path);
    Some((files, path, 2 * 256 + 2))
}

#[test]
fn the_data_of_a_sparse_file_is_warmed_and_its_holes_are_not() {
    let Some((_files, path, pages)) = sparse() else { return };
    let report = cache(&["--warm", "--strip", &path]);
    assert_eq!(number(&report, "loaded_bytes"), pages * PAGE as u64);
    assert_eq!(counts(&report["total"]).1, pages);
    assert_eq!(report["paths"][0]["resident_ranges"].as_array().unwrap().len(), 4);
    let again = cache(&["--warm", &path]);
    assert_eq!((number(&again, "loaded_bytes"), counts(&again["total"]).1), (0, pages));
}

#[test]
fn what_is_missing_of_a_file_is_warmed_and_the_rest_is_left_alone() {
    let Some((_files, path)) = file(16 << 10) else { return };
    cache(&["--warm", &path]);
    cache(&["--evict", "--range", "40M..48M", &path]);
    let report = cache(&["--warm", &path]);
    assert_eq!(counts(&report["total"]).1, 16 << 10);
    assert!(number(&report, "loaded_bytes") <= 8 << 20);
}

#[test]
fn the_data_of_a_sparse_file_is_locked_and_its_holes_are_not() {
    let Some((_files, path, pages)) = sparse() else { return };
    let service = Service::start(&[&path], "sparse");
    assert_eq!(resident(&path), pages);
    let process = folio_stat::Process::of(service.child.id()).unwrap();
    let mapped = process.mappings().unwrap().into_iter();
    let mapped = mapped.filter(|mapping| mapping.backing.path.as_deref() == Some(path.as_ref()));
    let locked = mapped.map(|mapping| process.costs(mapping.range()).unwrap().locked_bytes);
    let locked: usize = locked.sum();
    assert_eq!(locked as u64, pages * PAGE as u64);
    evict(&path);
    assert_eq!(resident(&path), pages);
    service.stop(Signal::TERM);
}

#[test]
fn a_rate_is_kept() {
    let Some((_files, path)) = file(1024) else { return };
    evict(&path);
    let start = Instant::now();
    let report = cache(&["--warm", "--rate", "4M", &path]);
    // The kernel may give up a page at any time, as where DAMON is told to (damon/usage in its documentation).
    let resident = counts(&report["total"]).1;
    assert!((1000..=1024).contains(&resident), "{resident}");
    // The first of four MiB goes at once.
    assert!(start.elapsed() >= Duration::from_millis(740), "{:?}", start.elapsed());
}

#[test]
fn what_stays_is_named_with_who_keeps_it() {
    let Some((_files, path)) = file(10) else { return };
    let map = folio::Mapping::open(&path).unwrap();
    map.populate(..).unwrap();
    let report = cache(&["--evict", &path]);
    let stayed = &report["stayed"][0];
    assert_eq!((&stayed["path"], number(stayed, "resident_bytes")), (&(*path).into(), 40960));
    assert_eq!(stayed["reason"], "mapped");
    assert_eq!(stayed["processes"][0], std::process::id());
    let shown = run(&["cache", "--evict", &path]);
    assert!(shown.text().contains("mapped by process"), "{}", shown.text());
    drop(map);
    assert_eq!(counts(&cache(&["--evict", &path])["total"]).1, 0);
}

#[test]
fn what_is_in_memory_only_stays_and_the_reason_is_told() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return common::skip("no /dev/shm");
    };
    let path = text(&directory.path().join("f"));
    fs::write(&path, noise(2 * PAGE)).unwrap();
    let report = cache(&["--evict", &path]);
    assert_eq!(report["stayed"][0]["reason"], "its file system keeps it in memory only");
}

/// `folio cache --lock` as a service, and where it reports.
struct Service {
    child: Child,
    socket: UnixDatagram,
    stdout: Option<Files>,
}

impl Service {
    /// Starts it; returns when it is ready, or `None` where so much may not be locked.
    fn start(arguments: &[&str], name: &str) -> Self {
        let name = format!("folio-cache-test-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let files = on_disk();
        let log = File::create(files.path("log")).unwrap();
        let mut command = folio(&[&["cache", "--lock"], arguments].concat());
        command.env("NOTIFY_SOCKET", format!("@{name}")).stdout(log).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let mut service = Self { child, socket, stdout: Some(files) };
        let message = service.message();
        assert!(message.starts_with("READY=1\nSTATUS="), "{message:?}");
        service
    }

    fn message(&mut self) -> String {
        let mut buffer = [0; 200];
        let length = match self.socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(error) => {
                let mut line = String::new();
                let _ = self.child.kill();
                let _ = self.child.stderr.take().unwrap().read_to_string(&mut line);
                panic!("no message within a minute: {error}: {line}");
            }
        };
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Ends it, and returns what it wrote.
    fn stop(mut self, signal: Signal) -> String {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        assert_eq!(self.message(), "STOPPING=1\n");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        fs::read_to_string(self.stdout.take().unwrap().path("log")).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_lock_loads_and_holds_against_eviction_until_a_signal() {
    let Some((_files, path)) = file(50) else { return };
    for (signal, name) in [(Signal::TERM, "term"), (Signal::INT, "int")] {
        evict(&path);
        let service = Service::start(&[&path], name);
        let report = cache(&["--evict", &path]);
        assert_eq!(counts(&report["total"]).1, 50);
        assert_eq!(report["stayed"][0]["processes"][0], service.child.id());
        let written = service.stop(signal);
        assert!(written.contains("200 KiB") && written.contains("locked until"), "{written}");
        assert_eq!(counts(&cache(&["--evict", &path])["total"]).1, 0);
    }
}

#[test]
fn a_file_may_shrink_and_vanish_while_it_is_locked() {
    let Some((_files, path)) = file(50) else { return };
    let service = Service::start(&[&path], "shrink");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(10 * PAGE as u64 + 1).unwrap();
    assert_eq!(resident(&path), 11);
    file.set_len(0).unwrap();
    fs::remove_file(&path).unwrap();
    service.stop(Signal::TERM);
}

/// Sets a flag when it is dropped.
struct Setting<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Setting<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_being_locked_is_locked_as_it_is() {
    let Some((files, _)) = file(1) else { return };
    fs::create_dir(files.path("t")).unwrap();
    let names: Vec<_> = (0..20).map(|number| files.path(&format!("t/{number}"))).collect();
    names.iter().for_each(|path| fs::write(path, noise(20 * PAGE)).unwrap());
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let open = |path| OpenOptions::new().write(true).open(path).unwrap();
            let files: Vec<_> = names.iter().map(open).collect();
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                for pages in [20, 1] {
                    files.iter().for_each(|file| file.set_len(pages * PAGE as u64).unwrap());
                }
            }
        });
        // However this ends, the thread does.
        let end = Setting(&is_done);
        let services: Vec<_> = (0..5)
            .map(|round| Service::start(&[&text(&files.path("t"))], &format!("race-{round}")))
            .collect();
        drop(end);
        for service in services {
            service.stop(Signal::TERM);
        }
    });
}

#[test]
fn too_much_to_lock_is_refused_with_the_way_out() {
    if is_root() {
        return common::skip("root may lock as much as there is");
    }
    let Some((_files, path)) = file(50) else { return };
    let line = "ulimit -l 64; exec \"$0\" cache --lock \"$1\"";
    let output = Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_folio"), &path])
        .output()
        .unwrap();
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(line.contains("cannot lock") && line.contains("ulimit -l"), "{line}");
}

#[test]
fn where_there_is_nothing_to_lock_nobody_waits() {
    let files = Files::new();
    let missing = text(&files.path("missing"));
    let ran = run(&["cache", "--lock", &missing]);
    assert_eq!((ran.code, ran.text()), (1, ""));
    assert!(ran.line().contains("missing: No such file"), "{}", ran.line());
}
