//! Stores to read from, and bytes to put into them.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use folio_store::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};

/// Bytes in memory that can change, fail and take their time, and count how they are read.
#[derive(Debug)]
pub struct Shelf {
    pub bytes: RwLock<Vec<u8>>,
    pub capabilities: Capabilities,
    pub version: Mutex<Option<String>>,
    /// No two have the same.
    pub number: u64,
    pub delay: Duration,
    /// A read returns no more at once.
    pub most: usize,
    /// Reads of packed offsets from here fail.
    pub fails_from: AtomicU64,
    pub reads: AtomicU64,
    pub read_bytes: AtomicU64,
    pub batches: AtomicU64,
    pub under_way: AtomicU64,
    pub most_under_way: AtomicU64,
}

impl Shelf {
    pub fn new(bytes: Vec<u8>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let sum: u64 = bytes.iter().fold(1, |sum, &byte| sum.wrapping_mul(31) ^ u64::from(byte));
        Self {
            version: Mutex::new(Some(format!("{sum:x}"))),
            number: COUNT.fetch_add(1, Ordering::SeqCst),
            bytes: RwLock::new(bytes),
            capabilities: Capabilities::new(Cost::Memory).fixed_version(true),
            delay: Duration::ZERO,
            most: usize::MAX,
            fails_from: AtomicU64::new(u64::MAX),
            reads: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            most_under_way: AtomicU64::new(0),
        }
    }

    pub fn reads(&self) -> u64 {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

impl Store for Shelf {
    fn name(&self) -> String {
        "shelf".into()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes.read().unwrap().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        if offset >= self.fails_from.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "read", self.name()));
        }
        let bytes = self.bytes.read().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = buf.len().min(rest.len()).min(self.most);
        buf[..count].copy_from_slice(&rest[..count]);
        self.read_bytes.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        self.batches.fetch_add(1, Ordering::SeqCst);
        for request in requests {
            request.outcome = self.read_full_at(request.buf, request.offset);
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn identity(&self) -> Option<String> {
        Some(format!("shelf {}", self.number))
    }

    fn version(&self) -> Option<String> {
        self.version.lock().unwrap().clone()
    }
}

/// Bytes that pack well, and tell where they are from.
pub fn text(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        let at = bytes.len();
        writeln!(bytes, "line at byte {at}, and some more").unwrap();
    }
    bytes.truncate(len);
    bytes
}

/// Bytes that do not pack.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// All that a store has.
pub fn read_all(store: &impl Store) -> Result<Vec<u8>> {
    let mut bytes = vec![0xee; store.len()? as usize];
    let count = store.read_full_at(&mut bytes, 0)?;
    assert_eq!(count, bytes.len(), "it ends where it says");
    Ok(bytes)
}

pub fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("an error").kind()
}

/// Says why a test does not go on, past the capture of a passing test's output.
pub fn skip(missing: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {missing}");
}
