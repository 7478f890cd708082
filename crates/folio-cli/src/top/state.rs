//! The state: what its user has chosen, and how that changes.
//!
//! [`update`] is a function of the state, what happens, and the snapshot that is shown; it looks at nothing
//! else, so that every picture can be had again.
//!
//! ```text
//! processes --Enter--> groups of mappings --Enter--> mappings of a group --Enter--> a mapping
//!                                  \------- a group of one mapping ---------------/
//! ```
//!
//! Invariants: the cursor stays on what it is on while rows come, go and change places; where that is gone,
//! on the row that took its place. On the first row it stays, whatever that is about.

use std::ops::Range;

use crate::top::arguments::ProcessSort;
use crate::top::columns::{self, LineColumn, ProcessColumn};
use crate::top::event::{Event, Key};
use crate::top::head;
use crate::top::help;
use crate::top::layout::Layout;
use crate::top::list;
use crate::top::sampler::Focus;
use crate::top::snapshot::{GroupId, Id, Snapshot};
use crate::top::sort::{LineSort, Sort};

/// What the terminal shows of what is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether it has colours.
    pub color: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
}

/// How far in one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All processes.
    Processes,
    /// The mappings of a process, in groups by backing.
    Groups,
    /// The mappings of a process or of a group, one by one.
    Mappings,
    /// The pages of a mapping.
    Mapping,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A process.
    Process(Id),
    /// A group.
    Group(GroupId),
    /// A mapping, by its addresses.
    Mapping(Range<usize>),
}

impl Thing {
    /// Whether it is the same, though a mapping may be longer by now.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mapping(one), Self::Mapping(other)) => one.start == other.start,
            (one, other) => one == other,
        }
    }
}

/// The row that is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// What it is about; `None` before there are rows.
    pub thing: Option<Thing>,
    /// Its place among the rows.
    pub index: usize,
    /// The first row in sight.
    pub first: usize,
    /// It was moved away from the first row, and stays on what it is on; else it stays on the first row.
    pub is_moved: bool,
}

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Only rows with this are shown.
    Filter(String),
    /// The cursor goes to the next row with this.
    Search(String),
}

/// What has been chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How far in one is.
    pub level: Level,
    /// The process that is open.
    pub process: Option<Id>,
    /// The group that is open; `None` for all mappings.
    pub group: Option<GroupId>,
    /// The mapping that is open.
    pub mapping: Option<Range<usize>>,
    /// The rows chosen in each list.
    cursors: [Cursor; 3],
    /// What processes are sorted by.
    pub process_sort: Sort<ProcessSort>,
    /// What groups and mappings are sorted by.
    pub line_sort: Sort<LineSort>,
    /// Rows without this are not shown, by list.
    filters: [String; 3],
    /// What was last searched for.
    pub sought: String,
    /// What is being typed.
    pub prompt: Option<Prompt>,
    /// The keys are explained, from this line on.
    pub help: Option<u16>,
    /// The picture stands still.
    pub is_paused: bool,
    /// The command is to stop until it is continued.
    pub suspends: bool,
    /// The command is to end.
    pub ends: bool,
    /// Columns and lines.
    pub size: (u16, u16),
    /// What the terminal shows.
    pub look: Look,
}

impl State {
    /// At the beginning.
    pub fn new(sort: ProcessSort, size: (u16, u16), look: Look) -> Self {
        Self {
            level: Level::Processes,
            process: None,
            group: None,
            mapping: None,
            cursors: Default::default(),
            process_sort: Sort::by(sort),
            line_sort: Sort::by(LineSort::Resident),
            filters: Default::default(),
            sought: String::new(),
            prompt: None,
            help: None,
            is_paused: false,
            suspends: false,
            ends: false,
            size,
            look,
        }
    }

    fn list(&self) -> usize {
        (self.level as usize).min(2)
    }

    /// The row that is chosen.
    pub fn cursor(&self) -> &Cursor {
        &self.cursors[self.list()]
    }

    fn cursor_mut(&mut self) -> &mut Cursor {
        &mut self.cursors[self.list()]
    }

    /// What rows must have in them.
    pub fn filter(&self) -> &str {
        match &self.prompt {
            Some(Prompt::Filter(text)) => text,
            _ => &self.filters[self.list()],
        }
    }

    /// The parts of the screen.
    pub fn layout(&self) -> Layout {
        let (columns, lines) = self.size;
        match self.level {
            Level::Processes => Layout::of_list(columns, lines, 3),
            Level::Groups | Level::Mappings => Layout::of_list(columns, lines, 4),
            Level::Mapping => Layout::of_picture(columns, lines, head::lines_of_mapping(columns)),
        }
    }

    /// What the sampler is to look at.
    pub fn focus(&self, snapshot: &Snapshot) -> Focus {
        let first = self.cursors[0].first;
        let visible = match self.level {
            Level::Processes => list::processes(snapshot, self)
                .into_iter()
                .skip(first)
                .take(self.layout().rows.height.into())
                .map(|row| row.id)
                .collect(),
            _ => self.process.into_iter().collect(),
        };
        let needs_costs =
            self.level == Level::Processes && self.process_sort.by == ProcessSort::Proportional;
        Focus { visible, needs_costs, opened: self.process, mapping: self.mapping.clone() }
    }
}

/// What becomes of a state when something happens.
pub fn update(mut state: State, event: Event, snapshot: &Snapshot) -> State {
    match event {
        Event::Resize(columns, lines) => state.size = (columns, lines),
        Event::Sampled => {}
        Event::Wheel(lines) if state.help.is_none() => state.step(lines.into(), snapshot),
        Event::Click(column, line) if state.help.is_none() => state.click(column, line, snapshot),
        Event::Wheel(lines) => state.turn_help(lines.into()),
        Event::Click(..) => state.help = None,
        Event::Key(Key::Interrupt) => state.ends = true,
        Event::Key(Key::Suspend) => state.suspends = true,
        Event::Key(key) if state.help.is_some() => match (key, state.size.1 as i32) {
            (Key::Up | Key::Letter('k'), _) => state.turn_help(-1),
            (Key::Down | Key::Letter('j'), _) => state.turn_help(1),
            (Key::PageUp, lines) => state.turn_help(-lines),
            (Key::PageDown | Key::Letter(' '), lines) => state.turn_help(lines),
            _ => state.help = None,
        },
        Event::Key(key) => match state.prompt.take() {
            Some(prompt) => state.type_in(prompt, key, snapshot),
            None => state.press(key, snapshot),
        },
    }
    state.settle(snapshot);
    state
}

impl State {
    /// Moves the explanation by so many lines; it goes where all of it is seen anyway.
    fn turn_help(&mut self, lines: i32) {
        let most = help::most(self.size.0, self.size.1);
        self.help = self.help.filter(|_| most > 0).map(|first| {
            let first = i32::from(first).saturating_add(lines).clamp(0, most.into());
            first as u16
        });
    }

    fn press(&mut self, key: Key, snapshot: &Snapshot) {
        let page = self.layout().rows.height.max(1) as isize;
        match key {
            Key::Up | Key::Letter('k') => self.step(-1, snapshot),
            Key::Down | Key::Letter('j') => self.step(1, snapshot),
            Key::PageUp => self.step(-page, snapshot),
            Key::PageDown => self.step(page, snapshot),
            Key::Home | Key::Letter('g') => self.step(isize::MIN, snapshot),
            Key::End | Key::Letter('G') => self.step(isize::MAX, snapshot),
            Key::Enter | Key::Right | Key::Letter('l') => self.open(snapshot),
            Key::Escape | Key::Backspace | Key::Left | Key::Letter('h') => self.back(),
            Key::Letter('q') => self.ends = true,
            Key::Letter('?') | Key::Help => self.help = Some(0),
            Key::Letter(' ' | 'p') => self.is_paused = !self.is_paused,
            Key::Letter('/') if self.level < Level::Mapping => {
                self.prompt = Some(Prompt::Search(String::new()));
            }
            Key::Letter('f') if self.level < Level::Mapping => {
                self.prompt = Some(Prompt::Filter(self.filter().to_owned()));
            }
            Key::Letter('n') => self.seek(1, snapshot),
            Key::Letter('N') => self.seek(-1, snapshot),
            Key::Letter('s' | '>') => self.sort(1),
            Key::Letter('S' | '<') => self.sort(-1),
            Key::Letter('r') => match self.level {
                Level::Processes => self.process_sort.reverse(),
                _ => self.line_sort.reverse(),
            },
            Key::Letter('e') => match self.level {
                Level::Groups => (self.level, self.group) = (Level::Mappings, None),
                Level::Mappings => self.back(),
                _ => {}
            },
            _ => {}
        }
    }

    fn type_in(&mut self, prompt: Prompt, key: Key, snapshot: &Snapshot) {
        let (mut text, make): (_, fn(String) -> Prompt) = match prompt {
            Prompt::Filter(text) => (text, Prompt::Filter),
            Prompt::Search(text) => (text, Prompt::Search),
        };
        let is_filter = make(String::new()) == Prompt::Filter(String::new());
        match key {
            Key::Enter if is_filter => self.filters[self.list()] = text,
            Key::Enter => {
                self.sought = text;
                self.seek(1, snapshot);
            }
            Key::Escape if is_filter => self.filters[self.list()].clear(),
            Key::Escape => {}
            Key::Letter(letter) => {
                text.push(letter);
                self.prompt = Some(make(text));
            }
            Key::Backspace => {
                // What is empty is given up.
                self.prompt = text.pop().map(|_| make(text));
                if self.prompt.is_none() && is_filter {
                    self.filters[self.list()].clear();
                }
            }
            _ => self.prompt = Some(make(text)),
        }
    }

    fn sort(&mut self, step: isize) {
        match self.level {
            Level::Processes => self.process_sort.step(step),
            _ => self.line_sort.step(step),
        }
    }

    /// Moves the cursor.
    fn step(&mut self, rows: isize, snapshot: &Snapshot) {
        let things = list::things(snapshot, self);
        let Some(last) = things.len().checked_sub(1) else { return };
        let cursor = self.cursor_mut();
        cursor.index = cursor.index.min(last).saturating_add_signed(rows).min(last);
        cursor.thing = things.into_iter().nth(cursor.index);
        cursor.is_moved = cursor.index > 0;
    }

    /// Moves the cursor to the next row with what is sought, the first after the last.
    fn seek(&mut self, step: isize, snapshot: &Snapshot) {
        let names = list::names(snapshot, self);
        let count = names.len();
        let at = |distance: usize| {
            let distance = if step < 0 { count - distance } else { distance };
            (self.cursor().index + distance) % count
        };
        let mut places = (1..=count).map(at);
        let found = places.find(|&place| list::has(&names[place], &self.sought));
        if let Some(found) = found.filter(|_| !self.sought.is_empty()) {
            let thing = list::things(snapshot, self).into_iter().nth(found);
            let first = self.cursor().first;
            *self.cursor_mut() = Cursor { thing, index: found, first, is_moved: true };
        }
    }

    fn click(&mut self, column: u16, line: u16, snapshot: &Snapshot) {
        let layout = self.layout();
        let place = (column, line).into();
        if layout.titles.contains(place) {
            self.sort_at(column, snapshot);
        } else if layout.rows.contains(place) && self.level < Level::Mapping {
            let index = self.cursor().first + usize::from(line - layout.rows.y);
            let Some(thing) = list::things(snapshot, self).into_iter().nth(index) else { return };
            // The second time opens.
            if self.cursor().thing.as_ref().is_some_and(|chosen| chosen.is(&thing)) {
                self.open(snapshot);
            } else {
                let first = self.cursor().first;
                *self.cursor_mut() = Cursor { thing: Some(thing), index, first, is_moved: true };
            }
        }
    }

    /// Sorts by the column that was clicked at, the other way round if it was so sorted already.
    fn sort_at(&mut self, column: u16, snapshot: &Snapshot) {
        match self.level {
            Level::Processes => {
                let clicked = columns::of_processes(self, snapshot).at(column);
                if let Some(sort) = clicked.and_then(ProcessColumn::sort) {
                    self.process_sort.choose(sort);
                }
            }
            Level::Groups | Level::Mappings => {
                let clicked = columns::of_lines(self, snapshot).at(column);
                if let Some(sort) = clicked.and_then(LineColumn::sort) {
                    self.line_sort.choose(sort);
                }
            }
            Level::Mapping => {}
        }
    }

    fn open(&mut self, snapshot: &Snapshot) {
        let is_shown = |chosen: &Thing| list::things(snapshot, self).iter().any(|it| it.is(chosen));
        let thing = self.cursor().thing.clone().filter(is_shown);
        // What is opened has to be read first.
        self.is_paused = false;
        match (self.level, thing) {
            (Level::Processes, Some(Thing::Process(id))) => {
                if self.process != Some(id) {
                    self.cursors[1..].fill_with(Cursor::default);
                    self.filters[1..].fill_with(String::new);
                }
                (self.level, self.process) = (Level::Groups, Some(id));
            }
            (Level::Groups, Some(Thing::Group(group))) => {
                let members = list::members(snapshot, &group);
                self.group = Some(group);
                self.cursors[2] = Cursor::default();
                match members.as_slice() {
                    [one] => (self.level, self.mapping) = (Level::Mapping, Some(one.clone())),
                    _ => self.level = Level::Mappings,
                }
            }
            (Level::Mappings, Some(Thing::Mapping(range))) => {
                (self.level, self.mapping) = (Level::Mapping, Some(range));
            }
            _ => {}
        }
    }

    fn back(&mut self) {
        match self.level {
            Level::Processes => self.filters[0].clear(),
            Level::Groups if !self.filters[1].is_empty() => self.filters[1].clear(),
            Level::Groups => (self.level, self.process) = (Level::Processes, None),
            Level::Mappings if !self.filters[2].is_empty() => self.filters[2].clear(),
            Level::Mappings => (self.level, self.group) = (Level::Groups, None),
            Level::Mapping => {
                // A group of one was opened past its list.
                let was_in_list = self.cursors[2].thing.is_some();
                self.level = if was_in_list { Level::Mappings } else { Level::Groups };
                if !was_in_list {
                    self.group = None;
                }
                self.mapping = None;
            }
        }
    }

    /// Finds what the cursor is on among the rows, and keeps it in sight.
    fn settle(&mut self, snapshot: &Snapshot) {
        if self.level == Level::Mapping {
            return;
        }
        let things = list::things(snapshot, self);
        let height = usize::from(self.layout().rows.height).max(1);
        let cursor = self.cursor_mut();
        let chosen = cursor.thing.as_ref();
        let place = chosen.and_then(|chosen| things.iter().position(|thing| thing.is(chosen)));
        cursor.index = match cursor.is_moved {
            true => place.unwrap_or(cursor.index).min(things.len().saturating_sub(1)),
            false => 0,
        };
        if !things.is_empty() {
            cursor.thing = things.get(cursor.index).cloned();
        }
        let first = cursor.first.min(cursor.index).max((cursor.index + 1).saturating_sub(height));
        cursor.first = first.min(things.len().saturating_sub(height));
    }
}
