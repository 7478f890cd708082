//! What is found out about processes, as JSON.
//!
//! `docs/command.md` documents every key.

use folio_stat::{BackingKind, Flag, Sharing};
use serde::Serialize;

use crate::ps::detail::{Part, Run};
use crate::ps::figures::Figures;
use crate::ps::group::{self, Group};
use crate::ps::overview::Overview;

/// A process, and what of it was asked for.
#[derive(Debug, Serialize)]
pub struct ProcessReport {
    #[serde(flatten)]
    overview: Overview,
    /// It changed while it was read.
    has_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<RowReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappings: Option<Vec<RowReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Vec<PartReport>>,
}

/// Mappings of a backing, or one.
#[derive(Debug, Serialize)]
struct RowReport {
    kind: BackingKind,
    name: String,
    path: Option<String>,
    is_deleted: bool,
    inode: u64,
    protection: Option<String>,
    mapping_count: usize,
    address: usize,
    #[serde(flatten)]
    figures: Figures,
    #[serde(flatten)]
    mapping: Option<MappingReport>,
}

/// What only one mapping has.
#[derive(Debug, Serialize)]
struct MappingReport {
    length_bytes: usize,
    offset_bytes: u64,
    sharing: Sharing,
    page_size_bytes: usize,
    locked_bytes: usize,
    flags: Vec<String>,
}

/// A part of a mapping.
#[derive(Debug, Serialize)]
struct PartReport {
    mapping: RowReport,
    runs: Vec<Run>,
}

impl ProcessReport {
    /// Of a process in a list.
    pub fn of(overview: Overview) -> Self {
        Self { overview, has_changed: false, groups: None, mappings: None, at: None }
    }

    /// With its mappings, each for itself or by backing.
    #[must_use]
    pub fn with_groups(self, groups: &[Group<'_>], each: bool, has_changed: bool) -> Self {
        let rows = Some(groups.iter().map(|group| RowReport::of(group, each)).collect());
        let (groups, mappings) = if each { (None, rows) } else { (rows, None) };
        Self { groups, mappings, has_changed, ..self }
    }

    /// With what lies at some addresses.
    #[must_use]
    pub fn with_parts(self, parts: Vec<Part>) -> Self {
        let report = |part: Part| PartReport {
            mapping: RowReport::of(&group::each([&part.costs])[0], true),
            runs: part.runs,
        };
        Self { at: Some(parts.into_iter().map(report).collect()), ..self }
    }
}

impl RowReport {
    fn of(group: &Group<'_>, is_one: bool) -> Self {
        let backing = group.backing();
        let mapping = || {
            let (costs, mapping) = (group.members[0], group.first());
            let flags = mapping.flags.iter().flat_map(|flags| flags.iter());
            MappingReport {
                length_bytes: mapping.length_bytes,
                offset_bytes: backing.offset_bytes,
                sharing: mapping.sharing,
                page_size_bytes: costs.page_size_bytes,
                locked_bytes: costs.locked_bytes,
                flags: flags.map(|flag: Flag| flag.to_string()).collect(),
            }
        };
        Self {
            kind: backing.kind,
            name: group.name(),
            path: backing.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            is_deleted: backing.deleted,
            inode: backing.inode,
            protection: group.protection().map(|protection| protection.to_string()),
            mapping_count: group.members.len(),
            address: group.first().address,
            figures: group.figures,
            mapping: is_one.then(mapping),
        }
    }
}
