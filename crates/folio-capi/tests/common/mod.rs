//! libfolio, installed for a test from the archive that cargo has built for it, and a C compiler.
#![allow(dead_code, unreachable_pub)]

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// What every C source here has to pass without a warning.
pub const C: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror"];
pub const CPP: [&str; 5] = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror"];

/// Where `install` has put libfolio. Deleted when the value goes.
pub struct Installed {
    root: PathBuf,
}

impl Installed {
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let root = env::temp_dir().join(format!("folio-capi-{name}-{}", std::process::id()));
        let installed = Self { root };
        fs::create_dir_all(installed.path("work")).unwrap();
        output(Command::new(source("install")).args([
            "--archive".as_ref(),
            archive().as_os_str(),
            "--prefix".as_ref(),
            installed.path("usr").as_os_str(),
        ]));
        installed
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    pub fn library(&self) -> PathBuf {
        self.path("usr/lib/libfolio.so.0")
    }

    /// Compiles a program against the shared library, as pkg-config's answer would have it.
    #[track_caller]
    pub fn program(&self, source: impl AsRef<Path>, flags: &[&str]) -> PathBuf {
        let source = source.as_ref();
        let program = self.path("work").join(source.file_stem().unwrap());
        let lib = self.path("usr/lib");
        output(
            Command::new("cc")
                .args(flags)
                .args(["-pthread", "-I"])
                .arg(self.path("usr/include"))
                .arg(source)
                .arg("-o")
                .arg(&program)
                .arg("-L")
                .arg(&lib)
                .arg("-lfolio")
                .arg(format!("-Wl,-rpath,{}", lib.display())),
        );
        program
    }

    /// pkg-config's answer about folio.
    #[track_caller]
    pub fn pkg_config(&self, arguments: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.path("usr/lib/pkgconfig"));
        let said = output(command.args(arguments).arg("folio"));
        said.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A file of this package.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The static library: the one that FOLIO_ARCHIVE names, or else the one that cargo builds along with
/// the tests, beside them.
#[track_caller]
pub fn archive() -> PathBuf {
    if let Some(archive) = env::var_os("FOLIO_ARCHIVE") {
        return archive.into();
    }
    let test = env::current_exe().unwrap();
    let built = fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let archives = built.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libfolio_c-") && name.ends_with(".a")
    });
    // One for each set of features and flags: the newest is of the sources as they are.
    let age = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    archives.max_by_key(age).expect("cargo has built libfolio_c.a")
}

/// What a command prints. It has to succeed.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Whether a program is there; says so if not.
pub fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
    if !there {
        skip(program);
    }
    there
}

/// Whether the compiler has AddressSanitizer.
pub fn has_asan(installed: &Installed) -> bool {
    let source = installed.path("work/nothing.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let program = installed.path("work/nothing");
    let mut compile = Command::new("cc");
    compile.arg("-fsanitize=address,undefined").arg(&source).arg("-o").arg(&program);
    let there = run(&mut compile).status.success() && Command::new(&program).status().is_ok();
    if !there {
        skip("cc -fsanitize=address,undefined");
    }
    there
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}
