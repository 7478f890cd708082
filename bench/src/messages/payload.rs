//! What a message consists of: words that count up from its number, or whatever is there already.

use std::io;

use folio_cli::ipc::payload;

/// Bytes of a circle that messages of some size wait in, whoever's it is: folio's default, or room for
/// some large ones.
pub(crate) fn circle_bytes(size: usize) -> usize {
    (4 << 20).max(8 * size)
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    /// Bytes of each message.
    pub(crate) size: usize,
    /// Whether it is written and verified. If not, messages have no number.
    pub(crate) is_touched: bool,
}

impl Payload {
    pub(crate) fn fill(self, bytes: &mut [u8], number: u64) {
        if self.is_touched {
            payload::fill(bytes, number);
        }
    }

    /// The message's number.
    pub(crate) fn check(self, bytes: &[u8]) -> io::Result<u64> {
        match (bytes.len() == self.size, self.is_touched) {
            (false, _) => Err(io::Error::new(io::ErrorKind::InvalidData, "a message was cut")),
            (true, true) => payload::check(bytes),
            (true, false) => Ok(0),
        }
    }
}
