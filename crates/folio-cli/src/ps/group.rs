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

use folio_stat::{Backing, Costs, Error, Mapping, Process, Protection, Residency};

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

    /// What may be done with the pages, such as `rw-`, if it is the same for all of them.
    pub fn protection(&self) -> Option<Protection> {
        let first = self.first().protection;
        let is_common = self.members.iter().all(|costs| costs.mappings[0].protection == first);
        is_common.then_some(first)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_one_backing_are_one_group_and_files_of_one_name_are_two() {
        let smaps = "\
1000-2000 rw-p 00000000 00:00 0 \nRss: 4 kB\n\
2000-3000 rw-p 00000000 00:00 0                          [anon:arena]\nRss: 4 kB\n\
3000-4000 r--p 00000000 08:01 7                          /lib/a\nRss: 4 kB\n\
4000-5000 r-xp 00001000 08:01 7                          /lib/a\nRss: 4 kB\n\
5000-6000 r--p 00000000 08:01 8                          /lib/a\nRss: 4 kB\n\
6000-7000 rw-p 00000000 00:00 0                          [anon:arena]\nRss: 4 kB\n\
7000-8000 r--p 00000000 08:01 7                          /lib/a (deleted)\nRss: 4 kB\n\
8000-9000 rw-p 00000000 00:00 0 \nRss: 4 kB\n";
        let mappings = folio_stat::text::smaps(smaps.as_bytes()).unwrap();
        let groups = by_backing(&mappings);
        let found: Vec<_> = groups
            .iter()
            .map(|group| (group.name(), group.members.len(), group.figures.resident_bytes >> 12))
            .collect();
        let expected = [
            ("anonymous", 2),
            ("[anon:arena]", 2),
            ("/lib/a", 2),
            ("/lib/a", 1),
            ("/lib/a (deleted)", 1),
        ];
        assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count, count)));
        assert_eq!(groups[2].protection(), None);
        assert_eq!(groups[1].protection().unwrap().to_string(), "rw-");
        assert_eq!(each(&mappings).len(), mappings.len());
    }
}
