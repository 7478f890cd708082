//! Visits: operations on a region's addresses by threads that are not touching them.
//!
//! The addresses stay mapped while there are any: whoever closes the region waits for the last one.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::region::Region;
use crate::sys;

/// Keeps a region from being closed.
pub(crate) struct Visit(Arc<Region>);

impl Drop for Visit {
    fn drop(&mut self) {
        if self.0.visitors.fetch_sub(1, SeqCst) == 1 && self.0.closed.load(SeqCst) {
            sys::wake(&self.0.visitors);
        }
    }
}

impl Region {
    /// Announces an operation on the addresses; none begins once the region is closing.
    pub(crate) fn visit(self: &Arc<Self>) -> Option<Visit> {
        // In one order with what `close` does: either it sees the visitor, or the visitor sees it.
        self.visitors.fetch_add(1, SeqCst);
        let visit = Visit(self.clone());
        (!self.closed.load(SeqCst)).then_some(visit)
    }
}
