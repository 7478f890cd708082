//! What rows are sorted by.
//!
//! ```
//! use folio_cli::top::sort::{LineSort, Sort};
//! let mut sort = Sort::by(LineSort::Resident);
//! assert!(sort.is_falling);
//! sort.choose(LineSort::Resident);
//! assert!(!sort.is_falling);
//! sort.choose(LineSort::Name);
//! assert!(!sort.is_falling, "names begin with A");
//! ```

use std::cmp::Ordering;

use clap::ValueEnum;

use crate::top::arguments::ProcessSort;
use crate::top::snapshot::{Line, Row};

/// What something can be sorted by.
pub trait Order: Copy + PartialEq + ValueEnum + 'static {
    /// Whether the largest come first.
    fn is_falling(self) -> bool;
}

/// What groups and mappings are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineSort {
    /// Bytes in memory.
    Resident,
    /// Those of each page divided by how often it is mapped.
    Proportional,
    /// Changed since written back.
    Dirty,
    /// Moved out to swap.
    Swapped,
    /// Addresses mapped.
    Mapped,
    /// The first address.
    Address,
    /// The backing's name.
    Name,
}

/// An order and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort<T> {
    /// By what.
    pub by: T,
    /// The largest first.
    pub is_falling: bool,
}

impl<T: Order> Sort<T> {
    /// In the usual direction.
    pub fn by(by: T) -> Self {
        Self { by, is_falling: by.is_falling() }
    }

    /// The other way round.
    pub fn reverse(&mut self) {
        self.is_falling = !self.is_falling;
    }

    /// By this, and if that is so already, the other way round.
    pub fn choose(&mut self, by: T) {
        match self.by == by {
            true => self.reverse(),
            false => *self = Self::by(by),
        }
    }

    /// By the next, or the one before.
    pub fn step(&mut self, step: isize) {
        let all = T::value_variants();
        let place = all.iter().position(|&by| by == self.by).unwrap_or(0) as isize;
        *self = Self::by(all[(place + step).rem_euclid(all.len() as isize) as usize]);
    }

    /// The order of two, given that of the rising direction.
    fn directed(self, rising: Ordering) -> Ordering {
        if self.is_falling { rising.reverse() } else { rising }
    }
}

impl Order for ProcessSort {
    fn is_falling(self) -> bool {
        !matches!(self, Self::Pid | Self::Name)
    }
}

impl Order for LineSort {
    fn is_falling(self) -> bool {
        !matches!(self, Self::Address | Self::Name)
    }
}

impl Sort<ProcessSort> {
    /// Of two processes; equal ones are in the order of their numbers.
    pub fn compare(self, a: &Row, b: &Row) -> Ordering {
        let rate =
            |of: fn(&Row) -> Option<f64>| of(a).unwrap_or(0.0).total_cmp(&of(b).unwrap_or(0.0));
        let rising = match self.by {
            ProcessSort::Proportional => return self.by_proportional(a, b),
            ProcessSort::Resident => a.resident_bytes.cmp(&b.resident_bytes),
            ProcessSort::Growth => rate(|row| row.activity.growth_per_second),
            ProcessSort::Swapped => a.swapped_bytes.cmp(&b.swapped_bytes),
            ProcessSort::Minor => rate(|row| row.activity.minor_per_second),
            ProcessSort::Major => rate(|row| row.activity.major_per_second),
            ProcessSort::Pid => a.id.cmp(&b.id),
            ProcessSort::Name => a.name.cmp(&b.name),
        };
        self.directed(rising).then(a.id.cmp(&b.id))
    }

    /// What is not known comes last in either direction, the largest in memory first.
    fn by_proportional(self, a: &Row, b: &Row) -> Ordering {
        let known = |row: &Row| row.costs.map(|costs| costs.proportional_bytes);
        let order = match (known(a), known(b)) {
            (Some(a), Some(b)) => self.directed(a.cmp(&b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => b.resident_bytes.cmp(&a.resident_bytes),
        };
        order.then(a.id.cmp(&b.id))
    }
}

impl Sort<LineSort> {
    /// Of two groups or mappings; equal ones are in the order of their addresses.
    pub fn compare(self, a: &Line, b: &Line) -> Ordering {
        let figure = |of: fn(&Line) -> usize| of(a).cmp(&of(b));
        let rising = match self.by {
            LineSort::Resident => figure(|line| line.figures.resident_bytes),
            LineSort::Proportional => figure(|line| line.figures.proportional_bytes),
            LineSort::Dirty => figure(|line| line.figures.dirty_bytes()),
            LineSort::Swapped => figure(|line| line.figures.swapped_bytes),
            LineSort::Mapped => figure(|line| line.figures.mapped_bytes),
            LineSort::Address => figure(|line| line.range.start),
            LineSort::Name => a.name.cmp(&b.name),
        };
        self.directed(rising).then(a.range.start.cmp(&b.range.start))
    }
}
