//! Stores over compressed bytes that can be read anywhere: seekable zstd, and bgzip.
//!
//! [`ZstdStore`] shows what a file of seekable zstd decompresses to, wherever that file lies: the
//! store below may be a local file, or an object on another continent. A read decodes the frames it
//! needs and no others. [`pack()`] writes such files; `zstd -d` reads them as any other. With the
//! feature `bgzf`, `BgzfStore` does the same for what bgzip writes.
//!
//! ```
//! use folio_store::Store;
//! use folio_store_zstd::{FRAME_BYTES, LEVEL, ZstdStore, pack};
//! # struct Memory(Vec<u8>);
//! # impl Store for Memory {
//! #     fn name(&self) -> String { "memory".into() }
//! #     fn len(&self) -> folio_store::Result<u64> { Ok(self.0.len() as u64) }
//! #     fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
//! #         let rest = self.0.get(offset as usize..).unwrap_or_default();
//! #         let count = buf.len().min(rest.len());
//! #         buf[..count].copy_from_slice(&rest[..count]);
//! #         Ok(count)
//! #     }
//! #     fn capabilities(&self) -> folio_store::Capabilities {
//! #         folio_store::Capabilities::new(folio_store::Cost::Memory)
//! #     }
//! # }
//!
//! let text = "all work and no play\n".repeat(10_000);
//! let mut packed = Vec::new();
//! pack(text.as_bytes(), &mut packed, FRAME_BYTES, LEVEL, |_| ())?;
//! assert!(packed.len() < text.len() / 100);
//!
//! let store = ZstdStore::open(Memory(packed))?;
//! assert_eq!(store.len()?, 210_000);
//! let mut word = [0; 4];
//! store.read_full_at(&mut word, 200_004)?;
//! assert_eq!(&word, b"all ");
//! assert_eq!(store.decoded_frames(), 1);
//! # Ok::<(), folio_store::Error>(())
//! ```
//!
//! Invariants:
//! - Nothing that the bytes below say is believed: no offset, count or length of theirs leads to a
//!   panic, to memory that is not bounded by how many bytes there are, or to bytes whose checksum is
//!   wrong. What does not fit together is [`ErrorKind::Corrupt`](folio_store::ErrorKind::Corrupt).
//! - No lock is held while a frame is read or decoded. Of several threads that need the same frame,
//!   one decodes it.

mod cache;
pub mod format;
mod frames;
mod framestore;
pub mod pack;
mod seektable;
pub mod zstd;

#[cfg(feature = "bgzf")]
pub mod bgzf;

#[cfg(feature = "bgzf")]
#[doc(inline)]
pub use bgzf::BgzfStore;
#[doc(inline)]
pub use format::Format;
#[doc(inline)]
pub use pack::{FRAME_BYTES, LEVEL, Packed, pack};
#[doc(inline)]
pub use zstd::{MAX_FRAME_BYTES, ZstdStore};
