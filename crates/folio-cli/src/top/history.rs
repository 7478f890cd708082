//! A history: the values of the last ticks, the newest last.
//!
//! ```
//! use folio_cli::top::history::History;
//! let mut history = History::default();
//! for value in [0.0, 4.0, 8.0] {
//!     history.push(value);
//! }
//! assert_eq!(history.bars(4, true), " ▁▄█");
//! assert_eq!(history.last(2), [4, 8]);
//! ```

use std::collections::VecDeque;

/// Ticks that are kept: as many as the widest terminals have columns.
pub const TICKS: usize = 240;

/// At most [`TICKS`] values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History(VecDeque<f32>);

impl History {
    /// Adds the newest.
    pub fn push(&mut self, value: f64) {
        if self.0.len() == TICKS {
            self.0.pop_front();
        }
        self.0.push_back(value as f32);
    }

    /// The newest `count`, or as many as there are.
    pub fn last(&self, count: usize) -> Vec<u64> {
        self.newest(count).map(|value| value.max(0.0).round() as u64).collect()
    }

    fn newest(&self, count: usize) -> impl Iterator<Item = f32> + '_ {
        self.0.iter().skip(self.0.len().saturating_sub(count)).copied()
    }

    /// Bars in one line, the newest at the end, as high as the highest of them allows.
    pub fn bars(&self, count: usize, unicode: bool) -> String {
        let letters: &[char] = match unicode {
            true => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
            false => &['.', ':', '-', '=', '+', '*', '%', '#'],
        };
        let highest = self.newest(count).fold(0.0, f32::max);
        let bar = |value: f32| match highest > 0.0 {
            true => letters[((value.max(0.0) / highest * 7.0) as usize).min(7)],
            false => letters[0],
        };
        let bars: String = self.newest(count).map(bar).collect();
        format!("{bars:>count$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_and_has_one_bar_for_each() {
        let mut history = History::default();
        (0..1000).for_each(|value| history.push(f64::from(value)));
        assert_eq!(history.last(2), [998, 999]);
        assert_eq!(history.last(usize::MAX).len(), TICKS);
        assert_eq!(history.bars(3, false).len(), 3);
        assert_eq!(History::default().bars(3, true), "   ");
    }

    #[test]
    fn without_a_value_above_zero_all_bars_are_low() {
        let mut history = History::default();
        [0.0, -5.0, f64::NAN].into_iter().for_each(|value| history.push(value));
        assert_eq!(history.bars(3, false), "...");
    }
}
