//! A text that another thread reads while this one parses: the kernel takes as long to write what is long
//! as a program to parse it.
//!
//! The thread ends with the text, or when nobody reads on.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender};

/// Bytes that are read at a time, and how often before they are parsed.
const CHUNK_BYTES: usize = 256 << 10;
pub(crate) const CHUNKS: usize = 4;

/// A piece of the text, or what reading it failed with.
pub(crate) type Chunk = io::Result<Vec<u8>>;

/// Reads the file to its end, or to a failure, for an [`Ahead`].
pub(crate) fn read(mut file: File, chunks: &SyncSender<Chunk>) {
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        let is_last = chunk.is_empty() || read.is_err();
        // What came before a failure is not asked for: an error is never a part.
        if chunks.send(read.map(|_| chunk)).is_err() || is_last {
            return;
        }
    }
}

/// The text, as it comes.
#[derive(Debug)]
pub(crate) struct Ahead {
    chunks: Receiver<Chunk>,
    current: Vec<u8>,
    taken: usize,
}

impl Ahead {
    pub(crate) fn new(chunks: Receiver<Chunk>) -> Self {
        Self { chunks, current: Vec::new(), taken: 0 }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // A thread that has gone has sent all there was.
        if self.taken == self.current.len()
            && let Ok(next) = self.chunks.recv()
        {
            self.current = next?;
            self.taken = 0;
        }
        Ok(&self.current[self.taken..])
    }

    fn consume(&mut self, bytes: usize) {
        self.taken += bytes;
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(into)?;
        self.consume(bytes);
        Ok(bytes)
    }
}
