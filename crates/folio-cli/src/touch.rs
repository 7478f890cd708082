//! Touching pages: one access to each, through the copying view.
//!
//! A touch reads the first byte shown of a page. Where the mapping is private and writable, and
//! nobody else sees what is written, it writes instead, and writes what is there: so that the copy
//! that a write costs shows. In one access, an atomic addition of 0, where four aligned bytes of
//! the page are shown.
//!
//! ```
//! use folio_cli::arguments::Touch;
//! use folio_cli::touch::Pages;
//! let map = folio::Mapping::options().private().write().anonymous(10_000)?;
//! let pages = Pages::of(&map);
//! assert_eq!(pages.count(), 3);
//! let (touched, fault) = pages.touch(Touch::All, &Default::default());
//! assert_eq!(touched, 3);
//! assert!(fault.is_none());
//! # Ok::<(), folio::Error>(())
//! ```

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use folio::{Mapping, Protection, Sharing};

use crate::arguments::Touch;

/// How a page is touched, and at which position of the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A byte is read.
    Read(usize),
    /// 0 is added to four bytes.
    Add(usize),
    /// A byte is read, and written again.
    Rewrite(usize),
}

/// The pages of a mapping, to be touched.
#[derive(Debug)]
pub struct Pages<'a> {
    map: &'a Mapping,
    /// Bytes between the first page's start and the first byte shown.
    lead: usize,
    writes: bool,
}

impl<'a> Pages<'a> {
    /// Those of this mapping.
    pub fn of(map: &'a Mapping) -> Self {
        let writable = map.protection().contains(Protection::WRITE);
        Self {
            map,
            lead: if map.is_empty() { 0 } else { map.address() % map.page_size() },
            writes: writable && map.sharing() == Sharing::Private,
        }
    }

    /// The mapping.
    pub fn mapping(&self) -> &'a Mapping {
        self.map
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.lead + self.map.len()).div_ceil(self.map.page_size()) as u64
    }

    /// Bytes of all of them.
    pub fn span(&self) -> usize {
        self.count() as usize * self.map.page_size()
    }

    /// The address of the first one.
    pub fn address(&self) -> usize {
        self.map.address() - self.lead
    }

    /// How many a [`Touch`] means.
    pub fn chosen(&self, touch: Touch) -> u64 {
        touch.of(self.count())
    }

    /// Touches pages, counting them in `done`, up to the first that cannot be had. Returns how many
    /// were touched, and why it ended early.
    pub fn touch(&self, touch: Touch, done: &AtomicU64) -> (u64, Option<folio::Error>) {
        let chosen = self.chosen(touch);
        let order = Order::new(self.count(), RandomState::new().hash_one(0));
        for step in 0..chosen {
            let page = if let Touch::Random(_) = touch { order.at(step) } else { step };
            if let Err(error) = self.touch_one(page) {
                return (step, Some(error));
            }
            done.store(step + 1, Ordering::Relaxed);
        }
        (chosen, None)
    }

    fn touch_one(&self, page: u64) -> folio::Result<()> {
        let mut byte = [0];
        match self.way(page) {
            Way::Read(position) => self.map.read_at(position, &mut byte),
            Way::Add(position) => self.map.view().atomic_u32(position)?.fetch_add(0).map(drop),
            Way::Rewrite(position) => {
                self.map.read_at(position, &mut byte)?;
                self.map.write_at(position, &byte)
            }
        }
    }

    /// How a page is touched.
    pub fn way(&self, page: u64) -> Way {
        let start = page as usize * self.map.page_size();
        let position = start.saturating_sub(self.lead);
        if !self.writes {
            return Way::Read(position);
        }
        let aligned = (start.max(self.lead)).next_multiple_of(4) - self.lead;
        let end = (start + self.map.page_size() - self.lead).min(self.map.len());
        if aligned + 4 <= end { Way::Add(aligned) } else { Way::Rewrite(position) }
    }
}

/// The numbers below `count` in an order that looks random: a Feistel network over the next power
/// of four, walked along until it comes back below `count`. Takes no memory.
#[derive(Debug)]
pub(crate) struct Order {
    count: u64,
    half_bits: u32,
    seed: u64,
}

impl Order {
    /// An order; another seed, another one.
    pub(crate) fn new(count: u64, seed: u64) -> Self {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Self { count, half_bits: bits.div_ceil(2).max(1), seed }
    }

    /// The number at a place of the order. `place` is below `count`.
    pub(crate) fn at(&self, place: u64) -> u64 {
        let mut number = self.step(place);
        while number >= self.count {
            number = self.step(number);
        }
        number
    }

    fn step(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for round in 0..4 {
            let mixed =
                (right ^ self.seed.rotate_left(round * 16)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (left, right) = (right, left ^ (mixed >> 32 & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_order_has_every_number_once_and_is_no_plain_order() {
        for count in [1, 2, 3, 5, 64, 1000, 4097] {
            let order = Order::new(count, 7);
            let mut numbers: Vec<u64> = (0..count).map(|place| order.at(place)).collect();
            let plain: Vec<u64> = (0..count).collect();
            assert!(count < 64 || numbers != plain);
            numbers.sort_unstable();
            assert_eq!(numbers, plain);
        }
        assert!(Order::new(u64::MAX, 7).at(u64::MAX - 1) < u64::MAX);
    }

    #[test]
    fn touching_a_private_writable_mapping_changes_no_byte() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..9000u32).map(|n| n as u8).collect();
        std::fs::write(&file, &content).unwrap();
        for (offset, len) in [(0, 9000), (1, 8999), (4094, 2), (4095, 4099), (4095, 3), (8191, 1)] {
            let options = Mapping::options().private().write().offset(offset as u64).len(len);
            let map = options.open(file.path()).unwrap();
            let pages = Pages::of(&map);
            let (touched, fault) = pages.touch(Touch::All, &AtomicU64::new(0));
            assert!(fault.is_none(), "{fault:?}");
            assert_eq!(touched, ((offset + len).div_ceil(4096) - offset / 4096) as u64);
            assert_eq!(map.to_vec().unwrap(), content[offset..offset + len]);
            let process = folio_stat::Process::current().unwrap();
            let costs = process.costs(pages.address()..pages.address() + pages.span()).unwrap();
            assert_eq!(costs.private_dirty_bytes, pages.span(), "each page was copied");
        }
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
}
