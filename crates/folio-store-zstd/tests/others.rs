//! What is packed here is read by others, and the other way round.

mod common;

use std::io::{self, Write};
use std::process::{Command, Stdio};

use common::{Shelf, noise, read_all, text};
use folio_store::ErrorKind;
use folio_store_zstd::{FRAME_BYTES, ZstdStore, pack};

fn contents() -> [Vec<u8>; 4] {
    [Vec::new(), b"x".to_vec(), text(1_000_000), noise(300_000)]
}

/// What a program writes when it is given these bytes; `None` where there is no such program.
fn piped(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    Some(output.stdout)
}

#[test]
fn zstd_decompresses_what_was_packed() {
    for content in contents() {
        for frame_bytes in [1 << 12, FRAME_BYTES, 1 << 20] {
            let mut packed = Vec::new();
            pack(&content[..], &mut packed, frame_bytes, 3, |_| ()).unwrap();
            match piped("zstd", &["-dc"], &packed) {
                Some(decompressed) => assert!(decompressed == content, "{frame_bytes}"),
                None => return common::skip("no zstd"),
            }
        }
    }
}

#[test]
fn zeekstd_reads_what_was_packed() {
    for content in contents() {
        let mut packed = Vec::new();
        pack(&content[..], &mut packed, FRAME_BYTES, 19, |_| ()).unwrap();
        if content.is_empty() {
            // zeekstd takes a file without frames for a mistake.
            continue;
        }
        let mut decoder = zeekstd::Decoder::new(io::Cursor::new(&packed)).unwrap();
        let frames = decoder.seek_table().num_frames() as usize;
        assert_eq!(frames, content.len().div_ceil(FRAME_BYTES as usize));
        let half = content.len() / 2;
        decoder.set_offset(half as u64).unwrap();
        let mut rest = Vec::new();
        io::copy(&mut decoder, &mut rest).unwrap();
        assert!(rest == content[half..]);
    }
}

#[test]
fn what_zeekstd_packs_is_read() {
    for content in contents() {
        for checksums in [false, true] {
            let mut packed = Vec::new();
            let mut encoder = zeekstd::EncodeOptions::new()
                .checksum_flag(checksums)
                .frame_size_policy(zeekstd::FrameSizePolicy::Uncompressed(10_000))
                .into_encoder(&mut packed)
                .unwrap();
            encoder.write_all(&content).unwrap();
            encoder.finish().unwrap();
            let store = ZstdStore::open(Shelf::new(packed)).unwrap();
            assert!(read_all(&store).unwrap() == content);
        }
    }
}

#[test]
fn what_zstd_packs_in_one_go_is_not_seekable() {
    let Some(packed) = piped("zstd", &["-c"], &text(100_000)) else {
        return common::skip("no zstd");
    };
    let error = ZstdStore::open(Shelf::new(packed)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn the_way_a_writer_and_a_reader_fail_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let full = pack(&b"bytes"[..], Full, FRAME_BYTES, 3, |_| ()).unwrap_err();
    assert_eq!((full.kind(), full.operation()), (ErrorKind::NoSpace, "write"));
    let broken = pack(Broken, io::sink(), FRAME_BYTES, 3, |_| ()).unwrap_err();
    assert_eq!((broken.kind(), broken.operation()), (ErrorKind::Io, "read"));
    for frame_bytes in [0, (64 << 20) + 1, u32::MAX] {
        let error = pack(&b"bytes"[..], io::sink(), frame_bytes, 3, |_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn progress_counts_what_was_read() {
    let mut seen = Vec::new();
    pack(&text(150_000)[..], io::sink(), FRAME_BYTES, 3, |done| seen.push(done)).unwrap();
    assert_eq!(seen, [65_536, 131_072, 150_000]);
}

#[test]
fn a_reader_that_gives_little_at_a_time_packs_the_same() {
    struct Slow<'a>(&'a [u8]);
    impl io::Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let count = buf.len().min(1000);
            io::Read::read(&mut self.0, &mut buf[..count])
        }
    }
    let content = text(150_000);
    let (mut at_once, mut slowly) = (Vec::new(), Vec::new());
    pack(&content[..], &mut at_once, FRAME_BYTES, 3, |_| ()).unwrap();
    pack(Slow(&content), &mut slowly, FRAME_BYTES, 3, |_| ()).unwrap();
    assert!(at_once == slowly);
}
