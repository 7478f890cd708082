//! Shared memory between processes, on [`folio`]: segments that are checked before they are used, and
//! that nobody who shares them can make this process crash with.
//!
//! ```
//! use folio_shm::Segment;
//!
//! # let name = format!("folio-doc-lib-{}", std::process::id());
//! let segment = Segment::options().create().size(1 << 20).unlink_on_last_close().open(&name)?;
//! segment.write_at(0, b"for whoever opens it")?;
//! # Ok::<(), folio_shm::Error>(())
//! ```
//!
//! - [`Segment`]: named, in a file, or with nothing but a descriptor. Made whole or not at all, its space
//!   reserved, its header checked.
//! - [`list()`] and [`gc()`]: what is in /dev/shm, and what dead processes left there.
//! - [`Queue`]: messages, from one or many senders to one or many receivers; one gets each.
//! - [`Broadcast`]: messages from one publisher to many subscribers; each gets each.
//! - [`Journal`]: messages that stay, in files.
//! - [`Mutex`], [`Condition`], [`Once`]: between processes, whose death is an error value to the next.
//! - [`Shared`], [`RelPtr`]: values and pointers that mean the same in every process.
//! - [`send_fd`] and [`recv_fd`]: descriptors of segments, from process to process.
//! - [`SysV`]: segments of old programs.
//! - [`Owner`]: a process, told from a later one with its number.
//!
//! # What a peer can do
//!
//! Whoever may write to a segment may write anything, at any time, and may die at any instruction.
//!
//! | a peer | and this process |
//! | --- | --- |
//! | changes bytes while they are read | has a copy, checked after it was made; slices are `unsafe` |
//! | writes a length or a position that cannot be | gets an error, [`ErrorKind::Scribbled`] |
//! | writes to a word again and again | looks at it a bounded number of times |
//! | cuts the segment, or punches a hole into it | gets [`ErrorKind::Truncated`], or zeros; never a signal |
//! | fills /dev/shm | has its memory already, or an error when it asks for it |
//! | is killed while it makes a segment | finds none, and makes it |
//! | is killed with a lock | gets the lock, and word of it |
//! | is killed with a message half written, or half read | gets all before it; the next one reads it again |
//! | stops for good without dying | waits no longer than it has said, but for the mutex that a condition's wait takes again |
//! | makes up messages, or takes others' | cannot tell: who must not, is given the segment read-only, or not at all |
//!
//! # Features
//!
//! - `derive`: `#[derive(Shared)]`.
//! - `tokio`: messages to await.

pub mod channel;
pub mod condition;
pub mod error;
pub mod fd;
pub mod gc;
mod header;
pub mod journal;
mod make;
mod mark;
pub mod mutex;
mod name;
pub mod once;
pub mod options;
pub mod owner;
mod publish;
#[cfg(all(doctest, feature = "derive"))]
mod refused;
pub mod segment;
pub mod shared;
mod sleep;
mod slumber;
#[cfg(test)]
mod slumber_tests;
mod space;
mod sync;
pub mod sysv;
mod thread;
mod watch;
mod words;

#[cfg(feature = "tokio")]
#[doc(inline)]
pub use channel::asynchronous::{AsyncPublisher, AsyncReceiver, AsyncSender, AsyncSubscriber};
#[doc(inline)]
pub use channel::broadcast::{Broadcast, BroadcastStat};
#[doc(inline)]
pub use channel::loan::Loan;
#[doc(inline)]
pub use channel::message::Message;
#[doc(inline)]
pub use channel::options::{Channel, ChannelOptions};
#[doc(inline)]
pub use channel::published::Published;
#[doc(inline)]
pub use channel::publisher::Publisher;
#[doc(inline)]
pub use channel::queue::{Queue, QueueStat};
#[doc(inline)]
pub use channel::receiver::Receiver;
#[doc(inline)]
pub use channel::sender::Sender;
#[doc(inline)]
pub use channel::subscriber::Subscriber;
#[doc(inline)]
pub use channel::traffic::Traffic;
#[doc(inline)]
pub use channel::wait::Waiting;
#[doc(inline)]
pub use condition::Condition;
#[doc(inline)]
pub use error::{Error, ErrorKind, Result};
#[doc(inline)]
pub use fd::{recv_fd, send_fd};
#[doc(inline)]
pub use gc::{Found, Kind, Usage, gc, list};
#[doc(inline)]
pub use journal::{Appender, Entry, Journal, JournalOptions, JournalReader, JournalStat, Start};
#[doc(inline)]
pub use mutex::{Guard, LockError, Mutex};
#[doc(inline)]
pub use once::{Attempt, Once};
#[doc(inline)]
pub use options::SegmentOptions;
#[doc(inline)]
pub use owner::{Life, Owner};
#[doc(inline)]
pub use segment::Segment;
#[doc(inline)]
pub use shared::{RelPtr, Shared};
#[doc(inline)]
pub use sysv::{SysV, SysVStat};

#[cfg(feature = "derive")]
pub use folio_shm_derive::Shared;

#[doc(no_inline)]
pub use folio::{HugePage, Seals};
