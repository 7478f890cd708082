//! `folio run`: become a program that folio's library is preloaded into.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::ColorChoice;

use crate::arguments::{OnFault, Run};
use crate::failure::Failure;
use crate::{preload, program, start};

/// folio's own failure, as env(1), nohup(1) and timeout(1) have it.
pub const FAILED: u8 = 125;
/// The program was found, and cannot be run or covered.
pub const UNUSABLE: u8 = 126;
/// The program was not found.
pub const NOT_FOUND: u8 = 127;

/// Becomes the program. Returns only if that is impossible.
///
/// # Errors
/// Why, with the exit status it stands for.
pub fn run(arguments: &Run, color: ColorChoice) -> Result<(), Failure> {
    // At least one is required.
    let command = arguments.command.first().map(OsString::as_os_str).unwrap_or_default();
    let path = program::find(command)?;
    let mut preloads = true;
    if let Err(uncovered) = program::check(&path) {
        if !arguments.anyway {
            return Err(uncovered.failure());
        }
        uncovered.warning().print(color);
        preloads = uncovered.starts_preloaded();
    }
    let before = std::env::vars_os();
    let environment = match preloads {
        true => environment(before, preload::place()?.as_os_str(), arguments.on_fault),
        false => before.map(|(name, value)| line(&name, &value)).collect(),
    };

    let name = |text: &OsStr| CString::new(text.as_bytes()).map_err(|_| nul());
    let words = arguments.command.iter().map(|word| name(word)).collect::<Result<Vec<_>, _>>()?;
    let environment = environment.iter().map(|line| name(line)).collect::<Result<Vec<_>, _>>()?;
    let error = start::become_program(&name(path.as_os_str())?, &words, &environment);

    let status = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { UNUSABLE };
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or_default();
    let hint = match error.kind() {
        // The file itself was there a moment ago.
        io::ErrorKind::NotFound => ": its interpreter or dynamic linker is missing: install it",
        _ => "",
    };
    Err(Failure::new(format!("cannot run {}: {reason}{hint}", path.display())).with_status(status))
}

fn nul() -> Failure {
    Failure::new("cannot run a command with a zero byte in it").with_status(FAILED)
}

/// The program's environment: as it was, but for two variables, each line where it was.
fn environment(
    before: impl Iterator<Item = (OsString, OsString)>,
    library: &OsStr,
    on_fault: OnFault,
) -> Vec<OsString> {
    let response = match on_fault {
        OnFault::Zeros => "zeros",
        OnFault::Stop => "stop",
    };
    let mut ours = [
        ("LD_PRELOAD", Some(library.to_owned())),
        ("FOLIO_ON_FAULT", Some(OsString::from(response))),
    ];
    let mut lines = Vec::new();
    for (name, value) in before {
        let own = ours.iter_mut().find(|(own, _)| name == *own);
        match own {
            None => lines.push(line(&name, &value)),
            Some((_, own)) => {
                // Of a name that is there twice, the first counts.
                let Some(own) = own.take() else { continue };
                let own = if name == "LD_PRELOAD" { in_front(own, &value) } else { own };
                lines.push(line(&name, &own));
            }
        }
    }
    let missing = ours.into_iter().filter_map(|(name, own)| Some((name, own?)));
    lines.extend(missing.map(|(name, own)| line(name.as_ref(), &own)));
    lines
}

fn line(name: &OsStr, value: &OsStr) -> OsString {
    OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// Our library in front of those that are preloaded anyway, once.
fn in_front(library: OsString, others: &OsStr) -> OsString {
    let separates = |byte: &u8| matches!(byte, b' ' | b':');
    let others = others.as_bytes().split(separates);
    let others = others.filter(|other| !other.is_empty() && *other != library.as_bytes());
    let mut list = library.clone().into_vec();
    for other in others {
        list.push(b':');
        list.extend_from_slice(other);
    }
    OsString::from_vec(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(before: &[(&str, &str)]) -> Vec<String> {
        let before = before.iter().map(|(name, value)| (name.into(), value.into()));
        let lines = environment(before, OsStr::new("/c/f.so"), OnFault::Zeros);
        lines.into_iter().map(|line| line.into_string().unwrap()).collect()
    }

    #[test]
    fn the_environment_is_kept_but_for_two_variables() {
        let ours = ["LD_PRELOAD=/c/f.so", "FOLIO_ON_FAULT=zeros"];
        assert_eq!(lines(&[("A", "1"), ("B", "=")]), ["A=1", "B==", ours[0], ours[1]]);
        assert_eq!(lines(&[("FOLIO_ON_FAULT", "stop"), ("A", "")]), [ours[1], "A=", ours[0]]);
    }

    #[test]
    fn what_was_preloaded_is_preloaded_behind_ours() {
        let first = |others| lines(&[("LD_PRELOAD", others)])[0].clone();
        assert_eq!(first("a.so /b.so:/c/f.so  "), "LD_PRELOAD=/c/f.so:a.so:/b.so");
        assert_eq!(first(""), "LD_PRELOAD=/c/f.so");
    }
}
