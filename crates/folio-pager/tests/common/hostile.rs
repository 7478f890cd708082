//! A store that does something else first, and ways to live with it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;
use std::time::Duration;

use folio_pager::{ErrorKind, Fault, Paged, Pager};
use folio_store::{Capabilities, Cost, ErrorKind as StoreErrorKind, MemoryStore, Result, Store};

use crate::again;
use crate::common::pattern;
use crate::watchdog::Watchdog;

pub(crate) const MIB: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Name,
    Len,
    Capabilities,
    Identity,
    Read,
    Write,
    Sync,
}

pub(crate) type Act = Arc<dyn Fn(Method) + Send + Sync>;

/// A megabyte that does something else first.
#[derive(Clone)]
pub(crate) struct Hostile {
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) cost: Cost,
    pub(crate) act: Act,
}

impl Hostile {
    pub(crate) fn new(act: impl Fn(Method) + Send + Sync + 'static) -> Self {
        let inner = Arc::new(MemoryStore::from(pattern(MIB)));
        Self { inner, cost: Cost::Local, act: Arc::new(act) }
    }
}

impl Store for Hostile {
    fn name(&self) -> String {
        (self.act)(Method::Name);
        "a hostile one".into()
    }
    fn len(&self) -> Result<u64> {
        (self.act)(Method::Len);
        self.inner.len()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        (self.act)(Method::Read);
        self.inner.read_at(buf, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        (self.act)(Method::Write);
        self.inner.write_at(bytes, offset)
    }
    fn sync(&self) -> Result<()> {
        (self.act)(Method::Sync);
        Ok(())
    }
    fn capabilities(&self) -> Capabilities {
        (self.act)(Method::Capabilities);
        Capabilities::new(self.cost).granule(4096).writable(true).fixed_version(true)
    }
    fn identity(&self) -> Option<String> {
        (self.act)(Method::Identity);
        self.inner.identity()
    }
}

pub(crate) fn watched(what: &str) -> Watchdog {
    Watchdog::new(what, Duration::from_secs(60))
}

pub(crate) fn fixed(pager: &Pager) -> Paged {
    pager.options().granule(4096).map(MemoryStore::fixed(pattern(MIB))).unwrap()
}

#[track_caller]
pub(crate) fn assert_fault<T>(result: folio_pager::Result<T>, kind: StoreErrorKind) {
    let error = result.err().expect("an error");
    assert_eq!((error.kind(), error.fault().map(Fault::kind)), (ErrorKind::Fault, Some(kind)));
}

pub(crate) fn read(map: &Paged, at: usize) -> folio_pager::Result<u8> {
    let mut byte = [0];
    map.read_at(at, &mut byte).map(|()| byte[0])
}

/// Runs a part of a test that may end the process in one of its own.
pub(crate) fn apart(test: &str, part: impl FnOnce()) {
    if again::part().is_some() {
        let _watchdog = Watchdog::new(test, Duration::from_secs(20));
        part();
        println!("done");
        return;
    }
    let mut command = again::again(test, "it");
    let output = command.arg("--include-ignored").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("done"), "{:?}: {text}", output.status);
}
