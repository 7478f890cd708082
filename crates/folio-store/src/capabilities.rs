//! What a store can do, and what it is best asked for.
//!
//! ```
//! use folio_store::{Capabilities, Cost};
//!
//! let far = Capabilities::new(Cost::Network).granule(1 << 20).fixed_version(true);
//! assert!(far.is_fixed_version() && !far.is_writable());
//! assert_eq!(far.concurrency_or_default(), 16);
//! ```

/// What one read of a store costs, roughly.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// A copy: well under 10 µs. The store does not wait.
    Memory,
    /// A local disk or another process: 10 µs to some milliseconds.
    Local,
    /// Another machine: milliseconds to seconds.
    Network,
}

/// What a store can do, and what it is best asked for.
///
/// Hints, but for three promises, which no store makes unless it says so:
/// [`is_fixed_version`](Self::is_fixed_version), [`is_infallible`](Self::is_infallible), and that it does
/// not [touch mappings](Self::touches_mappings). Sizes are in bytes and powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    cost: Cost,
    alignment_bytes: u32,
    granule_bytes: u32,
    concurrency: u16,
    writable: bool,
    resizable: bool,
    fixed_version: bool,
    infallible: bool,
    touches_mappings: bool,
}

impl Capabilities {
    /// Those of a store that can only be read, byte by byte if need be.
    #[must_use]
    pub const fn new(cost: Cost) -> Self {
        Self {
            cost,
            alignment_bytes: 1,
            granule_bytes: 0,
            concurrency: 0,
            writable: false,
            resizable: false,
            fixed_version: false,
            infallible: false,
            touches_mappings: true,
        }
    }

    /// What one read costs.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// The same of a store whose reads cost at least as much as `cost`: a layer's that waits or that
    /// hands calls to another thread.
    #[must_use]
    pub const fn at_least(mut self, cost: Cost) -> Self {
        if (self.cost as u8) < cost as u8 {
            self.cost = cost;
        }
        self
    }

    /// The multiple that offsets, lengths and buffers' addresses should have. Others work too, and
    /// cost a copy or a second read.
    #[must_use]
    pub const fn alignment_bytes(&self) -> u32 {
        self.alignment_bytes
    }

    /// Sets [`alignment_bytes`](Self::alignment_bytes).
    ///
    /// # Panics
    /// If it is not a power of two.
    #[must_use]
    pub const fn alignment(mut self, bytes: u32) -> Self {
        assert!(bytes.is_power_of_two(), "an alignment is a power of two");
        self.alignment_bytes = bytes;
        self
    }

    /// The number of bytes that is best read at once: where more cost little more.
    #[must_use]
    pub const fn granule_bytes(&self) -> u32 {
        match (self.granule_bytes, self.cost) {
            (0, Cost::Memory) => 4 << 10,
            (0, Cost::Local) => 16 << 10,
            (0, Cost::Network) => 1 << 20,
            (bytes, _) => bytes,
        }
    }

    /// Sets [`granule_bytes`](Self::granule_bytes). Without it, that goes by the cost.
    ///
    /// # Panics
    /// If it is not a power of two.
    #[must_use]
    pub const fn granule(mut self, bytes: u32) -> Self {
        assert!(bytes.is_power_of_two(), "a granule is a power of two");
        self.granule_bytes = bytes;
        self
    }

    /// How many requests at a time make it faster.
    #[must_use]
    pub const fn concurrency_or_default(&self) -> u16 {
        match (self.concurrency, self.cost) {
            (0, Cost::Memory) => 1,
            (0, Cost::Local) => 8,
            (0, Cost::Network) => 16,
            (requests, _) => requests,
        }
    }

    /// Sets [`concurrency_or_default`](Self::concurrency_or_default).
    #[must_use]
    pub const fn concurrency(mut self, requests: u16) -> Self {
        self.concurrency = requests;
        self
    }

    /// Whether [`Store::write_at`](crate::Store::write_at) and `sync` work.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Sets [`is_writable`](Self::is_writable).
    #[must_use]
    pub const fn writable(mut self, yes: bool) -> Self {
        self.writable = yes;
        self
    }

    /// Whether [`Store::resize`](crate::Store::resize) works.
    #[must_use]
    pub const fn is_resizable(&self) -> bool {
        self.resizable
    }

    /// Sets [`is_resizable`](Self::is_resizable).
    #[must_use]
    pub const fn resizable(mut self, yes: bool) -> Self {
        self.resizable = yes;
        self
    }

    /// Whether a byte that was read once reads the same for as long as the store exists, or is an
    /// error ([`ErrorKind::Changed`](crate::ErrorKind::Changed)). Slices of paged mappings rest on it:
    /// a store that breaks the promise changes bytes that the language takes for constant.
    #[must_use]
    pub const fn is_fixed_version(&self) -> bool {
        self.fixed_version
    }

    /// Sets [`is_fixed_version`](Self::is_fixed_version).
    #[must_use]
    pub const fn fixed_version(mut self, yes: bool) -> Self {
        self.fixed_version = yes;
        self
    }

    /// Whether no read within the length fails, ever: the bytes are in this process. What is shown of
    /// other stores as a slice has to be kept somewhere, since it may not come again.
    #[must_use]
    pub const fn is_infallible(&self) -> bool {
        self.infallible
    }

    /// Sets [`is_infallible`](Self::is_infallible).
    #[must_use]
    pub const fn infallible(mut self, yes: bool) -> Self {
        self.infallible = yes;
        self
    }

    /// Whether its calls may touch mappings that can fault: those of files, or paged ones. That is taken
    /// for granted until a store denies it, and costs a pager four system calls at each fault.
    #[must_use]
    pub const fn touches_mappings(&self) -> bool {
        self.touches_mappings
    }

    /// Sets [`touches_mappings`](Self::touches_mappings). A store that denies it and does so may end the
    /// process.
    #[must_use]
    pub const fn touching_mappings(mut self, yes: bool) -> Self {
        self.touches_mappings = yes;
        self
    }
}
