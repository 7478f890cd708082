//! Where frames lie, below and above.
//!
//! A frame is a range of packed bytes that decodes to a range of bytes on its own. Both follow each
//! other without gaps. Most files have frames of one length, so only packed offsets are kept then.

use std::ops::Range;

/// The frames of a store, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Where each begins, and where the last one ends.
    packed: Vec<u64>,
    decoded: Decoded,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Decoded {
    /// All but the last one hold so many bytes, and that holds no more; behind it are empty ones.
    Regular { frame_bytes: u64, len: u64 },
    /// Where each begins, and where the last one ends.
    Irregular(Vec<u64>),
}

impl Frames {
    /// No frames, the first of which will begin at a packed offset.
    pub(crate) fn starting_at(packed: u64) -> Self {
        Self { packed: vec![packed], decoded: Decoded::Regular { frame_bytes: 0, len: 0 } }
    }

    /// Adds a frame; `None` if the lengths are more than 64 bits can count.
    pub(crate) fn push(&mut self, packed_bytes: u64, decoded_bytes: u64) -> Option<()> {
        let packed = self.packed_end().checked_add(packed_bytes)?;
        let end = self.len().checked_add(decoded_bytes)?;
        let count = self.count() as u64;
        match &mut self.decoded {
            Decoded::Regular { frame_bytes, len } if count == 0 && decoded_bytes > 0 => {
                (*frame_bytes, *len) = (decoded_bytes, end);
            }
            Decoded::Regular { frame_bytes, len }
                if decoded_bytes > 0
                    && decoded_bytes <= *frame_bytes
                    && frame_bytes.checked_mul(count) == Some(*len) =>
            {
                *len = end;
            }
            Decoded::Regular { frame_bytes: 1.., .. } if decoded_bytes == 0 => {}
            Decoded::Regular { frame_bytes, len } => {
                let start = |index: u64| index.saturating_mul(*frame_bytes).min(*len);
                let mut starts: Vec<u64> = (0..count).map(start).collect();
                starts.extend([*len, end]);
                self.decoded = Decoded::Irregular(starts);
            }
            Decoded::Irregular(starts) => starts.push(end),
        }
        self.packed.push(packed);
        Some(())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.packed.len() - 1
    }

    /// Bytes they decode to.
    pub(crate) fn len(&self) -> u64 {
        match &self.decoded {
            Decoded::Regular { len, .. } => *len,
            Decoded::Irregular(starts) => starts.last().copied().unwrap_or_default(),
        }
    }

    /// The packed offset behind the last one.
    pub(crate) fn packed_end(&self) -> u64 {
        self.packed.last().copied().unwrap_or_default()
    }

    /// Bytes in each but the last, if that is the same number.
    pub(crate) fn regular_bytes(&self) -> Option<u64> {
        match self.decoded {
            Decoded::Regular { frame_bytes: 1.., len } if self.count() == 1 => Some(len),
            Decoded::Regular { frame_bytes: frame_bytes @ 1.., .. } => Some(frame_bytes),
            _ => None,
        }
    }

    /// The frame that holds an offset below [`len`](Self::len).
    pub(crate) fn at(&self, offset: u64) -> usize {
        match &self.decoded {
            Decoded::Regular { frame_bytes, .. } => (offset / (*frame_bytes).max(1)) as usize,
            // Of several that begin there, all but the last are empty.
            Decoded::Irregular(starts) => starts.partition_point(|&start| start <= offset) - 1,
        }
    }

    /// The packed bytes of a frame.
    pub(crate) fn packed(&self, index: usize) -> Range<u64> {
        self.packed[index]..self.packed[index + 1]
    }

    /// The bytes it decodes to.
    pub(crate) fn decoded(&self, index: usize) -> Range<u64> {
        match &self.decoded {
            Decoded::Regular { frame_bytes, len } => {
                let start = frame_bytes.saturating_mul(index as u64).min(*len);
                start..start.saturating_add(*frame_bytes).min(*len)
            }
            Decoded::Irregular(starts) => starts[index]..starts[index + 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_byte_is_in_one_frame_and_frames_follow_each_other(
            lengths in prop_oneof![
                prop::collection::vec(0..5_u64, 0..20),
                (1..9_usize, 1..9_u64, 0..9_u64, 0..3_usize, any::<bool>()).prop_map(
                    |(count, each, last, empty, more)| {
                        let mut lengths = vec![each; count];
                        lengths.push(last.min(each));
                        lengths.extend(vec![0; empty]);
                        lengths.extend(more.then_some(each));
                        lengths
                    },
                ),
            ],
            first in 0..3_u64,
        ) {
            let mut frames = Frames::starting_at(first);
            for &length in &lengths {
                frames.push(length + 1, length).unwrap();
            }
            prop_assert_eq!(frames.count(), lengths.len());
            prop_assert_eq!(frames.len(), lengths.iter().sum::<u64>());
            let (mut packed, mut decoded) = (first, 0);
            for (index, &length) in lengths.iter().enumerate() {
                prop_assert_eq!(frames.packed(index), packed..packed + length + 1);
                prop_assert_eq!(frames.decoded(index), decoded..decoded + length);
                for offset in frames.decoded(index) {
                    prop_assert_eq!(frames.at(offset), index);
                }
                (packed, decoded) = (packed + length + 1, decoded + length);
            }
            prop_assert_eq!(frames.packed_end(), packed);
        }
    }

    #[test]
    fn frames_of_one_length_are_regular_and_cost_one_number_each() {
        let mut frames = Frames::starting_at(0);
        for length in [4096, 4096, 4096, 17, 0, 0] {
            frames.push(100, length).unwrap();
        }
        assert_eq!(frames.regular_bytes(), Some(4096));
        assert!(matches!(frames.decoded, Decoded::Regular { .. }));
        frames.push(100, 4096).unwrap();
        assert_eq!(frames.regular_bytes(), None);
        assert_eq!(frames.decoded(6), 12305..16401);
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let mut frames = Frames::starting_at(0);
        frames.push(1, u64::MAX).unwrap();
        assert_eq!(frames.push(1, 1), None);
        assert_eq!(frames.push(u64::MAX, 0), None);
        assert_eq!(frames.count(), 1);
        assert_eq!(frames.decoded(0), 0..u64::MAX);
    }
}
