//! Every commit of a commit-graph file.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use gix_commitgraph::Graph;

mod driver;
mod repository;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    repository::make(dir)?;
    let path = dir.join(".git/objects/info/commit-graph");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let path = dir.join(".git/objects/info/commit-graph");
    let graph = Graph::at(&path, gix_hash::Kind::Sha1, None)?;
    let mut sum = 0u64;
    for commit in graph.iter_commits() {
        sum = sum
            .wrapping_add(commit.committer_timestamp())
            .wrapping_add(driver::digest(commit.root_tree_id().as_bytes()));
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
