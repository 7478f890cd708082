//! Packing: bytes into seekable zstd.
//!
//! Frames of one length, each with its checksum, and at the end a seek table that has the checksums
//! too. Any reader of zstd decompresses it; a [`ZstdStore`](crate::ZstdStore) reads it anywhere.
//!
//! ```
//! use folio_store_zstd::{FRAME_BYTES, pack};
//! let mut packed = Vec::new();
//! let done = pack(&[7; 200_000][..], &mut packed, FRAME_BYTES, 19, |_| ())?;
//! assert_eq!((done.read_bytes, done.frames), (200_000, 4));
//! assert_eq!(done.written_bytes, packed.len() as u64);
//! # Ok::<(), folio_store::Error>(())
//! ```

use std::io::{self, Read, Write};

use folio_store::{Error, ErrorKind, Result};
use zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

use crate::seektable::{Entries, MAX_FRAMES};
use crate::zstd::MAX_FRAME_BYTES;

/// Bytes in a frame, unless there is a reason for others: 64 KiB. Larger ones pack better, and more
/// is decoded for one byte.
pub const FRAME_BYTES: u32 = 64 << 10;

/// The level of compression, unless there is a reason for another.
pub const LEVEL: i32 = 3;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// Bytes that were packed.
    pub read_bytes: u64,
    /// Bytes they take now, seek table included.
    pub written_bytes: u64,
    /// Frames they lie in.
    pub frames: u32,
}

/// Packs all that `reader` has, and writes it to `writer`, in frames of `frame_bytes`, at a `level`
/// from 1 to 22 (below 1: faster still, and larger). After each frame it calls `progress` with the
/// bytes read so far. Writes whole frames, and flushes at the end.
///
/// # Errors
/// [`ErrorKind::Invalid`] for frames of no bytes or of more than [`MAX_FRAME_BYTES`], and for more
/// bytes than the format counts: 128 Mi frames; what the reader fails with, as reading "the input", and
/// the writer, as writing "the output".
pub fn pack(
    mut reader: impl Read,
    mut writer: impl Write,
    frame_bytes: u32,
    level: i32,
    mut progress: impl FnMut(u64),
) -> Result<Packed> {
    let invalid =
        |reason: &'static str| Error::new(ErrorKind::Invalid, "pack", INPUT).reason(reason);
    if frame_bytes == 0 || u64::from(frame_bytes) > MAX_FRAME_BYTES {
        return Err(invalid("a frame has at least a byte, and at most 64 MiB"));
    }
    let no_memory = || Error::new(ErrorKind::Io, "pack", INPUT).reason("no memory for it");
    let encoder = |code| Error::new(ErrorKind::Io, "pack", INPUT).reason(get_error_name(code));
    let mut context = CCtx::try_create().ok_or_else(no_memory)?;
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(encoder)?;
    context.set_parameter(CParameter::ChecksumFlag(true)).map_err(encoder)?;

    let mut frame = vec![0; frame_bytes as usize];
    let mut packed = vec![0; compress_bound(frame.len())];
    let mut entries = Entries::default();
    let mut done = Packed { read_bytes: 0, written_bytes: 0, frames: 0 };
    let mut write = |bytes: &[u8]| match writer.write_all(bytes) {
        Ok(()) => Ok(bytes.len() as u64),
        Err(error) => Err(Error::os("write", OUTPUT, &error)),
    };
    loop {
        let count = fill(&mut reader, &mut frame)?;
        if count == 0 {
            break;
        }
        if entries.count() == MAX_FRAMES {
            return Err(invalid("the format counts 134217728 frames").advice("use larger frames"));
        }
        let size = context.compress2(&mut packed[..], &frame[..count]).map_err(encoder)?;
        let packed = &packed[..size];
        done.written_bytes += write(packed)?;
        done.read_bytes += count as u64;
        // A frame ends with the checksum that the table wants.
        let checksum = packed.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        entries.push(size as u32, count as u32, checksum);
        progress(done.read_bytes);
        if count < frame.len() {
            break;
        }
    }
    done.frames = entries.count();
    done.written_bytes += write(&entries.into_table())?;
    writer.flush().map_err(|error| Error::os("write", OUTPUT, &error))?;
    Ok(done)
}

const INPUT: &str = "the input";
const OUTPUT: &str = "the output";

/// Reads until the buffer is full or the reader ends.
fn fill(reader: &mut impl Read, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match reader.read(&mut buf[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::os("read", INPUT, &error)),
        }
    }
    Ok(done)
}
