//! Styles of the picture: the command's few, for a terminal with colours or without.
//!
//! What a colour says is said by a letter or by an attribute, too.

use ratatui::style::{Color, Modifier, Style};

use crate::top::state::Look;

impl Look {
    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// The name of the thing.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Labels, zeros.
    pub fn weak(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Pages in memory.
    pub fn good(self) -> Style {
        self.colored(Color::Green)
    }

    /// Pages that came.
    pub fn came(self) -> Style {
        self.colored(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// Pages that went; what failed.
    pub fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Histories.
    pub fn history(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// The row that is chosen.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
