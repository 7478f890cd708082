//! What comes out: a table for people, JSON, and the table in docs/compare.md.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::contest::{self, Contest};
use crate::harness::{Contender, Outcome, Spread, nanoseconds};

/// A part of the document that a run writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Mappings,
    Messages,
}

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

    fn markdown(&self) -> String {
        let Self { command, rustc, machine, .. } = self;
        format!("    {command}\n\n{}; {rustc}. {machine}.\n", self.versions())
    }

    fn versions_json(&self) -> String {
        let versions = self.versions.iter();
        let versions =
            versions.map(|(name, version)| format!("{}: {}", quoted(name), quoted(version)));
        format!("{{{}}}", versions.collect::<Vec<_>>().join(", "))
    }

    fn pinned(&self) -> String {
        self.pinned.map_or_else(|| "not pinned".into(), |cpu| format!("pinned to processor {cpu}"))
    }
}

fn ratio(spread: Spread) -> String {
    let Spread { low, median, high } = spread;
    format!("{median:.2} ({low:.2}–{high:.2})")
}

/// As JSON.
fn spread(Spread { low, median, high }: Spread) -> String {
    format!("{{\"q1\": {low:.4}, \"median\": {median:.4}, \"q3\": {high:.4}}}")
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
    let _ = writeln!(out, "  \"versions\": {},\n  \"rows\": [", setting.versions_json());
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

/// What stands behind a contender's time: its tail or its rate, where that is known.
fn besides(outcome: &contest::Outcome, measured: &contest::Measured) -> Option<String> {
    let rate = outcome.bytes.map(|bytes| rate(bytes, measured.time.median));
    let tail = measured.tail.map(|tail| tail.map(nanoseconds).join(", "));
    tail.or(rate)
}

/// Messages or bytes a second, at so many nanoseconds for each message of some bytes.
fn rate(bytes: usize, time: f64) -> String {
    match bytes {
        ..1024 => format!("{:.2} M/s", 1e3 / time),
        _ => format!("{:.2} GB/s", bytes as f64 / time),
    }
}

/// The rows, a line for each peer, and the policies' hit ratios.
pub(crate) fn contest_text(contest: &Contest) -> String {
    let mut out = String::new();
    let mut group = "";
    for outcome in &contest.outcomes {
        if outcome.group != group {
            group = outcome.group;
            let _ = writeln!(out, "\n{group}");
        }
        let own = &outcome.measured[0];
        let _ = write!(out, "  {}: {} {}", outcome.name, own.name, nanoseconds(own.time.median));
        let more = besides(outcome, own).map_or_else(String::new, |more| format!("   {more}"));
        let _ = writeln!(out, "{more}");
        for peer in &outcome.measured[1..] {
            let aim = peer.aim.map_or_else(String::new, |aim| format!("at most {aim:.2}: "));
            let more =
                besides(outcome, peer).map_or_else(String::new, |more| format!("{more:<20} "));
            let line = format!(
                "    {:<44} {:>9}   {more}{:<22} {aim}{}",
                peer.name,
                nanoseconds(peer.time.median),
                ratio(peer.ratio),
                peer.verdict()
            );
            let _ = writeln!(out, "{}", line.trim_end());
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

/// The rows as one object. Times in nanoseconds.
pub(crate) fn contest_json(setting: &Setting, contest: &Contest) -> String {
    let mut rows = Vec::new();
    for outcome in &contest.outcomes {
        let by = outcome.measured.iter().enumerate().map(|(at, measured)| {
            let mut line = format!(
                "      {}: {{\"nanoseconds\": {}",
                quoted(&measured.name),
                spread(measured.time)
            );
            if let Some([p99, p999]) = measured.tail {
                let _ = write!(line, ", \"p99\": {p99:.0}, \"p99.9\": {p999:.0}");
            }
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
        let bytes = outcome.bytes.map(|bytes| format!("      \"bytes\": {bytes},\n"));
        rows.push(format!(
            "    {{\n      \"group\": {group},\n      \"row\": {name},\n{}{by}\n    }}",
            bytes.unwrap_or_default()
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
    let skipped = contest.skipped.iter().map(|line| format!("    {}", quoted(line)));
    let lists =
        [("rows", rows), ("hits_in_percent", policies.collect()), ("skipped", skipped.collect())];
    let mut out = String::from("{\n");
    let fields =
        [("command", &setting.command), ("machine", &setting.machine), ("rustc", &setting.rustc)];
    for (key, value) in fields {
        let _ = writeln!(out, "  {}: {},", quoted(key), quoted(value));
    }
    let _ = write!(out, "  \"versions\": {}", setting.versions_json());
    for (key, items) in lists.iter().filter(|(_, items)| !items.is_empty()) {
        let _ = write!(out, ",\n  {}: [\n{}\n  ]", quoted(key), items.join(",\n"));
    }
    out + "\n}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Part {
    /// The marks before and after it.
    fn marks(self) -> [String; 2] {
        let name = match self {
            Self::Mappings => "measured",
            Self::Messages => "messages",
        };
        ["begin", "end"].map(|end| format!("<!-- {name}: {end} -->"))
    }

    /// Whether [`update`](Self::update) will find its place: to be asked before minutes are spent.
    pub(crate) fn check(self, document: &Path) -> io::Result<()> {
        self.around(document).map(drop)
    }

    /// Replaces what stands between the marks in a document.
    pub(crate) fn update(self, document: &Path, markdown: &str) -> io::Result<()> {
        let (before, after) = self.around(document)?;
        let [begin, end] = self.marks();
        fs::write(document, format!("{before}{begin}\n{markdown}{end}{after}"))
    }

    /// What stands before the first mark and after the second.
    fn around(self, document: &Path) -> io::Result<(String, String)> {
        let fail = |reason: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {reason}", document.display()))
        };
        let [begin, end] = self.marks();
        let text = fs::read_to_string(document).map_err(|error| fail(&error))?;
        let around = text.split_once(&begin).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(&end)?;
            Some((before.to_owned(), after.to_owned()))
        });
        around.ok_or_else(|| fail(&format!("lacks the marks {begin} and {end}")))
    }
}

pub(crate) fn markdown(setting: &Setting, outcomes: &[Outcome]) -> String {
    let mut out = setting.markdown();
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

/// A table for each row whose contenders time themselves.
pub(crate) fn contest_markdown(setting: &Setting, contest: &Contest) -> String {
    let mut out = setting.markdown();
    for outcome in &contest.outcomes {
        let more = match outcome.measured[0].tail {
            Some(_) => "99 %, 99.9 %",
            None => "rate",
        };
        let (group, name) = (outcome.group, &outcome.name);
        let _ = writeln!(out, "\n| {group}: {name} | time | {more} | folio's over it | aim |");
        let _ = writeln!(out, "|{}", " --- |".repeat(5));
        for (at, measured) in outcome.measured.iter().enumerate() {
            let ratio = if at == 0 { "–".to_owned() } else { ratio(measured.ratio) };
            let aim = measured.aim.map(|aim| format!("at most {aim:.2}: {}", measured.verdict()));
            let more = besides(outcome, measured).unwrap_or_else(|| "–".into());
            let time = nanoseconds(measured.time.median);
            let aim = aim.unwrap_or_default();
            let _ = writeln!(out, "| {} | {time} | {more} | {ratio} | {aim} |", measured.name);
        }
    }
    for line in &contest.skipped {
        let _ = writeln!(out, "\n{line}");
    }
    out
}
