//! Does operations on a store and on a vector, and compares.

use std::ops::Range;

use super::caller::{Buffer, Caller};
use super::rule;
use crate::{ErrorKind, Store};

/// Stores are made no longer than this on purpose. What reaches behind it may also fail.
pub(super) const REASONABLE: u64 = 64 << 20;

pub(super) struct Probe<'a, S> {
    pub(super) caller: Caller<'a, S>,
    pub(super) model: Vec<u8>,
    writable: bool,
    resizable: bool,
}

impl<'a, S: Store> Probe<'a, S> {
    /// A probe of a store that holds `model`.
    pub(super) fn new(caller: Caller<'a, S>, model: Vec<u8>) -> Self {
        let capabilities = caller.store.capabilities();
        let (writable, resizable) = (capabilities.is_writable(), capabilities.is_resizable());
        Self { caller, model, writable, resizable }
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(super) fn is_resizable(&self) -> bool {
        self.resizable
    }

    fn len(&self) -> u64 {
        self.model.len() as u64
    }

    /// What the model has of `count` bytes at `offset`.
    fn expected(&self, count: usize, offset: u64) -> &[u8] {
        let start = offset.min(self.len()) as usize;
        &self.model[start..start.saturating_add(count).min(self.model.len())]
    }

    fn compare(&self, rule: &str, got: &[u8], offset: u64) {
        let expected = &self.expected(got.len(), offset)[..got.len()];
        if let Some(at) = (0..got.len()).find(|&at| got[at] != expected[at]) {
            let what = format!(
                "byte {} (number {at} of {} read at {offset}) is {:#04x}, should be {:#04x}",
                offset + at as u64,
                got.len(),
                got[at],
                expected[at]
            );
            self.caller.broken(rule, what);
        }
    }

    pub(super) fn read(&mut self, count: usize, offset: u64) {
        let mut buffer = self.caller.buffer(count);
        let Some(read) = self.caller.read_at(buffer.bytes(), offset) else { return };
        let there = self.expected(count, offset).len();
        if read == 0 && there > 0 {
            let what = format!("{count} bytes at {offset}, {there} of them before the end");
            self.caller.broken(rule::ZERO, what);
        }
        if read > there {
            let what = format!("{read} bytes read at {offset}, of {}", self.model.len());
            self.caller.broken(rule::END, what);
        }
        self.compare(rule::BYTES, &buffer.bytes()[..read], offset);
    }

    fn hold_full(&self, rule: &str, buffer: &mut Buffer, offset: u64, read: Option<usize>) {
        let bytes = if rule == rule::FULL { rule::BYTES } else { rule };
        let Some(read) = read else { return };
        let count = buffer.bytes().len();
        let there = self.expected(count, offset).len();
        if read != there {
            let what = format!("{read} of {count} bytes read at {offset}, should be {there}");
            self.caller.broken(rule, what);
        }
        self.compare(bytes, &buffer.bytes()[..read], offset);
    }

    pub(super) fn read_full(&mut self, count: usize, offset: u64) {
        let mut buffer = self.caller.buffer(count);
        let read = self.caller.read_full_at(buffer.bytes(), offset);
        self.hold_full(rule::FULL, &mut buffer, offset, read);
    }

    pub(super) fn read_many(&mut self, requests: &[(usize, u64)]) {
        let mut buffers: Vec<_> =
            requests.iter().map(|&(count, offset)| (self.caller.buffer(count), offset)).collect();
        let outcomes = self.caller.read_many(&mut buffers);
        for ((buffer, offset), read) in buffers.iter_mut().zip(outcomes) {
            self.hold_full(rule::MANY, buffer, *offset, read);
        }
    }

    pub(super) fn hold_len(&mut self, rule: &str) {
        let len = self.caller.len();
        if len != self.len() {
            self.caller.broken(rule, format!("len is {len}, should be {}", self.len()));
        }
    }

    /// Compares everything. `rule` is what differences break.
    pub(super) fn hold_all(&mut self, rule: &str) {
        self.hold_len(rule);
        match self.caller.call("is_empty()", S::is_empty) {
            Ok(empty) if empty == self.model.is_empty() => {}
            other => {
                let what = format!("it is {other:?} at {} bytes", self.model.len());
                self.caller.broken(rule::EMPTY, what);
            }
        }
        let mut buffer = self.caller.buffer(self.model.len() + 1);
        let read = self.caller.read_full_at(buffer.bytes(), 0);
        self.hold_full(rule, &mut buffer, 0, read);
    }

    /// Compares what the store shows of a range, if it does.
    pub(super) fn show(&mut self, range: Range<u64>) {
        let shown = self.caller.store.bytes(range.clone()).map(<[u8]>::to_vec);
        let model = self.model.get(range.start as usize..range.end as usize);
        if shown.is_some() && shown.as_deref() != model {
            self.caller.broken(rule::SHOWN, format!("of {range:?} it shows others"));
        }
    }

    /// Writes with `write_at`, or with `write_all_at` if `all`.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64, all: bool) {
        let count = bytes.len() as u64;
        let outcome = if all {
            self.caller.write_all_at(bytes, offset).map(|()| bytes.len())
        } else {
            self.caller.write_at(bytes, offset)
        };
        let end = offset.saturating_add(count);
        let unreasonable = offset.checked_add(count).is_none() || end > REASONABLE;
        match outcome {
            Ok(_) if count > 0 && !self.writable => {
                self.caller.broken(rule::READ_ONLY, "it took the write")
            }
            Ok(_) if count == 0 => self.hold_len(rule::NOTHING),
            Ok(written) if unreasonable => self.hold_far(&bytes[..written], offset),
            Ok(written) => {
                let end = offset + written as u64;
                if end > self.len() && !self.resizable {
                    let what = format!("{written} bytes at {offset}, of {}", self.len());
                    self.caller.broken(rule::BEHIND, what);
                }
                let rule = if end > self.len() {
                    self.model.resize(end as usize, 0);
                    rule::GROW
                } else {
                    rule::LEN
                };
                self.model[offset as usize..end as usize].copy_from_slice(&bytes[..written]);
                self.hold_len(rule);
            }
            Err(error) if !self.writable => {
                if !matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::Unsupported) {
                    self.caller.broken(rule::READ_ONLY, format!("the error is {error:?}"));
                }
                self.hold_len(rule::UNTOUCHED);
            }
            Err(error) => {
                let permitted = count > 0 && (unreasonable || !self.resizable && end > self.len());
                if !permitted {
                    let rule = match count {
                        0 => rule::NOTHING,
                        _ if end > self.len() => rule::GROW,
                        _ => rule::WRITABLE,
                    };
                    self.caller.broken(rule, error.to_string());
                }
                self.hold_len(rule::UNTOUCHED);
                self.settle(bytes, offset);
            }
        }
    }

    /// After a failed write, each of its bytes is the old or the new one.
    fn settle(&mut self, bytes: &[u8], offset: u64) {
        let old = self.expected(bytes.len(), offset).to_vec();
        let mut buffer = self.caller.buffer(old.len());
        let read = self.caller.read_full_at(buffer.bytes(), offset);
        if read != Some(old.len()) {
            self.caller.broken(rule::FULL, format!("{read:?} bytes, should be {}", old.len()));
        }
        for (at, &byte) in buffer.bytes().iter().enumerate() {
            if byte != old[at] && byte != bytes[at] {
                let what =
                    format!("byte {} is neither the old nor the new one", offset as usize + at);
                self.caller.broken(rule::UNTOUCHED, what);
            }
            self.model[offset as usize + at] = byte;
        }
    }

    /// A write so far away that few stores take it, and this one did.
    fn hold_far(&mut self, written: &[u8], offset: u64) {
        let end = offset.saturating_add(written.len() as u64);
        if !self.resizable || self.caller.len() != end {
            self.caller.broken(rule::GROW, format!("a write that ends at {end} was taken"));
        }
        let mut buffer = self.caller.buffer(written.len());
        let read = self.caller.read_full_at(buffer.bytes(), offset);
        if read != Some(written.len()) || buffer.bytes() != written {
            self.caller.broken(rule::BYTES, format!("what was written at {offset} is not there"));
        }
        self.resize(self.len());
    }

    pub(super) fn resize(&mut self, len: u64) {
        let outcome = self.caller.call(format!("resize({len})"), |store| store.resize(len));
        if let Err(error) = &outcome {
            self.caller.hold_error(error, false);
        }
        match outcome {
            Ok(()) if !self.resizable && len != self.len() => {
                self.caller.broken(rule::SIZED, "it took the length")
            }
            Ok(()) if len > REASONABLE => {
                if self.caller.len() != len {
                    self.caller
                        .broken(rule::RESIZE, format!("it took {len} bytes, and has others"));
                }
                self.resize(self.len());
            }
            Ok(()) => {
                self.model.resize(len as usize, 0);
                self.hold_len(rule::RESIZE);
            }
            Err(error) if !self.resizable => {
                if !matches!(error.kind(), ErrorKind::ReadOnly | ErrorKind::Unsupported) {
                    self.caller.broken(rule::SIZED, format!("the error is {error:?}"));
                }
                self.hold_len(rule::UNTOUCHED);
            }
            Err(_) if len > REASONABLE => self.hold_len(rule::UNTOUCHED),
            Err(error) => self.caller.broken(rule::RESIZE, error.to_string()),
        }
    }
}
