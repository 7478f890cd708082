//! Which blocks are there: a bitmap that costs memory only near its ones.

use std::collections::BTreeMap;

/// Words in a chunk: 512 blocks.
const WORDS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Present {
    chunks: BTreeMap<u64, [u64; WORDS]>,
    count: u64,
}

impl Present {
    fn word(&self, index: u64) -> u64 {
        let chunk = self.chunks.get(&(index / WORDS as u64));
        chunk.map_or(0, |words| words[(index % WORDS as u64) as usize])
    }

    pub(super) fn contains(&self, block: u64) -> bool {
        self.word(block / 64) >> (block % 64) & 1 == 1
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether `first` is there, and for how many blocks from it on, up to `limit`, that stays so.
    pub(super) fn run(&self, first: u64, limit: u64) -> (bool, u64) {
        let present = self.contains(first);
        let end = first.saturating_add(limit);
        let mut next = first;
        while next < end {
            let word = self.word(next / 64);
            let others = if present { !word } else { word } >> (next % 64);
            if others != 0 {
                next += u64::from(others.trailing_zeros());
                break;
            }
            next = (next | 63).saturating_add(1);
        }
        (present, next.min(end) - first)
    }

    pub(super) fn insert(&mut self, first: u64, count: u64) {
        let end = first + count;
        let mut next = first;
        while next < end {
            let index = next / 64;
            let stop = end.min((index + 1) * 64);
            let bits = (u64::MAX >> (64 - (stop - next))) << (next % 64);
            let chunk = self.chunks.entry(index / WORDS as u64).or_default();
            let word = &mut chunk[(index % WORDS as u64) as usize];
            self.count += u64::from((bits & !*word).count_ones());
            *word |= bits;
            next = stop;
        }
    }

    /// Takes out `first` and all behind it.
    pub(super) fn cut(&mut self, first: u64) {
        let chunk_blocks = 64 * WORDS as u64;
        let mut cut = self.chunks.split_off(&(first / chunk_blocks));
        if let Some(mut words) = cut.remove(&(first / chunk_blocks)) {
            for (word, start) in words.iter_mut().zip((0..).step_by(64)) {
                let kept = (first % chunk_blocks).saturating_sub(start).min(64);
                *word &= u64::MAX.checked_shr(64 - kept as u32).unwrap_or(0);
            }
            if words != [0; WORDS] {
                self.chunks.insert(first / chunk_blocks, words);
            }
        }
        let ones =
            |words: &[u64; WORDS]| words.iter().map(|w| u64::from(w.count_ones())).sum::<u64>();
        self.count = self.chunks.values().map(ones).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Present;

    proptest! {
        #[test]
        fn it_answers_as_a_set_of_blocks_does(
            steps in prop::collection::vec((any::<bool>(), 0_u64..2000, 1_u64..700), 1..40),
            asked in prop::collection::vec((0_u64..2500, 1_u64..1200), 1..20),
        ) {
            let (mut present, mut model) = (Present::default(), BTreeSet::new());
            for (insert, first, count) in steps {
                if insert {
                    present.insert(first, count);
                    model.extend(first..first + count);
                } else {
                    present.cut(first);
                    model.retain(|block| *block < first);
                }
                prop_assert_eq!(present.count(), model.len() as u64);
            }
            for (first, limit) in asked {
                let there = model.contains(&first);
                let same = |block: &u64| model.contains(block) == there;
                let count = (first..first + limit).take_while(same).count() as u64;
                prop_assert_eq!(present.run(first, limit), (there, count));
            }
        }
    }

    #[test]
    fn far_blocks_cost_little_memory() {
        let mut present = Present::default();
        present.insert(u64::MAX >> 12, 1);
        present.insert(0, 1);
        assert_eq!((present.chunks.len(), present.count()), (2, 2));
        assert_eq!(present.run(1, 1 << 10), (false, 1 << 10));
    }
}
