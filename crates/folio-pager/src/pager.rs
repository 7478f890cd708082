//! A pager: many mappings, one budget.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use folio::Advice;
use folio_stat::Paging;
use folio_store::{Capabilities, Cost, Store};

use crate::Budget;
use crate::core::{Core, Object};
use crate::error::{Error, ErrorKind, Result};
use crate::keep::over_temporary_file;
use crate::load::RUN_BYTES;
use crate::mechanism::MOST_SPLIT;
use crate::paged::{Mapped, Paged, PagedMut, unsupported};
use crate::readahead::Pattern;
use crate::region::{Plan, Region, Way};
use crate::sys::PAGE;
use crate::{lock, sys};

/// Maps stores, in no more memory than its budget allows. Clones are the same pager.
#[derive(Clone)]
pub struct Pager {
    core: Arc<Core>,
}

impl Pager {
    /// A pager with a budget.
    ///
    /// # Errors
    /// [`ErrorKind::Budget`] for a budget of less than two pages.
    pub fn new(budget: Budget) -> Result<Self> {
        if budget.limit_bytes() < 2 * PAGE as u64 {
            let reason = format!("a budget of {} bytes holds no two pages", budget.limit_bytes());
            return Err(Error::new(ErrorKind::Budget, "make", "a pager", reason)
                .advice("allow at least 8192 bytes"));
        }
        Ok(Self { core: Core::new(budget) })
    }

    /// Maps all of a store, for reading.
    ///
    /// # Errors
    /// As [`MapOptions::map`].
    pub fn map(&self, store: impl Store + 'static) -> Result<Paged> {
        self.options().map(store)
    }

    /// Maps a store in another way.
    pub fn options(&self) -> MapOptions<'_> {
        MapOptions {
            pager: self,
            granule_bytes: None,
            offset: 0,
            length: None,
            spill: None,
            advice: None,
        }
    }

    /// The budget; without userfaultfd no more than 16 GiB of it.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.core.budget
    }

    /// Bytes that are charged to the budget now: resident pages, pages on standby, and buffers. Never
    /// more than the limit.
    #[must_use]
    pub fn charged_bytes(&self) -> u64 {
        lock(&self.core.ledger).charged
    }

    /// What all its mappings cost so far.
    #[must_use]
    pub fn statistics(&self) -> Paging {
        self.core.counters.statistics()
    }

    /// How pages are filled here, in a few words: `"userfaultfd"`, or what stands in for it.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        self.core.mechanism.words()
    }
}

impl fmt::Debug for Pager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager")
            .field("budget", &self.core.budget)
            .field("mechanism", &self.mechanism())
            .finish_non_exhaustive()
    }
}

/// How a store is to be mapped.
#[derive(Clone, Debug)]
#[must_use]
pub struct MapOptions<'a> {
    pager: &'a Pager,
    granule_bytes: Option<usize>,
    offset: u64,
    length: Option<usize>,
    spill: Option<PathBuf>,
    advice: Option<Advice>,
}

/// What is to be mapped, and what its store has said about it.
struct Asked {
    name: String,
    store: Arc<dyn Store>,
    capabilities: Capabilities,
    len: u64,
    way: Way,
    pattern: Option<Pattern>,
}

impl MapOptions<'_> {
    /// Loads and evicts so many bytes at a time: a power of two, 4 KiB to 2 MiB. By default what is best
    /// for the store, and at most an eighth of the budget. Where the same object is mapped already, its
    /// granule stays; without userfaultfd it is at least an 8192th of the budget.
    pub fn granule(mut self, bytes: usize) -> Self {
        self.granule_bytes = Some(bytes);
        self
    }

    /// Says how the bytes are going to be touched, as [`Paged::advise`] does, in time for the granule to go
    /// by it: for `Sequential` it is as large as may be, 2 MiB (which the kernel moves in one piece), and
    /// for `Random` access to a store that is near as small as may be.
    pub fn advice(mut self, advice: Advice) -> Self {
        self.advice = Some(advice);
        self
    }

    /// Shows the store from this offset on. Any will do.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Shows so many bytes; by default all up to the end.
    pub fn length(mut self, bytes: usize) -> Self {
        self.length = Some(bytes);
        self
    }

    /// Maps a store for reading.
    ///
    /// # Errors
    /// [`ErrorKind::Fault`] where the store cannot be asked for its length, [`ErrorKind::OutOfRange`] for
    /// a range that does not lie within it, [`ErrorKind::Budget`] if the budget holds no two granules,
    /// [`ErrorKind::Invalid`] for a granule that is none, [`ErrorKind::Unsupported`] for an object that is
    /// longer than addresses reach, in a forked child, and where no more mappings can be watched,
    /// [`ErrorKind::Os`] where the kernel has no addresses.
    pub fn map(self, store: impl Store + 'static) -> Result<Paged> {
        let (mapped, range) = self.mapped(store.name(), Arc::new(store), Way::Read)?;
        Ok(Paged::new(mapped, range))
    }

    /// Maps a store for reading and writing; changes are written back to it.
    ///
    /// # Errors
    /// As [`map`](Self::map); [`ErrorKind::ReadOnly`] for a store that cannot be written,
    /// [`ErrorKind::NotStable`] where a slice of the same object has been given out.
    pub fn shared(self, store: impl Store + 'static) -> Result<PagedMut> {
        if !store.capabilities().is_writable() {
            let reason = "its store can only be read";
            return Err(Error::new(ErrorKind::ReadOnly, "map", store.name(), reason)
                .advice("map it private, or for reading"));
        }
        let (mapped, range) = self.mapped(store.name(), Arc::new(store), Way::Shared)?;
        Ok(PagedMut::new(mapped, range))
    }

    /// Keeps what private mappings, snapshots and slices have no room for in a file in this directory; by
    /// default the one for temporary files ([`std::env::temp_dir`]). The file has no name.
    pub fn spill_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.spill = Some(path.into());
        self
    }

    /// Maps a store for reading and writing; changes stay with the mapping. What exceeds the budget goes
    /// to a temporary file.
    ///
    /// # Errors
    /// As [`map`](Self::map); [`ErrorKind::Fault`] where no temporary file can be made.
    pub fn private(self, store: impl Store + 'static) -> Result<PagedMut> {
        let name = store.name();
        let over = Arc::new(over_temporary_file(store, self.spill.as_deref())?);
        let (mapped, range) = self.mapped(name, over, Way::Private)?;
        Ok(PagedMut::new(mapped, range))
    }

    /// Maps a store for reading, and loads each byte of it once: it is kept, in a temporary file where
    /// the budget has no room. So the bytes do not change once they have been seen, and can be had as a
    /// slice ([`Paged::as_slice`]), whatever others do to the store. They need not be of one moment: each
    /// granule is as it was when it was first touched.
    ///
    /// # Errors
    /// As [`private`](Self::private).
    pub fn snapshot(self, store: impl Store + 'static) -> Result<Paged> {
        let name = store.name();
        let over = Arc::new(over_temporary_file(store, self.spill.as_deref())?);
        let (mapped, range) = self.mapped(name, over, Way::Snapshot)?;
        Ok(Paged::new(mapped, range))
    }

    fn mapped(
        &self,
        name: String,
        store: Arc<dyn Store>,
        way: Way,
    ) -> Result<(Arc<Mapped>, std::ops::Range<usize>)> {
        if !self.pager.core.is_here() {
            return Err(Error::in_a_child("map", &name));
        }
        let pattern =
            self.advice.map(|advice| Pattern::of(advice).ok_or_else(|| unsupported(advice, &name)));
        let pattern = pattern.transpose()?;
        let len = store.len().map_err(|error| Error::store("map", error))?;
        let range = self.range_within(len, &name)?;
        let identity = store.identity().filter(|_| matches!(way, Way::Read | Way::Shared));
        let capabilities = store.capabilities();
        // The store is asked for nothing more: from here on locks are held.
        let asked = Asked { name, store, capabilities, len, way, pattern };
        let mapped = match identity {
            Some(identity) => self.one_of_all(identity, asked)?,
            None => Arc::new(Mapped::new(self.region(asked)?)),
        };
        if let Some(pattern) = pattern {
            lock(&mapped.region().streams).pattern = pattern;
        }
        Ok((mapped, range))
    }

    /// The mapping that an object has already, or a new one.
    fn one_of_all(&self, identity: String, asked: Asked) -> Result<Arc<Mapped>> {
        let core = &self.pager.core;
        // Of another length it is another object. If this is the last handle, it closes the mapping, for
        // which the lock must be free.
        let _other;
        let (mut objects, known) = loop {
            let objects = lock(&core.objects);
            let Some(object) = objects.get(&identity) else { break (objects, None) };
            match object.mapped.upgrade() {
                // What was written to it may still be on its way to the store.
                None if object.closed.load(Ordering::Acquire) == 0 => {
                    let closed = object.closed.clone();
                    drop(objects);
                    sys::wait(&closed, 0);
                }
                known => break (objects, known),
            }
        };
        Ok(match known {
            Some(mapped) if mapped.region().len == asked.len => {
                if asked.way == Way::Shared
                    && !mapped
                        .region()
                        .make_writable(asked.store, asked.capabilities.touches_mappings())
                {
                    let name = mapped.region().name.as_str();
                    let reason = "slices of it may be in use";
                    return Err(Error::new(ErrorKind::NotStable, "map", name, reason)
                        .advice("map it for writing before a slice of it is asked for"));
                }
                mapped
            }
            other => {
                _other = other;
                let mapped = Arc::new(Mapped::new(self.region(asked)?));
                objects.retain(|_, object| object.closed.load(Ordering::Acquire) == 0);
                let object =
                    Object { mapped: Arc::downgrade(&mapped), closed: mapped.closed.clone() };
                objects.insert(identity, object);
                mapped
            }
        })
    }

    fn range_within(&self, len: u64, name: &str) -> Result<std::ops::Range<usize>> {
        let end = match self.length {
            Some(length) => self.offset.checked_add(length as u64),
            None => Some(len.max(self.offset)),
        };
        let within = end.filter(|end| *end <= len && self.offset <= len);
        let within = within
            .and_then(|end| Some(usize::try_from(self.offset).ok()?..usize::try_from(end).ok()?));
        within.ok_or_else(|| {
            let asked = match self.length {
                Some(length) => format!("{} bytes from {} on do", length, self.offset),
                None => format!("offset {} does", self.offset),
            };
            let reason = format!("{asked} not lie within its {len} bytes");
            Error::new(ErrorKind::OutOfRange, "map", name, reason)
        })
    }

    fn region(&self, asked: Asked) -> Result<(Arc<Region>, folio::pagehook::PageHook)> {
        let core = &self.pager.core;
        let limit = core.budget.limit_bytes();
        let granule = match self.granule_bytes {
            Some(bytes) if bytes.is_power_of_two() && (PAGE..=RUN_BYTES).contains(&bytes) => {
                bytes.max(self.least_granule(limit))
            }
            Some(bytes) => {
                let reason =
                    format!("a granule of {bytes} bytes is no power of two, 4096 to 2097152");
                return Err(Error::new(ErrorKind::Invalid, "map", asked.name, reason));
            }
            None => self.best_granule(&asked, limit),
        };
        let pinned = lock(&core.ledger).pinned_bytes;
        if 4 * granule as u64 > limit - pinned.min(limit)
            && (pinned > 0 || 2 * granule as u64 > limit)
        {
            let reason = match pinned {
                0 => format!("a budget of {limit} bytes holds no two granules of {granule}"),
                _ => format!(
                    "{pinned} of {limit} bytes are pinned, which leaves too few for granules of {granule}"
                ),
            };
            return Err(Error::new(ErrorKind::Budget, "map", asked.name, reason)
                .advice("raise the budget, or take smaller granules"));
        }
        let Asked { name, store, capabilities, len, way, .. } = asked;
        let spill = self.spill.clone();
        Region::new(core, Plan { store, name, capabilities, granule, len, way, spill })
    }

    /// Each resident granule may be mappings of its own, of which the kernel gives a process 65,530.
    fn least_granule(&self, limit: u64) -> usize {
        match self.pager.core.mechanism.splits_mappings() {
            true => (limit / MOST_SPLIT).next_power_of_two().clamp(PAGE as u64, RUN_BYTES as u64)
                as usize,
            false => PAGE,
        }
    }

    fn best_granule(&self, asked: &Asked, limit: u64) -> usize {
        let below = |bytes: u64| 1_u64 << bytes.max(1).ilog2();
        let capabilities = &asked.capabilities;
        let granule = match (asked.pattern, capabilities.cost()) {
            (Some(Pattern::Sequential), _) => RUN_BYTES as u64,
            (Some(Pattern::Random), Cost::Memory | Cost::Local) => {
                u64::from(capabilities.alignment_bytes())
            }
            _ => u64::from(capabilities.granule_bytes()),
        };
        let granule = granule.max(self.least_granule(limit) as u64);
        let whole = asked.len.max(1).checked_next_power_of_two().unwrap_or(u64::MAX);
        let free = limit - lock(&self.pager.core.ledger).pinned_bytes.min(limit);
        let most = below(free / 8).min(whole);
        granule.min(most).clamp(PAGE as u64, RUN_BYTES as u64) as usize
    }
}
