//! A machine for models: the protocols of the crate as they are, on memory, processes and a kernel whose every order
//! a checker chooses. Which checker, its test says in a module `checker`.
//!
//! 1. [`kernel::run`] starts processes, each a thread of the checker's. One may be killed after so many of its steps: what
//!    others can see it do, each store and each wake-up. The thread unwinds, and nothing it does on its way out counts.
//! 2. Whoever sleeps is woken by others, or by time. Time passes when all sleep, and not before: so a run in which
//!    none was woken that should have been is one in which time passed ([`kernel::times_out`]), or, for those
//!    who sleep without an end, one that ends in a panic.
//! 3. A process that has ended, in whatever way, is dead, and those who watch it are told.
//!
//! What is replaced: segment, mark, watch and sleep, which are system calls for the most part. The bytes of messages lie
//! in memory that the checker does not see; tests/lane_model.rs is about those.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    reason = "each test uses a part"
)]

pub mod every_order;
pub mod kernel;
pub mod locks;
pub mod queue;
pub mod random;
pub mod sync;

#[path = "../../src/error.rs"]
pub mod error;
pub use error::{Error, ErrorKind};

#[path = "../../src/channel"]
pub mod channel {
    pub mod bell;
    pub mod buffer;
    pub mod cast;
    pub mod discard;
    pub mod lane;
    pub mod link;
    pub mod loan;
    pub mod message;
    pub mod place;
    pub mod publisher;
    pub mod readiness;
    pub mod receiver;
    pub mod sender;
    pub mod wait;

    pub mod memory {
        use std::sync::Arc;

        use super::bell::Bell;
        use super::lane::Words;
        use crate::model::segment::Segment;
        use crate::model::sync::{AtomicU32, AtomicU64};

        #[derive(Debug)]
        pub struct Memory(pub Segment);

        impl Memory {
            pub fn segment(&self) -> &Segment {
                &self.0
            }

            pub fn is_read_only(&self) -> bool {
                false
            }

            pub fn can_be_cut(&self) -> bool {
                false
            }

            pub fn address(&self, at: usize) -> *mut u8 {
                self.0.mapping().as_mut_ptr().wrapping_add(at)
            }

            pub fn word64(&self, at: usize) -> &AtomicU64 {
                self.0.word64(at).unwrap()
            }

            pub fn word32(&self, at: usize) -> &AtomicU32 {
                self.0.word32(at).unwrap()
            }

            pub(crate) fn bell(&self, at: usize) -> Bell<'_> {
                Bell { number: self.word32(at), asleep: self.word32(at + 4) }
            }
        }

        #[derive(Clone, Debug)]
        pub struct Circle {
            pub memory: Arc<Memory>,
            pub start: usize,
            pub size: u64,
        }

        impl Circle {
            pub fn place(&self, position: u64) -> usize {
                self.start + (position & (self.size - 1)) as usize
            }
        }

        impl Words for Circle {
            fn word(&self, position: u64) -> &AtomicU64 {
                self.memory.word64(self.place(position))
            }
        }
    }
}

#[path = "../../src/condition.rs"]
pub mod condition;
#[path = "../../src/mutex.rs"]
pub mod mutex;
#[path = "../../src/once.rs"]
pub mod once;
#[path = "../../src/thread.rs"]
pub mod thread;

pub mod header {
    pub const BYTES: usize = 0;
}

pub mod segment {
    use super::error::Result;
    use super::sync::{AtomicU32, AtomicU64};

    thread_local! {
        /// Bytes of messages. All runs of a test are on one thread.
        static BYTES: &'static folio::Mapping =
            Box::leak(Box::new(folio::Mapping::options().write().anonymous(4096).unwrap()));
    }

    #[derive(Debug)]
    pub struct Segment {
        words: Vec<Word>,
        bytes: &'static folio::Mapping,
    }

    #[derive(Debug)]
    enum Word {
        /// Eight bytes in one, and the low half of them for the kernel.
        Whole(AtomicU64, AtomicU32),
        Halves(AtomicU32, AtomicU32),
    }

    impl Segment {
        /// One of zeros, whose words at these positions are two of four bytes.
        pub fn new(len: usize, halves: &[usize]) -> Self {
            let word = |at| match halves.contains(&at) {
                true => Word::Halves(AtomicU32::new(0), AtomicU32::new(0)),
                false => {
                    let whole = AtomicU64::new(0);
                    let low = AtomicU32::low_half_of(&whole);
                    Word::Whole(whole, low)
                }
            };
            let words = (0..len).step_by(8).map(word).collect();
            Self { words, bytes: BYTES.with(|bytes| *bytes) }
        }

        pub fn word64(&self, at: usize) -> Result<&AtomicU64> {
            match &self.words[at / 8] {
                Word::Whole(whole, _) if at.is_multiple_of(8) => Ok(whole),
                _ => panic!("no word of 8 bytes at {at}"),
            }
        }

        pub fn word32(&self, at: usize) -> Result<&AtomicU32> {
            Ok(match (&self.words[at / 8], at % 8) {
                (Word::Halves(low, _) | Word::Whole(_, low), 0) => low,
                (Word::Halves(_, high), 4) => high,
                _ => panic!("no word of 4 bytes at {at}"),
            })
        }

        pub fn mapping(&self) -> &folio::Mapping {
            self.bytes
        }

        pub fn show(&self) -> String {
            "the model's".into()
        }

        pub fn is_of_this_namespace(&self) -> bool {
            true
        }

        pub fn whole(&self, _: &'static str) -> Result<()> {
            Ok(())
        }
    }
}

pub mod shared {
    use super::error::Result;
    pub use folio_shm::Shared;

    pub fn bytes_of<T: Shared>(_: &T) -> &[u8] {
        unimplemented!("models send bytes")
    }

    pub fn value_of<T: Shared>(_: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<T> {
        unimplemented!("models receive bytes")
    }
}

pub mod owner {
    pub use folio_shm::Life;
}

pub mod mark {
    use super::kernel;
    use super::owner::Life;

    pub const WAITED: u64 = 1 << 22;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Mark(pub u64);

    impl Mark {
        pub const NOBODY: Self = Self(0);

        pub fn this_process() -> Self {
            Self(1 << 23 | kernel::this_process())
        }

        pub fn pid(self) -> u32 {
            self.0 as u32 & 0xffff
        }

        #[must_use]
        pub fn plain(self) -> Self {
            Self(self.0 & !WAITED)
        }

        #[must_use]
        pub fn waited(self) -> Self {
            Self(self.0 | WAITED)
        }

        pub fn is_waited(self) -> bool {
            self.0 & WAITED != 0
        }

        pub fn life(self) -> Life {
            if kernel::is_dead(self.pid().into()) { Life::Dead } else { Life::Alive }
        }
    }
}

pub mod sleep {
    pub use super::kernel::{sleep, sleep_for};
    use std::time::Duration;

    pub const SHORT: Duration = Duration::from_millis(10);
    pub const LONG: Duration = Duration::from_millis(50);
}

pub mod watch {
    use std::fmt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::kernel;
    use super::mark::Mark;

    #[derive(Debug)]
    pub struct Watched {
        key: u64,
        death: Arc<Death>,
    }

    pub struct Then(pub Box<dyn Fn() + Send>);

    impl fmt::Debug for Then {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Then(..)")
        }
    }

    #[derive(Debug, Default)]
    pub struct Death(pub AtomicBool);

    impl Death {
        pub fn has_come(&self) -> bool {
            let has_come = self.0.load(Ordering::Relaxed);
            if has_come {
                kernel::see_deaths();
            }
            has_come
        }
    }

    impl Watched {
        pub fn new(mark: Mark) -> Option<Self> {
            Self::and_then(mark, None)
        }

        pub fn and_then(mark: Mark, then: Option<Then>) -> Option<Self> {
            let death = Arc::<Death>::default();
            let key = kernel::watch(mark.pid().into(), death.clone(), then)?;
            Some(Self { key, death })
        }

        pub fn death(&self) -> &Death {
            &self.death
        }

        /// Nobody makes rounds: who is not woken sleeps for ever.
        pub fn slumber(&self, sleep: impl FnOnce()) -> bool {
            sleep();
            true
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            kernel::unwatch(self.key);
        }
    }
}
