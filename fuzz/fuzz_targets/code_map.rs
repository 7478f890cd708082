//! Any bytes at all as the names that a program tells of the code it makes (`/tmp/perf-PID.map`): nothing panics,
//! reading ends, and there are no more functions than lines.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run code_map -- -max_total_time=120
//! ```
#![no_main]

use folio_cli::faults::codemap::CodeMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| {
    let (address, bytes) = input;
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let map = CodeMap::of(bytes.to_vec());
    assert!(map.len() <= lines);
    for address in [address, address & 0xffff, 0, u64::MAX] {
        assert!(map.at(address).is_none_or(|name| !name.contains('\n')));
    }
});
