//! Signals as descriptors that can be waited for beside others.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;

use crate::failure::{Failure, words};

/// A stream that can be read when one of these signals has arrived. They end nothing any more.
///
/// # Errors
/// That there is no descriptor left.
pub fn arrivals(signals: &[i32]) -> Result<UnixStream, Failure> {
    let register = || {
        let (ours, handlers) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        for &signal in signals {
            signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
        }
        Ok(ours)
    };
    register().map_err(|error: std::io::Error| {
        Failure::new(format!("cannot watch for an interrupt: {}", words(&error)))
    })
}

/// The same, but for signals that are ignored: these stay so for this process and for what it starts, as
/// nohup(1) has it. `None` where all of them are.
///
/// # Errors
/// As [`arrivals`].
pub fn arrivals_unless_ignored(signals: &[i32]) -> Result<Option<UnixStream>, Failure> {
    let ignored = ignored();
    let heeded = signals.iter().copied().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let heeded: Vec<_> = heeded.collect();
    match heeded.is_empty() {
        true => Ok(None),
        false => arrivals(&heeded).map(Some),
    }
}

/// A bit for each signal that is ignored, the first the lowest (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Forgets the signals that have arrived.
pub fn take(mut stream: &UnixStream) {
    let mut bytes = [0; 64];
    while stream.read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    #[test]
    fn a_signal_can_be_waited_for_and_is_forgotten() {
        let stream = arrivals(&[signal_hook::consts::SIGUSR2]).unwrap();
        let is_ready = |stream: &UnixStream, seconds| {
            let time = rustix::event::Timespec { tv_sec: seconds, tv_nsec: 0 };
            poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&time)).unwrap() == 1
        };
        assert!(!is_ready(&stream, 0));
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR2).unwrap();
        assert!(is_ready(&stream, 10));
        take(&stream);
        assert!(!is_ready(&stream, 0));
    }
}
