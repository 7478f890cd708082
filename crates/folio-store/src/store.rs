//! The trait, and what every store promises.
//!
//! ```
//! use folio_store::{Capabilities, Cost, Result, Store};
//!
//! /// Each byte is the low byte of its offset.
//! struct Ramp;
//!
//! impl Store for Ramp {
//!     fn name(&self) -> String {
//!         "a ramp".into()
//!     }
//!     fn len(&self) -> Result<u64> {
//!         Ok(1 << 40)
//!     }
//!     fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
//!         let count = buf.len().min((1_u64 << 40).saturating_sub(offset) as usize);
//!         for (byte, offset) in buf[..count].iter_mut().zip(offset..) {
//!             *byte = offset as u8;
//!         }
//!         Ok(count)
//!     }
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::new(Cost::Memory).fixed_version(true)
//!     }
//! }
//!
//! let mut bytes = [0; 4];
//! assert_eq!(Ramp.read_full_at(&mut bytes, 258)?, 4);
//! assert_eq!(bytes, [2, 3, 4, 5]);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants, which the conformance suite tests:
//! - A read returns 0 only for an empty buffer or at and behind the end. Other short reads may happen
//!   anywhere; what is behind the bytes returned is unspecified.
//! - A write that was acknowledged is read back by every later read. After `sync` returns, it outlasts
//!   the process, and the machine as far as the medium does.
//! - Ranges that do not overlap are read and written at the same time, in any order.
//! - No range panics: one that ends behind the last `u64` is [`ErrorKind::Invalid`] or ends there.

use std::ops::Range;
use std::sync::Arc;

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorKind, Result};

/// One of several reads that are asked for together.
#[derive(Debug)]
pub struct ReadRequest<'a> {
    /// Where the bytes go.
    pub buf: &'a mut [u8],
    /// Where they come from.
    pub offset: u64,
    /// What became of it: as [`Store::read_full_at`] returns.
    pub outcome: Result<usize>,
}

impl<'a> ReadRequest<'a> {
    /// A read that has not been done: its outcome is 0 bytes.
    pub fn new(buf: &'a mut [u8], offset: u64) -> Self {
        Self { buf, offset, outcome: Ok(0) }
    }
}

/// A byte source. See the [module](self) for what it promises.
///
/// Its methods run on threads that touched a page, inside a signal handler on that thread's stack:
/// they may allocate, lock and block, must not touch a mapping of their own bytes (nor, in
/// [`write_at`](Self::write_at), any of the pager that writes), and must not hold a lock while they call
/// code of the user's. A panic of theirs is a failure of what they were asked for.
pub trait Store: Send + Sync {
    /// What it is called in errors: a path, a URL, or a few words.
    fn name(&self) -> String;

    /// Bytes in the store now.
    ///
    /// # Errors
    /// Where it cannot be asked.
    fn len(&self) -> Result<u64>;

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads some bytes at `offset` into `buf` and returns how many: 0 only at the end (pread(2)).
    ///
    /// # Errors
    /// What went wrong; `buf` is unspecified then.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;

    /// Writes some of `bytes` at `offset` and returns how many: 0 only for none (pwrite(2)). A write
    /// behind the end makes a resizable store longer, with zeros between, and is an error in others.
    ///
    /// # Errors
    /// What went wrong; part of the bytes may have been written then.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        let range = offset..offset.saturating_add(bytes.len() as u64);
        Err(Error::new(ErrorKind::ReadOnly, "write", self.name()).range(range))
    }

    /// Makes the store `len` bytes long: cuts it off, or adds zeros.
    ///
    /// # Errors
    /// What went wrong.
    fn resize(&self, len: u64) -> Result<()> {
        let _ = len;
        Err(Error::new(ErrorKind::Unsupported, "resize", self.name()))
    }

    /// Returns when everything written before is where it lasts. Reports, once, every failure to write
    /// that no other call has reported.
    ///
    /// # Errors
    /// What went wrong. What had been written since the last success may be lost.
    fn sync(&self) -> Result<()> {
        Ok(())
    }

    /// What it can do, and what it is best asked for. Does not change.
    fn capabilities(&self) -> Capabilities;

    /// Does several reads, in any order and at the same time where that helps; each to its outcome, as
    /// [`read_full_at`](Self::read_full_at).
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        for request in requests {
            request.outcome = self.read_full_at(request.buf, request.offset);
        }
    }

    /// A name that no other object has: two stores with the same one show the same bytes, and a write
    /// through one is read through the other. A pager keeps one copy for them. A layer that changes no
    /// bytes passes on that of the store below.
    fn identity(&self) -> Option<String> {
        None
    }

    /// Names the content: another version has another name. A cache that outlasts the store goes by
    /// identity and version.
    fn version(&self) -> Option<String> {
        None
    }

    /// The bytes of a range, where they are in memory, and stay there as they are for as long as the store
    /// is borrowed: whoever needs them elsewhere copies them once. None says nothing.
    fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
        let _ = range;
        None
    }

    /// Reads until `buf` is full or the store ends; returns how many bytes were read.
    ///
    /// # Errors
    /// The first failure.
    fn read_full_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let rest = &mut buf[done..];
            let room = rest.len();
            let Some(position) = offset.checked_add(done as u64) else { break };
            match self.read_at(rest, position)? {
                0 => break,
                count if count > room => return Err(too_many(&self.name(), "read")),
                count => done += count,
            }
        }
        Ok(done)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The first failure; part of the bytes may have been written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let rest = &bytes[done..];
            let range = offset..offset.saturating_add(bytes.len() as u64);
            let Some(position) = offset.checked_add(done as u64) else {
                return Err(Error::new(ErrorKind::Invalid, "write", self.name()).range(range));
            };
            match self.write_at(rest, position)? {
                0 => {
                    let error = Error::new(ErrorKind::NoSpace, "write", self.name());
                    return Err(error.range(range).reason("it takes no more bytes"));
                }
                count if count > rest.len() => return Err(too_many(&self.name(), "write")),
                count => done += count,
            }
        }
        Ok(())
    }
}

fn too_many(store: &str, operation: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation, store)
        .reason("it claims more bytes than were asked for")
}

macro_rules! delegate {
    () => {
        fn name(&self) -> String {
            (**self).name()
        }
        fn len(&self) -> Result<u64> {
            (**self).len()
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
            (**self).read_at(buf, offset)
        }
        fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
            (**self).write_at(bytes, offset)
        }
        fn resize(&self, len: u64) -> Result<()> {
            (**self).resize(len)
        }
        fn sync(&self) -> Result<()> {
            (**self).sync()
        }
        fn capabilities(&self) -> Capabilities {
            (**self).capabilities()
        }
        fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
            (**self).read_many(requests);
        }
        fn version(&self) -> Option<String> {
            (**self).version()
        }
        fn bytes(&self, range: Range<u64>) -> Option<&[u8]> {
            (**self).bytes(range)
        }
    };
}

impl<S: Store + ?Sized> Store for Arc<S> {
    delegate!();

    /// That of the store, else one that clones of this `Arc` share.
    fn identity(&self) -> Option<String> {
        let own = || format!("address {:#x}", Arc::as_ptr(self).addr());
        (**self).identity().or_else(|| Some(own()))
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    delegate!();

    fn identity(&self) -> Option<String> {
        (**self).identity()
    }
}
