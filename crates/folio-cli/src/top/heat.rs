//! The heat of a mapping: which parts of it are in memory, and which have just come or gone.
//!
//! A mapping has at most [`CELLS`] equal parts, a part for each page if that is fewer. What moves is
//! bright at the tick when it does, and cools down over the following ones.
//!
//! ```
//! use folio_cli::top::heat::Heat;
//! use folio_stat::Residency;
//! let first = Heat::of(&Residency::from_runs(4096, 8, [0..2]), None);
//! let then = Heat::of(&Residency::from_runs(4096, 8, [1..4]), Some(&first));
//! assert_eq!((then.came_pages, then.went_pages), (2, 1));
//! let cells = then.cells(8);
//! assert!(cells[0].change < 0.0 && cells[1].change == 0.0 && cells[2].change > 0.0);
//! ```

use folio_stat::Residency;

/// Parts into which a mapping is divided.
pub const CELLS: usize = 4096;

/// What is left of a change after a tick.
const COOLING: f32 = 0.7;

/// A change below this is none.
const COLD: f32 = 0.02;

/// A part of a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cell {
    /// How much of it is in memory, from 0 to 1.
    pub resident: f32,
    /// How much has come (above 0) or gone (below), lately.
    pub change: f32,
}

/// The parts of a mapping.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heat {
    /// Pages.
    pub pages: u64,
    /// Bytes in a page.
    pub page_size_bytes: usize,
    /// Those in memory.
    pub resident_pages: u64,
    /// Pages that have come since the tick before, at the least: others may have gone from the same part.
    pub came_pages: u64,
    /// Pages that have gone, likewise.
    pub went_pages: u64,
    cells: Vec<Cell>,
}

impl Heat {
    /// As it is, after how it was.
    pub fn of(now: &Residency, before: Option<&Self>) -> Self {
        let count = usize::try_from(now.pages()).unwrap_or(CELLS).min(CELLS);
        let before = before.filter(|before| before.pages == now.pages());
        let mut heat = Self {
            pages: now.pages(),
            page_size_bytes: now.page_size_bytes(),
            resident_pages: now.resident_pages(),
            ..Self::default()
        };
        let (mut came, mut went) = (0.0, 0.0);
        let in_cell = now.pages() as f64 / count.max(1) as f64;
        for (index, resident) in now.buckets(count).into_iter().enumerate() {
            let resident = resident as f32;
            let Some(was) = before.and_then(|before| before.cells.get(index)) else {
                heat.cells.push(Cell { resident, change: 0.0 });
                continue;
            };
            let moved = resident - was.resident;
            *(if moved > 0.0 { &mut came } else { &mut went }) += f64::from(moved.abs()) * in_cell;
            let change = match moved == 0.0 {
                true => was.change * COOLING,
                // A page of many is seen to move, too.
                false => moved.signum() * moved.abs().max(0.3),
            };
            let change = if change.abs() < COLD { 0.0 } else { change };
            heat.cells.push(Cell { resident, change });
        }
        heat.came_pages = came.round() as u64;
        heat.went_pages = went.round() as u64;
        heat
    }

    /// In so many cells, or in as many as there are. A cell of several parts shows what moved most in any.
    pub fn cells(&self, count: usize) -> Vec<Cell> {
        let count = count.min(self.cells.len());
        let part = |index: usize| {
            let parts = &self.cells
                [index * self.cells.len() / count..(index + 1) * self.cells.len() / count];
            let resident = parts.iter().map(|cell| cell.resident).sum::<f32>() / parts.len() as f32;
            let change = parts.iter().map(|cell| cell.change);
            let change = change.fold(0.0, |most: f32, change| match change.abs() > most.abs() {
                true => change,
                false => most,
            });
            Cell { resident, change }
        };
        (0..count).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    fn heat(run: Range<u64>, before: Option<&Heat>) -> Heat {
        Heat::of(&Residency::from_runs(4096, 100_000, [run]), before)
    }

    #[test]
    fn what_moves_is_bright_and_cools_down() {
        let first = heat(0..50_000, None);
        assert!(first.cells(10).iter().all(|cell| cell.change == 0.0));
        let then = heat(10_000..60_000, Some(&first));
        let changes: Vec<_> = then.cells(10).iter().map(|cell| cell.change).collect();
        assert_eq!((changes[0], changes[5]), (-1.0, 1.0));
        assert_eq!(changes[8], 0.0);
        assert!(then.came_pages.abs_diff(10_000) < 50 && then.went_pages.abs_diff(10_000) < 50);
        let mut cooler = then;
        for _ in 0..11 {
            let next = heat(10_000..60_000, Some(&cooler));
            assert!(next.cells(10)[5].change < cooler.cells(10)[5].change);
            cooler = next;
        }
        assert!(cooler.cells(10).iter().all(|cell| cell.change == 0.0));
    }

    #[test]
    fn a_page_among_a_terabyte_is_seen_to_come() {
        let pages = 1 << 28;
        let first = Heat::of(&Residency::new(4096, pages), None);
        let one = Residency::from_runs(4096, pages, std::iter::once(1 << 27..(1 << 27) + 1));
        let then = Heat::of(&one, Some(&first));
        assert_eq!(then.cells(40).iter().filter(|cell| cell.change > 0.0).count(), 1);
        assert_eq!(then.came_pages, 1);
    }

    #[test]
    fn a_mapping_that_became_longer_begins_anew() {
        let first = heat(0..50_000, None);
        let longer = Heat::of(&Residency::new(4096, 100_001), Some(&first));
        assert!(longer.cells(10).iter().all(|cell| cell.change == 0.0));
        assert!(Heat::of(&Residency::new(4096, 0), None).cells(10).is_empty());
        assert_eq!(Heat::of(&Residency::new(4096, 3), None).cells(10).len(), 3);
        assert!(first.cells(0).is_empty());
    }
}
