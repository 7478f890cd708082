//! Any arguments at all to the command, as bytes between NULs, and any text as a size.
//!
//! Nothing is mapped: what is fuzzed is that parsing never panics, that what it accepts makes
//! sense, and that a size means the same when it is written out and read again.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run arguments -- -max_total_time=120
//! ```
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use folio::Protection;
use folio_cli::arguments::{Command, Output, Touch, parse};
use folio_cli::{letters, size};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let words = bytes.split(|&byte| byte == 0).map(OsStr::from_bytes);
    for command in ["map", ""] {
        let before = ["folio", command].into_iter().filter(|word| !word.is_empty()).map(OsStr::new);
        let Ok(parsed) = parse(before.chain(words.clone())) else { continue };
        let Command::Map(map) = parsed.command else { continue };
        assert!(!(map.shared && map.is_private()));
        assert!(!map.anonymous || map.memory_length().is_ok());
        assert!(map.huge.is_none() || map.anonymous);
        assert!(!(map.beyond_end && map.anonymous));
        assert_ne!(map.touch, Some(Touch::Random(0)));
        if map.touch.is_none() && !map.protection().contains(Protection::READ) {
            assert_eq!(map.touch(), Touch::None);
        }
        assert!(map.output != Output::Raw || map.bytes.is_none());
    }

    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(bytes) = size::parse(text) {
        let exact = size::exact(bytes).replace([',', ' '], "");
        let exact = exact.trim_end_matches("bytes").trim_end_matches("byte");
        assert_eq!(size::parse(exact), Ok(bytes));
        assert!(size::rounded(bytes).len() <= "1,023 bytes".len());
    }
    assert!(!letters::printable(text).chars().any(char::is_control));
});
