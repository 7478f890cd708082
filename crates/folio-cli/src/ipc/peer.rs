//! The other process: this command again, which echoes what is marked so.

use std::io;
use std::process::{Child, Command, Stdio};

use clap::ValueEnum;

use crate::failure::Failure;
use crate::ipc::payload::{ECHO, END};
use crate::ipc::place;
use crate::ipc::transport::{Ends, Transport, Way};

/// The variable that makes this command the other process: a way, bytes of a message, a
/// number, and its processor or `-`.
pub const PART: &str = "FOLIO_COMPARE_PEER";

/// The other process, ended when dropped.
#[derive(Debug)]
pub struct Peer(Child);

impl Peer {
    /// Starts it at the other end of a way.
    ///
    /// # Errors
    /// That this program cannot be started again.
    pub fn start(way: Way, size: usize, ends: Ends, cpu: Option<usize>) -> io::Result<Self> {
        let name = way.to_possible_value().map(|value| value.get_name().to_owned());
        let cpu = cpu.map_or("-".to_owned(), |cpu| cpu.to_string());
        let part = format!("{} {size} {} {cpu}", name.unwrap_or_default(), ends.id);
        let stdio = |end: Option<_>| end.map_or_else(Stdio::null, Stdio::from);
        let child = Command::new(std::env::current_exe()?)
            .args(["compare", "ipc"])
            .env(PART, part)
            .stdin(stdio(ends.input))
            .stdout(stdio(ends.output))
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Is the other process, as [`PART`] says.
///
/// # Errors
/// What is no way, and what the transport fails with.
pub fn run(part: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot be the other process: {error}"));
    let words: Vec<&str> = part.split(' ').collect();
    let known = match words[..] {
        [way, size, id, _] => {
            Way::from_str(way, false).ok().zip(size.parse().ok()).zip(id.parse().ok())
        }
        _ => None,
    };
    let Some(((way, size), id)) = known else {
        let way_out = "unset it";
        return Err(Failure::new(format!(
            "cannot be the other process: {PART} says {part:?}: {way_out}"
        )));
    };
    if let Ok(cpu) = words[3].parse() {
        place::keep(cpu);
    }
    // Nobody is there to be served when the first process has ended.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    echo(way.join(size, id).map_err(failed)?.as_mut()).map_err(failed)
}

fn echo(transport: &mut dyn Transport) -> io::Result<()> {
    // Tells that it is there.
    transport.send(0)?;
    loop {
        let number = transport.recv()?;
        if number & ECHO != 0 {
            transport.send(number)?;
        }
        if number & END != 0 {
            return Ok(());
        }
    }
}
