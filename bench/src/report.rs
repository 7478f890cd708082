//! What comes out: a table for people, JSON, and the table in docs/compare.md.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::contest::Contest;
use crate::harness::{Contender, Outcome, Spread, nanoseconds};

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// How and where it was measured.
pub(crate) struct Setting {
    pub(crate) command: String,
    pub(crate) machine: String,
    pub(crate) rustc: String,
    pub(crate) versions: Vec<(&'static str, String)>,
    pub(crate) pinned: Option<usize>,
    pub(crate) rounds: usize,
    pub(crate) file_system: String,
}

impl Setting {
    fn versions(&self) -> String {
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}"));
        versions.collect::<Vec<_>>().join(", ")
    }

    fn pinned(&self) -> String {
        self.pinned.map_or_else(|| "not pinned".into(), |cpu| format!("pinned to processor {cpu}"))
    }
}

fn ratio(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    format!("{median:.2} ({low:.2}–{high:.2})")
}

fn cells(outcome: &Outcome) -> Vec<String> {
    let folio = outcome.of(Contender::Folio).expect("folio is always there");
    let mut cells = vec![outcome.name.clone(), nanoseconds(folio.time.median)];
    for peer in Contender::PEERS {
        cells.push(outcome.of(peer).map_or_else(
            || "–".into(),
            |measured| format!("{}, {}", nanoseconds(measured.time.median), ratio(measured.ratio)),
        ));
    }
    cells
}

fn heads() -> Vec<String> {
    let mut heads = vec!["row".into(), "folio".into(), "raw mmap = floor".into()];
    heads.extend(Contender::PEERS[1..].iter().map(|peer| peer.name().into()));
    heads
}

/// The table with aligned columns.
pub(crate) fn text(setting: &Setting, outcomes: &[Outcome]) -> String {
    let mut lines = vec![heads()];
    for (at, outcome) in outcomes.iter().enumerate() {
        if at == 0 || outcomes[at - 1].group != outcome.group {
            lines.push(vec![outcome.group.to_owned()]);
        }
        let mut cells = cells(outcome);
        cells[0].insert_str(0, "  ");
        lines.push(cells);
    }
    let columns = lines[0].len();
    let width = |column: usize| {
        lines.iter().filter(|line| line.len() > 1).map(|line| line[column].chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("{}\n{}\n", setting.machine, setting.versions());
    let _ = writeln!(text, "peer: time, folio's time over it (quartiles)\n");
    for line in &lines {
        let mut out = String::new();
        for (column, cell) in line.iter().enumerate() {
            let room = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            // The row's name to the left, numbers to the right.
            let _ = match column {
                0 => write!(out, "{cell}{room}"),
                _ => write!(out, "   {room}{cell}"),
            };
        }
        let _ = writeln!(text, "{}", out.trim_end());
    }
    text
}

/// One object: the setting, and a row for each outcome. Times in nanoseconds.
pub(crate) fn json(setting: &Setting, outcomes: &[Outcome]) -> String {
    let spread = |Spread { low, median, high }| {
        format!("{{\"q1\": {low:.4}, \"median\": {median:.4}, \"q3\": {high:.4}}}")
    };
    let mut out = String::from("{\n");
    for (key, value) in [
        ("command", &setting.command),
        ("machine", &setting.machine),
        ("rustc", &setting.rustc),
        ("file_system", &setting.file_system),
    ] {
        let _ = writeln!(out, "  {}: {},", quoted(key), quoted(value));
    }
    let _ = writeln!(out, "  \"rounds\": {},", setting.rounds);
    let pinned = setting.pinned.map_or_else(|| "null".into(), |cpu| cpu.to_string());
    let _ = writeln!(out, "  \"pinned_to_processor\": {pinned},");
    let versions = setting.versions.iter();
    let versions: Vec<_> =
        versions.map(|(name, version)| format!("{}: {}", quoted(name), quoted(version))).collect();
    let _ = writeln!(out, "  \"versions\": {{{}}},\n  \"rows\": [", versions.join(", "));
    for (at, outcome) in outcomes.iter().enumerate() {
        let (group, name) = (quoted(outcome.group), quoted(&outcome.name));
        let _ = writeln!(out, "    {{\n      \"group\": {group},\n      \"row\": {name},");
        let last = outcome.measured.len() - 1;
        for (at, measured) in outcome.measured.iter().enumerate() {
            let name = quoted(measured.contender.name());
            let time = spread(measured.time);
            let _ = write!(out, "      {name}: {{\"nanoseconds\": {time}");
            if measured.contender != Contender::Folio {
                let _ = write!(out, ", \"folio_over_it\": {}", spread(measured.ratio));
            }
            let _ = writeln!(out, "}}{}", if at == last { "" } else { "," });
        }
        let _ = writeln!(out, "    }}{}", if at + 1 == outcomes.len() { "" } else { "," });
    }
    out.push_str("  ]\n}\n");
    out
}

/// The pager's rows, a line for each peer, and the policies' hit ratios.
pub(crate) fn pager_text(contest: &Contest) -> String {
    let mut out = String::new();
    let mut group = "";
    for outcome in &contest.outcomes {
        if outcome.group != group {
            group = outcome.group;
            let _ = writeln!(out, "\n{group}");
        }
        let own = &outcome.measured[0];
        let _ = writeln!(out, "  {}: {} {}", outcome.name, own.name, nanoseconds(own.time.median));
        for peer in &outcome.measured[1..] {
            let aim = peer.aim.map_or_else(String::new, |aim| format!("at most {aim:.2}: "));
            let _ = writeln!(
                out,
                "    {:<44} {:>9}   {:<22} {aim}{}",
                peer.name,
                nanoseconds(peer.time.median),
                ratio(peer.ratio),
                peer.verdict()
            );
        }
    }
    for (at, hits) in contest.hits.iter().enumerate() {
        if at == 0 {
            let _ =
                writeln!(out, "\npolicies: touches that find their page, and rests, in percent");
            let names: Vec<_> = hits.by.iter().map(|(name, _)| format!("{name:>8}")).collect();
            let _ = writeln!(out, "  {:<34}{}", "", names.join(""));
        }
        let values: Vec<_> = hits.by.iter().map(|(_, value)| format!("{value:>8.2}")).collect();
        let _ = writeln!(out, "  {:<34}{}", hits.trace, values.join(""));
    }
    for line in &contest.skipped {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The pager's rows as one object. Times in nanoseconds.
pub(crate) fn pager_json(setting: &Setting, contest: &Contest) -> String {
    let spread = |Spread { low, median, high }| {
        format!("{{\"q1\": {low:.4}, \"median\": {median:.4}, \"q3\": {high:.4}}}")
    };
    let mut rows = Vec::new();
    for outcome in &contest.outcomes {
        let by = outcome.measured.iter().enumerate().map(|(at, measured)| {
            let mut line = format!(
                "      {}: {{\"nanoseconds\": {}",
                quoted(&measured.name),
                spread(measured.time)
            );
            if at > 0 {
                let _ = write!(line, ", \"folio_over_it\": {}", spread(measured.ratio));
            }
            if let Some(aim) = measured.aim {
                let _ = write!(line, ", \"aim\": {aim:.4}");
            }
            line + "}"
        });
        let by = by.collect::<Vec<_>>().join(",\n");
        let (group, name) = (quoted(outcome.group), quoted(&outcome.name));
        rows.push(format!(
            "    {{\n      \"group\": {group},\n      \"row\": {name},\n{by}\n    }}"
        ));
    }
    let policies = contest.hits.iter().map(|hits| {
        let mut before = "";
        let by = hits.by.iter().map(|(name, value)| {
            let key = if *name == "rests" { format!("rests of {before}") } else { (*name).into() };
            before = name;
            format!("{}: {value:.2}", quoted(&key))
        });
        let by = by.collect::<Vec<_>>().join(", ");
        format!("    {{\"trace\": {}, {by}}}", quoted(&hits.trace))
    });
    let policies: Vec<String> = policies.collect();
    format!(
        "{{\n  \"command\": {},\n  \"machine\": {},\n  \"rustc\": {},\n  \"rows\": [\n{}\n  ],\n  \
         \"hits_in_percent\": [\n{}\n  ]\n}}\n",
        quoted(&setting.command),
        quoted(&setting.machine),
        quoted(&setting.rustc),
        rows.join(",\n"),
        policies.join(",\n")
    )
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether [`update`] will find its place: to be asked before minutes are spent.
pub(crate) fn check(document: &Path) -> io::Result<()> {
    parts(document).map(drop)
}

/// Replaces what stands between the two marks in a document.
pub(crate) fn update(document: &Path, setting: &Setting, outcomes: &[Outcome]) -> io::Result<()> {
    let (before, after) = parts(document)?;
    fs::write(document, format!("{before}{BEGIN}\n{}{END}{after}", markdown(setting, outcomes)))
}

/// What stands before the first mark and after the second.
fn parts(document: &Path) -> io::Result<(String, String)> {
    let fail = |reason: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: {reason}", document.display()))
    };
    let text = fs::read_to_string(document).map_err(|error| fail(&error))?;
    let marks = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before.to_owned(), after.to_owned()))
    });
    marks.ok_or_else(|| fail(&format!("lacks the marks {BEGIN} and {END}")))
}

fn markdown(setting: &Setting, outcomes: &[Outcome]) -> String {
    let mut out = format!("    {}\n\n", setting.command);
    let _ = writeln!(out, "{}; {}. {}.", setting.versions(), setting.rustc, setting.machine);
    let _ = writeln!(
        out,
        "Files on {}; {}; at most {} rounds.",
        setting.file_system,
        setting.pinned(),
        setting.rounds
    );
    for (at, outcome) in outcomes.iter().enumerate() {
        if at == 0 || outcomes[at - 1].group != outcome.group {
            let mut heads = heads();
            heads[0] = outcome.group.to_owned();
            let _ = writeln!(out, "\n| {} |", heads.join(" | "));
            let _ = writeln!(out, "|{}", " --- |".repeat(heads.len()));
        }
        let _ = writeln!(out, "| {} |", cells(outcome).join(" | "));
    }
    out
}
