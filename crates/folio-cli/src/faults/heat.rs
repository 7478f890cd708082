//! A heat map: where in a backing, and when, page faults were taken.
//!
//! ```
//! use folio_cli::faults::heat::Heat;
//! let mut heat = Heat::default();
//! for step in 0..4 {
//!     heat.add(step * 4096, step * 2_000_000, 500);
//! }
//! let grid = heat.grid(2, 2);
//! assert_eq!(grid.counts, [[2, 0], [0, 2]]);
//! assert_eq!(grid.offsets, 0..16384);
//! ```
//!
//! It takes a bounded amount of memory: cells start as a page and some 65 microseconds, and grow where
//! there are too many of them.

use std::collections::HashMap;
use std::ops::Range;

/// Cells, at most.
const MOST: usize = 16 << 10;

/// Page faults by offset and time.
#[derive(Debug, Clone)]
pub struct Heat {
    /// A cell's offset and time in steps, and what happened there.
    cells: HashMap<(u64, u64), Cell>,
    offset_step_bytes: u64,
    time_step_nanoseconds: u64,
}

/// What happened in a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// Page faults.
    pub faults: u64,
    /// How long they took.
    pub stall_nanoseconds: u64,
}

impl Cell {
    fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.stall_nanoseconds = self.stall_nanoseconds.saturating_add(other.stall_nanoseconds);
    }
}

/// A heat map in so many rows and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The part of the backing that it shows, in bytes.
    pub offsets: Range<u64>,
    /// The time that it shows, in nanoseconds.
    pub times: Range<u64>,
    /// Page faults: a row for each part of the offsets, a column for each part of the time.
    pub counts: Vec<Vec<u64>>,
}

impl Default for Heat {
    fn default() -> Self {
        let cells = HashMap::new();
        Self { cells, offset_step_bytes: 4096, time_step_nanoseconds: 1 << 16 }
    }
}

impl Heat {
    /// Counts a page fault.
    pub fn add(&mut self, offset_bytes: u64, nanoseconds: u64, stall_nanoseconds: u64) {
        let at = (offset_bytes / self.offset_step_bytes, nanoseconds / self.time_step_nanoseconds);
        self.cells.entry(at).or_default().add(&Cell { faults: 1, stall_nanoseconds });
        while self.cells.len() > MOST {
            self.coarsen();
        }
    }

    /// Makes cells twice as large in the direction that has more of them.
    fn coarsen(&mut self) {
        let (offsets, times) = self.extent();
        let across = match offsets.end - offsets.start > times.end - times.start {
            true => (2, 1),
            false => (1, 2),
        };
        self.offset_step_bytes *= across.0;
        self.time_step_nanoseconds *= across.1;
        for ((offset, time), cell) in std::mem::take(&mut self.cells) {
            self.cells.entry((offset / across.0, time / across.1)).or_default().add(&cell);
        }
    }

    /// In steps.
    fn extent(&self) -> (Range<u64>, Range<u64>) {
        let range = |of: fn(&(u64, u64)) -> u64| {
            let (least, most) = (self.cells.keys().map(of).min(), self.cells.keys().map(of).max());
            least.unwrap_or(0)..most.map_or(0, |most| most + 1)
        };
        (range(|at| at.0), range(|at| at.1))
    }

    /// Bytes that a cell spans.
    pub fn offset_step_bytes(&self) -> u64 {
        self.offset_step_bytes
    }

    /// Nanoseconds that a cell spans.
    pub fn time_step_nanoseconds(&self) -> u64 {
        self.time_step_nanoseconds
    }

    /// The cells in which something happened, by offset and time, each in bytes and nanoseconds.
    pub fn cells(&self) -> Vec<(u64, u64, Cell)> {
        let scaled = self.cells.iter().map(|(&(offset, time), &cell)| {
            (offset * self.offset_step_bytes, time * self.time_step_nanoseconds, cell)
        });
        let mut cells: Vec<_> = scaled.collect();
        cells.sort_unstable_by_key(|&(offset, time, _)| (offset, time));
        cells
    }

    /// The same in at most so many rows and columns, at least one of each.
    pub fn grid(&self, rows: usize, columns: usize) -> Grid {
        let (offsets, times) = self.extent();
        let scale = |range: &Range<u64>, most: usize| {
            let steps = range.end - range.start;
            (steps, (most.max(1) as u64).min(steps.max(1)))
        };
        let ((offset_steps, rows), (time_steps, columns)) =
            (scale(&offsets, rows), scale(&times, columns));
        let mut counts = vec![vec![0; columns as usize]; rows as usize];
        for (&(offset, time), cell) in &self.cells {
            let part = |step: u64, steps: u64, parts: u64| {
                (u128::from(step) * u128::from(parts) / u128::from(steps.max(1))) as usize
            };
            let row = part(offset - offsets.start, offset_steps, rows);
            counts[row][part(time - times.start, time_steps, columns)] += cell.faults;
        }
        let scaled =
            |range: Range<u64>, step: u64| range.start * step..range.end.saturating_mul(step);
        Grid {
            offsets: scaled(offsets, self.offset_step_bytes),
            times: scaled(times, self.time_step_nanoseconds),
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_few_and_nothing_is_lost() {
        let mut heat = Heat::default();
        for step in 0..100_000_u64 {
            heat.add((step * 7919 % 30_011) << 12, step * 50_000, 3);
        }
        assert!(heat.cells().len() <= MOST);
        let cells = heat.cells();
        assert_eq!(cells.iter().map(|(_, _, cell)| cell.faults).sum::<u64>(), 100_000);
        assert_eq!(cells.iter().map(|(_, _, cell)| cell.stall_nanoseconds).sum::<u64>(), 300_000);
        let grid = heat.grid(16, 64);
        assert_eq!((grid.counts.len(), grid.counts[0].len()), (16, 64));
        assert_eq!(grid.counts.iter().flatten().sum::<u64>(), 100_000);
    }

    #[test]
    fn one_page_fault_is_one_cell_wherever_it_is() {
        let mut heat = Heat::default();
        heat.add(1 << 60, 7_000_000, 1);
        let grid = heat.grid(10, 10);
        assert_eq!(grid.counts, [[1]]);
        assert_eq!(grid.offsets, 1 << 60..(1 << 60) + 4096);
        assert_eq!(Heat::default().grid(3, 3).counts, [[0]]);
    }
}
