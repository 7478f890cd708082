//! What was published: a message of a broadcast, in its place in the segment.
//!
//! Where the publisher waits for the slowest subscriber, it is there until it is dropped. Where it waits for nobody,
//! it may be overwritten while it is read: so what was read counts if it is whole after that.
//!
//! ```
//! use folio_shm::Broadcast;
//!
//! let broadcast = Broadcast::options().create().memfd("frames")?;
//! let (mut publisher, mut subscriber) = (broadcast.publisher()?, broadcast.subscriber()?);
//! publisher.send(&[7; 1000])?;
//!
//! let frame = subscriber.recv_in_place()?;
//! let mut pixel = [0];
//! frame.read_at(500, &mut pixel)?; // of a large message, what one needs
//! assert!(frame.is_whole());
//! assert_eq!(pixel, [7]);
//! # Ok::<(), folio_shm::Error>(())
//! ```
#![allow(unsafe_code)]

use folio::View;

use crate::channel::cast::Next;
use crate::channel::link::RECEIVE;
use crate::channel::place::Place;
use crate::channel::subscriber::Lane;
use crate::error::{Error, ErrorKind, Result};
use crate::shared::{self, Shared};

/// A message of a broadcast in the segment. See the [module](self) documentation. Dropped, it has been received.
#[derive(Debug)]
pub struct Published<'a> {
    pub(crate) lane: &'a mut Lane,
    pub(crate) place: Option<&'a Place>,
    pub(crate) next: Next,
}

impl Published<'_> {
    /// Bytes of the message.
    #[must_use]
    pub fn len(&self) -> usize {
        self.next.slot.len() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages were lost before this one.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.next.lost
    }

    /// The bytes, to be read by copying. The publisher's process may change them still.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.lane.link.view(self.next.slot)
    }

    /// Copies bytes from position `at` of the message into `buf`.
    ///
    /// # Errors
    /// As [`Segment::read_at`](crate::Segment::read_at).
    pub fn read_at(&self, at: usize, buf: &mut [u8]) -> Result<()> {
        self.lane.link.read(self.next.slot, at, buf)
    }

    /// Whether what was read of it before this call is what was published: the publisher has not come round and
    /// written over it. Where subscribers hold it back it always is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lane.is_whole()
    }

    /// The message, copied.
    ///
    /// # Errors
    /// [`Overwritten`](ErrorKind::Overwritten) if it is not [whole](Self::is_whole) after that; otherwise as
    /// [`read_at`](Self::read_at).
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let bytes = self.view().to_vec().map_err(|error| self.lane.link.lost(RECEIVE, error))?;
        self.whole().map(|()| bytes)
    }

    /// The message as a value: a copy.
    ///
    /// # Errors
    /// [`Size`](ErrorKind::Size) if it has not as many bytes as the value; otherwise as
    /// [`to_vec`](Self::to_vec).
    pub fn value<T: Shared>(&self) -> Result<T> {
        self.lane.link.check_size(self.len(), size_of::<T>())?;
        let value = shared::value_of(|bytes| self.read_at(0, bytes))?;
        self.whole().map(|()| value)
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// As for [`Loan::as_mut_slice`](crate::Loan::as_mut_slice); and the publisher waits for this subscriber
    /// ([`hold_back`](crate::ChannelOptions::hold_back)).
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        let view = self.view();
        // SAFETY: as in `Loan::as_mut_slice`; an honest publisher that is held back writes to the slot only after
        // the head has passed it, which takes `self`.
        unsafe { std::slice::from_raw_parts(view.as_ptr(), view.len()) }
    }

    fn whole(&self) -> Result<()> {
        if self.is_whole() {
            return Ok(());
        }
        let what = self.lane.link.memory().segment().show();
        let reason = "the message was overwritten while it was read";
        Err(Error::new(ErrorKind::Overwritten, RECEIVE, what, reason).advice(
            "read faster, make the circle larger, or have subscribers hold the publisher back",
        ))
    }
}

impl Drop for Published<'_> {
    fn drop(&mut self) {
        // A forked child has it, too; and it is its parent's to give back.
        if self.place.is_none_or(Place::is_here) {
            self.lane.pass(self.next);
        }
    }
}
