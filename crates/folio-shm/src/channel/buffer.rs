//! The buffer: memory of a receiver's own, for copies of messages that cannot stay where they are.
#![allow(unsafe_code)]

use folio::{Mapping, View};

use crate::channel::link::RECEIVE;
use crate::error::{Error, Result};

/// Room for one message.
#[derive(Debug)]
pub(crate) struct Buffer(Mapping);

impl Buffer {
    /// With room for the longest message.
    pub(crate) fn new(longest: usize) -> Result<Self> {
        let mapping = Mapping::options().private().write().anonymous(longest.max(1));
        mapping.map(Self).map_err(|error| Error::mapping(RECEIVE, "a queue", error))
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the memory is private and anonymous (mmap(2)): no process but this one has it, and a forked child
        // has its own. Here it is reached through `self` alone, which is borrowed, and through views that borrow it.
        unsafe { self.0.as_mut_slice() }
    }

    /// Its first `len` bytes, which are no more than the longest message.
    pub(crate) fn view(&self, len: usize) -> View<'_> {
        self.0.view().range(..len).expect("it has room for any message")
    }
}
