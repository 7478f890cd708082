//! The loop of the full screen: waits for keys, snapshots and signals, and draws.
//!
//! Ctrl-Z and SIGTSTP give the terminal back and stop the command; when it is continued it takes the terminal
//! over again. SIGTERM and SIGHUP give it back, and then end the command as they do any other.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ratatui::crossterm::event;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::emulate_default_handler;

use crate::failure::{Failure, words};
use crate::signals::arrivals;
use crate::top::arguments::Top;
use crate::top::draw::draw;
use crate::top::event::Event;
use crate::top::sampler::Sampler;
use crate::top::sampling::Sampling;
use crate::top::screen::Screen;
use crate::top::snapshot::Snapshot;
use crate::top::state::{Look, State, update};

/// Signals that are answered.
const SIGNALS: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH];

/// Shows processes until it is to end.
///
/// # Errors
/// What the sampler or the terminal fails with.
pub fn run(sampler: Sampler, arguments: &Top, look: Look) -> Result<(), Failure> {
    let mut signals = Vec::new();
    for signal in SIGNALS {
        let stream = arrivals(&[signal])?;
        stream.set_nonblocking(true).map_err(|error| failure(&error))?;
        signals.push((signal, stream));
    }
    let sampling = Sampling::start(sampler, arguments.interval)?;
    let mut screen = Screen::enter().map_err(|error| failure(&error))?;
    let size = screen.size().map_err(|error| failure(&error))?;
    let live = Live {
        sampling,
        snapshot: Snapshot::default(),
        state: State::new(arguments.sort, size, look),
        left: arguments.count,
    };
    let end = live.go_on(&mut screen, &mut signals);
    drop(screen);
    match end? {
        Some(signal) => emulate_default_handler(signal).map_err(|error| failure(&error)),
        None => Ok(()),
    }
}

fn failure(error: &io::Error) -> Failure {
    Failure::new(format!("cannot use the terminal: {}: try --plain", words(error)))
}

struct Live {
    sampling: Sampling,
    snapshot: Snapshot,
    state: State,
    left: Option<u64>,
}

impl Live {
    /// Goes on until it is to end, and returns the signal that it is to end by.
    fn go_on(
        mut self,
        screen: &mut Screen,
        signals: &mut [(i32, UnixStream)],
    ) -> Result<Option<i32>, Failure> {
        while !self.state.ends && self.left != Some(0) {
            if self.state.suspends {
                self.state.suspends = false;
                self.suspend(screen).map_err(|error| failure(&error))?;
            }
            screen
                .draw(|frame| draw(frame, &self.snapshot, &self.state))
                .map_err(|error| failure(&error))?;
            self.sampling.focus(self.state.focus(&self.snapshot));
            match self.wait(signals).map_err(|error| failure(&error))? {
                Some(SIGTSTP) => self.state.suspends = true,
                Some(SIGINT) => return Ok(None),
                Some(signal @ (SIGTERM | SIGHUP)) => return Ok(Some(signal)),
                _ => {}
            }
            self.listen().map_err(|error| failure(&error))?;
            self.look()?;
        }
        Ok(None)
    }

    /// Gives the terminal back, stops, and takes it over when it is continued.
    fn suspend(&mut self, screen: &mut Screen) -> io::Result<()> {
        screen.leave();
        emulate_default_handler(SIGTSTP)?;
        screen.enter_again()?;
        let (columns, lines) = screen.size()?;
        self.update(Event::Resize(columns, lines));
        Ok(())
    }

    /// Waits until something happens. Returns the signal, if it was one.
    fn wait(&self, signals: &mut [(i32, UnixStream)]) -> io::Result<Option<i32>> {
        let keyboard = rustix::stdio::stdin();
        let wait_for = [keyboard.as_fd(), self.sampling.ready().as_fd()];
        let streams = signals.iter().map(|(_, stream)| stream.as_fd());
        let mut fds: Vec<_> = wait_for
            .into_iter()
            .chain(streams)
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is_gone = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        drop(fds);
        if is_gone {
            return Ok(Some(SIGHUP));
        }
        let mut bytes = [0; 64];
        let mut has_come = |stream: &mut UnixStream| matches!(stream.read(&mut bytes), Ok(1..));
        let mut came = None;
        for (signal, stream) in signals {
            if came.is_none() && has_come(stream) {
                came = Some(*signal);
            }
        }
        Ok(came)
    }

    /// Answers to keys and mouse.
    fn listen(&mut self) -> io::Result<()> {
        while event::poll(Duration::ZERO)? {
            if let Some(event) = Event::of(&event::read()?) {
                self.update(event);
            }
        }
        Ok(())
    }

    /// Shows what has been seen since, unless the picture stands still.
    fn look(&mut self) -> Result<(), Failure> {
        if let Some((snapshot, ticks)) = self.sampling.newest()? {
            self.left = self.left.map(|left| left.saturating_sub(ticks));
            if !self.state.is_paused {
                self.snapshot = snapshot;
                self.update(Event::Sampled);
            }
        }
        Ok(())
    }

    fn update(&mut self, event: Event) {
        self.state = update(self.state.clone(), event, &self.snapshot);
    }
}
