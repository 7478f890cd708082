//! A store for tests: content by formula, and every way to be in the way.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use folio_store::{Capabilities, Cost, Error, ErrorKind, Result, Store};

/// The byte at an offset of the content called `seed`.
pub(crate) fn byte(seed: u64, offset: u64) -> u8 {
    let mut mixed = (offset / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ seed.wrapping_mul(0xd134_2543_de82_ef95);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> (offset % 8 * 7)) as u8
}

pub(crate) fn content(seed: u64, offset: u64, len: usize) -> Vec<u8> {
    (offset..offset + len as u64).map(|offset| byte(seed, offset)).collect()
}

/// A far object, read-only.
#[derive(Debug)]
pub(crate) struct Far {
    pub(crate) len: u64,
    pub(crate) seed: AtomicU64,
    pub(crate) fixed: bool,
    pub(crate) identity: Option<String>,
    pub(crate) reads: AtomicU64,
    pub(crate) read_bytes: AtomicU64,
    pub(crate) failing: AtomicBool,
    pub(crate) delay: Duration,
    /// Replaces the content after so many reads.
    pub(crate) replaced_after: AtomicU64,
    /// Reads that touch it fail.
    pub(crate) bad: Option<std::ops::Range<u64>>,
}

impl Far {
    pub(crate) fn new(seed: u64, len: u64) -> Self {
        Self {
            len,
            seed: AtomicU64::new(seed),
            fixed: true,
            identity: Some("far".into()),
            reads: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            delay: Duration::ZERO,
            replaced_after: AtomicU64::new(u64::MAX),
            bad: None,
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.load(Ordering::SeqCst)
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Store for Far {
    fn name(&self) -> String {
        "far object".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(self.len)
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let range = offset..offset.saturating_add(buf.len() as u64);
        let reads = self.reads.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.delay);
        if self.failing.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "read", self.name()).range(range));
        }
        if self.bad.as_ref().is_some_and(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(Error::new(ErrorKind::Io, "read", self.name()).range(range));
        }
        if reads >= self.replaced_after.load(Ordering::SeqCst) {
            self.seed.store(u64::MAX, Ordering::SeqCst);
        }
        let count = buf.len().min(usize::try_from(self.len.saturating_sub(offset)).unwrap());
        self.read_bytes.fetch_add(count as u64, Ordering::SeqCst);
        let seed = self.seed();
        for (byte_, offset) in buf[..count].iter_mut().zip(offset..) {
            *byte_ = byte(seed, offset);
        }
        Ok(count)
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Network).fixed_version(self.fixed)
    }
    fn identity(&self) -> Option<String> {
        self.identity.clone()
    }
    fn version(&self) -> Option<String> {
        Some(format!("v{}", self.seed()))
    }
}

/// Bytes in memory that a test may change behind a layer's back.
#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) resizable: bool,
}

impl Bytes {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Mutex::new(bytes.into()), resizable: true }
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        f(&mut self.bytes.lock().unwrap())
    }
}

impl Store for Bytes {
    fn name(&self) -> String {
        "bytes".into()
    }
    fn len(&self) -> Result<u64> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.with(|bytes| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let count = buf.len().min(bytes.len() - start);
            buf[..count].copy_from_slice(&bytes[start..start + count]);
            Ok(count)
        })
    }
    fn write_at(&self, more: &[u8], offset: u64) -> Result<usize> {
        let start = usize::try_from(offset).unwrap();
        let end = start + more.len();
        self.with(|bytes| {
            if end > bytes.len() {
                if !self.resizable {
                    return Err(Error::new(ErrorKind::NoSpace, "write", "bytes"));
                }
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(more);
            Ok(more.len())
        })
    }
    fn resize(&self, len: u64) -> Result<()> {
        if !self.resizable {
            return Err(Error::new(ErrorKind::Unsupported, "resize", "bytes"));
        }
        self.with(|bytes| bytes.resize(usize::try_from(len).unwrap(), 0));
        Ok(())
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Cost::Memory).writable(true).resizable(self.resizable)
    }
}

/// What a child prints when it begins.
pub(crate) const READY: &str = "ready to be killed";

/// Waits until a child, whose output is piped, has begun; so that a busy machine kills no empty one.
pub(crate) fn wait_for(child: &mut Child) {
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while !line.contains(READY) {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended");
    }
}
