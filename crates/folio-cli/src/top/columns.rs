//! The columns of the lists: which of them a width has room for, and where they are.
//!
//! Each column has a rank; as many as fit are shown, the most wanted first. The last is the name, which has
//! the rest of the line.

use crate::top::arguments::ProcessSort;
use crate::top::snapshot::Snapshot;
use crate::top::sort::LineSort;
use crate::top::state::State;

/// Columns between columns.
const GAP: u16 = 1;

/// The least that a name needs, in a narrow line and in a wide one.
const NAME: (u16, u16) = (10, 18);

/// A column of a list.
pub trait Column: Copy {
    /// What is above it.
    fn title(self) -> &'static str;
    /// How wide it is; `None` for a name.
    fn width(self) -> Option<u16>;
    /// Whether its cells are numbers, which end in line.
    fn is_number(self) -> bool;
}

/// A column of processes, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessColumn {
    /// Its number.
    Pid,
    /// Its user's number.
    User,
    /// Threads.
    Threads,
    /// Pages in memory.
    Resident,
    /// Those divided by how often they are mapped.
    Proportional,
    /// Mapped elsewhere, too.
    Shared,
    /// Mapped here only.
    Private,
    /// In huge pages.
    Huge,
    /// How long ago the last four were read.
    Age,
    /// In swap.
    Swapped,
    /// What came to memory, per second.
    Growth,
    /// Minor faults per second.
    Minor,
    /// Major faults per second.
    Major,
    /// Bars of the faults of the last ticks.
    Faults,
    /// The program.
    Name,
}

/// A column of groups or mappings, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineColumn {
    /// The first address.
    Address,
    /// What may be done with it.
    Protection,
    /// How many mappings these are.
    Mappings,
    /// Addresses mapped.
    Mapped,
    /// Pages in memory.
    Resident,
    /// Those divided by how often they are mapped.
    Proportional,
    /// Changed since written back.
    Dirty,
    /// In huge pages.
    Huge,
    /// In swap.
    Swapped,
    /// The backing.
    Name,
}

impl Column for ProcessColumn {
    fn title(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::User => "user",
            Self::Threads => "threads",
            Self::Resident => "resident",
            Self::Proportional => "proportional",
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Huge => "huge",
            Self::Age => "age",
            Self::Swapped => "swapped",
            Self::Growth => "growth/s",
            Self::Minor => "minor/s",
            Self::Major => "major/s",
            Self::Faults => "faults",
            Self::Name => "name",
        }
    }

    fn width(self) -> Option<u16> {
        Some(match self {
            Self::Name => return None,
            Self::Pid | Self::Threads | Self::Major => 7,
            Self::User => 5,
            Self::Age => 6,
            Self::Resident | Self::Shared | Self::Private | Self::Huge | Self::Swapped => 8,
            Self::Growth | Self::Minor => 9,
            Self::Proportional | Self::Faults => 12,
        })
    }

    fn is_number(self) -> bool {
        !matches!(self, Self::Faults | Self::Name)
    }
}

impl ProcessColumn {
    /// What a click at its title sorts by.
    pub fn sort(self) -> Option<ProcessSort> {
        Some(match self {
            Self::Pid => ProcessSort::Pid,
            Self::Resident => ProcessSort::Resident,
            Self::Proportional => ProcessSort::Proportional,
            Self::Swapped => ProcessSort::Swapped,
            Self::Growth => ProcessSort::Growth,
            Self::Minor | Self::Faults => ProcessSort::Minor,
            Self::Major => ProcessSort::Major,
            Self::Name => ProcessSort::Name,
            _ => return None,
        })
    }
}

impl Column for LineColumn {
    fn title(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Protection => "rwx",
            Self::Mappings => "mappings",
            Self::Mapped => "mapped",
            Self::Resident => "resident",
            Self::Proportional => "proportional",
            Self::Dirty => "dirty",
            Self::Huge => "huge",
            Self::Swapped => "swapped",
            Self::Name => "backing",
        }
    }

    fn width(self) -> Option<u16> {
        Some(match self {
            Self::Name => return None,
            Self::Address => 14,
            Self::Protection => 3,
            Self::Proportional => 12,
            _ => 8,
        })
    }

    fn is_number(self) -> bool {
        !matches!(self, Self::Address | Self::Protection | Self::Name)
    }
}

impl LineColumn {
    /// What a click at its title sorts by.
    pub fn sort(self) -> Option<LineSort> {
        Some(match self {
            Self::Address => LineSort::Address,
            Self::Mapped => LineSort::Mapped,
            Self::Resident => LineSort::Resident,
            Self::Proportional => LineSort::Proportional,
            Self::Dirty => LineSort::Dirty,
            Self::Swapped => LineSort::Swapped,
            Self::Name => LineSort::Name,
            _ => return None,
        })
    }
}

/// Columns that fit, from left to right.
#[derive(Debug, Clone)]
pub struct Columns<C>(Vec<Placed<C>>);

/// A column, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Placed<C> {
    /// Which it is.
    pub column: C,
    /// Where it begins.
    pub x: u16,
    /// How wide it is.
    pub width: u16,
}

impl<C: Column> Columns<C> {
    /// As many of `wanted` as fit, with their places in the line; the name comes first in it, and last
    /// in the line.
    fn fit(wanted: &[(u16, C)], width: u16) -> Self {
        let name = (width / 5).clamp(NAME.0, NAME.1);
        let needs = |column: C| column.width().map_or(name, |width| width + GAP);
        let mut left = width;
        let mut chosen: Vec<(u16, C)> = Vec::new();
        for &(place, column) in wanted {
            // A name there is in any width; and nothing in the place of what is wanted more.
            if column.width().is_some() && needs(column) > left {
                break;
            }
            left = left.saturating_sub(needs(column));
            chosen.push((place, column));
        }
        chosen.sort_by_key(|&(place, _)| place);
        let mut x = 0;
        let place = |(_, column): (u16, C)| {
            let (begin, wide) = (x, column.width().unwrap_or(width - x));
            x = begin.saturating_add(wide).saturating_add(GAP);
            Placed { column, x: begin, width: wide }
        };
        Self(chosen.into_iter().map(place).collect())
    }

    /// The columns.
    pub fn iter(&self) -> impl Iterator<Item = Placed<C>> + '_ {
        self.0.iter().copied()
    }

    /// The one in this column of the screen.
    pub fn at(&self, x: u16) -> Option<C> {
        let is_here = |placed: &&Placed<C>| x < placed.x.saturating_add(placed.width);
        self.0.iter().find(is_here).map(|placed| placed.column)
    }
}

/// Those of the list of processes.
pub fn of_processes(state: &State, snapshot: &Snapshot) -> Columns<ProcessColumn> {
    use ProcessColumn as C;
    let has_swap = snapshot.machine.swap_bytes > 0;
    // A figure that decides where rows are is seen, and how old it is.
    let of_costs: &[C] = match state.process_sort.by {
        ProcessSort::Proportional => &[C::Name, C::Proportional, C::Age],
        _ => &[],
    };
    let by_rank = [
        C::Name,
        C::Resident,
        C::Pid,
        C::Minor,
        C::Growth,
        C::Proportional,
        C::Major,
        C::Faults,
        C::Private,
        C::Age,
        C::Shared,
        C::Swapped,
        C::Huge,
        C::Threads,
        C::User,
    ];
    let is_wanted = |column: &C| has_swap || *column != C::Swapped;
    let rest = by_rank.into_iter().filter(|column| !of_costs.contains(column));
    let wanted = of_costs.iter().copied().chain(rest).filter(is_wanted);
    let wanted: Vec<_> = wanted.map(|column| (column as u16, column)).collect();
    Columns::fit(&wanted, state.size.0)
}

/// Those of the lists of groups and mappings.
pub fn of_lines(state: &State, snapshot: &Snapshot) -> Columns<LineColumn> {
    use crate::top::state::Level;
    use LineColumn as C;
    let has_swap = snapshot.machine.swap_bytes > 0;
    let is_group = state.level == Level::Groups;
    let by_rank = [
        C::Name,
        C::Resident,
        C::Mapped,
        C::Proportional,
        C::Dirty,
        C::Protection,
        C::Mappings,
        C::Address,
        C::Swapped,
        C::Huge,
    ];
    let is_wanted = |column: &C| match column {
        C::Swapped => has_swap,
        C::Mappings => is_group,
        C::Address => !is_group,
        _ => true,
    };
    let wanted = by_rank.into_iter().filter(is_wanted).map(|column| (column as u16, column));
    Columns::fit(&wanted.collect::<Vec<_>>(), state.size.0)
}
