//! A code map: the names that a program gives to code which it makes at run time.
//!
//! ```
//! use folio_cli::faults::codemap::CodeMap;
//! let map = CodeMap::of(b"7f0000001000 40 interpreter\n7f0000001040 2c0 ~main /srv/app.js:12\n".to_vec());
//! assert_eq!(map.at(0x7f00_0000_1050).as_deref(), Some("~main /srv/app.js:12"));
//! assert_eq!(map.at(0x7f00_0000_1300), None);
//! ```
//!
//! The format is perf's (tools/perf/Documentation/jit-interface.txt in the kernel's sources): a line for each
//! function with its address, its length, both hexadecimal, and its name. A compiler at run time uses addresses
//! again, so a later line takes the place of earlier ones. Whatever bytes there are, reading them ends; what is no
//! such line is left out.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a name that are kept.
const LONGEST_NAME: usize = 1024;

/// Functions by address.
#[derive(Debug, Default)]
pub struct CodeMap {
    text: Vec<u8>,
    /// By first address: the end, and where in the text the name is. None lies over another.
    functions: BTreeMap<u64, (u64, Range<usize>)>,
}

impl CodeMap {
    /// From the text of a file.
    pub fn of(text: Vec<u8>) -> Self {
        let mut this = Self::default();
        let mut position = 0;
        for line in text.split(|&byte| byte == b'\n') {
            if let Some((start, end, name)) = function(line) {
                let name = position + name..position + line.len().min(name + LONGEST_NAME);
                this.insert(start, end, name);
            }
            position += line.len() + 1;
        }
        this.text = text;
        this
    }

    fn insert(&mut self, start: u64, end: u64, name: Range<usize>) {
        if let Some((_, (end_before, _))) = self.functions.range_mut(..start).next_back() {
            *end_before = (*end_before).min(start);
        }
        while let Some((&covered, _)) = self.functions.range(start..end).next() {
            self.functions.remove(&covered);
        }
        self.functions.insert(start, (end, name));
    }

    /// The function at an address. Bytes that are not UTF-8 become U+FFFD.
    pub fn at(&self, address: u64) -> Option<String> {
        let (_, (end, name)) = self.functions.range(..=address).next_back()?;
        let name = self.text.get(name.clone()).filter(|_| address < *end)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

/// Addresses, and where in the line the name begins.
fn function(line: &[u8]) -> Option<(u64, u64, usize)> {
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (start, length, name) = (number(words.next()?)?, number(words.next()?)?, words.next()?);
    let end = start.checked_add(length).filter(|&end| end > start)?;
    (!name.is_empty()).then(|| (start, end, line.len() - name.len()))
}

fn number(word: &[u8]) -> Option<u64> {
    let digits = word.strip_prefix(b"0x").unwrap_or(word);
    // What from_str_radix() takes beyond digits.
    let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn later_functions_lie_over_earlier_ones() {
        let map =
            CodeMap::of(b"10 10 a\n20 10 b\n0x18 0x10 c\n40 8 d e;f\n40 4 g\n60 1 last".to_vec());
        let names = [0xf, 0x10, 0x17, 0x18, 0x27, 0x28, 0x2f, 0x40, 0x43, 0x44, 0x60, 0x61];
        let names = names.map(|address| map.at(address).unwrap_or_default());
        assert_eq!(names, ["", "a", "a", "c", "c", "", "", "g", "g", "", "last", ""]);
    }

    #[test]
    fn lines_that_are_none_are_left_out() {
        let lines = "\n1\n1 2\n1 2 \n1 0 a\nx 1 a\n1 -1 a\n+1 1 a\nffffffffffffffff 2 a\n\n5 1 good\n\0\0\0";
        let map = CodeMap::of(lines.as_bytes().to_vec());
        assert_eq!((map.len(), map.at(5).as_deref()), (1, Some("good")));
        let map = CodeMap::of(b"5 1 \xff\xfe".to_vec());
        assert_eq!(map.at(5).as_deref(), Some("\u{fffd}\u{fffd}"));
        let map = CodeMap::of([b"5 1 ", &[b'a'; 5000][..]].concat());
        assert_eq!(map.at(5).map(|name| name.len()), Some(LONGEST_NAME));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_address_has_the_name_of_the_last_line_over_it_or_none(
            lines in prop::collection::vec((0..64u64, 0..20u64), 0..40), address in 0..90u64,
        ) {
            let text: String = lines
                .iter()
                .enumerate()
                .map(|(line, (start, length))| format!("{start:x} {length:x} f{line}\n"))
                .collect();
            let over = |(start, length): &(u64, u64)| (*start..start + length).contains(&address);
            let last = lines.iter().rposition(over).map(|line| format!("f{line}"));
            let told = CodeMap::of(text.into_bytes()).at(address);
            // The part behind a later one in its middle is gone.
            prop_assert!(told.is_none() || told == last);
            if let Some(line) = last.as_ref().and_then(|_| lines.iter().rposition(over)) {
                let is_whole = lines[line + 1..].iter().all(|(start, length)| {
                    *length == 0 || *start >= lines[line].0 + lines[line].1 || start + length <= lines[line].0
                });
                prop_assert!(!is_whole || told == last);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let map = CodeMap::of(bytes);
            let _ = (map.at(0), map.at(u64::MAX));
        }
    }
}
