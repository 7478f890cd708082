//! Asking: what a thread holds of budgets while it waits for a store.
//!
//! A store may touch other mappings of the same pager, which need room in the same budget. When every
//! operation that holds some of it waits, through its store, for more, none will ever end: the one that
//! finds that out fails, with a reason that says so, and the others go on.
//!
//! Invariant: for each entry here that names a pager, one operation is under way in its ledger.

use std::cell::RefCell;

use crate::core::Core;

thread_local! {
    /// The pagers whose stores this thread is asking, by address, the outermost first.
    static ASKED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Asks a store of `core`, as part of an operation that is under way there.
pub(crate) fn asking<R>(core: &Core, ask: impl FnOnce() -> R) -> R {
    struct Asked(bool);
    impl Drop for Asked {
        fn drop(&mut self) {
            if self.0 {
                let _ = ASKED.try_with(|asked| asked.borrow_mut().pop());
            }
        }
    }
    let address = core::ptr::from_ref(core).addr();
    let _asked = Asked(ASKED.try_with(|asked| asked.borrow_mut().push(address)).is_ok());
    ask()
}

/// Operations of `core` that wait for what this thread does.
pub(crate) fn held(core: &Core) -> usize {
    let address = core::ptr::from_ref(core).addr();
    ASKED
        .try_with(|asked| asked.borrow().iter().filter(|asked| **asked == address).count())
        .unwrap_or(0)
}
