//! The pictures of `folio top`, drawn on a terminal that is not there. Those in tests/pictures are drawn anew by
//!
//! ```text
//! FOLIO_DRAW=1 cargo test -p folio-cli --test top_pictures
//! ```

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
use folio_cli::top::state::{Level, Look, State, Thing, update};
use folio_stat::Residency;
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

const MIB: usize = 1 << 20;
const LOOK: Look = Look { color: true, unicode: true };

fn history(values: &[f64]) -> History {
    let mut history = History::default();
    values.iter().for_each(|&value| history.push(value));
    history
}

fn row(pid: u32, name: &str, resident_bytes: usize, minor: f64) -> Row {
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
    }
}

fn line(name: &str, address: usize, pages: usize, mappings: usize) -> Line {
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

/// Three processes, of which the first is open.
fn snapshot() -> Snapshot {
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
    let pages = Pages {
        id: processes[0].id,
        range: 0x6000_0000..0x6004_0000,
        heat: Arc::new(heat),
        resident: history(&[18.0, 20.0]),
        age: Duration::ZERO,
        error: None,
    };
    let total = processes[0].activity.clone();
    let machine = Machine {
        memory_bytes: 8 << 30,
        available_bytes: 5 << 30,
        swap_bytes: 0,
        swapped_bytes: 0,
    };
    Snapshot { machine, processes, total, opened: Some(opened), pages: Some(pages) }
}

fn state(columns: u16, lines: u16, look: Look) -> State {
    update(State::new(ProcessSort::Resident, (columns, lines), look), Event::Sampled, &snapshot())
}

fn press(state: State, keys: &[Key]) -> State {
    keys.iter().fold(state, |state, &key| update(state, Event::Key(key), &snapshot()))
}

fn letters(text: &str) -> Vec<Key> {
    text.chars().map(Key::Letter).collect()
}

fn terminal(snapshot: &Snapshot, state: &State) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| draw(frame, snapshot, state)).unwrap();
    terminal
}

/// The lines of the picture, without the spaces at their ends.
fn picture(snapshot: &Snapshot, state: &State) -> Vec<String> {
    let (columns, _) = state.size;
    let terminal = terminal(snapshot, state);
    let cells: Vec<_> = terminal.backend().buffer().content().iter().map(|c| c.symbol()).collect();
    cells.chunks(columns.into()).map(|line| line.concat().trim_end().to_owned()).collect()
}

/// That the picture is the one in tests/pictures. With `FOLIO_DRAW=1` it becomes that one.
#[track_caller]
fn shows(state: &State, name: &str) {
    let path = format!("{}/tests/pictures/top-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let shown = picture(&snapshot(), state).join("\n") + "\n";
    if std::env::var_os("FOLIO_DRAW").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{path}, but it is\n{shown}");
}

#[test]
fn processes_are_listed_by_resident_size_with_what_fits() {
    shows(&state(100, 12, LOOK), "list");
    shows(&state(20, 6, LOOK), "narrow");
    shows(&state(60, 8, Look { unicode: false, ..LOOK }), "ascii");
}

#[test]
fn a_process_shows_its_groups_and_a_group_its_mappings() {
    let groups = press(state(100, 12, LOOK), &[Key::Enter]);
    assert_eq!(groups.level, Level::Groups);
    shows(&groups, "groups");
    let mappings = press(groups, &[Key::Enter]);
    assert_eq!(mappings.level, Level::Mappings);
    shows(&mappings, "mappings");
}

#[test]
fn a_mapping_shows_its_pages_and_what_moves() {
    let mapping = press(state(64, 14, LOOK), &[Key::Enter, Key::Down, Key::Enter]);
    assert_eq!(mapping.level, Level::Mapping);
    shows(&mapping, "mapping");
    let buffer = terminal(&snapshot(), &mapping);
    let cell = |x| buffer.backend().buffer()[(x, 4)].clone();
    assert_eq!((cell(0).fg, cell(9).symbol()), (Color::Green, "·"));
    assert_eq!((cell(20).fg, cell(31).fg), (Color::Red, Color::Yellow));
    let mut plain = mapping;
    plain.look = Look { color: false, unicode: true };
    let buffer = terminal(&snapshot(), &plain);
    let cells = buffer.backend().buffer();
    assert!(cells.content().iter().all(|cell| cell.fg == Color::Reset));
    assert!(cells[(20, 4)].modifier.contains(Modifier::UNDERLINED));
    assert!(cells[(31, 4)].modifier.contains(Modifier::BOLD));
    assert!(!cells[(0, 4)].modifier.contains(Modifier::BOLD));
}

#[test]
fn keys_are_explained_in_any_width() {
    let help = press(state(70, 20, LOOK), &[Key::Letter('?')]);
    shows(&help, "help");
    assert_eq!(press(help.clone(), &[Key::Down]).help, None, "all of it is seen");
    let narrow = picture(&snapshot(), &press(state(20, 60, LOOK), &[Key::Help]));
    assert!(narrow.iter().all(|line| line.chars().count() <= 20), "{narrow:?}");
    assert!(narrow.iter().any(|line| line == "Enter"));
    assert_eq!(press(help, &[Key::Letter('x')]).help, None);
    let first = press(state(40, 12, LOOK), &[Key::Help]);
    let of = |state: &State| picture(&snapshot(), state).join("\n");
    assert!(of(&first).contains("Up Down") && !of(&first).contains("not ours to read"));
    let last = press(first, &[Key::PageDown; 9]);
    assert!(!of(&last).contains("Up Down") && of(&last).contains("not ours to read"));
    assert!(of(&press(last, &[Key::PageUp; 9])).contains("Up Down"));
}

fn names(state: &State) -> Vec<String> {
    folio_cli::top::list::names(&snapshot(), state)
}

#[test]
fn rows_can_be_filtered_by_parts_of_names_and_numbers() {
    let typed = press(state(80, 24, LOOK), &letters("fSLEE"));
    assert_eq!(names(&typed), ["200 sleep"]);
    assert_eq!(picture(&snapshot(), &typed)[23].trim(), "filter: SLEE");
    let kept = press(typed.clone(), &[Key::Enter, Key::Down]);
    assert_eq!(names(&kept), ["200 sleep"]);
    assert!(picture(&snapshot(), &kept)[23].starts_with("filter: SLEE"));
    for given_up in [&[Key::Escape][..], &[Key::Backspace; 5], &[Key::Enter, Key::Escape]] {
        assert_eq!(names(&press(typed.clone(), given_up)).len(), 3, "{given_up:?}");
    }
    let none = press(state(80, 24, LOOK), &letters("fnobody"));
    assert!(picture(&snapshot(), &none).iter().any(|line| line.contains("nothing has this")));
}

#[test]
fn a_search_moves_the_cursor_and_goes_round() {
    let found = press(state(80, 24, LOOK), &[&letters("/e")[..], &[Key::Enter]].concat());
    let index = |state: &State| state.cursor().index;
    assert_eq!(index(&found), 1);
    let next = press(found, &[Key::Letter('n')]);
    assert_eq!(index(&next), 2);
    let first = press(next, &[Key::Letter('n')]);
    assert_eq!(index(&first), 0);
    assert_eq!(index(&press(first.clone(), &[Key::Letter('N')])), 2);
    let missing = [&letters("/zz")[..], &[Key::Enter]].concat();
    assert_eq!(index(&press(first, &missing)), 0);
}

#[test]
fn rows_are_sorted_by_key_and_by_a_click_at_a_title() {
    let by = |state: &State| names(state)[0].clone();
    let state = state(100, 24, LOOK);
    assert_eq!(by(&state), "100 postgres");
    let reversed = press(state.clone(), &[Key::Letter('r')]);
    assert_eq!(by(&reversed), "200 sleep");
    let last = press(state.clone(), &[Key::Letter('S')]);
    assert_eq!((last.process_sort.by, by(&last)), (ProcessSort::Name, names(&last)[0].clone()));
    assert!(by(&last).ends_with("a-program-with-a-long-name"));
    let titles = state.layout().titles.y;
    let clicked = update(state, Event::Click(3, titles), &snapshot());
    assert_eq!(
        (clicked.process_sort.by, clicked.process_sort.is_falling),
        (ProcessSort::Pid, false)
    );
    let again = update(clicked, Event::Click(3, titles), &snapshot());
    assert!(again.process_sort.is_falling);
}

#[test]
fn a_click_chooses_a_row_and_another_opens_it() {
    let state = state(100, 24, LOOK);
    let line = state.layout().rows.y + 1;
    let chosen = update(state, Event::Click(50, line), &snapshot());
    assert_eq!((chosen.level, chosen.cursor().index), (Level::Processes, 1));
    let opened = update(chosen, Event::Click(50, line), &snapshot());
    assert_eq!((opened.level, opened.process.map(|id| id.pid)), (Level::Groups, Some(300)));
    let wheel = update(press(opened, &[Key::Escape]), Event::Wheel(-3), &snapshot());
    assert_eq!(wheel.cursor().index, 0);
}

#[test]
fn on_the_first_row_the_cursor_stays_whatever_that_is_about() {
    let mut later = snapshot();
    later.processes[1].resident_bytes = 1 << 40;
    let first = |state: State| {
        let state = update(state, Event::Sampled, &later);
        assert_eq!(state.cursor().index, 0);
        update(state, Event::Key(Key::Enter), &later).process.map(|id| id.pid)
    };
    let state = state(100, 24, LOOK);
    assert_eq!(first(state.clone()), Some(200));
    assert_eq!(first(press(state, &[Key::Down, Key::Home])), Some(200));
}

#[test]
fn the_cursor_stays_on_what_it_is_on() {
    let state = press(state(100, 24, LOOK), &[Key::Down]);
    let mut later = snapshot();
    later.processes[0].resident_bytes = 1;
    later.processes[2].resident_bytes = 1 << 40;
    let state = update(state, Event::Sampled, &later);
    assert_eq!(state.cursor().index, 0, "it was the second, and is the first");
    // What has gone leaves the cursor to what took its place.
    later.processes.remove(2);
    let state = update(state, Event::Sampled, &later);
    assert_eq!(state.cursor().index, 0);
    later.processes.clear();
    let state = update(state, Event::Sampled, &later);
    assert!(picture(&later, &state).iter().any(|line| line == "no process is to be seen"));
    let state = update(state, Event::Sampled, &snapshot());
    assert_eq!(names(&state).len(), 3);
}

#[test]
fn what_cannot_be_read_is_said_with_the_way_out() {
    let state = press(state(60, 24, LOOK), &[Key::Enter]);
    let mut snapshot = snapshot();
    let opened = snapshot.opened.as_mut().unwrap();
    opened.error =
        Some("cannot read the costs of process 100: Permission denied: run as root".into());
    (opened.groups, opened.each) = (Arc::default(), Arc::default());
    let shown = picture(&snapshot, &state).join(" ");
    assert!(shown.contains("Permission denied") && shown.contains("run as root"), "{shown}");
    snapshot.processes.remove(0);
    let shown = picture(&snapshot, &update(state, Event::Sampled, &snapshot)).join(" ");
    assert!(shown.contains("process 100 has ended"), "{shown}");
}

#[test]
fn each_level_is_left_by_the_way_it_was_entered() {
    let each = press(state(80, 24, LOOK), &letters("le"));
    assert_eq!((each.level, names(&each).len()), (Level::Mappings, 3));
    let mapping = press(each, &[Key::End, Key::Enter]);
    assert_eq!(mapping.level, Level::Mapping);
    let levels = [Level::Mappings, Level::Groups, Level::Processes, Level::Processes];
    let mut state = mapping;
    for level in levels {
        state = press(state, &[Key::Escape]);
        assert_eq!(state.level, level);
    }
    assert_eq!((state.process, state.group, state.mapping), (None, None, None));
    // A group of one mapping has no list of its own.
    let heap = press(self::state(80, 24, LOOK), &[Key::Enter, Key::Down, Key::Enter]);
    assert_eq!((heap.level, press(heap, &[Key::Escape]).level), (Level::Mapping, Level::Groups));
}

#[test]
fn what_a_filter_hides_is_not_opened() {
    let hidden = press(state(80, 24, LOOK), &letters("fno such name"));
    let hidden = press(hidden, &[Key::Enter, Key::Enter]);
    assert_eq!((hidden.level, hidden.process), (Level::Processes, None));
    // It is chosen still when it is seen again.
    let seen = press(hidden, &[Key::Escape, Key::Enter]);
    assert_eq!((seen.level, seen.process.map(|id| id.pid)), (Level::Groups, Some(100)));
}

#[test]
fn objects_of_one_name_are_groups_for_themselves() {
    let mut snapshot = snapshot();
    let opened = snapshot.opened.as_mut().unwrap();
    let object = |inode| Line {
        file: ((0, 1), inode),
        ..line("/dev/zero (deleted)", 0x1000_0000 * inode as usize, 64 - inode as usize, 1)
    };
    opened.groups = Arc::new([1, 2, 3].map(object));
    opened.each = opened.groups.clone();
    let press = |state, keys: &[Key]| {
        keys.iter().fold(state, |state, &key| update(state, Event::Key(key), &snapshot))
    };
    let state = press(state(80, 24, LOOK), &[Key::Enter, Key::Down, Key::Down]);
    assert_eq!(state.cursor().index, 2);
    let state = press(state, &[Key::Enter]);
    assert_eq!(state.mapping.map(|range| range.start), Some(0x3000_0000));
}

#[test]
fn the_cursor_stays_on_a_mapping_that_becomes_longer() {
    let state = press(state(80, 24, LOOK), &[Key::Enter, Key::Letter('e'), Key::End]);
    assert_eq!(state.cursor().index, 2);
    let mut snapshot = snapshot();
    snapshot.opened.as_mut().unwrap().each = Arc::new([
        line("/usr/lib/postgresql/17/bin/postgres", 0x5000_0000, 1024, 1),
        line("[heap]", 0x6000_0000, 4096, 1),
        line("/usr/lib/postgresql/17/bin/postgres", 0x5040_0000, 1024, 1),
    ]);
    let state = update(state, Event::Sampled, &snapshot);
    let Some(Thing::Mapping(range)) = &state.cursor().thing else { panic!("{state:?}") };
    assert_eq!((range.clone(), state.cursor().index), (0x6000_0000..0x6100_0000, 0));
}

fn any_event() -> impl Strategy<Value = Event> {
    let key = prop_oneof![
        prop::char::range(' ', 'ÿ').prop_map(Key::Letter),
        prop::sample::select(letters("hjklgGqrsSefpnN/? 漢\u{301}\t")),
        prop::sample::select(vec![
            Key::Enter,
            Key::Escape,
            Key::Backspace,
            Key::Up,
            Key::Down,
            Key::Left,
            Key::Right,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Help,
            Key::Interrupt,
            Key::Suspend,
        ]),
    ];
    prop_oneof![
        6 => key.prop_map(Event::Key),
        1 => (any::<u16>(), 0..60u16).prop_map(|(column, line)| Event::Click(column, line)),
        1 => (0..120u16, 0..60u16).prop_map(|(column, line)| Event::Click(column, line)),
        1 => any::<i8>().prop_map(Event::Wheel),
        1 => (1..200u16, 1..60u16).prop_map(|(columns, lines)| Event::Resize(columns, lines)),
        1 => Just(Event::Sampled),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_events_at_any_size_make_it_panic(
        size in (1..130u16, 1..50u16),
        events in prop::collection::vec((any_event(), 0..4u8), 0..40),
        (color, unicode) in any::<(bool, bool)>(),
    ) {
        let mut state = state(size.0, size.1, Look { color, unicode });
        let mut snapshot = snapshot();
        for (event, change) in events {
            state = update(state, event, &snapshot);
            terminal(&snapshot, &state);
            let focus = state.focus(&snapshot);
            prop_assert!(focus.mapping.is_none() || focus.opened.is_some());
            match change {
                0 if !snapshot.processes.is_empty() => drop(snapshot.processes.remove(0)),
                1 => snapshot.processes.push(row(100, "名前 \x1b[31m", usize::MAX, f64::MAX)),
                2 => snapshot.opened = None,
                _ => snapshot = self::snapshot(),
            }
        }
    }
}

#[test]
fn the_smallest_screens_show_something() {
    for (columns, lines) in [(1, 1), (1, 50), (200, 1), (3, 3), (10, 4)] {
        for keys in [&[][..], &[Key::Enter], &[Key::Enter, Key::Down, Key::Enter], &[Key::Help]] {
            let state = press(state(columns, lines, LOOK), keys);
            let shown = picture(&snapshot(), &state);
            assert!(shown.iter().any(|line| !line.is_empty()), "{columns} {lines} {keys:?}");
        }
    }
}
