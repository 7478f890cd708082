//! `folio shm`: segments from a shell.

mod common;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::shm::{Name, fails, shm, with_input};
use common::{Ran, folio, is_root, noise, number, run};
use serde_json::Value;

/// What `folio shm ls` says of it.
fn listed(name: &Name) -> Option<Value> {
    let all = run(&["shm", "ls", "--output", "json"]).json();
    all.as_array().unwrap().iter().find(|one| one["name"] == **name).cloned()
}

fn stat(name: &Name) -> Value {
    run(&["shm", "stat", name, "--output", "json"]).json()
}

#[test]
fn what_is_written_is_read_again() {
    let name = Name::new();
    shm(&["create", &name, "--size", "3M"]);
    let content = noise(3 << 20);
    with_input(&["shm", "write", &name], &content);
    assert!(run(&["shm", "cat", &name]).stdout == content);
    with_input(&["shm", "write", &name, "--offset", "1M"], b"amid");
    let part = run(&["shm", "cat", &name, "-o", "1048575", "-l", "6"]);
    assert_eq!(
        part.stdout[..],
        [&content[1_048_575..][..1], b"amid", &content[1_048_580..][..1]].concat()
    );
    assert_eq!(run(&["shm", "cat", &name, "-o", "3M"]).stdout, b"");
    fails(&["cat", &name, "-o", "4M"], &["offset 4,194,304", "3,145,728 bytes", "--offset"]);
}

#[test]
fn a_segment_that_can_grow_grows_with_what_is_written() {
    let name = Name::new();
    shm(&["create", &name, "--size", "0", "--grow", "64K"]);
    with_input(&["shm", "write", &name], &noise(10_000));
    let stat = stat(&name);
    assert_eq!(number(&stat, "payload_bytes"), 0);
    assert_eq!(number(&stat, "payload_now_bytes"), 10_000);
    assert_eq!(number(&stat, "capacity_bytes"), 64 << 10);
    assert_eq!(run(&["shm", "cat", &name]).stdout, noise(10_000));
    let ran = common::shm::give(&["shm", "write", &name], &noise(100_000));
    assert_eq!(ran.code, 1);
    for part in [&*name, "cannot write to", "beyond its 65,536 bytes", "--grow"] {
        assert!(ran.line().contains(part), "{}", ran.line());
    }
}

/// What the list says of a segment once nobody has it: others who look have it for a moment, as has a child
/// that another test is just starting.
fn idle(name: &Name) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let report = listed(name).unwrap();
        if report["state"] != "used" || Instant::now() > end {
            assert_eq!(report["state"], "idle", "{report:#}");
            return report;
        }
    }
}

#[test]
fn a_list_says_whose_they_are_and_who_has_them() {
    let name = Name::new();
    shm(&["create", &name, "--size", "1M", "--mode", "640", "--layout", "0x1f"]);
    let report = idle(&name);
    let expected = [
        ("kind", "segment"),
        ("state", "idle"),
        ("mode", "0640"),
        ("layout", "0x1f"),
        ("creator_state", "dead"),
    ];
    for (key, value) in expected {
        assert_eq!(report[key], value, "{report:#}");
    }
    assert_eq!(number(&report, "payload_bytes"), 1 << 20);
    assert_eq!(number(&report, "user"), u64::from(rustix::process::geteuid().as_raw()));
    assert_eq!(report["users"].as_array().unwrap().len(), 0);
    // It has the segment open as long as its standard input is.
    let mut writer =
        folio(&["shm", "write", &name, "--anybody"]).stdin(Stdio::piped()).spawn().unwrap();
    while listed(&name).unwrap()["users"] != serde_json::json!([writer.id()]) {
        assert!(writer.try_wait().unwrap().is_none());
    }
    assert_eq!(listed(&name).unwrap()["state"], "used");
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());

    let text = run(&["shm", "ls"]);
    let lines: Vec<_> = text.text().lines().collect();
    let titles: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!(titles, ["name", "kind", "size", "mode", "owner", "creator", "users", "state"]);
    let row = lines.iter().find(|line| line.starts_with(&*name)).unwrap();
    assert!(row.contains(" 1 MiB ") && row.contains(" 0640 ") && row.contains("(dead)"), "{row}");
    assert!(lines.iter().all(|line| !line.ends_with(' ')), "{lines:?}");
}

#[test]
fn every_key_is_documented() {
    let manual = include_str!("../../../docs/command.md");
    let name = Name::new();
    shm(&["create", &name, "--queue"]);
    let stat = stat(&name);
    let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let channel = keys(&stat["channel"]);
    for key in keys(&stat).into_iter().chain(keys(&listed(&name).unwrap())).chain(channel) {
        assert!(manual.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn a_channel_holds_eight_of_its_longest_messages_unless_it_is_told_otherwise() {
    let queue = Name::new();
    shm(&["create", &queue, "--queue", "--longest", "1M"]);
    for _ in 0..8 {
        with_input(&["shm", "send", &queue, "--whole", "--timeout", "0s"], &noise(1 << 20));
    }
    assert_eq!(number(&stat(&queue)["channel"], "sent"), 8);
}

#[test]
fn a_channel_shows_its_counters() {
    let queue = Name::new();
    shm(&["create", &queue, "--queue", "--senders", "3", "--longest", "100", "--bytes", "8K"]);
    shm(&["send", &queue, "one", "two"]);
    let channel = stat(&queue)["channel"].clone();
    assert_eq!(number(&channel, "longest_bytes"), 100);
    assert_eq!(number(&channel, "circle_bytes"), 8 << 10);
    assert_eq!((number(&channel, "sent"), number(&channel, "received")), (2, 0));
    let text = run(&["shm", "stat", &queue]);
    for line in ["  sent          2", "  waiting       2", "  senders       none"] {
        assert!(text.text().lines().any(|one| one == line), "no {line:?} in {}", text.text());
    }
    let queue = Name::new();
    shm(&["create", &queue, "--queue", "--drop-oldest", "--longest", "100", "--bytes", "1K"]);
    let message = "x".repeat(90);
    for _ in 0..10 {
        shm(&["send", &queue, &message, "--timeout", "0s"]);
    }
    let channel = stat(&queue)["channel"].clone();
    assert_eq!((&channel["drops_oldest"], number(&channel, "sent")), (&Value::Bool(true), 10));
    assert_eq!(number(&channel, "dropped"), 2);
    let text = run(&["shm", "stat", &queue]);
    for line in
        ["  dropped       2", "  waiting       8", "  when full     senders drop the oldest"]
    {
        assert!(text.text().lines().any(|one| one == line), "no {line:?} in {}", text.text());
    }
    let broadcast = Name::new();
    shm(&["create", &broadcast, "--broadcast", "--hold-back"]);
    let channel = stat(&broadcast)["channel"].clone();
    assert_eq!((&channel["holds_back"], &channel["received"]), (&Value::Bool(true), &Value::Null));
}

#[test]
fn what_dead_processes_left_is_removed_and_nothing_else() {
    let (kept, left) = (Name::new(), Name::new());
    shm(&["create", &kept, "--size", "1"]);
    let options = folio_shm::Segment::options().create_new().size(1);
    drop(options.open(&left).unwrap());
    idle(&left);
    // Its creator is one that is dead: any process but this one.
    orphan(&left);
    let names = |arguments: &[&str]| {
        let removed = run(&[&["shm", "gc", "--output", "json"], arguments].concat()).json();
        let names = removed.as_array().unwrap().iter().map(|one| one["name"].to_string());
        names.collect::<Vec<_>>()
    };
    let is_in = |names: Vec<String>, name: &Name| names.contains(&format!("\"{}\"", &**name));
    // A child that another test is just starting has all descriptors for a moment, and is a user.
    let removes = |arguments: &[&str]| {
        let end = Instant::now() + Duration::from_secs(20);
        while !is_in(names(arguments), &left) {
            assert!(Instant::now() < end, "{arguments:?}");
        }
    };
    removes(&["--dry-run"]);
    assert!(left.path().exists());
    removes(&[]);
    assert!(!left.path().exists() && kept.path().exists());
}

/// Has a segment been made by a process that has ended.
fn orphan(name: &Name) {
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().read(true).write(true).open(name.path()).unwrap();
    let mut header = [0; 80];
    file.read_exact_at(&mut header, 0).unwrap();
    header[48] ^= 1;
    let checksum = header[..72].iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    header[72..].copy_from_slice(&checksum.to_le_bytes());
    file.write_all_at(&header, 0).unwrap();
}

#[test]
fn a_name_that_is_not_there_or_none_is_named() {
    let name = Name::new();
    for command in ["stat", "cat", "write", "rm", "send", "recv", "tail"] {
        let expected = format!(
            "there is no segment of that name: folio shm ls shows all, folio shm create {} --queue",
            &*name
        );
        fails(&[command, &name], &[&name, &expected]);
    }
    fails(&["write", "a/b"], &["a/b", "leave slashes out"]);
    fails(&["watch", "a/b"], &["a/b", "no journal"]);
    fails(&["create", "a/b", "--queue"], &["\"a/b\"", "leave slashes out"]);
    fails(&["create", "..", "--size", "1"], &["\"..\"", "choose another name"]);
    shm(&["create", &name, "--size", "1"]);
    fails(
        &["create", &name, "--size", "1"],
        &[&name, &format!("remove it first: folio shm rm {}", &*name)],
    );
    shm(&["rm", &name]);
    assert!(!name.path().exists());
}

#[test]
fn what_another_program_made_is_left_alone() {
    let name = Name::new();
    fs::write(name.path(), b"somebody else's").unwrap();
    assert!(listed(&name).is_none());
    for command in ["stat", "cat", "write", "rm", "send"] {
        fails(&[command, &name], &[&name, "does not begin as folio's segments do"]);
    }
    assert_eq!(fs::read(name.path()).unwrap(), b"somebody else's");
}

#[test]
fn a_segment_that_was_spoilt_is_refused_and_can_be_removed() {
    let name = Name::new();
    shm(&["create", &name, "--size", "64K"]);
    fs::File::options().write(true).open(name.path()).unwrap().set_len(5000).unwrap();
    fails(&["cat", &name], &[&name, "has 5000 bytes, and its header says", "have it made anew"]);
    shm(&["rm", &name]);
    assert!(!name.path().exists());
}

#[test]
fn bytes_are_not_written_over_a_channel() {
    let name = Name::new();
    shm(&["create", &name, "--queue"]);
    fails(&["write", &name], &[&name, "it is a queue", "folio shm send"]);
}

#[test]
fn a_segment_that_more_may_reach_is_written_to_if_that_is_meant() {
    let name = Name::new();
    shm(&["create", &name, "--size", "10", "--mode", "666"]);
    fails(&["write", &name], &[&name, "0666", "if that is meant, add --anybody"]);
    with_input(&["shm", "write", "--anybody", &name], b"meant");
    assert_eq!(&run(&["shm", "cat", &name]).stdout[..5], b"meant");
    if is_root() {
        common::skip("root reads everything");
    } else {
        fs::set_permissions(name.path(), Permissions::from_mode(0o000)).unwrap();
        fails(&["cat", &name], &[&name, "does not permit it to this user: ask its owner"]);
    }
}

#[test]
fn segments_of_another_user_are_refused_as_their_modes_and_trust_ask() {
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    if !is_root() {
        return common::skip("to be another user takes root");
    }
    let (secret, open) = (Name::new(), Name::new());
    shm(&["create", &secret, "--size", "10"]);
    shm(&["create", &open, "--queue", "--mode", "666"]);
    let run = |arguments: &[&str]| {
        let output = folio(&[&["shm"], arguments].concat()).uid(NOBODY).gid(NOBODY).output();
        output.map(Ran::from)
    };
    if let Err(error) = run(&["ls"]) {
        return common::skip(format_args!("another user cannot start the command: {error}"));
    }
    let cases: [(&[&str], &[&str]); 4] = [
        (&["cat", &secret], &["does not permit it to this user", "ask its owner"]),
        (&["rm", &secret], &["does not permit it to this user"]),
        (&["rm", &open], &["only its owner may remove it", "ask its owner"]),
        (&["send", &open, "x"], &["belongs to user 0", "if that is meant, add --anybody"]),
    ];
    for (arguments, parts) in cases {
        let ran = run(arguments).unwrap();
        assert_eq!((ran.code, ran.stdout.len()), (1, 0), "{arguments:?}: {ran:?}");
        for part in parts {
            assert!(ran.line().contains(part), "{part:?} is not in {}", ran.line());
        }
    }
    assert_eq!(run(&["send", &open, "x", "--anybody"]).unwrap().code, 0);
    let heard = Name::new();
    shm(&["create", &heard, "--broadcast", "--mode", "644"]);
    assert!(run(&["stat", &heard]).unwrap().text().contains("publisher     none"));
    let tail = folio(&["shm", "tail", &heard, "--anybody", "--count", "1"])
        .uid(NOBODY)
        .gid(NOBODY)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let broadcast = folio_shm::Broadcast::options();
    let broadcast = broadcast.segment(|segment| segment.mode(0o644)).open(&heard).unwrap();
    let mut publisher = broadcast.publisher().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    // Nobody knows when one who only reads has come.
    let has_ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", tail.id())).unwrap();
        stat.contains(") Z ")
    };
    while !has_ended() && Instant::now() < end {
        publisher.send(b"to all who may read").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(broadcast.stat().subscribers.is_empty());
    drop(publisher);
    let output = tail.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"to all who may read\n");

    let listed = run(&["ls", "--output", "json"]).unwrap().json();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&&*open) && !names.contains(&&*secret), "{names:?}");
}

#[test]
fn a_full_dev_shm_is_an_error_when_it_is_made() {
    if !is_root() {
        return common::skip("mounting a small /dev/shm takes root");
    }
    let script =
        "mount -t tmpfs -o size=1m tmpfs /dev/shm && exec \"$0\" shm create full --size 2M";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_folio")]);
    common::same_everywhere(&mut command);
    let ran = match command.output() {
        Ok(output) => Ran::from(output),
        Err(_) => return common::skip("no unshare(1)"),
    };
    if !ran.stderr.starts_with("folio: ") {
        return common::skip(format_args!("no mount namespace: {}", ran.stderr.trim()));
    }
    assert_eq!(ran.code, 1);
    for part in [
        "/dev/shm/full",
        "it needs 2101248 bytes, and 1048576 are free",
        "folio shm gc",
        "--shm-size",
    ] {
        assert!(ran.line().contains(part), "{part:?} is not in {}", ran.line());
    }
    assert_eq!(ran.line().matches("remove what nobody uses").count(), 1, "{}", ran.line());
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    for arguments in [
        &["shm"][..],
        &["shm", "create", "n"],
        &["shm", "create", "n", "--size", "x"],
        &["shm", "create", "n", "--size", "1", "--queue"],
        &["shm", "create", "n", "--queue", "--broadcast"],
        &["shm", "create", "n", "--queue", "--subscribers", "3"],
        &["shm", "create", "n", "--broadcast", "--senders", "3"],
        &["shm", "create", "n", "--queue", "--senders", "0"],
        &["shm", "create", "n", "--size", "1", "--mode", "8"],
        &["shm", "create", "n", "--size", "1", "--mode", "7777"],
        &["shm", "create", "n", "--size", "1", "--layout", "x"],
        &["shm", "create", "n", "--size", "1", "--longest", "1"],
        &["shm", "rm"],
        &["shm", "recv", "n", "--raw", "--output", "json"],
        &["shm", "recv", "n", "--timeout", "x"],
        &["shm", "send", "n", "--whole", "a message"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.len()), (2, 0), "{arguments:?}: {ran:?}");
    }
    let ran = run(&["shm", "create", "n"]);
    assert_eq!((ran.code, ran.stdout.len()), (2, 0));
    for way in ["--size", "--queue", "--broadcast", "--journal"] {
        assert!(ran.stderr.contains(way), "{}", ran.stderr);
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let name = Name::new();
    shm(&["create", &name, "--size", "4M"]);
    let mut cat = folio(&["shm", "cat", &name])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(cat.stdout.take());
    let output = cat.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = Ran::of(folio(&["shm", "cat", &name]).stdout(full));
    assert_eq!(ran.code, 1);
    assert!(ran.line().contains("standard output"), "{}", ran.line());
    std::io::stderr().flush().unwrap();
}
