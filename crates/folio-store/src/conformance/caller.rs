//! Calls a store, notes what was called, and holds every outcome to the rules that need no model.

use std::any::Any;
use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::random::Random;
use super::rule;
use crate::{Error, ErrorKind, ReadRequest, Result, Store};

/// How many of the latest operations a failure shows.
const SHOWN: usize = 40;

/// Bytes at an address of a chosen kind: every second buffer is aligned as the store likes it, the
/// others are off by one.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    count: usize,
}

impl Buffer {
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.count]
    }
}

pub(super) struct Caller<'a, S> {
    pub(super) store: &'a S,
    pub(super) random: Random,
    check: &'static str,
    seed: u64,
    content_bytes: usize,
    log: Vec<String>,
}

impl<'a, S: Store> Caller<'a, S> {
    pub(super) fn new(
        store: &'a S,
        check: &'static str,
        seed: u64,
        stream: u64,
        content_bytes: usize,
    ) -> Self {
        let random = Random::new(seed ^ stream.wrapping_mul(0x2545_f491_4f6c_dd1d));
        Self { store, random, check, seed, content_bytes, log: Vec::new() }
    }

    /// Ends the suite.
    pub(super) fn broken(&self, rule: &str, what: impl AsRef<str>) -> ! {
        let name = catch_unwind(AssertUnwindSafe(|| self.store.name()))
            .unwrap_or_else(|_| "(its name panics)".into());
        let mut text = format!("store \"{name}\" breaks a rule: {rule}\n");
        let _ = writeln!(text, "  {}", what.as_ref());
        let _ = writeln!(
            text,
            "  in the check of {}, seed {:#x}, of a store made with {} bytes, after",
            self.check, self.seed, self.content_bytes
        );
        let hidden = self.log.len().saturating_sub(SHOWN);
        if hidden > 0 {
            let _ = writeln!(text, "    ... {hidden} operations ...");
        }
        for line in &self.log[hidden..] {
            let _ = writeln!(text, "    {line}");
        }
        panic!("{text}");
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    /// Calls the store; a panic of its is a broken rule.
    pub(super) fn call<T: Debug>(
        &mut self,
        what: impl Into<String>,
        call: impl FnOnce(&S) -> T,
    ) -> T {
        let what = what.into();
        let store = self.store;
        match catch_unwind(AssertUnwindSafe(|| call(store))) {
            Ok(outcome) => {
                self.log.push(format!("{what} = {outcome:?}"));
                outcome
            }
            Err(payload) => {
                self.broken(rule::PANIC, format!("{what} panics: {}", text_of(&*payload)))
            }
        }
    }

    pub(super) fn buffer(&mut self, count: usize) -> Buffer {
        let alignment = (self.store.capabilities().alignment_bytes() as usize).max(64);
        let bytes = vec![0xa5; count + alignment + 1];
        let start = bytes.as_ptr().align_offset(alignment).min(alignment);
        let start = start + usize::from(self.random.one_in(2));
        Buffer { bytes, start, count }
    }

    /// An error is one line that names something, and says which bytes where it was about some.
    pub(super) fn hold_error(&self, error: &Error, ranged: bool) {
        let text = error.to_string();
        if text.lines().count() != 1 || error.store().trim().is_empty() {
            self.broken(rule::LINE, format!("the error is {text:?}"));
        }
        if ranged && error.bytes().is_none() {
            self.broken(rule::RANGE, format!("the error is {text:?}"));
        }
    }

    /// Reads with `read_at`. `None`: the range ends behind the last u64, and the store said so.
    pub(super) fn read_at(&mut self, buf: &mut [u8], offset: u64) -> Option<usize> {
        let count = buf.len();
        let outcome = self
            .call(format!("read_at({count} bytes, {offset})"), |store| store.read_at(buf, offset));
        self.hold_read(outcome, count, offset)
    }

    /// Reads with `read_full_at`.
    pub(super) fn read_full_at(&mut self, buf: &mut [u8], offset: u64) -> Option<usize> {
        let count = buf.len();
        let outcome = self.call(format!("read_full_at({count} bytes, {offset})"), |store| {
            store.read_full_at(buf, offset)
        });
        self.hold_read(outcome, count, offset)
    }

    /// Reads with `read_many`; the outcomes are as those of [`read_full_at`](Self::read_full_at).
    pub(super) fn read_many(&mut self, buffers: &mut [(Buffer, u64)]) -> Vec<Option<usize>> {
        let ranges: Vec<(u64, usize)> =
            buffers.iter().map(|(buffer, offset)| (*offset, buffer.count)).collect();
        let mut requests: Vec<ReadRequest<'_>> = buffers
            .iter_mut()
            .map(|(buffer, offset)| ReadRequest {
                outcome: Ok(usize::MAX),
                ..ReadRequest::new(buffer.bytes(), *offset)
            })
            .collect();
        let outcomes = self.call(format!("read_many(offsets and bytes {ranges:?})"), |store| {
            store.read_many(&mut requests);
            requests.iter().map(|request| request.outcome.clone()).collect::<Vec<_>>()
        });
        outcomes
            .into_iter()
            .zip(ranges)
            .map(|(outcome, (offset, count))| {
                if matches!(outcome, Ok(usize::MAX)) {
                    self.broken(rule::MANY, format!("the request at {offset} has no outcome"));
                }
                self.hold_read(outcome, count, offset)
            })
            .collect()
    }

    fn hold_read(&self, outcome: Result<usize>, count: usize, offset: u64) -> Option<usize> {
        match outcome {
            Ok(read) if read > count => {
                self.broken(rule::COUNT, format!("{read} of {count} bytes read at {offset}"))
            }
            Ok(read) => Some(read),
            Err(error) => {
                self.hold_error(&error, true);
                if count == 0 || offset.checked_add(count as u64).is_some() {
                    self.broken(rule::READABLE, format!("{count} bytes at {offset}: {error}"));
                }
                if error.kind() != ErrorKind::Invalid {
                    self.broken(rule::KIND, format!("it is {error:?}"));
                }
                None
            }
        }
    }

    pub(super) fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<usize> {
        let count = bytes.len();
        let mut buffer = self.buffer(count);
        buffer.bytes().copy_from_slice(bytes);
        let outcome = self.call(format!("write_at({count} bytes, {offset})"), |store| {
            store.write_at(buffer.bytes(), offset)
        });
        match &outcome {
            Ok(written) if *written > count => {
                self.broken(rule::COUNT, format!("{written} of {count} bytes written at {offset}"))
            }
            Ok(0) if count > 0 => {
                self.broken(rule::PROGRESS, format!("0 of {count} bytes written at {offset}"))
            }
            Ok(_) => {}
            Err(error) => self.hold_error(error, true),
        }
        outcome
    }

    pub(super) fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        let count = bytes.len();
        let mut buffer = self.buffer(count);
        buffer.bytes().copy_from_slice(bytes);
        let outcome = self.call(format!("write_all_at({count} bytes, {offset})"), |store| {
            store.write_all_at(buffer.bytes(), offset)
        });
        if let Err(error) = &outcome {
            self.hold_error(error, true);
        }
        outcome
    }

    pub(super) fn len(&mut self) -> u64 {
        match self.call("len()", S::len) {
            Ok(len) => len,
            Err(error) => self.broken(rule::LEN, error.to_string()),
        }
    }

    pub(super) fn sync(&mut self) {
        if let Err(error) = self.call("sync()", S::sync) {
            self.broken(rule::SYNC, error.to_string());
        }
    }
}

pub(super) fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("(no text)")
}
