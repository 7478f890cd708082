//! The copying view against a model: a vector, and `std::io::Cursor` for the cursor.

mod common;

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use common::{memfd, page, pattern};
use folio::{ErrorKind, Mapping, View};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Touch {
    Read { at: usize, count: usize },
    Write { at: usize, bytes: Vec<u8> },
    Fill { from: usize, to: usize, byte: u8 },
    Narrow { from: usize, to: usize },
    Widen,
    Chunks { size: usize },
    Word32 { at: usize, value: u32, operation: u8 },
    Word64 { at: usize, value: u64, operation: u8 },
    Copy,
}

fn touch(len: usize) -> impl Strategy<Value = Touch> {
    let at = prop_oneof![6 => 0..len + 9, 1 => usize::MAX - 9..=usize::MAX];
    let bytes = prop::collection::vec(any::<u8>(), 0..3000);
    prop_oneof![
        3 => (at.clone(), 0usize..9000).prop_map(|(at, count)| Touch::Read { at, count }),
        4 => (at.clone(), bytes).prop_map(|(at, bytes)| Touch::Write { at, bytes }),
        2 => (at.clone(), at.clone(), any::<u8>())
            .prop_map(|(from, to, byte)| Touch::Fill { from, to, byte }),
        1 => (at.clone(), at.clone()).prop_map(|(from, to)| Touch::Narrow { from, to }),
        1 => Just(Touch::Widen),
        1 => (1usize..9000).prop_map(|size| Touch::Chunks { size }),
        2 => (at.clone(), any::<u32>(), 0..5u8)
            .prop_map(|(at, value, operation)| Touch::Word32 { at, value, operation }),
        2 => (at, any::<u64>(), 0..5u8)
            .prop_map(|(at, value, operation)| Touch::Word64 { at, value, operation }),
        1 => Just(Touch::Copy),
    ]
}

macro_rules! word {
    ($view:expr, $make:ident, $type:ty, $at:expr, $value:expr, $operation:expr, $model:expr) => {{
        let (size, at) = (size_of::<$type>(), $at);
        match $view.$make(at) {
            Ok(word) => {
                let bytes = &mut $model[at..at + size];
                let was = <$type>::from_ne_bytes(bytes.try_into().unwrap());
                let now = match $operation {
                    0 => {
                        assert_eq!(word.load().unwrap(), was);
                        was
                    }
                    1 => {
                        assert_eq!(word.swap($value).unwrap(), was);
                        $value
                    }
                    2 => {
                        assert_eq!(word.fetch_add($value).unwrap(), was);
                        was.wrapping_add($value)
                    }
                    3 => {
                        assert_eq!(word.compare_exchange(was, $value).unwrap(), Ok(was));
                        let other = $value.wrapping_add(1);
                        assert_eq!(word.compare_exchange(other, 0).unwrap(), Err($value));
                        $value
                    }
                    _ => {
                        assert_eq!(word.fetch_update(|word| word ^ $value).unwrap(), was);
                        was ^ $value
                    }
                };
                bytes.copy_from_slice(&now.to_ne_bytes());
            }
            Err(error) => {
                let fits = at.checked_add(size).is_some_and(|end| end <= $model.len());
                let address = $view.as_ptr().addr().wrapping_add(at);
                let kind = if fits { ErrorKind::Misaligned } else { ErrorKind::OutOfRange };
                assert_eq!(error.kind(), kind);
                assert!(!fits || !address.is_multiple_of(size));
            }
        }
    }};
}

fn fits(at: usize, count: usize, len: usize) -> bool {
    at.checked_add(count).is_some_and(|end| end <= len)
}

fn run(whole: View<'_>, model: &mut [u8], touches: &[Touch]) {
    let (mut view, mut part) = (whole, 0..model.len());
    for touch in touches {
        let shown = &mut model[part.clone()];
        assert_eq!(view.len(), shown.len());
        match touch.clone() {
            Touch::Read { at, count } => {
                let mut buf = vec![0x5A; count];
                match view.read_at(at, &mut buf) {
                    Ok(()) => assert_eq!(buf, shown[at..at + count]),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::OutOfRange);
                        assert!(!fits(at, count, shown.len()));
                        assert!(buf.iter().all(|&b| b == 0x5A));
                    }
                }
            }
            Touch::Write { at, bytes } => match view.write_at(at, &bytes) {
                Ok(()) => shown[at..at + bytes.len()].copy_from_slice(&bytes),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfRange);
                    assert!(!fits(at, bytes.len(), shown.len()));
                }
            },
            Touch::Fill { from, to, byte } => match view.fill(from..to, byte) {
                Ok(()) => shown[from..to].fill(byte),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfRange);
                    assert!(shown.get(from..to).is_none());
                }
            },
            Touch::Narrow { from, to } => match view.range(from..to) {
                Ok(narrow) => {
                    view = narrow;
                    part = part.start + from..part.start + to;
                }
                Err(_) => assert!(shown.get(from..to).is_none()),
            },
            Touch::Widen => (view, part) = (whole, 0..model.len()),
            Touch::Chunks { size } => {
                let chunks = view.chunks(size);
                assert_eq!(chunks.len(), shown.len().div_ceil(size));
                let all: Vec<Vec<u8>> = chunks.map(|chunk| chunk.to_vec().unwrap()).collect();
                assert!(all.iter().eq(shown.chunks(size)));
            }
            Touch::Word32 { at, value, operation } => {
                word!(view, atomic_u32, u32, at, value, operation, shown);
            }
            Touch::Word64 { at, value, operation } => {
                word!(view, atomic_u64, u64, at, value, operation, shown);
            }
            Touch::Copy => {
                let mut copied = Vec::new();
                assert_eq!(view.copy_to(&mut copied).unwrap(), shown.len() as u64);
                assert_eq!(copied, shown);
            }
        }
    }
    assert_eq!(whole.to_vec().unwrap(), model);
}

#[derive(Clone, Debug)]
enum Move {
    Read(usize),
    ReadExact(usize),
    ReadToEnd,
    Write(Vec<u8>),
    WriteAll(Vec<u8>),
    Seek(SeekFrom),
    SetPosition(u64),
    FillBuf(usize),
    ReadUntil(u8),
    ReadLine,
    Tell,
}

fn movement(len: usize) -> impl Strategy<Value = Move> {
    let count = prop_oneof![4 => 0usize..200, 2 => 0..len + 10, 1 => 60_000usize..80_000];
    let bytes = prop::collection::vec(any::<u8>(), 0..3000);
    let by = prop_oneof![
        8 => -(len as i64) - 5..len as i64 + 5,
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
    ];
    let at = prop_oneof![6 => 0..len as u64 + 20, 1 => Just(u64::MAX), 1 => Just(1 << 40)];
    let seek = prop_oneof![
        at.clone().prop_map(SeekFrom::Start),
        by.clone().prop_map(SeekFrom::End),
        by.prop_map(SeekFrom::Current),
    ];
    prop_oneof![
        3 => count.clone().prop_map(Move::Read),
        1 => count.clone().prop_map(Move::ReadExact),
        1 => Just(Move::ReadToEnd),
        2 => bytes.clone().prop_map(Move::Write),
        1 => bytes.prop_map(Move::WriteAll),
        4 => seek.prop_map(Move::Seek),
        1 => at.prop_map(Move::SetPosition),
        3 => count.prop_map(Move::FillBuf),
        1 => any::<u8>().prop_map(Move::ReadUntil),
        1 => Just(Move::ReadLine),
        1 => Just(Move::Tell),
    ]
}

/// Results of the same kind with the same value.
#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(ours: &io::Result<T>, models: &io::Result<T>) {
    match (ours, models) {
        (Ok(ours), Ok(models)) => assert_eq!(ours, models),
        (Err(ours), Err(models)) => assert_eq!(ours.kind(), models.kind()),
        _ => panic!("{ours:?}, not {models:?}"),
    }
}

fn walk(view: View<'_>, model: &mut Vec<u8>, moves: &[Move]) {
    let mut ours = view.cursor();
    let mut models = io::Cursor::new(model.as_mut_slice());
    for step in moves {
        match step.clone() {
            Move::Read(count) => {
                // A read may return less than was asked for, as long as it is not nothing.
                let (mut a, mut b) = (vec![0; count], vec![0; count]);
                let got = ours.read(&mut a).unwrap();
                let want = models.read(&mut b).unwrap();
                assert!(got <= want && (got > 0 || want == 0), "{got} of {want}");
                assert_eq!(a[..got], b[..got]);
                models.set_position(models.position() - (want - got) as u64);
            }
            Move::ReadExact(count) => {
                let (mut a, mut b) = (vec![0; count], vec![0; count]);
                let (got, want) = (ours.read_exact(&mut a), models.read_exact(&mut b));
                same(&got, &want);
                if got.is_ok() {
                    assert_eq!(a, b);
                } else {
                    // Where either stands after a failure is unspecified (`Read::read_exact`).
                    ours.set_position(0);
                    models.set_position(0);
                }
            }
            Move::ReadToEnd => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                same(&ours.read_to_end(&mut a), &models.read_to_end(&mut b));
                assert_eq!(a, b);
            }
            Move::Write(bytes) => same(&ours.write(&bytes), &models.write(&bytes)),
            Move::WriteAll(bytes) => {
                same(&ours.write_all(&bytes), &models.write_all(&bytes));
                ours.flush().unwrap();
            }
            Move::Seek(to) => same(&ours.seek(to), &models.seek(to)),
            Move::SetPosition(at) => {
                ours.set_position(at);
                models.set_position(at);
            }
            Move::FillBuf(count) => {
                let used = {
                    let (block, rest) = (ours.fill_buf().unwrap(), models.fill_buf().unwrap());
                    assert!(rest.starts_with(block) && block.is_empty() == rest.is_empty());
                    count.min(block.len())
                };
                ours.consume(used);
                models.consume(used);
            }
            Move::ReadUntil(byte) => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                same(&ours.read_until(byte, &mut a), &models.read_until(byte, &mut b));
                assert_eq!(a, b);
            }
            Move::Tell => same(&ours.stream_position(), &models.stream_position()),
            Move::ReadLine => {
                let (mut a, mut b) = (String::new(), String::new());
                let (got, want) = (ours.read_line(&mut a), models.read_line(&mut b));
                same(&got, &want);
                assert_eq!(a, b);
            }
        }
        assert_eq!(ours.position(), models.position(), "{step:?}");
    }
    assert_eq!(view.to_vec().unwrap(), *model);
}

/// A mapping of `len` bytes at an odd offset, and the file behind it.
fn mapped(offset: usize, len: usize, private: bool) -> (Mapping, std::fs::File, Vec<u8>) {
    let bytes = pattern(offset + len + 100);
    let file = memfd(&bytes);
    let options = Mapping::options().write().offset(offset as u64).len(len);
    let options = if private { options.private() } else { options };
    (options.map(&file).unwrap(), file, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_touch_through_the_view_agrees_with_a_vector(
        (offset, len, private) in (0usize..5000, 1usize..12_000, any::<bool>()),
        touches in prop::collection::vec(touch(12_000), 1..60),
    ) {
        let (map, file, bytes) = mapped(offset, len, private);
        let mut model = bytes[offset..offset + len].to_vec();
        run(map.view(), &mut model, &touches);
        let mut read = vec![0; bytes.len()];
        file.read_exact_at(&mut read, 0).unwrap();
        let mut expected = bytes;
        if !private {
            expected[offset..offset + len].copy_from_slice(&model);
        }
        prop_assert!(read == expected, "nothing before, behind or, if private, in the file changed");
    }

    #[test]
    fn every_move_of_the_cursor_agrees_with_the_standard_one(
        (offset, len) in (0usize..5000, prop_oneof![1usize..200, 1usize..12_000, 60_000usize..150_000]),
        part in (0usize..50, 0usize..50),
        moves in prop::collection::vec(movement(12_000), 1..60),
    ) {
        let (map, _file, bytes) = mapped(offset, len, false);
        let start = part.0.min(len);
        let end = (len - part.1.min(len)).max(start);
        let mut model = bytes[offset + start..offset + end].to_vec();
        walk(map.view().range(start..end).unwrap(), &mut model, &moves);
    }
}

#[test]
fn a_cursor_reads_lines_and_text_as_any_reader_does() {
    let text = "first\nsecond\n\nfourth without an end";
    let file = memfd(text.as_bytes());
    let map = Mapping::of(&file).unwrap();
    let lines: Vec<String> = map.cursor().lines().map(Result::unwrap).collect();
    assert_eq!(lines, text.lines().collect::<Vec<_>>());
    assert_eq!(io::read_to_string(map.cursor()).unwrap(), text);
    let mut cursor = map.cursor();
    cursor.seek(SeekFrom::End(-3)).unwrap();
    assert_eq!(io::read_to_string(&mut cursor).unwrap(), "end");
    assert_eq!(cursor.read(&mut [0; 9]).unwrap(), 0);
    cursor.seek(SeekFrom::Start(0)).unwrap();
    let error = cursor.write(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "the mapping is read-only");
}

#[test]
fn a_cursor_returns_what_it_got_and_then_the_fault() {
    let file = memfd(&pattern(3 * page()));
    let map = Mapping::options().write().map(&file).unwrap();
    file.set_len(page() as u64).unwrap();
    let mut cursor = map.cursor();
    let mut bytes = vec![0; 2 * page()];
    assert_eq!(cursor.read(&mut bytes).unwrap(), page());
    assert_eq!(bytes[..page()], pattern(page()));
    let error = cursor.read(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = error.downcast::<folio::Error>().unwrap();
    assert_eq!(error.fault().unwrap().offset(), page() as u64);
    cursor.set_position(page() as u64 - 5);
    assert_eq!(cursor.fill_buf().unwrap().len(), 5);
    cursor.consume(5);
    cursor.fill_buf().unwrap_err();
    cursor.set_position(page() as u64 - 5);
    assert_eq!(cursor.write(&[7; 10]).unwrap(), 5);
    cursor.write(&[7; 10]).unwrap_err();
    let mut copied = Vec::new();
    map.copy_to(&mut copied).unwrap_err();
    assert_eq!(copied.len(), page(), "what came before has been written");
}
