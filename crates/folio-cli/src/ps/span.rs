//! Addresses as people type them: one, or a range of them.
//!
//! ```
//! use folio_cli::ps::span;
//! assert_eq!(span::parse("0x1000").unwrap().range(), 0x1000..0x1001);
//! assert_eq!(span::parse("7f00-0x8000").unwrap().range(), 0x7f00..0x8000);
//! assert_eq!(span::parse("0x1000+8K").unwrap().range(), 0x1000..0x3000);
//! assert!(span::parse("2000-1000").is_err());
//! ```

use std::ops::Range;

use crate::size;

/// An address, or a range of them; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSpan {
    start: usize,
    end: usize,
    is_one: bool,
}

impl AddressSpan {
    /// The addresses.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether it is one address, and not a range.
    pub fn is_one(&self) -> bool {
        self.is_one
    }
}

/// One address in hexadecimal, with or without 0x; START-END as /proc/PID/maps has it; or START+SIZE.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<AddressSpan, String> {
    let (start, end) = if let Some((start, end)) = text.split_once('-') {
        (address(start)?, Some(address(end)?))
    } else if let Some((start, length)) = text.split_once('+') {
        let start = address(start)?;
        let length = size::parse(length).map_err(|error| error.to_string())?;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        (start, Some(end.ok_or("it leaves the address space")?))
    } else {
        (address(text)?, None)
    };
    let last =
        end.map_or_else(|| start.checked_add(1), Some).ok_or("it leaves the address space")?;
    match start < last {
        true => Ok(AddressSpan { start, end: last, is_one: end.is_none() }),
        false => Err("it has no bytes: END is not past START".into()),
    }
}

fn address(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| usize::from_str_radix(digits, 16).ok()).flatten();
    number.ok_or_else(|| "an address is hexadecimal, such as 0x7f12a0000000".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_the_parser_panic(text in any::<String>(), likely in "[0-9a-fx+-]{0,24}K?") {
            for text in [text, likely] {
                if let Ok(span) = parse(&text) {
                    prop_assert!(!span.range().is_empty());
                }
            }
        }
    }
}
