//! SAFETY.md lists exactly the files that may use `unsafe`.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            rust_files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn safety_md_lists_the_files_that_may_use_unsafe_and_no_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Ok(listed) = fs::read_to_string(root.join("SAFETY.md")) else {
        common::skip("not in the repository");
        return;
    };
    let listed: BTreeSet<String> = listed
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let allowing: BTreeSet<String> = files
        .iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("\n#![allow(unsafe_code)]"))
        .map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
        .collect();
    let missing: Vec<_> = allowing.difference(&listed).collect();
    assert!(missing.is_empty(), "they allow unsafe code, and are not in SAFETY.md: {missing:?}");
    let left_over: Vec<_> = listed.difference(&allowing).collect();
    assert!(left_over.is_empty(), "in SAFETY.md, and they allow none: {left_over:?}");
}
