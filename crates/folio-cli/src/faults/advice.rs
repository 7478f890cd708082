//! Advice: what would help against the page faults of a backing, where the figures support it.

use std::fs;

use folio_stat::{Backing, BackingKind};
use serde::Serialize;

use crate::faults::profile::OfBacking;
use crate::ipc::text::time;
use crate::size::grouped;

/// Parts of the elapsed time that are worth a change: of waiting for a disk, of everything else.
const WORTH_READING_AHEAD: f64 = 0.05;
const WORTH_MAPPING_AHEAD: f64 = 0.03;
/// Fewer page faults than this are no pattern.
const LEAST_MAJOR: u64 = 8;
const LEAST_MINOR: u64 = 200;

/// What would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// To have it read ahead further: it is read in order.
    Sequential,
    /// To bring pages in before they are used.
    Populate,
    /// Huge pages.
    HugePages,
}

/// Advice on a backing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The backing.
    pub backing: String,
    /// What would help.
    pub remedy: Remedy,
    /// The same in words, with the figures that support it.
    pub text: String,
}

/// Whether memory gets transparent huge pages: always, when advised, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transparent {
    Always,
    Advised,
    Never,
}

impl Transparent {
    /// As this machine has it.
    pub(crate) fn of_machine() -> Self {
        let path = "/sys/kernel/mm/transparent_hugepage/enabled";
        let enabled = fs::read_to_string(path).unwrap_or_default();
        match () {
            () if enabled.contains("[always]") => Self::Always,
            () if enabled.contains("[madvise]") => Self::Advised,
            () => Self::Never,
        }
    }
}

/// Advice on a backing, of which a program of `elapsed` nanoseconds took these page faults.
pub(crate) fn on(
    backing: &Backing,
    of: &OfBacking,
    elapsed: u64,
    transparent: Transparent,
) -> Vec<Advice> {
    let figures = &of.figures;
    let share = |nanoseconds: u64| nanoseconds as f64 / elapsed.max(1) as f64;
    let mut found = Vec::new();
    let mut advise = |remedy, text| {
        found.push(Advice { backing: backing.to_string(), remedy, text });
    };

    if share(figures.major_stall) >= WORTH_READING_AHEAD && figures.major >= LEAST_MAJOR {
        let waited = format!(
            "{} major page faults waited {}",
            grouped(figures.major),
            time(figures.major_stall as f64)
        );
        let is_file = backing.path.is_some();
        match (is_file, 2 * of.in_order >= figures.count()) {
            (true, true) => advise(
                Remedy::Sequential,
                format!(
                    "{waited}, one place after another: have it read further ahead \
                     (Advice::Sequential, MADV_SEQUENTIAL), or populate it ahead of use"
                ),
            ),
            (true, false) => advise(
                Remedy::Populate,
                format!(
                    "{waited}, here and there: bring what is used into memory before \
                     (Advice::WillNeed or populate, MADV_POPULATE_READ)"
                ),
            ),
            // Swapped out, or somebody else supplies its pages.
            (false, _) => {}
        }
    }
    if share(figures.minor_stall) >= WORTH_MAPPING_AHEAD && figures.minor >= LEAST_MINOR {
        let took = format!(
            "{} minor page faults took {}",
            grouped(figures.minor),
            time(figures.minor_stall as f64)
        );
        let (dense_faults, blocks) = of.dense();
        let is_memory = matches!(backing.kind, BackingKind::Anonymous | BackingKind::Heap);
        let is_dense = 2 * dense_faults >= figures.count();
        match (is_memory, transparent) {
            (true, Transparent::Advised | Transparent::Never) if is_dense => {
                let how = match (backing.kind, transparent) {
                    (_, Transparent::Never) => {
                        "once /sys/kernel/mm/transparent_hugepage/enabled is madvise"
                    }
                    (BackingKind::Heap, _) => "GLIBC_TUNABLES=glibc.malloc.hugetlb=1",
                    _ => {
                        "transparent_huge_pages, MADV_HUGEPAGE; of malloc(3) \
                         GLIBC_TUNABLES=glibc.malloc.hugetlb=1"
                    }
                };
                advise(
                    Remedy::HugePages,
                    format!(
                        "{took}: with huge pages ({how}) {} of them would be {}",
                        grouped(dense_faults),
                        grouped(blocks)
                    ),
                );
            }
            (false, _) if backing.path.is_some() => advise(
                Remedy::Populate,
                format!(
                    "{took}, though the pages were in memory, or on their way: map them in one \
                     call (populate, MAP_POPULATE)"
                ),
            ),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::profile::Figures;

    const SECOND: u64 = 1_000_000_000;

    fn remedies(name: &str, figures: Figures, in_order: u64) -> Vec<Remedy> {
        let backing = Backing::named(name.as_bytes(), 0, (8, 1), 7);
        let mut of = OfBacking::default();
        (of.figures, of.in_order) = (figures, in_order);
        let found = on(&backing, &of, SECOND, Transparent::Advised);
        found.into_iter().map(|advice| advice.remedy).collect()
    }

    #[test]
    fn advice_is_given_only_where_figures_support_it() {
        let waits = Figures { major: 100, major_stall: SECOND / 5, ..Figures::default() };
        assert_eq!(remedies("/a", waits, 90), [Remedy::Sequential]);
        assert_eq!(remedies("/a", waits, 10), [Remedy::Populate]);
        assert!(remedies("", waits, 90).is_empty());
        let hardly = Figures { major_stall: SECOND / 50, ..waits };
        assert!(remedies("/a", hardly, 90).is_empty());
        let maps = Figures { minor: 9000, minor_stall: SECOND / 10, ..Figures::default() };
        assert_eq!(remedies("/a", maps, 90), [Remedy::Populate]);
        // Nothing is known of where they lie.
        assert!(remedies("[heap]", maps, 90).is_empty());
        assert!(remedies("/a", Figures { minor: 10, ..maps }, 9).is_empty());
    }
}
