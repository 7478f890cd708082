//! What happens to the picture: keys, the mouse, a new size, a new snapshot.
//!
//! ```
//! use folio_cli::top::event::{Event, Key};
//! use ratatui::crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
//! let input = Input::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE));
//! assert_eq!(Event::of(&input), Some(Event::Key(Key::Letter('q'))));
//! ```

use ratatui::crossterm::event::{
    Event as Input, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};

/// Something that the [`state`](super::state) answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// The mouse was pressed in this column and line.
    Click(u16, u16),
    /// The wheel was turned: lines down, or up where this is below 0.
    Wheel(i8),
    /// The terminal has so many columns and lines.
    Resize(u16, u16),
    /// There is a new snapshot.
    Sampled,
}

/// A key with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter, digit or sign.
    Letter(char),
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// F1.
    Help,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

impl Event {
    /// What the terminal tells, if it means something.
    pub fn of(input: &Input) -> Option<Self> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                Key::of(key.code, key.modifiers).map(Self::Key)
            }
            Input::Mouse(mouse) => match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => {
                    Some(Self::Click(mouse.column, mouse.row))
                }
                MouseEventKind::ScrollDown => Some(Self::Wheel(3)),
                MouseEventKind::ScrollUp => Some(Self::Wheel(-3)),
                _ => None,
            },
            Input::Resize(columns, lines) => Some(Self::Resize(*columns, *lines)),
            _ => None,
        }
    }
}

impl Key {
    fn of(code: KeyCode, modifiers: KeyModifiers) -> Option<Self> {
        let is_control = modifiers.contains(KeyModifiers::CONTROL);
        Some(match code {
            KeyCode::Char('c') if is_control => Self::Interrupt,
            KeyCode::Char('z') if is_control => Self::Suspend,
            KeyCode::Char(_) if is_control || modifiers.contains(KeyModifiers::ALT) => return None,
            KeyCode::Char(letter) => Self::Letter(letter),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Escape,
            KeyCode::Backspace => Self::Backspace,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::F(1) => Self::Help,
            _ => return None,
        })
    }
}
