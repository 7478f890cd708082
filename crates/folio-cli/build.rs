//! Builds folio-preload, the library that `folio run` preloads, for the command to carry.
//!
//! By a cargo of its own: a package cannot depend on a shared library yet (cargo's unstable `bindeps`).
//! It has a target directory of its own, so that the two do not wait for each other, and nothing of
//! what makes this build special reaches it: sanitizers, lints and profiles are not for a library that
//! other programs load.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::error::Error;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROFILE: &str = "preload";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for path in ["crates/folio-preload", "crates/folio/src", "crates/folio/Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for path in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");

    let library = build(&root)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(&library)?);
    println!("cargo::rustc-env=FOLIO_PRELOAD={}", library.display());
    println!("cargo::rustc-env=FOLIO_PRELOAD_HASH={:016x}", hasher.finish());
    Ok(())
}

/// Returns where the library is.
fn build(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let manifest = root.join("crates/folio-preload/Cargo.toml");
    if !manifest.is_file() {
        return Err(format!(
            "{} is missing: build folio-cli in its repository",
            manifest.display()
        )
        .into());
    }
    let target = env::var("TARGET")?;
    let directory =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("preload");
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("CARGO is not set")?);
    cargo.arg("build").arg("--manifest-path").arg(&manifest);
    cargo.args(["--profile", PROFILE, "--target", &target]).arg("--target-dir").arg(&directory);
    // Flags and lints of this build. What is set but empty takes the place of configuration files.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "");
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "RUSTC_BOOTSTRAP"] {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PROFILE_") || name.starts_with("CARGO_FEATURE_") {
            cargo.env_remove(&*name);
        }
    }
    let output = cargo.output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("folio-preload was not built:\n{errors}").into());
    }
    Ok(directory.join(target).join(PROFILE).join("libfolio_preload.so"))
}
