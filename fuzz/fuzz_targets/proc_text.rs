//! Any text at all in the place of what /proc says of a process, and what `folio ps` makes of it.
//!
//! What is fuzzed is that nothing panics, that mappings come out as folio-stat promises, and that groups
//! have every mapping once, whatever their names.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run proc_text -- -max_total_time=120
//! ```
#![no_main]

use folio_cli::letters;
use folio_cli::ps::figures::Figures;
use folio_cli::ps::{group, span};
use folio_stat::text;
use libfuzzer_sys::fuzz_target;

/// A mapping with figures, to which a name of the fuzzer's is given.
const MAPPING: &str = "1000-3000 rw-p 00000000 08:01 7                          ";
const FIGURES: &str = "\nRss:                   8 kB\nPss:                   6 kB\n";

fuzz_target!(|bytes: &[u8]| {
    let named = [MAPPING.as_bytes(), bytes, FIGURES.as_bytes()].concat();
    let figures = [MAPPING.as_bytes(), b"\n", bytes].concat();
    for smaps in [bytes, &named, &figures] {
        let Ok(mappings) = text::smaps(smaps) else { continue };
        for costs in &mappings {
            let [mapping] = costs.mappings.as_slice() else { panic!("{costs:?}") };
            assert!(!mapping.range().is_empty() && mapping.range() == costs.range());
            assert!(
                !letters::printable(&mapping.backing.to_string()).chars().any(char::is_control)
            );
        }
        let groups = group::by_backing(&mappings);
        assert_eq!(groups.iter().map(|group| group.members.len()).sum::<usize>(), mappings.len());
        let sum = |figures: Vec<Figures>| figures.into_iter().sum::<Figures>();
        let all = sum(mappings.iter().map(Figures::of).collect());
        assert_eq!(sum(groups.iter().map(|group| group.figures).collect()), all);
    }
    let _ = text::smaps_rollup(bytes);
    let (stat, status) = bytes.split_at(bytes.len() / 2);
    for (stat, status) in [
        (stat, status),
        (bytes, &b"Uid:\t0\t0\t0\t0\n"[..]),
        (&b"7 (x) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 3 0 0"[..], bytes),
    ] {
        let _ = text::status(stat, status);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(span) = span::parse(text)
    {
        assert!(!span.range().is_empty());
    }
});
