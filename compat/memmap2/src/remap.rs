//! How a map is resized.

/// Options of `remap`: [`Mmap::remap`](crate::Mmap::remap) and the same of its kin.
#[derive(Copy, Clone, Default, Debug)]
pub struct RemapOptions {
    pub(crate) may_move: bool,
}

impl RemapOptions {
    /// The default: the map stays where it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the map may move to another address where it cannot be resized in place. If not,
    /// which is the default, a map that has no room to grow is an error.
    ///
    /// # With the feature `stable_deref_trait`
    /// `StableDeref` promises that a map's bytes stay where they are. A `remap` that may move breaks
    /// that promise: whoever calls it has to know that nobody relies on it.
    pub fn may_move(mut self, may_move: bool) -> Self {
        self.may_move = may_move;
        self
    }
}
