//! Pictures of `folio top`, drawn on a terminal that is not there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use folio_cli::ps::figures::Figures;
use folio_cli::top::arguments::ProcessSort;
use folio_cli::top::draw::draw;
use folio_cli::top::event::{Event, Key};
use folio_cli::top::heat::Heat;
use folio_cli::top::history::History;
use folio_cli::top::machine::Machine;
use folio_cli::top::snapshot::{Activity, Id, Line, Opened, Pages, Row, Snapshot};
use folio_cli::top::state::{Look, State, update};
use folio_stat::Residency;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

pub const MIB: usize = 1 << 20;
pub const LOOK: Look = Look { color: true, unicode: true };

fn history(values: &[f64]) -> History {
    let mut history = History::default();
    values.iter().for_each(|&value| history.push(value));
    history
}

pub fn row(pid: u32, name: &str, resident_bytes: usize, minor: f64) -> Row {
    Row {
        id: Id { pid, started_ticks: u64::from(pid) * 7 },
        name: name.into(),
        user: 1000,
        threads: 3,
        has_ended: false,
        resident_bytes,
        swapped_bytes: 0,
        minor_faults: 1000,
        major_faults: 5,
        activity: Activity {
            minor_per_second: Some(minor),
            major_per_second: Some(0.0),
            growth_per_second: Some(minor * 4096.0),
            resident: history(&[1.0, resident_bytes as f64]),
            minor: history(&[0.0, minor / 2.0, minor]),
            major: history(&[0.0, 0.0, 0.0]),
        },
        costs: (pid != 300).then(|| Figures {
            resident_bytes,
            proportional_bytes: resident_bytes / 2,
            private_dirty_bytes: resident_bytes / 4,
            shared_clean_bytes: resident_bytes - resident_bytes / 4,
            ..Figures::default()
        }),
        costs_age: (pid != 300).then(|| Duration::from_secs(pid.into()) / 50),
    }
}

pub fn line(name: &str, address: usize, pages: usize, mappings: usize) -> Line {
    Line {
        name: name.into(),
        range: address..address + pages * 4096,
        mappings,
        protection: "rw-".into(),
        sharing: "private".into(),
        offset_bytes: 0x2000,
        file: ((8, 1), 7),
        figures: Figures {
            mapped_bytes: pages * 4096,
            resident_bytes: pages * 2048,
            proportional_bytes: pages * 1024,
            private_dirty_bytes: pages * 1024,
            ..Figures::default()
        },
    }
}

/// What the kernel tells of the mapping that is open.
const SMAPS: &[u8] = b"\
60000000-60040000 rw-p 00002000 fe:00 77                         /var/lib/db/base.heap\n\
Rss: 80 kB\nPss: 66 kB\nShared_Clean: 28 kB\nShared_Dirty: 0 kB\nPrivate_Clean: 4 kB\n\
Private_Dirty: 48 kB\nReferenced: 76 kB\nAnonymous: 44 kB\nSwap: 12 kB\nLocked: 66 kB\n\
VmFlags: rd wr mr mw me lo dd\n";

/// Three processes, of which the first is open.
pub fn snapshot() -> Snapshot {
    let processes = vec![
        row(100, "postgres", 300 * MIB, 1200.0),
        row(200, "sleep", 2 * MIB, 0.0),
        Row { has_ended: true, ..row(300, "a-program-with-a-long-name", 7 * MIB, 2.0) },
    ];
    let opened = Opened {
        id: processes[0].id,
        groups: Arc::new([
            line("/usr/lib/postgresql/17/bin/postgres", 0x5000_0000, 2048, 2),
            line("[heap]", 0x6000_0000, 64, 1),
        ]),
        each: Arc::new([
            line("/usr/lib/postgresql/17/bin/postgres", 0x5000_0000, 1024, 1),
            line("/usr/lib/postgresql/17/bin/postgres", 0x5040_0000, 1024, 1),
            line("[heap]", 0x6000_0000, 64, 1),
        ]),
        age: Duration::from_secs(9),
        error: None,
    };
    let residency = |runs: &[Range<u64>]| Residency::from_runs(4096, 64, runs.iter().cloned());
    let before = Heat::of(&residency(&[0..8, 20..30]), None);
    let heat = Heat::of(&residency(&[0..8, 22..34]), Some(&before));
    let costs = folio_stat::text::smaps(SMAPS).unwrap().remove(0);
    let pages = Pages {
        id: processes[0].id,
        range: 0x6000_0000..0x6004_0000,
        mapping: Some(costs.mappings[0].clone()),
        heat: Arc::new(heat),
        resident: history(&[18.0, 20.0]),
        age: Duration::ZERO,
        costs: Some(Arc::new(costs)),
        costs_age: Duration::from_secs(7),
        error: None,
    };
    let total = processes[0].activity.clone();
    let machine = Machine {
        memory_bytes: 8 << 30,
        available_bytes: 5 << 30,
        swap_bytes: 0,
        swapped_bytes: 0,
    };
    Snapshot { machine, processes, left_out: 0, total, opened: Some(opened), pages: Some(pages) }
}

pub fn state(columns: u16, lines: u16, look: Look) -> State {
    update(State::new(ProcessSort::Resident, (columns, lines), look), Event::Sampled, &snapshot())
}

pub fn press(state: State, keys: &[Key]) -> State {
    keys.iter().fold(state, |state, &key| update(state, Event::Key(key), &snapshot()))
}

pub fn letters(text: &str) -> Vec<Key> {
    text.chars().map(Key::Letter).collect()
}

pub fn terminal(snapshot: &Snapshot, state: &State) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(frame, snapshot, state)).unwrap();
    terminal
}

/// The lines of the picture, without the spaces at their ends.
pub fn picture(snapshot: &Snapshot, state: &State) -> Vec<String> {
    let (columns, _) = state.size;
    let terminal = terminal(snapshot, state);
    let cells: Vec<_> = terminal.backend().buffer().content().iter().map(|c| c.symbol()).collect();
    cells.chunks(columns.into()).map(|line| line.concat().trim_end().to_owned()).collect()
}
