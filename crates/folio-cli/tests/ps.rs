//! What `folio ps` shows, against what the kernel and others say.

mod common;

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use common::subject::{self, Subject};
use common::{Files, Ran, folio, is_root, noise, number, run, skip};
use folio::{Advice, Mapping, Protection};
use serde_json::Value;

/// What a subject keeps.
struct Kept {
    _mappings: Vec<Mapping>,
    is_busy: bool,
}

#[test]
#[ignore = "the process that other tests look at"]
fn subject() {
    let memory = || Mapping::options().private().write();
    let make = |role: &str, path: &str| {
        let mappings = match role {
            "quiet" | "busy" => vec![],
            // Pages that may be written next to pages that may not: a mapping each.
            "many" => {
                let mut map = memory().anonymous(64_900 * 4096).unwrap();
                map.advise(.., Advice::NoHugePages).unwrap();
                map.fill(..32_000 * 4096, 1).unwrap();
                for page in (0..64_900).step_by(2) {
                    map.protect(page * 4096..(page + 1) * 4096, Protection::READ).unwrap();
                }
                vec![map]
            }
            "file" => vec![Mapping::options().shared().write().populate().open(path).unwrap()],
            "kinds" => {
                let named = memory().name("a test").anonymous(16 << 10).unwrap();
                named.fill(.., 1).unwrap();
                let code = Protection::READ | Protection::WRITE | Protection::EXEC;
                let both = Mapping::options().private().protection(code).anonymous(8192).unwrap();
                let huge = memory().anonymous(4 << 20).unwrap();
                huge.fill(.., 1).unwrap();
                let _ = huge.advise(.., Advice::Collapse);
                let clean = Mapping::options().populate().open(path).unwrap();
                vec![named, both, huge, clean]
            }
            other => panic!("{other}"),
        };
        Kept { _mappings: mappings, is_busy: role == "busy" }
    };
    subject::play(make, |kept| {
        if kept.is_busy {
            let mut map = Mapping::options().private().write().anonymous(20 * 4096).unwrap();
            map.fill(.., 1).unwrap();
            map.protect(4096..8192, Protection::READ).unwrap();
        }
        kept.is_busy
    });
}

/// `folio ps --output json` of one process.
fn process(pid: &str, options: &[&str]) -> Value {
    let all = run(&[&["ps", "--output", "json", pid], options].concat()).json();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all:#}");
    all[0].clone()
}

fn rows<'a>(process: &'a Value, key: &str) -> &'a [Value] {
    process[key].as_array().unwrap_or_else(|| panic!("no {key} in {process:#}"))
}

fn sum(rows: &[Value], key: &str) -> u64 {
    rows.iter().map(|row| number(row, key)).sum()
}

fn of_pid<'a>(all: &'a [Value], pid: &str) -> Option<&'a Value> {
    all.iter().find(|process| process["pid"].as_u64() == pid.parse().ok())
}

/// The figures of smaps_rollup, in bytes.
fn rollup(pid: &str) -> HashMap<String, u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let figure = |line: &str| {
        let (key, value) = line.split_once(':')?;
        Some((key.to_owned(), value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10))
    };
    text.lines().filter_map(figure).collect()
}

const EXACT: [(&str, &str); 7] = [
    ("resident_bytes", "Rss"),
    ("shared_clean_bytes", "Shared_Clean"),
    ("shared_dirty_bytes", "Shared_Dirty"),
    ("private_clean_bytes", "Private_Clean"),
    ("private_dirty_bytes", "Private_Dirty"),
    ("anonymous_bytes", "Anonymous"),
    ("swapped_bytes", "Swap"),
];

/// Whether totals, and sums of rows, are what smaps_rollup says. The last thing before it to be asked: what
/// else runs on the machine shares pages with it, or stops to.
fn agrees_with_rollup(pid: &str, options: &[&str], key: &str) -> bool {
    let before = rollup(pid);
    let found = process(pid, options);
    let rollup = rollup(pid);
    if rollup != before || found["has_changed"] == true {
        return false;
    }
    for (ours, kernels) in EXACT {
        assert_eq!(number(&found["costs"], ours), rollup[kernels], "{ours}");
        assert_eq!(sum(rows(&found, key), ours), rollup[kernels], "{ours} of {key}");
    }
    // What else runs shows pages of libraries too, for a while: it is never the same.
    let costs = &found["costs"];
    let proportional = number(costs, "proportional_bytes");
    let private = number(costs, "private_clean_bytes") + number(costs, "private_dirty_bytes");
    assert!((private..=rollup["Rss"]).contains(&proportional), "{proportional}");
    // The kernel rounds each mapping's down to a KiB.
    let rounded = proportional - sum(rows(&found, key), "proportional_bytes");
    assert!(rounded <= number(&found, "mapping_count") << 10, "{rounded}");
    true
}

#[test]
fn totals_agree_with_smaps_rollup_to_the_page() {
    let subject = Subject::start("quiet", "");
    for (options, key) in [(&[][..], "groups"), (&["--each"][..], "mappings")] {
        let agrees = (0..100).any(|_| agrees_with_rollup(&subject.pid(), options, key));
        assert!(agrees, "it always changed meanwhile");
    }
}

#[test]
fn faults_are_those_of_proc_pid_stat() {
    let subject = Subject::start("quiet", "");
    let kernels = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", subject.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        [7, 9].map(|field| fields[field].parse::<u64>().unwrap())
    };
    let (before, found, after) = (kernels(), process(&subject.pid(), &[]), kernels());
    for (key, bounds) in
        ["minor_faults", "major_faults"].into_iter().zip(before.into_iter().zip(after))
    {
        assert!((bounds.0..=bounds.1).contains(&number(&found, key)), "{key} {bounds:?} {found:#}");
    }
}

#[test]
fn mappings_agree_with_pmap() {
    let subject = Subject::start("quiet", "");
    subject.stop();
    let Ok(pmap) = Command::new("pmap").args(["-X", &subject.pid()]).output() else {
        return skip("pmap (procps)");
    };
    let found = process(&subject.pid(), &["--each"]);
    let text = String::from_utf8_lossy(&pmap.stdout);
    let mut lines = text.lines().skip(1);
    let titles: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let rss = titles.iter().position(|title| *title == "Rss").unwrap();
    let theirs: HashMap<u64, u64> = lines
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let address = u64::from_str_radix(words.first()?, 16).ok()?;
            Some((address, words.get(rss)?.parse::<u64>().ok()? << 10))
        })
        .collect();
    assert!(theirs.len() > 10, "{text}");
    for mapping in rows(&found, "mappings") {
        let address = number(mapping, "address");
        assert_eq!(theirs.get(&address), Some(&number(mapping, "resident_bytes")), "{address:x}");
    }
}

#[test]
fn every_process_is_listed_the_dearest_first() {
    let subject = Subject::start("quiet", "");
    let all = run(&["ps", "--output", "json"]).json();
    let all = all.as_array().unwrap();
    let own = of_pid(all, &subject.pid()).unwrap();
    assert_eq!(own["state"], "alive");
    assert!(own.get("groups").is_none() && own["reason"].is_null());
    let known = all.iter().filter_map(|process| process["costs"]["proportional_bytes"].as_u64());
    assert!(known.is_sorted_by(|one, next| one >= next));
    let text = run(&["ps"]);
    assert_eq!(text.code, 0);
    let row = text.text().lines().find(|row| row.trim_start().starts_with(&subject.pid()));
    assert!(row.is_some_and(|row| row.contains("ps-")), "{}", text.text());
    assert!(text.text().contains(" processes\n"), "{}", text.text());
    let by_pid = run(&["ps", "--sort", "pid", "--output", "json"]).json();
    assert!(by_pid.as_array().unwrap().is_sorted_by_key(|process| process["pid"].as_u64()));
}

#[test]
fn no_line_is_wider_than_the_terminal_is_said_to_be_and_names_are_shortened_for_it() {
    let files = Files::new();
    let path = files.file(&format!("{}.end", "long".repeat(30)), &noise(8192));
    let subject = Subject::start("file", &path);
    for arguments in [&["ps"][..], &["ps", &subject.pid()], &["ps", &subject.pid(), "--each"]] {
        for width in [40, 60, 80, 120] {
            let ran = Ran::of(folio(arguments).env("COLUMNS", width.to_string()));
            assert!(ran.text().contains("resident"), "{ran:?}");
            assert!(ran.text().lines().all(|line| line.chars().count() <= width), "{}", ran.text());
            assert_eq!(arguments.len() > 1, ran.text().contains("long.end\n"), "{}", ran.text());
        }
    }
    assert!(run(&["ps", &subject.pid()]).text().contains(&path), "a pipe takes all");
}

#[test]
fn a_process_with_65_000_mappings_is_shown_to_the_page() {
    let subject = Subject::start("many", "");
    let found = process(&subject.pid(), &[]);
    assert!(number(&found, "mapping_count") > 64_900);
    let total = number(&found["costs"], "resident_bytes");
    assert!(total > 32_000 * 4096);
    assert_eq!(sum(rows(&found, "groups"), "resident_bytes"), total);
    let text = run(&["ps", &subject.pid(), "--each"]);
    assert!(text.text().lines().count() > 64_900);
}

#[test]
fn a_process_that_maps_and_unmaps_at_full_speed_is_read_all_the_same() {
    let subject = Subject::start("busy", "");
    for round in 0..20 {
        let options: &[&str] = if round % 2 == 0 { &["--each"] } else { &[] };
        let found = process(&subject.pid(), options);
        let rows = rows(&found, if round % 2 == 0 { "mappings" } else { "groups" });
        assert_eq!(sum(rows, "resident_bytes"), number(&found["costs"], "resident_bytes"));
        let mut end = 0;
        for mapping in rows.iter().filter(|_| round % 2 == 0) {
            assert!(number(mapping, "address") >= end, "{found:#}");
            end = number(mapping, "address") + number(mapping, "length_bytes");
        }
        assert_eq!(run(&["ps", &subject.pid()]).code, 0);
    }
}

#[test]
fn a_process_that_ended_is_said_so_and_stops_nothing() {
    let mut subject = Subject::start("quiet", "");
    let quiet = Subject::start("quiet", "");
    let pid = subject.pid();
    subject.0.kill().unwrap();
    let stat = format!("/proc/{pid}/stat");
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }
    let all = run(&["ps", "--list", &pid, &quiet.pid(), "--output", "json"]).json();
    let of = |pid: &str| of_pid(all.as_array().unwrap(), pid).unwrap();
    assert_eq!((&of(&pid)["state"], &of(&pid)["costs"]), (&Value::from("ended"), &Value::Null));
    assert_eq!(of(&quiet.pid())["state"], "alive");
    let text = run(&["ps"]);
    assert_eq!(text.code, 0);
    assert!(text.text().contains("(ended)"), "{}", text.text());

    let both = run(&["ps", &pid, &quiet.pid()]);
    assert_eq!(both.code, 1);
    assert!(both.line().contains("has ended"), "{}", both.line());
    assert!(both.text().contains("[stack]"), "{}", both.text());
    subject.0.wait().unwrap();
    let gone = run(&["ps", &pid]);
    assert_eq!((gone.code, gone.text()), (1, ""));
    assert_eq!(gone.line(), format!("no process {pid}: folio ps lists those there are"));
}

#[test]
fn a_process_that_ends_between_being_found_and_being_read_is_no_failure_of_a_list() {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                Command::new("sleep").arg("0").status().unwrap();
            }
        });
        // One is there always.
        let _sleeper = Subject(Command::new("sleep").arg("600").spawn().unwrap());
        let failed = (0..60).map(|_| run(&["ps", "--list", "sleep"])).find(|ran| ran.code != 0);
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

/// The command as an ordinary user; `None` where that cannot be.
fn as_nobody(arguments: &[&str]) -> Option<Ran> {
    if !is_root() {
        return Some(run(arguments));
    }
    // Where nobody may execute it, whatever the directories above it allow.
    let files = Files::new();
    let copy = files.path("folio");
    // By another process: what is open for writing in this one, a child of another test may have open still,
    // and such a file is not executed (ETXTBSY).
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_folio")).arg(&copy).status().ok()?;
    copied.success().then_some(())?;
    let directory = copy.parent()?;
    fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).ok()?;
    let mut command = Command::new("setpriv");
    common::same_everywhere(&mut command);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(arguments);
    let output = command.output().ok()?;
    (!matches!(output.status.code(), Some(126 | 127))).then(|| Ran::from(output))
}

#[test]
fn a_process_of_another_user_says_what_is_missing() {
    let Some(all) = as_nobody(&["ps", "--output", "json"]) else {
        return skip("setpriv, to be an ordinary user");
    };
    let all = all.json();
    let init = all.as_array().unwrap().iter().find(|process| process["pid"] == 1).unwrap();
    assert_eq!(init["state"], "refused");
    assert!(number(init, "resident_bytes") > 0 && number(init, "minor_faults") > 0);
    assert!(init["costs"].is_null() && init["mapping_count"].is_null());
    assert!(init["reason"].as_str().unwrap().contains("run as the same user or as root"));
    let text = as_nobody(&["ps"]).unwrap();
    assert_eq!(text.code, 0);
    assert!(
        text.text().contains("(refused)") && text.text().contains("run as root"),
        "{}",
        text.text()
    );
    if let (true, own) = (is_root(), run(&["ps"])) {
        assert!(!own.text().contains("run as root"), "{}", own.text());
    }
    let named = as_nobody(&["ps", "1"]).unwrap();
    assert_eq!(named.code, 1);
    assert!(named.line().contains("process 1: Permission denied"), "{}", named.line());
    assert!(named.text().contains("not read"), "{}", named.text());
}

#[test]
fn backings_are_grouped_by_their_names_whatever_these_are() {
    let files = Files::new();
    for name in ["a b", "two\nlines", r"a\012b", "µ (deleted)", "[heap]", "\x1b[31m"] {
        let path = files.file(name, &noise(8192));
        let subject = Subject::start("file", &path);
        let found = process(&subject.pid(), &["--file", "*"]);
        // The kernel writes a newline as \012, and \012 so too: it cannot be told which it was.
        let shown = path.replace(r"\012", "\n").replace(" (deleted)", "");
        let row = rows(&found, "groups").iter().find(|row| row["path"] == shown.as_str());
        let row = row.unwrap_or_else(|| panic!("no {name:?} in {found:#}"));
        assert_eq!((number(row, "resident_bytes"), number(row, "mapped_bytes")), (8192, 8192));
        let text = run(&["ps", &subject.pid()]);
        assert!(!text.text().contains('\x1b'), "{:?}", text.text());
    }
}

#[test]
fn mappings_are_chosen_by_file_dirt_huge_pages_and_protection() {
    let files = Files::new();
    let path = files.file("library.so.1", &noise(64 << 10));
    let subject = Subject::start("kinds", &path);
    let names = |options: &[&str]| -> Vec<String> {
        let found = process(&subject.pid(), options);
        rows(&found, "groups").iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--file", "library.so.*"]), [path.as_str()]);
    assert_eq!(names(&["--file", "/*/library.so.?"]), [path.as_str()]);
    assert!(names(&["--file", "library"]).is_empty());
    assert_eq!(names(&["--writable-exec"]).len(), 1);
    let dirty = names(&["--dirty"]);
    assert!(!dirty.contains(&path) && dirty.iter().any(|name| name == "[heap]"), "{dirty:?}");
    let all = names(&[]);
    assert!(all.contains(&path));
    match all.iter().any(|name| name == "[anon:a test]") {
        true => assert!(dirty.iter().any(|name| name == "[anon:a test]")),
        false => skip("names of anonymous memory (CONFIG_ANON_VMA_NAME)"),
    }
    let found = process(&subject.pid(), &["--huge", "--each"]);
    match rows(&found, "mappings") {
        [] => skip("a huge page (MADV_COLLAPSE)"),
        huge => assert!(sum(huge, "transparent_huge_bytes") >= 2 << 20),
    }
    let text = run(&["ps", &subject.pid(), "--file", "library.so.*"]);
    assert!(
        text.text().contains("████████████  ") && text.text().contains("shown"),
        "{}",
        text.text()
    );
}

#[test]
fn a_process_is_found_by_its_name_that_of_its_file_and_its_path() {
    let subject = Subject::start("quiet", "");
    let path = std::env::current_exe().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for argument in [name, &format!("{}*", &name[..6]), path.to_str().unwrap(), &name[..15]] {
        let all = run(&["ps", "--list", argument, "--output", "json"]).json();
        let found = of_pid(all.as_array().unwrap(), &subject.pid());
        assert!(found.is_some(), "{argument}: {all:#}");
    }
    let none = run(&["ps", "no such name"]);
    assert_eq!((none.code, none.text()), (1, ""));
    assert!(none.line().starts_with("no process is called no such name"), "{}", none.line());
    let none = run(&["ps", "./no/such/file"]);
    assert_eq!((none.code, none.text()), (1, ""));
    assert!(none.line().starts_with("no process executes ./no/such/file"), "{}", none.line());
    for (name, reason) in [("a[", "no name or glob"), ("", "a process's name has letters")] {
        let ran = run(&["ps", name, "--list"]);
        assert_eq!((ran.code, ran.line().contains(reason)), (2, true), "{ran:?}");
    }
}

#[test]
fn the_path_of_what_a_process_executes_may_be_relative_or_lead_through_links() {
    let subject = Subject::start("quiet", "");
    let path = std::env::current_exe().unwrap();
    let files = Files::new();
    std::os::unix::fs::symlink(path.parent().unwrap(), files.path("link")).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for (from, argument) in [
        (path.parent().unwrap(), format!("./{name}")),
        (files.0.path(), format!("link/{name}")),
        (path.parent().unwrap(), format!("*/{}*", &name[..6])),
    ] {
        let mut command = folio(&["ps", "--list", &argument, "--output", "json"]);
        let all = Ran::of(command.current_dir(from)).json();
        assert!(of_pid(all.as_array().unwrap(), &subject.pid()).is_some(), "{argument}: {all:#}");
    }
}

#[test]
fn a_kernel_thread_has_nothing_mapped() {
    let of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let Some(pid) = (2..200).find(|pid| of(*pid).contains("Kthread:\t1")) else {
        return skip("a kernel thread");
    };
    if !is_root() {
        return skip("root, who may ask for its mappings");
    }
    let ran = run(&["ps", &pid.to_string()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.text().contains("0 bytes in 0 mappings"), "{}", ran.text());
}

#[test]
fn an_address_is_traced_to_its_mapping_page_and_offset() {
    let files = Files::new();
    let path = files.file("f", &noise(5 * 4096));
    let subject = Subject::start("file", &path);
    let found = process(&subject.pid(), &["--file", "f", "--each"]);
    let start = number(&rows(&found, "mappings")[0], "address");
    let at = format!("{:#x}", start + 2 * 4096 + 17);
    let found = process(&subject.pid(), &["--at", &at]);
    let part = &rows(&found, "at")[0];
    assert_eq!(part["mapping"]["path"], path.as_str());
    let [page] = rows(part, "runs") else { panic!("{part:#}") };
    assert_eq!(number(page, "address"), start + 2 * 4096);
    assert_eq!((number(page, "length_bytes"), number(page, "offset_bytes")), (4096, 8192));
    assert_eq!((&page["state"], &page["is_of_backing"]), (&"resident".into(), &true.into()));
    assert_eq!(page["is_shared"], false);
    let text = run(&["ps", &subject.pid(), "--at", &at]);
    assert!(text.text().contains("pages         3 of 5"), "{}", text.text());
    let place = format!("address       {}, position 0x2011, offset 0x2011\n", &at[2..]);
    assert!(text.text().contains(&place), "{}", text.text());
    let other = Subject::start("quiet", "");
    let text = run(&["ps", &subject.pid(), &other.pid(), "--at", "0x10"]);
    assert_eq!((text.code, text.text()), (1, ""));
    let range = format!("{start:x}+20K");
    let found = process(&subject.pid(), &["--at", &range]);
    assert_eq!(sum(rows(&rows(&found, "at")[0], "runs"), "length_bytes"), 5 * 4096);
    let nothing = run(&["ps", &subject.pid(), "--at", "0x10"]);
    assert_eq!(nothing.code, 1);
    assert!(nothing.line().contains("nothing is mapped at 0x10"), "{}", nothing.line());
    assert_eq!(run(&["ps", &subject.pid(), "--at", "2000-1000"]).code, 2);
}

#[test]
fn root_sees_frames_and_who_shares_them() {
    let files = Files::new();
    let path = files.file("f", &noise(8192));
    let [one, other] = [(); 2].map(|()| Subject::start("file", &path));
    let found = process(&one.pid(), &["--file", "f", "--each"]);
    let at = format!("{:#x}", number(&rows(&found, "mappings")[0], "address"));
    let ran = run(&["ps", &one.pid(), "--at", &at, "--frames", "--output", "json"]);
    if ran.code == 1 {
        assert!(
            ran.line().contains("run as root") || ran.line().contains("CAP_SYS_ADMIN"),
            "{ran:?}"
        );
        return skip("root, who sees physical frames");
    }
    let all = ran.json();
    let runs = rows(&rows(&all[0], "at")[0], "runs");
    assert_eq!(sum(runs, "length_bytes"), 8192);
    for run in runs {
        assert!(number(run, "frame") > 0 && number(run, "mappers") == 2, "{run:#}");
        let pids: Vec<String> = rows(run, "shared_with").iter().map(Value::to_string).collect();
        assert_eq!(pids, [other.pid()]);
    }
    let text = run(&["ps", &one.pid(), "--at", &at, "--frames"]);
    assert!(text.text().contains("frames        8 KiB in "), "{}", text.text());
}

#[test]
fn the_documentation_has_every_key_of_the_json() {
    fn keys(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    found.push(key.clone());
                    keys(value, found);
                }
            }
            Value::Array(all) => all.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let subject = Subject::start("quiet", "");
    let stack = process(&subject.pid(), &["--each", "--sort", "name"]);
    let address = number(&rows(&stack, "mappings")[0], "address");
    let at = process(&subject.pid(), &["--at", &format!("{address:#x}")]);
    let mut found = Vec::new();
    for value in [process(&subject.pid(), &[]), stack, at] {
        keys(&value, &mut found);
    }
    let text = include_str!("../../../docs/command.md");
    let documented = text.split("## `folio ps`").nth(1).unwrap().split("\n## ").next().unwrap();
    for key in found {
        assert!(documented.contains(&format!("`{key}`")), "{key} is not documented");
    }
}

#[test]
fn requests_that_make_no_sense_are_usage_errors() {
    for line in [
        "--each",
        "--file x",
        "1 --list --each",
        "1 --frames",
        "1 --at here",
        "1 --at 1000 --each",
        "1 --sort colour",
        "1 --file [",
        "--at 1000",
    ] {
        let words: Vec<&str> = ["ps"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(run(&words).code, 2, "{line}");
    }
}
