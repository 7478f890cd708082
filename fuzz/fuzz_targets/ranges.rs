//! Operations with any ranges at all on a small mapping, between two neighbours, against a vector.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run ranges -- -max_total_time=120
//! ```
#![no_main]

use std::ops::Bound;

use arbitrary::Arbitrary;
use folio::{Advice, Discard, ErrorKind, Lock, MapOptions, Mapping, Protection, Reservation};
use libfuzzer_sys::fuzz_target;

const PAGE: usize = 4096;
const MAX: usize = 5 * PAGE;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum End {
    Included(usize),
    Excluded(usize),
    /// Near the length.
    Near(i8),
    /// Near the largest number.
    Last(u8),
    Page(u8, i8),
    Unbounded,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Fill(End, End, u8),
    Write(usize, Vec<u8>),
    Read(usize, u16),
    Narrow(End, End),
    Flush(End, End),
    Advise(End, End, u8),
    Lock(End, End, bool),
    Unlock(End, End),
    Protect(End, End, bool),
    Residency(End, End),
    Populate(End, End),
    Discard(End, End),
    Resize(usize),
    ResizeNear(u16),
    SplitAndJoin(usize),
    Word32(usize, u32),
    Word64(usize, u64),
    Seek(i64),
}

#[derive(Arbitrary, Debug)]
struct Input {
    len: u16,
    inside: bool,
    steps: Vec<Step>,
}

fn bound(end: End, len: usize) -> Bound<usize> {
    match end {
        End::Included(at) => Bound::Included(at),
        End::Excluded(at) => Bound::Excluded(at),
        End::Near(by) => Bound::Excluded(len.wrapping_add_signed(by.into())),
        End::Last(by) => Bound::Included(usize::MAX - usize::from(by)),
        End::Page(number, by) => {
            let at = usize::from(number % 8) * PAGE;
            Bound::Included(at.wrapping_add_signed(by.into()))
        }
        End::Unbounded => Bound::Unbounded,
    }
}

/// What a range means, in arithmetic that cannot overflow.
fn means(range: (Bound<usize>, Bound<usize>), len: usize) -> Option<std::ops::Range<usize>> {
    let start = match range.0 {
        Bound::Included(at) => at as u128,
        Bound::Excluded(at) => at as u128 + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.1 {
        Bound::Included(at) => at as u128 + 1,
        Bound::Excluded(at) => at as u128,
        Bound::Unbounded => len as u128,
    };
    (start <= end && end <= len as u128).then_some(start as usize..end as usize)
}

fn pages(range: &std::ops::Range<usize>, len: usize) -> std::ops::Range<usize> {
    if range.is_empty() {
        return 0..0;
    }
    range.start / PAGE * PAGE..range.end.next_multiple_of(PAGE).min(len)
}

fn check(
    result: folio::Result<std::ops::Range<usize>>,
    range: &Option<std::ops::Range<usize>>,
    len: usize,
) {
    match (result, range) {
        (Ok(touched), Some(range)) => assert_eq!(touched, pages(range, len)),
        (Err(error), None) => assert_eq!(error.kind(), ErrorKind::OutOfRange, "{error}"),
        // The kernel may refuse: the limit of locked memory, say.
        (Err(error), Some(_)) => assert_eq!(error.kind(), ErrorKind::Os, "{error}"),
        (Ok(touched), None) => panic!("{touched:?} of a range that does not fit"),
    }
}

fuzz_target!(|input: Input| {
    let mut len = usize::from(input.len) % MAX + 1;
    let space = Reservation::new(16 * PAGE).unwrap();
    let options = MapOptions::new().private().write();
    let (left, right) = (space.commit(0, PAGE).unwrap(), space.commit(8 * PAGE, PAGE).unwrap());
    left.fill(.., 7).unwrap();
    right.fill(.., 7).unwrap();
    let span = len.next_multiple_of(PAGE);
    let place = 8 * PAGE - span;
    let mut map = if input.inside {
        options.inside(&space, place).anonymous(len).unwrap()
    } else {
        options.anonymous(len).unwrap()
    };
    let mut model = vec![0u8; len];

    for step in input.steps {
        let of = |from, to, len| {
            let range = (bound(from, len), bound(to, len));
            (range, means(range, len))
        };
        match step {
            Step::Fill(from, to, byte) => {
                let (range, fits) = of(from, to, len);
                assert_eq!(map.fill(range, byte).is_ok(), fits.is_some());
                if let Some(range) = fits {
                    model[range].fill(byte);
                }
            }
            Step::Write(at, bytes) => {
                let fits = at.checked_add(bytes.len()).is_some_and(|end| end <= len);
                assert_eq!(map.write_at(at, &bytes).is_ok(), fits);
                if fits {
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            Step::Read(at, count) => {
                let mut bytes = vec![0; count.into()];
                let fits = at.checked_add(bytes.len()).is_some_and(|end| end <= len);
                assert_eq!(map.read_at(at, &mut bytes).is_ok(), fits);
                if fits {
                    assert_eq!(bytes, model[at..at + bytes.len()]);
                }
            }
            Step::Narrow(from, to) => {
                let (range, fits) = of(from, to, len);
                match (map.view().range(range), fits) {
                    (Ok(view), Some(range)) => assert_eq!(view.to_vec().unwrap(), model[range]),
                    (Err(_), None) => {}
                    (result, fits) => panic!("{result:?}, not {fits:?}"),
                }
            }
            Step::Flush(from, to) => {
                let (range, fits) = of(from, to, len);
                check(map.flush(range), &fits, len);
            }
            Step::Advise(from, to, advice) => {
                let (range, fits) = of(from, to, len);
                let advice = Advice::ALL[usize::from(advice) % Advice::ALL.len()];
                if !matches!(advice, Advice::SoftOffline | Advice::PageOut) {
                    check(map.advise(range, advice), &fits, len);
                }
            }
            Step::Lock(from, to, on_fault) => {
                let (range, fits) = of(from, to, len);
                let lock = if on_fault { Lock::OnFault } else { Lock::Now };
                check(map.lock(range, lock), &fits, len);
            }
            Step::Unlock(from, to) => {
                let (range, fits) = of(from, to, len);
                check(map.unlock(range), &fits, len);
            }
            Step::Protect(from, to, write) => {
                let (range, fits) = of(from, to, len);
                let both = Protection::READ | Protection::WRITE;
                let protection = if write { both } else { Protection::READ };
                check(map.protect(range, protection), &fits, len);
                map.protect(.., both).unwrap();
            }
            Step::Residency(from, to) => {
                let (range, fits) = of(from, to, len);
                match (map.residency(range), fits) {
                    (Ok(residency), Some(range)) => {
                        let pages = pages(&range, usize::MAX / PAGE * PAGE);
                        assert_eq!(residency.pages(), pages.len() / PAGE);
                    }
                    (Err(error), None) => assert_eq!(error.kind(), ErrorKind::OutOfRange),
                    (result, fits) => panic!("{result:?}, not {fits:?}"),
                }
            }
            Step::Populate(from, to) => {
                let (range, fits) = of(from, to, len);
                check(map.populate(range), &fits, len);
            }
            Step::Discard(from, to) => {
                let (range, fits) = of(from, to, len);
                match (map.discard(range, Discard::NowLocked), fits) {
                    (Ok(touched), Some(range)) => {
                        assert!(touched.is_empty() || range.start <= touched.start);
                        assert!(touched.is_empty() || touched.end <= range.end);
                        model[touched].fill(0);
                    }
                    (Err(error), None) => assert_eq!(error.kind(), ErrorKind::OutOfRange),
                    (result, fits) => panic!("{result:?}, not {fits:?}"),
                }
            }
            Step::Resize(to) => resize(&mut map, &mut model, to),
            Step::ResizeNear(to) => resize(&mut map, &mut model, usize::from(to) % MAX),
            Step::SplitAndJoin(at) => {
                let at = if at % 2 == 0 { at } else { at % 8 * PAGE };
                map = match map.split_at(at) {
                    Ok((left, right)) => {
                        assert!(0 < at && at < len && at.is_multiple_of(PAGE));
                        assert_eq!(left.to_vec().unwrap(), model[..at]);
                        assert_eq!(right.to_vec().unwrap(), model[at..]);
                        left.join(right).unwrap()
                    }
                    Err(refused) => refused.into_value(),
                };
            }
            Step::Word32(at, value) => {
                if let Ok(word) = map.view().atomic_u32(at) {
                    word.store(value).unwrap();
                    model[at..at + 4].copy_from_slice(&value.to_ne_bytes());
                }
            }
            Step::Word64(at, value) => {
                if let Ok(word) = map.view().atomic_u64(at) {
                    word.store(value).unwrap();
                    model[at..at + 8].copy_from_slice(&value.to_ne_bytes());
                }
            }
            Step::Seek(by) => {
                use std::io::{Cursor, Read, Seek, SeekFrom};
                let (mut ours, mut models) = (map.cursor(), Cursor::new(&model));
                let (to, there) = (ours.seek(SeekFrom::End(by)), models.seek(SeekFrom::End(by)));
                assert_eq!(to.ok(), there.ok());
                let (mut a, mut b) = (Vec::new(), Vec::new());
                ours.read_to_end(&mut a).unwrap();
                models.read_to_end(&mut b).unwrap();
                assert_eq!(a, b);
            }
        }
        len = model.len();
        assert_eq!(map.len(), len);
        assert_eq!(map.to_vec().unwrap(), model);
    }
    assert!(left.to_vec().unwrap().iter().all(|&byte| byte == 7));
    assert!(right.to_vec().unwrap().iter().all(|&byte| byte == 7));
    map.close().unwrap();
});

fn resize(map: &mut Mapping, model: &mut Vec<u8>, to: usize) {
    // What cannot fail for lack of memory, and what must.
    let to = if to > MAX { to | 1 << 60 } else { to };
    if map.resize(to, true).is_ok() {
        model.resize(to, 0);
    }
}
