//! What SOURCE names: where the bytes come from, as far as its letters tell.
//!
//! | SOURCE | place |
//! | --- | --- |
//! | `s3://…`, `gs://…`, `az://…`, `http://…`, `https://…` | an object far away |
//! | `process:PID` | the memory of a process |
//! | `zero:SIZE` | zeros, in no memory |
//! | `-` | the file on standard input |
//! | anything else | a path |
//!
//! ```
//! use folio_cli::place::Place;
//! assert_eq!(Place::of("zero:64G".as_ref()), Ok(Place::Zeros(64 << 30)));
//! assert_eq!(Place::of("./zero:64G".as_ref()), Ok(Place::Path));
//! assert!(Place::of("process:init".as_ref()).is_err());
//! ```
//!
//! Whether a path's file is packed, and so to be read through a store, only its bytes tell.

use std::ffi::OsStr;

use crate::size;

/// The schemes of objects far away.
pub const SCHEMES: [&str; 5] = ["s3", "gs", "az", "http", "https"];

/// Where the bytes of SOURCE are. Names are SOURCE itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A file or device.
    Path,
    /// The file on standard input.
    StandardInput,
    /// An object of an object store, or on a web server.
    Url,
    /// The memory of the process with this number.
    Process(u32),
    /// So many zeros.
    Zeros(u64),
}

impl Place {
    /// What a SOURCE names.
    ///
    /// # Errors
    /// What is wrong with it, where it begins like one of those above.
    pub fn of(source: &OsStr) -> Result<Self, String> {
        // What is no text is a path.
        let Some(text) = source.to_str() else { return Ok(Self::Path) };
        if text == "-" {
            return Ok(Self::StandardInput);
        }
        if let Some(number) = text.strip_prefix("process:") {
            return match number.parse() {
                Ok(0) | Err(_) => Err(format!(
                    "'{text}' names no process: write process:PID; for a file of that name ./{text}"
                )),
                Ok(process) => Ok(Self::Process(process)),
            };
        }
        if let Some(size) = text.strip_prefix("zero:") {
            return match size::parse(size) {
                Ok(bytes) => Ok(Self::Zeros(bytes)),
                Err(error) => Err(format!(
                    "'{text}' names no zeros: {error}; for a file of that name write ./{text}"
                )),
            };
        }
        match text.split_once("://") {
            Some((scheme, _)) if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                Ok(Self::Url)
            }
            Some((scheme, _)) if is_scheme(scheme) => Err(format!(
                "{scheme}:// is not known: objects are at {}://; a file of that name is ./{text}",
                SCHEMES.join("://, ")
            )),
            _ => Ok(Self::Path),
        }
    }

    /// Whether only a pager can map it.
    pub fn is_store(self) -> bool {
        matches!(self, Self::Url | Self::Process(_) | Self::Zeros(_))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_documented() {
        for (source, place) in [
            ("f", Place::Path),
            ("/a/b", Place::Path),
            ("-", Place::StandardInput),
            ("./-", Place::Path),
            ("s3://bucket/key", Place::Url),
            ("HTTPS://example.org/x?y=z", Place::Url),
            ("az://container/x.zst", Place::Url),
            ("./s3://bucket", Place::Path),
            ("a b://c", Place::Path),
            ("://c", Place::Path),
            ("process:1", Place::Process(1)),
            ("zero:1T", Place::Zeros(1 << 40)),
            ("zero:0", Place::Zeros(0)),
            ("zeros", Place::Path),
        ] {
            assert_eq!(Place::of(source.as_ref()), Ok(place), "{source}");
        }
        for (source, part) in [
            ("process:", "process:PID"),
            ("process:0", "process:PID"),
            ("process:-1", "./process:-1"),
            ("zero:", "4096, 4K"),
            ("zero:4X", "units"),
            ("ftp://example.org/x", "s3://, gs://, az://, http://, https://"),
        ] {
            let error = Place::of(source.as_ref()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
