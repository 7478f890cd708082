//! The suite passes a sound store, and finds what is wrong with each of many broken ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use folio_store::conformance::Suite;
use folio_store::{Capabilities, Cost, Error, ErrorKind, ReadRequest, Result, Store};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    ReadsShort,
    WritesShort,
    ReadOnly,
    FixedLength,
    Fixed,
    // From here on broken.
    IgnoresTheOffset,
    ReturnsZeroInTheMiddle,
    EndsOneEarly,
    EndsOneLate,
    TruncatesOffsetsTo32Bits,
    LosesTheLastPartialPage,
    ClaimsMoreThanItRead,
    PanicsBehindTheEnd,
    PanicsAtTheLastOffset,
    FailsBehindTheEnd,
    LeavesPartOfTheBuffer,
    WrongLenAfterResize,
    KeepsBytesCutOff,
    ResizesWithGarbage,
    DoesNotResize,
    AcknowledgesAndLosesWrites,
    LosesWritesBehindTheEnd,
    NoZerosBetween,
    WritesNothing,
    EmptyWriteGrows,
    WritesThoughReadOnly,
    RefusesWritesWithIo,
    GrowsThoughFixedLength,
    ResizesThoughFixedLength,
    WritesPagesWithoutLock,
    ResizesByCopying,
    BatchLeavesOneOut,
    BatchStopsAtAnError,
    BatchReadsShort,
    BatchAddsToTheOutcome,
    ShowsOtherBytes,
    SameIdentityForAll,
    VersionStaysAfterWrites,
    VersionChangesWithReads,
    NameChanges,
    CapabilitiesChange,
    ErrorOfTwoLines,
    ErrorWithoutRange,
    FixedAndWritable,
    GranuleBelowAlignment,
    SyncFails,
    LosesWhatWasSynced,
    ReopensUnderAnotherVersion,
    MixesVersions,
    IsEmptyLies,
}

use Flaw::*;

/// What part of the rule's words the message must have.
const BROKEN: [(Flaw, &str); 45] = [
    (IgnoresTheOffset, "returns the bytes"),
    (ReturnsZeroInTheMiddle, "returns 0 only"),
    (EndsOneEarly, "returns 0 only"),
    (EndsOneLate, "ends where the store does"),
    (TruncatesOffsetsTo32Bits, "ends where the store does"),
    (LosesTheLastPartialPage, "until the buffer is full or the store ends"),
    (ClaimsMoreThanItRead, "than were asked for"),
    (PanicsBehindTheEnd, "nothing panics"),
    (PanicsAtTheLastOffset, "nothing panics"),
    (FailsBehindTheEnd, "a read is an error only where"),
    (LeavesPartOfTheBuffer, "returns the bytes"),
    (WrongLenAfterResize, "as long as asked"),
    (KeepsBytesCutOff, "as long as asked"),
    (ResizesWithGarbage, "as long as asked"),
    (DoesNotResize, "as long as asked"),
    (AcknowledgesAndLosesWrites, "returns the bytes"),
    (LosesWritesBehindTheEnd, "with zeros between"),
    (NoZerosBetween, "with zeros between"),
    (WritesNothing, "a write returns 0 only"),
    (EmptyWriteGrows, "writing no bytes"),
    (WritesThoughReadOnly, "refuses writes"),
    (RefusesWritesWithIo, "refuses writes"),
    (GrowsThoughFixedLength, "cannot grow"),
    (ResizesThoughFixedLength, "refuses another length"),
    (WritesPagesWithoutLock, "do not disturb each other"),
    (ResizesByCopying, "do not disturb each other"),
    (BatchLeavesOneOut, "read_many"),
    (BatchStopsAtAnError, "read_many"),
    (BatchReadsShort, "read_many"),
    (BatchAddsToTheOutcome, "read_many"),
    (ShowsOtherBytes, "bytes shows"),
    (SameIdentityForAll, "same identity"),
    (VersionStaysAfterWrites, "another version"),
    (VersionChangesWithReads, "another version"),
    (NameChanges, "do not change"),
    (CapabilitiesChange, "do not change"),
    (ErrorOfTwoLines, "one line"),
    (ErrorWithoutRange, "which bytes"),
    (FixedAndWritable, "cannot be changed through itself"),
    (GranuleBelowAlignment, "multiple of the alignment"),
    (SyncFails, "sync succeeds"),
    (LosesWhatWasSynced, "opened again"),
    (ReopensUnderAnotherVersion, "another version"),
    (MixesVersions, "the same bytes for good"),
    (IsEmptyLies, "is_empty"),
];

const SOUND: [Flaw; 6] = [None, ReadsShort, WritesShort, ReadOnly, FixedLength, Fixed];

const PAGE: usize = 4096;

#[derive(Debug)]
struct Plain {
    flaw: Flaw,
    bytes: Mutex<Vec<u8>>,
    /// What was cut off last.
    cut: Mutex<Vec<u8>>,
    number: u64,
    writes: AtomicU64,
    calls: AtomicUsize,
}

impl Plain {
    fn new(flaw: Flaw, content: &[u8]) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Self {
            flaw,
            bytes: Mutex::new(content.to_vec()),
            cut: Mutex::default(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            writes: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    fn reopened(&self) -> Self {
        let mut bytes = self.bytes().clone();
        if self.flaw == LosesWhatWasSynced {
            bytes.pop();
        }
        let again = u64::from(self.flaw == ReopensUnderAnotherVersion);
        let writes = self.writes.load(Ordering::Relaxed) + again;
        Self { writes: AtomicU64::new(writes), ..Self::new(self.flaw, &bytes) }
    }

    fn changed(&self) {
        if self.flaw == MixesVersions {
            for byte in self.bytes().iter_mut() {
                *byte = !*byte;
            }
        }
    }

    fn bytes(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: ErrorKind, offset: u64, count: usize) -> Error {
        let error = Error::new(kind, "write", self.name());
        match self.flaw {
            ErrorOfTwoLines => error.range(offset..offset).reason("one\ntwo"),
            ErrorWithoutRange => error,
            _ => error.range(offset..offset.saturating_add(count as u64)),
        }
    }

    fn can_write(&self) -> bool {
        !matches!(
            self.flaw,
            ReadOnly
                | Fixed
                | MixesVersions
                | WritesThoughReadOnly
                | RefusesWritesWithIo
                | ErrorOfTwoLines
                | ErrorWithoutRange
        )
    }

    fn can_resize(&self) -> bool {
        self.can_write()
            && !matches!(self.flaw, FixedLength | GrowsThoughFixedLength | ResizesThoughFixedLength)
    }
}

impl Store for Plain {
    fn name(&self) -> String {
        match self.flaw {
            NameChanges => format!("plain {}", self.calls.load(Ordering::Relaxed)),
            flaw => format!("plain that is {flaw:?}"),
        }
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn is_empty(&self) -> Result<bool> {
        Ok(self.flaw != IsEmptyLies && self.bytes().is_empty())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes();
        let len = bytes.len();
        let offset = match self.flaw {
            IgnoresTheOffset if offset < len as u64 => 0,
            TruncatesOffsetsTo32Bits => u64::from(offset as u32),
            PanicsAtTheLastOffset => {
                assert!(offset < u64::MAX || buf.is_empty());
                offset
            }
            _ => offset,
        };
        if offset.checked_add(buf.len() as u64).is_none() {
            return Err(Error::new(ErrorKind::Invalid, "read", self.name()).range(offset..u64::MAX));
        }
        if self.flaw == PanicsBehindTheEnd {
            assert!(offset <= len as u64, "{offset} of {len}");
        }
        if self.flaw == FailsBehindTheEnd && offset > len as u64 {
            return Err(self.error(ErrorKind::Truncated, offset, 1));
        }
        let end = match self.flaw {
            EndsOneEarly => len.saturating_sub(1),
            LosesTheLastPartialPage if len > PAGE => len - len % PAGE,
            _ => len,
        };
        let start = (offset.min(end as u64)) as usize;
        let there = &bytes[start..end];
        let mut count = buf.len().min(there.len());
        if self.flaw == ReadsShort && count > 1 {
            count -= count / 3;
        }
        if self.flaw == ReturnsZeroInTheMiddle && count > PAGE {
            count = 0;
        }
        buf[..count].copy_from_slice(&there[..count]);
        match self.flaw {
            EndsOneLate if count < buf.len() && start == end => Ok(count + 1),
            ClaimsMoreThanItRead if count == buf.len() && count > PAGE => Ok(count + 1),
            LeavesPartOfTheBuffer if count > PAGE => {
                buf[count - 1] = 0xa5;
                Ok(count)
            }
            _ => Ok(count),
        }
    }

    fn write_at(&self, new: &[u8], offset: u64) -> Result<usize> {
        if !self.can_write() {
            return match self.flaw {
                WritesThoughReadOnly => Ok(new.len()),
                RefusesWritesWithIo => Err(self.error(ErrorKind::Io, offset, new.len())),
                _ => Err(self.error(ErrorKind::ReadOnly, offset, new.len())),
            };
        }
        if new.is_empty() {
            if self.flaw == EmptyWriteGrows && offset < 1 << 20 {
                let mut bytes = self.bytes();
                let len = bytes.len().max(offset as usize);
                bytes.resize(len, 0);
            }
            return Ok(0);
        }
        let mut count = new.len();
        if self.flaw == WritesShort && count > 1 {
            count -= count / 2;
        }
        let Some(end) = offset.checked_add(count as u64).filter(|&end| end < 1 << 32) else {
            return Err(self.error(ErrorKind::Invalid, offset, count));
        };
        let (start, end) = (offset as usize, end as usize);
        if self.flaw == WritesNothing && count == 1 {
            return Ok(0);
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut bytes = self.bytes();
        let len = bytes.len();
        if end > len {
            match self.flaw {
                FixedLength | ResizesThoughFixedLength => {
                    return Err(self.error(ErrorKind::NoSpace, offset, count));
                }
                LosesWritesBehindTheEnd => return Ok(count),
                NoZerosBetween if start > len => bytes.resize(end, 7),
                _ => bytes.resize(end, 0),
            }
        }
        match self.flaw {
            AcknowledgesAndLosesWrites if count > PAGE && end <= len => {}
            WritesPagesWithoutLock if end < bytes.len() => {
                let (first, last) = (start / PAGE * PAGE, end.next_multiple_of(PAGE));
                let mut pages = bytes[first..last.min(len)].to_vec();
                drop(bytes);
                thread::sleep(std::time::Duration::from_micros(50));
                pages[start - first..end - first].copy_from_slice(new);
                let mut bytes = self.bytes();
                let room = bytes.len().saturating_sub(first).min(pages.len());
                bytes[first..first + room].copy_from_slice(&pages[..room]);
            }
            _ => bytes[start..end].copy_from_slice(&new[..count]),
        }
        Ok(count)
    }

    fn resize(&self, len: u64) -> Result<()> {
        if self.flaw == ResizesThoughFixedLength {
            return Ok(());
        }
        if !self.can_resize() {
            return Err(Error::new(ErrorKind::Unsupported, "resize", self.name()));
        }
        let Some(len) = usize::try_from(len).ok().filter(|&len| len < 1 << 32) else {
            return Err(Error::new(ErrorKind::Invalid, "resize", self.name()));
        };
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut bytes = self.bytes();
        let old = bytes.len();
        match self.flaw {
            WrongLenAfterResize => bytes.resize(len.next_multiple_of(8), 0),
            DoesNotResize if len < old => {}
            ResizesWithGarbage => bytes.resize(len, 9),
            ResizesByCopying => {
                let mut copy = bytes.clone();
                copy.resize(len, 0);
                drop(bytes);
                thread::sleep(std::time::Duration::from_micros(50));
                *self.bytes() = copy;
            }
            KeepsBytesCutOff if len > old => {
                let cut = std::mem::take(&mut *self.cut.lock().unwrap());
                bytes.extend(cut);
                bytes.resize(len, 0);
            }
            _ => {
                *self.cut.lock().unwrap() = bytes[len.min(old)..].to_vec();
                bytes.resize(len, 0);
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        match self.flaw {
            SyncFails => Err(Error::new(ErrorKind::Io, "sync", self.name())),
            _ => Ok(()),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let this = Capabilities::new(Cost::Memory)
            .writable(self.can_write())
            .resizable(self.can_resize())
            .fixed_version(matches!(self.flaw, Fixed | MixesVersions | FixedAndWritable));
        match self.flaw {
            GranuleBelowAlignment => this.alignment(8192),
            CapabilitiesChange => this.concurrency(self.calls.load(Ordering::Relaxed) as u16),
            _ => this,
        }
    }

    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let last = requests.len().wrapping_sub(1);
        for (number, request) in requests.iter_mut().enumerate() {
            if self.flaw == BatchLeavesOneOut && number == last && last > 20 {
                continue;
            }
            let before = request.outcome.clone();
            request.outcome = match self.flaw {
                BatchReadsShort => {
                    let half = request.buf.len().div_ceil(2);
                    self.read_full_at(&mut request.buf[..half], request.offset)
                }
                _ => self.read_full_at(request.buf, request.offset),
            };
            match (self.flaw, before, &mut request.outcome) {
                (BatchAddsToTheOutcome, Ok(before), Ok(read)) => *read = read.wrapping_add(before),
                (BatchStopsAtAnError, _, Err(_)) => return,
                _ => {}
            }
        }
    }

    fn bytes(&self, range: std::ops::Range<u64>) -> Option<&[u8]> {
        static OTHER: [u8; 1 << 20] = [0; 1 << 20];
        OTHER.get(..(range.end - range.start) as usize).filter(|_| self.flaw == ShowsOtherBytes)
    }

    fn identity(&self) -> Option<String> {
        match self.flaw {
            SameIdentityForAll => Some("plain".into()),
            _ => Some(format!("plain {}", self.number)),
        }
    }

    fn version(&self) -> Option<String> {
        let number = match self.flaw {
            VersionStaysAfterWrites => 0,
            VersionChangesWithReads => self.calls.load(Ordering::Relaxed) as u64,
            _ => self.writes.load(Ordering::Relaxed),
        };
        Some(number.to_string())
    }
}

fn run(flaw: Flaw, seed: u64) {
    Suite::new(|content: &[u8]| Plain::new(flaw, content))
        .contents(70_000)
        .reopened_by(Plain::reopened)
        .changed_by(Plain::changed)
        .seed(seed)
        .run();
}

#[test]
fn sound_stores_pass_whatever_they_can_do() {
    for flaw in SOUND {
        for seed in 0..2 {
            run(flaw, seed);
        }
    }
}

#[test]
fn every_broken_store_is_found_and_the_message_names_the_rule() {
    let mut wrong = Vec::new();
    for (flaw, words) in BROKEN {
        // Races are found on some seeds and not on others.
        let messages: Vec<String> = (0..20)
            .filter_map(|seed| {
                let panic = catch_unwind(AssertUnwindSafe(|| run(flaw, seed))).err()?;
                Some(panic.downcast_ref::<String>().expect("text").clone())
            })
            .take(1)
            .collect();
        let Some(message) = messages.first() else {
            wrong.push(format!("{flaw:?} passes"));
            continue;
        };
        let rule = message.lines().next().unwrap();
        if !rule.contains(words) {
            wrong.push(format!("{flaw:?}, expected \"{words}\": {message}"));
        }
        assert!(message.contains("seed 0x") && message.contains("bytes, after"), "{message}");
        assert!(message.lines().count() < 60, "{message}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn contents_and_lengths_are_as_the_author_says() {
    Suite::new(|content: &[u8]| {
        assert!(content.len().is_multiple_of(512) && content.len() <= 9000);
        Plain::new(FixedLength, content)
    })
    .contents(9000)
    .lengths_in(512)
    .run();

    Suite::new(|content: &[u8]| {
        assert!([512, 7777].contains(&content.len()));
        Plain::new(FixedLength, content)
    })
    .lengths([7777, 512])
    .run();

    Suite::new(|content: &[u8]| {
        assert!((0..).zip(content).all(|(at, &byte)| byte == at as u8));
        Plain::new(Fixed, content)
    })
    .contents(0)
    .filled_by(|at| at as u8)
    .run();
}

#[test]
fn a_store_that_cannot_be_made_is_reported() {
    let panic = catch_unwind(|| {
        Suite::new(|_: &[u8]| -> Plain { panic!("no server") }).run();
    });
    let text = *panic.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(text, "no store of 0 bytes could be made: no server");
}
