//! Sizes and addresses as people type them.
//!
//! | text | bytes |
//! | --- | --- |
//! | `4096`, `4096B` | as it says |
//! | `4K`, `4KiB`, `4k`, `4kib` | 4 × 1024; likewise M, G, T, P and E |
//! | `4KB`, `4kb` | 4 × 1000; likewise MB, GB, TB, PB and EB |
//! | `0x1000` | hexadecimal, without a unit |
//!
//! ```
//! use folio_cli::size;
//! assert_eq!(size::parse("2MiB"), Ok(2 << 20));
//! assert_eq!(size::parse("10GB"), Ok(10_000_000_000));
//! assert_eq!(size::exact(2 << 20), "2 MiB");
//! assert_eq!(size::exact(1000), "1,000 bytes");
//! assert_eq!(size::rounded(1_234_567), "1.1 MiB");
//! ```

use std::fmt;

/// What is wrong with a text that should be a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseSizeError {
    /// No digits, or something else among them.
    NotANumber,
    /// The letters behind the number are no unit.
    UnknownUnit,
    /// More bytes than 64 bits can count.
    TooLarge,
}

impl fmt::Display for ParseSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "a size is a number of bytes, such as 4096, 4K, 2MiB or 0x1000",
            Self::UnknownUnit => {
                "units are K, M, G, T, P, E or KiB, MiB, ... (1024), and KB, MB, \
                                  ... (1000)"
            }
            Self::TooLarge => "it is more than 64 bits can count",
        })
    }
}

impl std::error::Error for ParseSizeError {}

/// A number of bytes. See the [module](self) documentation.
///
/// # Errors
/// [`ParseSizeError`] for anything else.
pub fn parse(text: &str) -> Result<u64, ParseSizeError> {
    use ParseSizeError::{NotANumber, TooLarge, UnknownUnit};

    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotANumber);
        }
        return u64::from_str_radix(digits, 16).map_err(|_| TooLarge);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(NotANumber);
    }
    let number: u64 = digits.parse().map_err(|_| TooLarge)?;
    number.checked_mul(unit_bytes(unit).ok_or(UnknownUnit)?).ok_or(TooLarge)
}

fn unit_bytes(unit: &str) -> Option<u64> {
    let mut letters = unit.chars();
    let Some(prefix) = letters.next() else { return Some(1) };
    let power = match prefix.to_ascii_uppercase() {
        'B' if unit.len() == 1 => return Some(1),
        'K' => 1,
        'M' => 2,
        'G' => 3,
        'T' => 4,
        'P' => 5,
        'E' => 6,
        _ => return None,
    };
    match letters.as_str().to_ascii_uppercase().as_str() {
        "" | "IB" => Some(1 << (10 * power)),
        "B" => Some(1000u64.pow(power)),
        _ => None,
    }
}

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes in the largest unit that needs no fraction.
pub fn exact(bytes: u64) -> String {
    let power = (bytes.trailing_zeros() / 10) as usize;
    match power {
        _ if bytes == 1 => "1 byte".into(),
        0 => format!("{} bytes", grouped(bytes)),
        _ if bytes == 0 => "0 bytes".into(),
        power => format!("{} {}", grouped(bytes >> (10 * power)), UNITS[power - 1]),
    }
}

/// A number of bytes to two to four digits, rounded down: what is almost 2 GiB is not 2 GiB.
pub fn rounded(bytes: u64) -> String {
    if bytes < 1024 {
        return exact(bytes);
    }
    let power = bytes.ilog2() / 10;
    let (unit, whole) = (UNITS[power as usize - 1], bytes >> (10 * power));
    let rest = bytes - (whole << (10 * power));
    match (u128::from(rest) * 10) >> (10 * power) {
        _ if rest == 0 || whole >= 100 => format!("{whole} {unit}"),
        tenth => format!("{whole}.{tenth} {unit}"),
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text in which the numbers are [`grouped`]; hexadecimal ones, and digits in words, stay.
pub fn grouped_in(text: &str) -> String {
    let mut grouped = String::new();
    // A word, or what is between words: digits alone are a number.
    for part in text.split_inclusive(|c: char| !is_of_word(c)) {
        let word = part.trim_end_matches(|c| !is_of_word(c));
        match word.parse() {
            Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                grouped.push_str(&self::grouped(number));
                grouped.push_str(&part[word.len()..]);
            }
            _ => grouped.push_str(part),
        }
    }
    grouped
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::ParseSizeError::{NotANumber, TooLarge, UnknownUnit};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_documented() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("512b", 512),
            ("4K", 4096),
            ("4k", 4096),
            ("4KiB", 4096),
            ("4kib", 4096),
            ("4KB", 4000),
            ("2MiB", 2 << 20),
            ("1G", 1 << 30),
            ("10GB", 10_000_000_000),
            ("3T", 3 << 40),
            ("15EiB", 15 << 60),
            ("18EB", 18_000_000_000_000_000_000),
            ("0x1000", 4096),
            ("0XfF", 255),
            ("0xB", 11),
            ("18446744073709551615", u64::MAX),
            ("0xffffffffffffffff", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_by_reason() {
        for (text, error) in [
            ("", NotANumber),
            ("K", NotANumber),
            ("-1", NotANumber),
            ("+1", NotANumber),
            (" 1", NotANumber),
            ("0x", NotANumber),
            ("0x1G", NotANumber),
            ("0x-1", NotANumber),
            ("٣", NotANumber),
            ("4 K", UnknownUnit),
            ("4KK", UnknownUnit),
            ("4iB", UnknownUnit),
            ("1.5G", UnknownUnit),
            ("4BB", UnknownUnit),
            ("1µ", UnknownUnit),
            ("16E", TooLarge),
            ("18446744073709551616", TooLarge),
            ("0x10000000000000000", TooLarge),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_written_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (4711, "4,711 bytes"),
            (4096, "4 KiB"),
            (1 << 20, "1 MiB"),
            (1 << 63, "8 EiB"),
            (1025 << 10, "1,025 KiB"),
        ] {
            assert_eq!(exact(bytes), text);
        }
        for (bytes, text) in [
            (1023, "1,023 bytes"),
            (1536, "1.5 KiB"),
            (48 << 10, "48 KiB"),
            (100_000, "97.6 KiB"),
            (1_048_575, "1023 KiB"),
            ((2 << 30) - (2 << 20), "1.9 GiB"),
            (2 << 30, "2 GiB"),
            ((2 << 30) + 4096, "2.0 GiB"),
            (123_456_789, "117 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(rounded(bytes), text);
        }
    }

    #[test]
    fn numbers_in_a_text_are_grouped_and_nothing_else_is() {
        for (text, expected) in [
            (", bytes 0..67108864: EINVAL", ", bytes 0..67,108,864: EINVAL"),
            ("offset 549755813888 of 4096", "offset 549,755,813,888 of 4,096"),
            ("at 0x7f1234567890, vm_12345, 123456K", "at 0x7f1234567890, vm_12345, 123456K"),
            ("99999999999999999999999", "99999999999999999999999"),
            ("Linux 6.11", "Linux 6.11"),
            ("", ""),
        ] {
            assert_eq!(grouped_in(text), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_exact_size_reads_back(bytes in any::<u64>(), shift in 0..64u32) {
            let bytes = bytes >> shift;
            let text = exact(bytes).replace([',', ' '], "");
            let text = text.trim_end_matches("bytes").trim_end_matches("byte");
            prop_assert_eq!(parse(text), Ok(bytes));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
