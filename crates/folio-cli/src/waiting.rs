//! Waiting for a time, while a signal may come and a reader may leave.
//!
//! ```
//! use std::time::Instant;
//! use folio_cli::signals::arrivals;
//! use folio_cli::waiting::{Waited, wait_until};
//! let interrupted = arrivals(&[signal_hook::consts::SIGINT]).unwrap();
//! assert_eq!(wait_until(Instant::now(), &interrupted), Waited::Due);
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What ended a wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is time.
    Due,
    /// It was interrupted, or nobody reads standard output any more.
    Ended,
}

/// Waits.
pub fn wait_until(due: Instant, interrupted: &UnixStream) -> Waited {
    let stdout: BorrowedFd<'_> = rustix::stdio::stdout();
    loop {
        let left = due.saturating_duration_since(Instant::now());
        let mut fds = [
            PollFd::from_borrowed_fd(interrupted.as_fd(), PollFlags::IN),
            // An error, such as that of a pipe without a reader, is told unasked.
            PollFd::from_borrowed_fd(stdout, PollFlags::empty()),
        ];
        let most = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut fds, Some(&most)) {
            Ok(count) if count > 0 => return Waited::Ended,
            // Not before: who is always late must be interrupted, too.
            _ if left.is_zero() => return Waited::Due,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_interrupt_ends_a_wait_that_is_over_already() {
        let (interrupted, mut bell) = UnixStream::pair().unwrap();
        bell.write_all(&[1]).unwrap();
        assert_eq!(wait_until(Instant::now(), &interrupted), Waited::Ended);
    }
}
