//! A strip: residency as a row of cells, each as dark as its part of the pages is in memory.
//!
//! ```
//! use folio_cli::strip;
//! assert_eq!(strip::text(&[1.0, 0.9, 0.5, 0.1, 0.0], true), "█▓▒░·");
//! assert_eq!(strip::text(&[1.0, 0.9, 0.5, 0.1, 0.0], false), "#+++.");
//! ```

/// The cell for a part of which this fraction is in memory.
fn cell(fraction: f64, unicode: bool) -> char {
    match (fraction, unicode) {
        (1.0.., true) => '█',
        (1.0.., false) => '#',
        (0.0, true) => '·',
        (0.0, false) => '.',
        (_, false) => '+',
        (..0.34, true) => '░',
        (..0.67, true) => '▒',
        (_, true) => '▓',
    }
}

/// The cells of a strip, in letters of Unicode or of ASCII.
pub fn text(fractions: &[f64], unicode: bool) -> String {
    fractions.iter().map(|&fraction| cell(fraction, unicode)).collect()
}
