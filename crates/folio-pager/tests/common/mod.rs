//! A store for tests: memory that can be made slow, short and broken.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use folio_store::{Capabilities, Cost, Error, ErrorKind, Result, Store};

#[derive(Default)]
pub struct Inner {
    pub bytes: Mutex<Vec<u8>>,
    pub failing: AtomicBool,
    pub write_failing: AtomicBool,
    pub sync_failing: AtomicBool,
    pub reads: AtomicU64,
    pub syncs: AtomicU64,
    pub delay_micros: AtomicU64,
}

#[derive(Clone)]
pub struct Ram(pub Arc<Inner>, pub Capabilities);

pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 4096 * 7 + at % 251) as u8).collect()
}

impl Ram {
    pub fn new(bytes: Vec<u8>) -> Self {
        let inner = Inner { bytes: Mutex::new(bytes), ..Inner::default() };
        Self(Arc::new(inner), Capabilities::new(Cost::Local).granule(4096).writable(true))
    }

    pub fn fixed(bytes: Vec<u8>) -> Self {
        let mut this = Self::new(bytes);
        this.1 = Capabilities::new(Cost::Local).granule(4096).fixed_version(true);
        this
    }

    pub fn content(&self) -> Vec<u8> {
        self.0.bytes.lock().unwrap().clone()
    }

    fn work(&self, operation: &'static str, fails: bool) -> Result<()> {
        match self.0.delay_micros.load(SeqCst) {
            0 => {}
            delay => std::thread::sleep(Duration::from_micros(delay)),
        }
        match fails {
            true => Err(Error::new(ErrorKind::Io, operation, self.name()).reason("told to")),
            false => Ok(()),
        }
    }
}

impl Store for Ram {
    fn name(&self) -> String {
        "ram".into()
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.0.reads.fetch_add(1, SeqCst);
        self.work("read", self.0.failing.load(SeqCst))?;
        let bytes = self.0.bytes.lock().unwrap();
        let offset = (offset as usize).min(bytes.len());
        // Short, on purpose.
        let count = buf.len().min(bytes.len() - offset).min(100_000);
        buf[..count].copy_from_slice(&bytes[offset..offset + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        self.work("write", self.0.write_failing.load(SeqCst))?;
        let count = bytes.len().min(100_000);
        let offset = offset as usize;
        self.0.bytes.lock().unwrap()[offset..offset + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn sync(&self) -> Result<()> {
        self.0.syncs.fetch_add(1, SeqCst);
        self.work("sync", self.0.sync_failing.load(SeqCst))
    }

    fn capabilities(&self) -> Capabilities {
        self.1
    }

    fn identity(&self) -> Option<String> {
        Some(format!("ram {:p}", self.0))
    }
}

pub fn pager(budget: u64) -> folio_pager::Pager {
    folio_pager::Pager::new(folio_pager::Budget::bytes(budget)).unwrap()
}

/// Small numbers in no order.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
