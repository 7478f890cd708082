//! Mappings in groups: by backing, or each for itself.
//!
//! ```
//! use folio_cli::ps::group;
//! let mappings = folio_stat::Process::current().unwrap().costs_by_mapping().unwrap();
//! let groups = group::by_backing(&mappings);
//! assert!(groups.iter().any(|group| group.name() == "[heap]" || group.name() == "[stack]"));
//! assert_eq!(groups.iter().map(|group| group.members.len()).sum::<usize>(), mappings.len());
//! ```

use std::collections::HashMap;

use folio_stat::{Backing, Costs, Error, Mapping, Process, Residency};

use crate::ps::figures::Figures;

/// Mappings that show the same backing: a file, the heap, a stack, anonymous memory of one name or of
/// none, an object of shared memory, a device.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Its mappings, by address; never empty.
    pub members: Vec<&'a Costs>,
    /// What they cost together.
    pub figures: Figures,
}

impl<'a> Group<'a> {
    fn of(members: Vec<&'a Costs>) -> Self {
        let figures = members.iter().map(|costs| Figures::of(costs)).sum();
        Self { members, figures }
    }

    /// The first of its mappings.
    pub fn first(&self) -> &'a Mapping {
        &self.members[0].mappings[0]
    }

    /// What all of them show.
    pub fn backing(&self) -> &'a Backing {
        &self.first().backing
    }

    /// Its name: a path, a name in the kernel's notation, or the kind of what has none.
    pub fn name(&self) -> String {
        self.backing().to_string()
    }

    /// What may be done with the pages of any of them, such as `rw-`.
    pub fn protection(&self) -> String {
        let any =
            |of: fn(&Mapping) -> bool| self.members.iter().any(|costs| of(&costs.mappings[0]));
        let letter = |set, letter| if set { letter } else { '-' };
        [
            letter(any(|mapping| mapping.protection.read), 'r'),
            letter(any(|mapping| mapping.protection.write), 'w'),
            letter(any(|mapping| mapping.protection.execute), 'x'),
        ]
        .into_iter()
        .collect()
    }
}

/// What makes two mappings show the same.
fn object(backing: &Backing) -> impl Eq + std::hash::Hash + '_ {
    (backing.kind, &backing.path, &backing.name, backing.deleted, backing.device, backing.inode)
}

/// Groups by backing, in the order of their first addresses.
pub fn by_backing<'a>(mappings: impl IntoIterator<Item = &'a Costs>) -> Vec<Group<'a>> {
    let mut places = HashMap::new();
    let mut groups: Vec<Vec<&Costs>> = Vec::new();
    for costs in mappings {
        let place = *places.entry(object(&costs.mappings[0].backing)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(costs);
    }
    groups.into_iter().map(Group::of).collect()
}

/// A group for each mapping.
pub fn each<'a>(mappings: impl IntoIterator<Item = &'a Costs>) -> Vec<Group<'a>> {
    mappings.into_iter().map(|costs| Group::of(vec![costs])).collect()
}

/// Which pages of each group are in memory, in one walk of the process's page table.
///
/// # Errors
/// That the process has ended.
pub fn residencies(groups: &[Group<'_>], process: &Process) -> Result<Vec<Residency>, Error> {
    let mut pieces: Vec<_> = groups
        .iter()
        .enumerate()
        .flat_map(|(index, group)| group.members.iter().map(move |costs| (index, costs.range())))
        .collect();
    pieces.sort_unstable_by_key(|(_, range)| range.start);
    process.residencies(groups.len(), &pieces)
}
