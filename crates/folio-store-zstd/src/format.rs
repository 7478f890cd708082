//! Which compressed format bytes are of, by how they begin.
//!
//! ```
//! use folio_store_zstd::Format;
//! assert_eq!(Format::of(b"\x28\xb5\x2f\xfd..."), Some(Format::Zstd));
//! assert_eq!(Format::of(b"plain text"), None);
//! ```
//!
//! A name says nothing here: a file may be called `.zst` and be none.

/// A compressed format.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Zstandard (RFC 8878), seekable or not: only its end tells, and `ZstdStore::open` looks there.
    Zstd,
    /// Gzip in blocks that can be found without decoding, as bgzip writes it.
    Bgzip,
    /// Any other gzip (RFC 1952): it can be read from its beginning only.
    Gzip,
}

/// Bytes at the beginning that decide: a shorter beginning is that of a file which ends there.
pub const HEAD_BYTES: usize = 18;

impl Format {
    /// The format of what begins like this.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A skippable frame: the seek table of a file without frames, or somebody's note before
            // the first. Readers of zstd pass over it.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, _, _, b'B', b'C', 2, 0, ..]
                if flags & 4 != 0 =>
            {
                Some(Self::Bgzip)
            }
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let bgzip = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0";
        assert_eq!(bgzip.len(), HEAD_BYTES);
        let cases: [(&[u8], Option<Format>); 8] = [
            (b"", None),
            (b"\x28\xb5\x2f", None),
            (b"\x28\xb5\x2f\xfd", Some(Format::Zstd)),
            (b"\x5e\x2a\x4d\x18", Some(Format::Zstd)),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", Some(Format::Gzip)),
            (bgzip, Some(Format::Bgzip)),
            (&bgzip[..12], Some(Format::Gzip)),
            (b"PK\x03\x04", None),
        ];
        for (head, format) in cases {
            assert_eq!(Format::of(head), format, "{head:x?}");
        }
    }
}
