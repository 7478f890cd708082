//! The pictures of `folio top`, drawn on a terminal that is not there. Those in tests/pictures are drawn anew by
//!
//! ```text
//! FOLIO_DRAW=1 cargo test -p folio-cli --test top_pictures
//! ```

mod common;

use std::sync::Arc;

use common::picture::{LOOK, MIB, letters, line, picture, press, row, snapshot, state, terminal};
use folio_cli::top::arguments::ProcessSort;
use folio_cli::top::event::{Event, Key};
use folio_cli::top::snapshot::{Line, Row, Snapshot};
use folio_cli::top::sort::Sort;
use folio_cli::top::state::{Level, Look, State, Thing, update};
use proptest::prelude::*;
use ratatui::style::{Color, Modifier};

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
    let mapping = press(state(64, 26, LOOK), &[Key::Enter, Key::Down, Key::Enter]);
    assert_eq!(mapping.level, Level::Mapping);
    shows(&mapping, "mapping");
    let buffer = terminal(&snapshot(), &mapping);
    let first = mapping.layout().rows.y;
    let cell = |x| buffer.backend().buffer()[(x, first)].clone();
    assert_eq!((cell(0).fg, cell(9).symbol()), (Color::Green, "·"));
    assert_eq!((cell(20).fg, cell(31).fg), (Color::Red, Color::Yellow));
    let mut plain = mapping;
    plain.look = Look { color: false, unicode: true };
    let buffer = terminal(&snapshot(), &plain);
    let cells = buffer.backend().buffer();
    assert!(cells.content().iter().all(|cell| cell.fg == Color::Reset));
    assert!(cells[(20, first)].modifier.contains(Modifier::UNDERLINED));
    assert!(cells[(31, first)].modifier.contains(Modifier::BOLD));
    assert!(!cells[(0, first)].modifier.contains(Modifier::BOLD));
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
fn what_is_not_known_to_cost_comes_last_in_either_direction() {
    let mut snapshot = snapshot();
    snapshot.processes.push(Row { costs: None, ..row(400, "unread", 900 * MIB, 0.0) });
    let mut state = state(100, 24, LOOK);
    let order = |state: &State| -> Vec<u32> {
        folio_cli::top::list::processes(&snapshot, state).iter().map(|row| row.id.pid).collect()
    };
    state.process_sort = Sort::by(ProcessSort::Proportional);
    assert_eq!(order(&state), [100, 200, 400, 300]);
    state.process_sort.reverse();
    assert_eq!(order(&state), [200, 100, 400, 300]);
}

#[test]
fn the_order_by_proportional_size_shows_how_old_it_is_in_any_width() {
    let mut state = state(40, 12, LOOK);
    state.process_sort = Sort::by(ProcessSort::Proportional);
    shows(&state, "proportional");
    let titles = state.layout().titles.y;
    let again = update(state.clone(), Event::Click(12, titles), &snapshot());
    assert!(!again.process_sort.is_falling, "a click at it turns it round");
    assert!(state.focus(&snapshot()).needs_costs, "the order is one of all processes");
    assert!(!press(state, &[Key::Enter]).focus(&snapshot()).needs_costs);
}

#[test]
fn a_process_that_is_open_shows_its_last_figures_when_it_has_ended() {
    let mut snapshot = snapshot();
    let groups = press(state(100, 12, LOOK), &[Key::Enter]);
    let heap = press(groups.clone(), &[Key::Down, Key::Enter]);
    snapshot.processes[0].has_ended = true;
    let error = || Some("process 100 has ended".to_owned());
    snapshot.opened.as_mut().unwrap().error = error();
    snapshot.pages.as_mut().unwrap().error = error();
    let shown = picture(&snapshot, &update(groups, Event::Sampled, &snapshot));
    assert!(shown[0].starts_with("100 postgres has ended"), "{shown:?}");
    assert!(shown.iter().any(|line| line.ends_with("[heap]")), "{shown:?}");
    let shown = picture(&snapshot, &update(heap, Event::Sampled, &snapshot));
    assert!(shown[0].starts_with("100 postgres has ended"), "{shown:?}");
    assert!(shown.iter().any(|line| line.starts_with("████████··")), "{shown:?}");
    assert!(shown[10].starts_with("process 100 has ended"), "{shown:?}");
}

#[test]
fn what_a_mapping_costs_is_not_known_before_it_is_read() {
    let mut snapshot = snapshot();
    snapshot.pages.as_mut().unwrap().costs = None;
    let state = press(state(96, 26, LOOK), &[Key::Enter, Key::Down, Key::Enter]);
    let shown = picture(&snapshot, &state);
    let costs: Vec<_> = shown[5..8].iter().flat_map(|line| line.split_whitespace()).collect();
    assert_eq!(costs.iter().filter(|word| **word == "?").count(), 10, "{shown:?}");
    snapshot.pages = self::snapshot().pages;
    let shown = picture(&snapshot, &state).join("\n");
    for figure in ["proportional    66 KiB", "private dirty   48 KiB", "referenced      76 KiB"] {
        assert!(shown.contains(figure), "{shown}");
    }
    assert!(shown.contains("from offset 0x2000, locked, do-not-dump"), "{shown}");
    assert!(shown.contains("read 7 s ago"), "{shown}");
}

#[test]
fn processes_that_are_left_out_are_counted_with_the_way_out() {
    let snapshot = Snapshot { left_out: 1234, ..snapshot() };
    let shown = picture(&snapshot, &state(80, 24, LOOK));
    assert!(shown[0].contains("2 processes   left out (ulimit -n) 1,234"), "{shown:?}");
}

/// Names of other people's processes and files.
#[test]
fn no_name_reaches_the_terminal_that_would_turn_the_line_round() {
    let name = "a\u{202e}b\u{200b}c\u{2028}d\u{feff}\u{1b}[2J";
    let mut snapshot = snapshot();
    snapshot.processes[0].name = name.into();
    let opened = snapshot.opened.as_mut().unwrap();
    let lines: Vec<Line> =
        opened.each.iter().map(|line| Line { name: name.into(), ..line.clone() }).collect();
    (opened.groups, opened.each) = (lines.clone().into(), lines.into());
    let list = state(140, 26, LOOK);
    for keys in [
        &[][..],
        &[Key::Enter],
        &[Key::Enter, Key::Enter],
        &[Key::Letter('f'), Key::Letter('\u{202e}')],
    ] {
        let state =
            keys.iter().fold(list.clone(), |state, &key| update(state, Event::Key(key), &snapshot));
        let shown = picture(&snapshot, &state).concat();
        assert!(shown.contains("\\u{202e}"), "{shown}");
        assert!(
            !shown.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{feff}', '\u{1b}']),
            "{shown:?}"
        );
    }
}

#[test]
fn wide_letters_and_accents_leave_columns_where_they_are() {
    let mut snapshot = snapshot();
    snapshot.processes[0].name = "数据库服务器の名前はとても長いです".into();
    snapshot.processes[1].name = "e\u{301}te\u{301}".into();
    for width in 12..110 {
        let shown = picture(&snapshot, &state(width, 12, LOOK));
        let titles = shown.iter().find(|line| line.ends_with("name")).unwrap();
        let column = titles.chars().count() - "name".len();
        for line in &shown {
            if let Some(at) = line.find(['数', 'e']).filter(|_| line.contains(['数', '\u{301}']))
            {
                assert_eq!(line[..at].chars().count(), column, "{width} {shown:#?}");
            }
        }
    }
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
