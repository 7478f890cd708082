//! What can be seen of a program before it starts: whether folio's library can be preloaded into it,
//! and its handler of SIGBUS stays in front.
//!
//! The dynamic linker of glibc loads what LD_PRELOAD names into dynamically linked programs of its own
//! kind, unless they gain privileges by being executed (ld.so(8)). What handles signals without the C
//! library takes the place of folio's handler: Go programs do that, unless they are built with cgo.
//!
//! ```
//! use folio_cli::program;
//! let path = program::find("sh".as_ref()).unwrap();
//! assert!(program::check(&path).is_ok());
//! assert_eq!(program::find("no-such-program".as_ref()).unwrap_err().status(), 127);
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::{LittleEndian, ReadCache};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{getgid, getuid};

use crate::failure::Failure;
use crate::run::{NOT_FOUND, UNUSABLE};

/// The interpreters of interpreters that are followed; the kernel has its limit too (execve(2)).
const DEPTH: usize = 5;

/// Where a command is, as execvp(3) finds it.
///
/// # Errors
/// That it is not there, or cannot be executed.
pub fn find(command: &OsStr) -> Result<PathBuf, Failure> {
    let name = if command.is_empty() { "''".into() } else { command.to_string_lossy() };
    let fails = |reason: String, status| {
        Err(Failure::new(format!("cannot run {name}: {reason}")).with_status(status))
    };
    if command.as_bytes().contains(&b'/') {
        let path = PathBuf::from(command);
        return match executable(&path) {
            Ok(()) => Ok(path),
            Err(Errno::NOENT | Errno::NOTDIR) => {
                fails("there is no such file: check the path".into(), NOT_FOUND)
            }
            Err(Errno::ISDIR) => fails("it is a directory: name a file in it".into(), UNUSABLE),
            Err(Errno::ACCESS) => {
                fails("you may not execute it: check it with ls -l (chmod +x)".into(), UNUSABLE)
            }
            Err(errno) => fails(words(errno), UNUSABLE),
        };
    }
    let searched = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut refused = None;
    for directory in searched.as_bytes().split(|&byte| byte == b':') {
        let directory = if directory.is_empty() { b"." } else { directory };
        let path = Path::new(OsStr::from_bytes(directory)).join(command);
        match executable(&path) {
            Ok(()) if !command.is_empty() => return Ok(path),
            // A directory that may not be searched says nothing about what is in it.
            Err(Errno::ACCESS) if path.exists() => refused = refused.or(Some(path)),
            _ => {}
        }
    }
    match refused {
        Some(path) => fails(
            format!("you may not execute {}: check it with ls -l (chmod +x)", path.display()),
            UNUSABLE,
        ),
        None => fails("there is no such program in PATH: check the name".into(), NOT_FOUND),
    }
}

fn executable(path: &Path) -> Result<(), Errno> {
    let metadata =
        fs::metadata(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    if metadata.is_dir() {
        return Err(Errno::ISDIR);
    }
    // As execve(2) has it; and a FIFO would be waited for when it is looked at.
    if !metadata.is_file() {
        return Err(Errno::ACCESS);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Why a program cannot be covered, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncovered {
    path: PathBuf,
    reason: String,
    way_out: &'static str,
}

/// What is done about a program of another C library. Its dynamic linker heeds LD_PRELOAD too, and
/// fails on a library of glibc's.
const OTHER_LIBRARY: &str = "use one linked with glibc";

/// What is done about a program with AddressSanitizer, which ends it where anything is preloaded.
const NOT_FIRST: &str = "set ASAN_OPTIONS=verify_asan_link_order=0";

impl Uncovered {
    /// Whether it starts with the library preloaded, though that is of no use to it.
    pub fn starts_preloaded(&self) -> bool {
        ![OTHER_LIBRARY, NOT_FIRST].contains(&self.way_out)
    }

    /// As the end of the command.
    pub fn failure(&self) -> Failure {
        Failure::new(format!("{self}: {}, or add --anyway to run it as it is", self.way_out))
            .with_status(UNUSABLE)
    }

    /// As a line before the program starts all the same.
    pub fn warning(&self) -> Failure {
        Failure::new(format!("warning: {self}: a fault will end it"))
    }
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot cover {}: {}", self.path.display(), self.reason)
    }
}

/// Whether faults of the program at `path` can be answered, as far as can be seen before it starts. A
/// script is what interprets it.
///
/// # Errors
/// Why not.
pub fn check(path: &Path) -> Result<(), Uncovered> {
    let mut path = path.to_owned();
    for _ in 0..DEPTH {
        match look(&path) {
            Ok(None) => return Ok(()),
            Ok(Some(interpreter)) => path = interpreter,
            Err((reason, way_out)) => return Err(Uncovered { path, reason, way_out }),
        }
    }
    // execve(2) has more to say about that.
    Ok(())
}

type Reason = (String, &'static str);

/// The interpreter of a script; nothing for a program.
fn look(path: &Path) -> Result<Option<PathBuf>, Reason> {
    privileges(path)?;
    // Whoever may execute a file need not be allowed to read it. Then nothing can be seen.
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let mut start = Vec::new();
    // BINPRM_BUF_SIZE: what the kernel looks at.
    let _ = file.by_ref().take(256).read_to_end(&mut start);
    if start.starts_with(&elf::ELFMAG) {
        return program(&start, file).map(|()| None);
    }
    if let Some(line) = start.strip_prefix(b"#!") {
        return Ok(interpreter(line));
    }
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if line.contains(&0) {
        return Err(("it is neither a program nor a script".into(), "name one"));
    }
    // execvp(3) gives it to the shell.
    Ok(Some("/bin/sh".into()))
}

/// What a program gains by being executed makes the dynamic linker ignore LD_PRELOAD.
fn privileges(path: &Path) -> Result<(), Reason> {
    const SET_USER: u32 = 0o4000;
    const SET_GROUP: u32 = 0o2010;
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let ignored = "and the dynamic linker preloads nothing there";
    if metadata.mode() & SET_USER != 0 && metadata.uid() != getuid().as_raw() {
        return Err((format!("it is set-user-ID, {ignored}"), "run it as its owner"));
    }
    if metadata.mode() & SET_GROUP == SET_GROUP && metadata.gid() != getgid().as_raw() {
        return Err((format!("it is set-group-ID, {ignored}"), "run it in its group (newgrp)"));
    }
    let mut none: [u8; 0] = [];
    let capable =
        rustix::fs::getxattr(path, c"security.capability", &mut none).is_ok_and(|len| len > 0);
    if capable && !getuid().is_root() {
        return Err((format!("it has capabilities (getcap), {ignored}"), "run it as root"));
    }
    Ok(())
}

/// What stands behind `#!`; with env(1), what that would start.
fn interpreter(line: &[u8]) -> Option<PathBuf> {
    let line = line.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let mut words = line.splitn(2, u8::is_ascii_whitespace);
    let interpreter = Path::new(OsStr::from_bytes(words.next()?));
    let rest = words.next().unwrap_or_default().trim_ascii();
    if interpreter.file_name() == Some(OsStr::new("env")) {
        let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let word = words.find(|word| *word != b"-S")?;
        if !word.starts_with(b"-") && !word.contains(&b'=') {
            return find(OsStr::from_bytes(word)).ok();
        }
    }
    Some(interpreter.to_owned())
}

fn program(start: &[u8], file: File) -> Result<(), Reason> {
    let class = start.get(4);
    let machine = start.get(18..20).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    if class == Some(&1) {
        return Err(("it is a 32-bit program".into(), "use a 64-bit one"));
    }
    if machine != Some(elf::EM_X86_64.0) {
        return Err(("it is for another processor".into(), "use one for x86-64"));
    }
    let Ok(seen) = Seen::of(file) else { return Ok(()) };
    let Some(linker) = seen.linker else {
        return Err(("it is statically linked".into(), "link it dynamically"));
    };
    let linker = linker.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if linker != b"ld-linux-x86-64.so.2" {
        let linker = String::from_utf8_lossy(linker);
        return Err((
            format!("it is linked with a C library other than glibc ({linker})"),
            OTHER_LIBRARY,
        ));
    }
    if seen.is_go && !seen.imports_sigaction {
        return Err((
            "it is a Go program that handles signals without the C library".into(),
            "build it with cgo (CGO_ENABLED=1, and import \"C\")",
        ));
    }
    let asan = std::env::var("ASAN_OPTIONS").unwrap_or_default();
    if seen.imports_asan && !asan.contains("verify_asan_link_order=0") {
        return Err((
            "it is built with AddressSanitizer, whose library has to be the first".into(),
            NOT_FIRST,
        ));
    }
    if !seen.needs_any {
        return Err(("it does without the C library".into(), "link it with glibc"));
    }
    Ok(())
}

/// What an ELF file says of itself (elf(5)).
#[derive(Default)]
struct Seen {
    linker: Option<Vec<u8>>,
    needs_any: bool,
    is_go: bool,
    imports_sigaction: bool,
    imports_asan: bool,
}

impl Seen {
    fn of(file: File) -> object::read::Result<Self> {
        const LE: LittleEndian = LittleEndian;
        let data = ReadCache::new(file);
        let data = &data;
        let header = FileHeader64::<LittleEndian>::parse(data)?;
        let mut seen = Self::default();
        for segment in header.program_headers(LE, data)? {
            if let Some(linker) = segment.interpreter(LE, data)? {
                seen.linker = Some(linker.to_vec());
            }
            let entries = segment.dynamic(LE, data)?.unwrap_or_default();
            seen.needs_any |= entries.iter().any(|entry| entry.d_tag(LE) == elf::DT_NEEDED);
        }
        // A file may do without a table of sections. Then it is not known for a Go program.
        let Ok(sections) = header.sections(LE, data) else { return Ok(seen) };
        seen.is_go = sections.section_by_name(LE, b".gopclntab").is_some()
            || sections.section_by_name(LE, b".note.go.buildid").is_some();
        let symbols = sections.symbols(LE, data, elf::SHT_DYNSYM)?;
        for symbol in symbols.iter().filter(|symbol| symbol.is_undefined(LE)) {
            let name = symbols.symbol_name(LE, symbol).unwrap_or_default();
            seen.imports_sigaction |= name == b"sigaction";
            seen.imports_asan |= name == b"__asan_init";
        }
        Ok(seen)
    }
}
