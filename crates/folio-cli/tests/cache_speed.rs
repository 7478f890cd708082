//! `folio cache` against vmtouch and cat: a measurement, and no test. Each row is a ratio of times of
//! programs that have their turns.
//!
//! ```text
//! cargo test --release -p folio-cli --test cache_speed -- --ignored --nocapture
//!     FOLIO_ROUNDS=7        rounds of which figures are the medians
//!     FOLIO_DIRECTORY=DIR   where the files lie, 3 GiB of them; on a disk
//! ```

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::programs::installed;
use common::{noise, text};

/// A contender: its name and its command, of which `$1` is the path and `$FOLIO` the program.
type Contender = (&'static str, &'static str);

const LOOK: [Contender; 2] = [("folio cache", "$FOLIO cache $1"), ("vmtouch", "vmtouch $1")];
const WARM: [Contender; 3] = [
    ("folio cache --warm", "$FOLIO cache --warm $1"),
    ("vmtouch -t", "vmtouch -t $1"),
    ("cat", "find $1 -type f -print0 | xargs -0 cat"),
];
const DISK: Contender = (
    "dd iflag=direct, 4 at once",
    "for part in 0 1 2 3; do
    dd if=$1 of=/dev/null bs=4M iflag=direct count=128 skip=$((part * 128)) status=none &
done; wait",
);

fn shell(line: &str, path: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh", path]).env("FOLIO", env!("CARGO_BIN_EXE_folio"));
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{line}");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs the contenders in turn, each after `before`, and prints how much longer others take than the
/// first.
fn contest(title: &str, contenders: &[Contender], path: &str, before: &str) {
    let rounds: usize = std::env::var("FOLIO_ROUNDS").map_or(7, |rounds| rounds.parse().unwrap());
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            shell(before, path);
            let start = Instant::now();
            shell(contenders[index].1, path);
            times[index].push(start.elapsed().as_secs_f64());
        }
    }
    for ((name, _), of_one) in contenders.iter().zip(&times) {
        let ratio = median(of_one.iter().zip(&times[0]).map(|(time, first)| time / first));
        let time = median(of_one.iter().copied()) * 1e3;
        println!("{title:42} {name:26} {time:10.1} ms {ratio:8.2}");
    }
}

/// 100,000 files of 5,000 bytes, in 100 directories.
fn tree(directory: &Path) -> PathBuf {
    let tree = directory.join("tree-100000");
    if !tree.join("99/999").exists() {
        let bytes = noise(5000);
        for below in 0..100 {
            let below = tree.join(below.to_string());
            fs::create_dir_all(&below).unwrap();
            (0..1000).for_each(|name| fs::write(below.join(name.to_string()), &bytes).unwrap());
        }
    }
    tree
}

/// A file of 10 GiB, of which 256 MiB are there.
fn sparse(directory: &Path) -> PathBuf {
    let path = directory.join("sparse-10G");
    let file = File::create(&path).unwrap();
    file.set_len(10 << 30).unwrap();
    let bytes = noise(16 << 20);
    (0..16).for_each(|part| file.write_all_at(&bytes, part * (640 << 20)).unwrap());
    file.sync_all().unwrap();
    path
}

/// A file of 2 GiB.
fn large(directory: &Path) -> PathBuf {
    let path = directory.join("large-2G");
    if !path.exists() {
        let file = File::create(&path).unwrap();
        let bytes = noise(16 << 20);
        (0..128).for_each(|part| file.write_all_at(&bytes, part * (16 << 20)).unwrap());
        file.sync_all().unwrap();
    }
    path
}

#[test]
#[ignore = "a measurement"]
fn folio_cache_against_others() {
    if installed("vmtouch").is_none() {
        return common::skip("no vmtouch");
    }
    let directory = std::env::var_os("FOLIO_DIRECTORY").map(PathBuf::from);
    let directory =
        directory.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    fs::create_dir_all(&directory).unwrap();
    let (tree, sparse, large) = (tree(&directory), sparse(&directory), large(&directory));
    let (tree, sparse, large) = (text(&tree), text(&sparse), text(&large));

    println!("{:42} {:26} {:>13} {:>8}", "medians, in turn", "", "", "ratio");
    contest("look: 100,000 files, in memory", &LOOK, &tree, "$FOLIO cache --warm $1");
    contest("look: 100,000 files, not in memory", &LOOK, &tree, "$FOLIO cache --evict $1");
    contest("look: 10 GiB sparse, 256 MiB in memory", &LOOK, &sparse, "true");
    contest("look: 10 GiB sparse, not in memory", &LOOK, &sparse, "$FOLIO cache --evict $1");
    contest("warm: 100,000 files", &WARM, &tree, "$FOLIO cache --evict $1");
    // What the disk gives is as quick as it gets.
    let warm = [&WARM[..], &[DISK]].concat();
    contest("warm: 2 GiB", &warm, &large, "$FOLIO cache --evict $1");
}
