//! The screen: the terminal, taken over and given back as it was.
//!
//! 1. [`Screen::enter`]: keys come one by one, the mouse tells, and what was on the screen is kept elsewhere.
//! 2. [`Screen::draw`].
//! 3. [`Screen::leave`], also when it is dropped and before a panic is reported.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::prelude::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::terminal;

/// Whether the terminal is taken over.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over.
#[derive(Debug)]
pub struct Screen(Terminal<CrosstermBackend<BufWriter<File>>>);

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// What the terminal fails with.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                report(panic);
            }));
        });
        let out = BufWriter::with_capacity(64 << 10, terminal::standard_output_file()?);
        let screen = Self(Terminal::new(CrosstermBackend::new(out))?);
        take()?;
        Ok(screen)
    }

    /// Gives it back, for a while.
    pub fn leave(&mut self) {
        give_back();
    }

    /// Takes it over again.
    ///
    /// # Errors
    /// What the terminal fails with.
    pub fn enter_again(&mut self) -> io::Result<()> {
        take()?;
        self.0.clear()
    }

    /// Columns and lines.
    ///
    /// # Errors
    /// What the terminal fails with.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.0.size().map(|size| (size.width, size.height))
    }

    /// Shows a picture.
    ///
    /// # Errors
    /// What the terminal fails with.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(picture).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::Relaxed);
    enable_raw_mode()?;
    execute!(terminal::standard_output_file()?, EnterAlternateScreen, EnableMouseCapture)
}

fn give_back() {
    if IS_TAKEN.swap(false, Ordering::Relaxed) {
        // Nobody is left to be told.
        let _ = terminal::standard_output_file()
            .and_then(|mut out| execute!(out, DisableMouseCapture, LeaveAlternateScreen, Show));
        let _ = disable_raw_mode();
    }
}
