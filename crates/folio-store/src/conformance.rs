//! One suite of checks that every store passes: call it from a test of your store.
//!
//! [`Suite::new`] takes a function that makes a store holding given bytes; [`Suite::run`] makes some
//! dozen, of different lengths, and panics at the first rule that one of them breaks. The message
//! names the rule, what happened, the operations before it and the seed.
//!
//! ```
//! use std::sync::Arc;
//! use folio_store::{Capabilities, Cost, Result, Store, conformance};
//!
//! #[derive(Debug)]
//! struct Bytes(Vec<u8>);
//!
//! impl Store for Bytes {
//!     fn name(&self) -> String {
//!         "bytes".into()
//!     }
//!     fn len(&self) -> Result<u64> {
//!         Ok(self.0.len() as u64)
//!     }
//!     fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
//!         let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..));
//!         let rest = rest.unwrap_or_default();
//!         let count = buf.len().min(rest.len());
//!         buf[..count].copy_from_slice(&rest[..count]);
//!         Ok(count)
//!     }
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities::new(Cost::Memory).fixed_version(true)
//!     }
//! }
//!
//! conformance::Suite::new(|content: &[u8]| Bytes(content.to_vec())).contents(20_000).run();
//! ```
//!
//! What is checked is what [`store`](crate::store) promises and what the store's own
//! [`capabilities`](crate::Store::capabilities) claim: lengths; reads of every kind of range, aligned
//! and not, straddling the end, far behind it, ending behind the last u64; batches; writes inside,
//! across and behind the end; other lengths; sync; a random walk against a vector; reads and writes of
//! neighbouring ranges on several threads while the length changes; identity and version; the form
//! of errors.
//!
//! Invariants: the suite knows nothing about a store but its trait; the same seed does the same
//! operations (but for the order between threads); every operation on the store runs under
//! `catch_unwind`, so that its panics are reported like other broken rules. A store that never
//! returns hangs the suite.

mod caller;
mod checks;
mod probe;
mod random;
mod rule;
mod threads;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::caller::{Caller, text_of};
use self::probe::Probe;
use self::random::Random;
use crate::Store;

type Make<'a, S> = Box<dyn Fn(&[u8]) -> S + 'a>;
type Reopen<'a, S> = Box<dyn Fn(&S) -> S + 'a>;
type Change<'a, S> = Box<dyn Fn(&S) + 'a>;

/// A check of everything a store promises. See the [module](self).
pub struct Suite<'a, S> {
    make: Make<'a, S>,
    byte: Option<Box<dyn Fn(u64) -> u8 + 'a>>,
    reopen: Option<Reopen<'a, S>>,
    change: Option<Change<'a, S>>,
    max_bytes: usize,
    multiple: usize,
    lengths: Option<Vec<usize>>,
    steps: usize,
    seed: u64,
}

impl<S> fmt::Debug for Suite<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_bytes, multiple, lengths, steps, seed, .. } = self;
        f.debug_struct("Suite")
            .field("max_bytes", max_bytes)
            .field("multiple", multiple)
            .field("lengths", lengths)
            .field("steps", steps)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
}

impl<'a, S: Store> Suite<'a, S> {
    /// A suite for the stores that `make` makes: each holds the bytes it is given, and is another
    /// object than those before.
    pub fn new(make: impl Fn(&[u8]) -> S + 'a) -> Self {
        Self {
            make: Box::new(make),
            byte: None,
            reopen: None,
            change: None,
            max_bytes: 200_000,
            multiple: 1,
            lengths: None,
            steps: 300,
            seed: 0x000f_0110,
        }
    }

    /// The most bytes a store is made with; without it 200,000. A resizable store may be made some
    /// thousand bytes longer.
    #[must_use]
    pub fn contents(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// Stores are made with a multiple of `bytes` only, such as the sectors of a device.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn lengths_in(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "every length is a multiple of 1");
        self.multiple = bytes;
        self
    }

    /// Stores are made with these numbers of bytes only, such as that of a device.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn lengths(mut self, bytes: impl IntoIterator<Item = usize>) -> Self {
        let lengths = BTreeSet::from_iter(bytes);
        assert!(!lengths.is_empty(), "a store has some length");
        self.lengths = Some(lengths.into_iter().collect());
        self
    }

    /// Stores are made with this byte at each offset, instead of random ones: for those that cannot
    /// hold anything else.
    #[must_use]
    pub fn filled_by(mut self, byte: impl Fn(u64) -> u8 + 'a) -> Self {
        self.byte = Some(Box::new(byte));
        self
    }

    /// Opens the object of a store again, as after a restart: what was synced has to be there, under
    /// the same version.
    #[must_use]
    pub fn reopened_by(mut self, reopen: impl Fn(&S) -> S + 'a) -> Self {
        self.reopen = Some(Box::new(reopen));
        self
    }

    /// Changes the object behind a store's back: one that claims a fixed version has to go on with
    /// the same bytes, or with [`ErrorKind::Changed`](crate::ErrorKind::Changed).
    #[must_use]
    pub fn changed_by(mut self, change: impl Fn(&S) + 'a) -> Self {
        self.change = Some(Box::new(change));
        self
    }

    /// Steps of each random walk and of each thread; without it 300. Fewer for slow stores.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Where the random numbers start; without it, always at the same place.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks everything.
    ///
    /// # Panics
    /// At the first rule that is broken, with its name, what happened and the operations before.
    pub fn run(&self) {
        let sizes = match &self.lengths {
            Some(lengths) => lengths.clone(),
            None => checks::sizes(self.max_bytes, self.multiple),
        };
        let largest = sizes.last().copied().unwrap_or_default();
        for &size in &sizes {
            self.check("what it says of itself", size, |probe, _| {
                checks::what_it_says(&mut probe.caller);
            });
            self.check("reads", size, |probe, _| checks::reads(probe));
        }
        for size in BTreeSet::from([sizes[0], sizes[sizes.len() / 2], largest]) {
            self.check("batches", size, |probe, _| checks::batches(probe));
            self.check("writes", size, |probe, _| checks::writes(probe));
            self.check("lengths", size, |probe, _| checks::lengths(probe));
            self.check("a random walk", size, |probe, _| {
                checks::walk(probe, self.steps, largest);
            });
        }
        self.check("versions", largest, |probe, _| checks::versions(probe));
        self.check("threads", largest, |probe, store| {
            let size = probe.model.len();
            let caller = |stream| Caller::new(store, "threads", self.seed, stream, size);
            threads::disjoint(probe, caller, self.steps);
        });
        self.check("identities", largest, |probe, _| {
            let (other, content) = self.made(sizes[sizes.len() / 2], !self.seed);
            let caller = Caller::new(&other, "identities", self.seed, 0, content.len());
            checks::identities(probe, &mut Probe::new(caller, content));
        });
        if let Some(reopen) = &self.reopen {
            self.check("opening again", largest, |probe, _| checks::lasting(probe, reopen));
        }
        if let Some(change) = &self.change {
            self.check("changes", largest, |probe, _| checks::changed_behind(probe, change));
        }
    }

    fn made(&self, size: usize, seed: u64) -> (S, Vec<u8>) {
        let content = match &self.byte {
            Some(byte) => (0..size as u64).map(byte).collect(),
            None => Random::new(seed ^ size as u64).bytes(size),
        };
        match catch_unwind(AssertUnwindSafe(|| (self.make)(&content))) {
            Ok(store) => (store, content),
            Err(panic) => {
                panic!("no store of {size} bytes could be made: {}", text_of(&*panic))
            }
        }
    }

    fn check(
        &self,
        name: &'static str,
        size: usize,
        check: impl for<'s> FnOnce(&mut Probe<'s, S>, &'s S),
    ) {
        let (store, content) = self.made(size, self.seed);
        let caller = Caller::new(&store, name, self.seed, 0, size);
        check(&mut Probe::new(caller, content), &store);
    }
}
