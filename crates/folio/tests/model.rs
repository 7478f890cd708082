//! Random sequences of operations on mappings, against a model: vectors of bytes, and the file read
//! back with pread(2).

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;

use common::{Scratch, memfd, page, pattern};
use folio::{Advice, Discard, Lock, MapOptions, Mapping, Protection};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write {
        part: usize,
        at: usize,
        bytes: Vec<u8>,
    },
    Fill {
        part: usize,
        from: usize,
        count: usize,
        byte: u8,
    },
    /// By somebody else, with pwrite(2).
    WriteFile {
        at: usize,
        bytes: Vec<u8>,
    },
    Protect {
        part: usize,
        from: usize,
        count: usize,
        write: bool,
    },
    Advise {
        part: usize,
        from: usize,
        count: usize,
        advice: Advice,
    },
    Lock {
        part: usize,
        from: usize,
        count: usize,
        unlock: bool,
    },
    Flush {
        part: usize,
        from: usize,
        count: usize,
        kind: u8,
    },
    Discard {
        part: usize,
        from: usize,
        count: usize,
        hole: bool,
    },
    Resize {
        part: usize,
        len: usize,
        may_move: bool,
    },
    Split {
        part: usize,
        at: usize,
    },
    Join {
        part: usize,
    },
    Close {
        part: usize,
    },
    Again,
}

const MAX: usize = 40_000;

fn step() -> impl Strategy<Value = Step> {
    let part = 0..4usize;
    let at = 0..MAX;
    let range = (0..4usize, 0..MAX, 0..MAX);
    let bytes = prop::collection::vec(any::<u8>(), 0..6000);
    let advice = prop::sample::select(vec![
        Advice::Normal,
        Advice::Random,
        Advice::Sequential,
        Advice::WillNeed,
        Advice::Cold,
        Advice::PageOut,
        Advice::PopulateRead,
        Advice::HugePages,
        Advice::NoHugePages,
        Advice::DontDump,
        Advice::DoDump,
    ]);
    prop_oneof![
        4 => (part.clone(), at.clone(), bytes.clone())
            .prop_map(|(part, at, bytes)| Step::Write { part, at, bytes }),
        2 => (range.clone(), any::<u8>())
            .prop_map(|((part, from, count), byte)| Step::Fill { part, from, count, byte }),
        2 => (at.clone(), bytes).prop_map(|(at, bytes)| Step::WriteFile { at, bytes }),
        2 => (range.clone(), any::<bool>())
            .prop_map(|((part, from, count), write)| Step::Protect { part, from, count, write }),
        2 => (range.clone(), advice)
            .prop_map(|((part, from, count), advice)| Step::Advise { part, from, count, advice }),
        1 => (range.clone(), any::<bool>())
            .prop_map(|((part, from, count), unlock)| Step::Lock { part, from, count, unlock }),
        1 => (range.clone(), 0..3u8)
            .prop_map(|((part, from, count), kind)| Step::Flush { part, from, count, kind }),
        2 => (range, any::<bool>())
            .prop_map(|((part, from, count), hole)| Step::Discard { part, from, count, hole }),
        3 => (part.clone(), at.clone(), any::<bool>())
            .prop_map(|(part, len, may_move)| Step::Resize { part, len, may_move }),
        2 => (part.clone(), at).prop_map(|(part, at)| Step::Split { part, at }),
        2 => part.clone().prop_map(|part| Step::Join { part }),
        1 => part.prop_map(|part| Step::Close { part }),
        1 => Just(Step::Again),
    ]
}

/// A mapping and what is known of it.
struct Part {
    map: Mapping,
    /// Where it starts in the file, or in the memory.
    offset: usize,
    len: usize,
    /// Whether each page, from that of the first byte on, may be written.
    writable: Vec<bool>,
    /// Bytes of private pages that were written; `None` while a page shows the file.
    own: Vec<Option<Vec<u8>>>,
    locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Shared,
    Private,
    Memory,
}

/// All parts, and the bytes behind them.
struct World {
    kind: Kind,
    source: File,
    options: MapOptions,
    first: (usize, usize),
    parts: Vec<Part>,
    file: Vec<u8>,
}

impl Part {
    fn lead(&self) -> usize {
        self.offset % page()
    }

    fn pages(&self) -> usize {
        (self.lead() + self.len).div_ceil(page())
    }

    /// Pages on which any byte of a range lies, and pages that lie wholly in it.
    fn around(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        if from == to {
            return 0..0;
        }
        (self.lead() + from) / page()..(self.lead() + to).div_ceil(page())
    }

    fn inside(&self, from: usize, to: usize, memory: bool) -> std::ops::Range<usize> {
        if from == to {
            return 0..0;
        }
        let start = (self.lead() + from).div_ceil(page());
        let whole = memory && to == self.len;
        let end = if whole { self.pages() } else { (self.lead() + to) / page() };
        start..end.max(start)
    }
}

impl World {
    fn new(kind: Kind, on_disk: bool, offset: usize, len: usize) -> (Self, Option<Scratch>) {
        let file = pattern(offset + MAX + 3 * page());
        let (source, scratch) = if on_disk {
            let scratch = Scratch::new(&file);
            (scratch.file(), Some(scratch))
        } else {
            (memfd(&file), None)
        };
        let options = MapOptions::new().write();
        let options = if kind == Kind::Shared { options } else { options.private() };
        let first = (if kind == Kind::Memory { 0 } else { offset }, len);
        let mut world = Self { kind, source, options, first, parts: Vec::new(), file };
        world.again();
        (world, scratch)
    }

    fn again(&mut self) {
        let (offset, len) = self.first;
        let map = match self.kind {
            Kind::Memory => self.options.anonymous(len).unwrap(),
            _ => self.options.clone().offset(offset as u64).len(len).map(&self.source).unwrap(),
        };
        let mut part =
            Part { map, offset, len, writable: Vec::new(), own: Vec::new(), locked: false };
        let zeros = (self.kind == Kind::Memory).then(|| vec![0; page()]);
        part.writable = vec![true; part.pages()];
        part.own = vec![zeros; part.pages()];
        self.parts.push(part);
    }

    /// What a part should show.
    fn expected(&self, part: &Part) -> Vec<u8> {
        let start = part.offset - part.lead();
        (0..part.len)
            .map(|at| {
                let at = part.lead() + at;
                match &part.own[at / page()] {
                    Some(own) => own[at % page()],
                    None => self.file[start + at],
                }
            })
            .collect()
    }

    /// Writes through a part as far as its pages permit, in the model.
    fn model_write(&mut self, index: usize, from: usize, bytes: &[u8]) -> bool {
        let part = &mut self.parts[index];
        let start = part.offset - part.lead();
        for (i, &byte) in bytes.iter().enumerate() {
            let at = part.lead() + from + i;
            if !part.writable[at / page()] {
                return false;
            }
            if self.kind == Kind::Shared {
                self.file[start + at] = byte;
                continue;
            }
            let page_start = start + at / page() * page();
            let file = &self.file;
            let own = part.own[at / page()].get_or_insert_with(|| {
                // The file may end on this page.
                let mut copy = file[page_start..file.len().min(page_start + page())].to_vec();
                copy.resize(page(), 0);
                copy
            });
            own[at % page()] = byte;
        }
        true
    }

    fn run(&mut self, step: &Step) {
        if self.parts.is_empty() {
            self.again();
        }
        let parts = self.parts.len();
        let memory = self.kind == Kind::Memory;
        // A part, and a range of it.
        let pick = |part: usize, from: usize, count: usize, world: &Self| {
            let len = world.parts[part % parts].len;
            let from = from % (len + 1);
            (part % parts, from, (from + count % (len + 1)).min(len))
        };
        match step.clone() {
            Step::Write { part, at, bytes } => {
                let (index, from, to) = pick(part, at, bytes.len(), self);
                let bytes = &bytes[..to - from];
                let result = self.parts[index].map.write_at(from, bytes);
                let whole = self.model_write(index, from, bytes);
                assert_eq!(result.is_ok(), whole, "{result:?}");
                if let Err(error) = result {
                    let fault = error.fault().expect("a fault");
                    let part = &self.parts[index];
                    let done = fault.transferred();
                    assert!(!part.writable[(part.lead() + from + done) / page()]);
                    assert!((0..done).all(|i| part.writable[(part.lead() + from + i) / page()]));
                }
            }
            Step::Fill { part, from, count, byte } => {
                let (index, from, to) = pick(part, from, count, self);
                let result = self.parts[index].map.fill(from..to, byte);
                let whole = self.model_write(index, from, &vec![byte; to - from]);
                assert_eq!(result.is_ok(), whole, "{result:?}");
            }
            Step::WriteFile { at, bytes } => {
                let count = bytes.len().min(self.file.len() - at);
                self.source.write_all_at(&bytes[..count], at as u64).unwrap();
                self.file[at..at + count].copy_from_slice(&bytes[..count]);
            }
            Step::Protect { part, from, count, write } => {
                let (index, from, to) = pick(part, from, count, self);
                let part = &mut self.parts[index];
                let both = Protection::READ | Protection::WRITE;
                let protection = if write { both } else { Protection::READ };
                part.map.protect(from..to, protection).unwrap();
                for number in part.around(from, to) {
                    part.writable[number] = write;
                }
            }
            Step::Advise { part, from, count, advice } => {
                let (index, from, to) = pick(part, from, count, self);
                // Which kinds take which advice is the kernel's; no byte may change.
                let _ = self.parts[index].map.advise(from..to, advice);
            }
            Step::Lock { part, from, count, unlock } => {
                let (index, from, to) = pick(part, from, count, self);
                let part = &mut self.parts[index];
                if unlock {
                    part.map.unlock(..).unwrap();
                    part.locked = false;
                } else {
                    part.locked |= from < to;
                    let _ = part.map.lock(from..to, Lock::OnFault);
                }
            }
            Step::Flush { part, from, count, kind } => {
                let (index, from, to) = pick(part, from, count, self);
                let part = &self.parts[index];
                let result = match kind {
                    0 => part.map.flush(from..to),
                    1 => part.map.flush_async(from..to),
                    _ if part.locked => return,
                    _ => part.map.flush_and_invalidate(from..to),
                };
                let touched = result.unwrap();
                assert!(from == to || touched.start <= from && to <= touched.end);
            }
            Step::Discard { part, from, count, hole } => {
                let (index, from, to) = pick(part, from, count, self);
                let part = &mut self.parts[index];
                let pages = part.inside(from, to, memory);
                let how = match (hole, part.locked) {
                    (true, true) => return,
                    (true, false) => Discard::Hole,
                    (false, true) => Discard::NowLocked,
                    (false, false) => Discard::Now,
                };
                let result = part.map.discard(from..to, how);
                if how == Discard::Hole && !pages.is_empty() {
                    // Read-only pages of a file that may be written too (madvise(2)).
                    assert_eq!(result.is_ok(), self.kind == Kind::Shared, "{result:?}");
                    if result.is_ok() {
                        let start = part.offset - part.lead();
                        self.file[start + pages.start * page()..start + pages.end * page()].fill(0);
                    }
                    return;
                }
                result.unwrap();
                for number in pages {
                    part.own[number] = memory.then(|| vec![0; page()]);
                }
            }
            Step::Resize { part, len, may_move } => {
                let index = part % parts;
                let part = &mut self.parts[index];
                let len = if memory { len } else { len.min(self.file.len() - part.offset) };
                let result = part.map.resize(len, may_move);
                if len == 0 || result.is_err() {
                    result.unwrap_err();
                    return;
                }
                let before = part.len;
                part.len = len;
                let pages = part.pages();
                let last = *part.writable.last().unwrap();
                part.writable.resize(pages, last);
                part.own.resize(pages, memory.then(|| vec![0; page()]));
                if memory && len < before {
                    let cut = (part.lead() + len) % page();
                    if cut > 0 {
                        part.own[pages - 1].as_mut().unwrap()[cut..].fill(0);
                    }
                }
            }
            Step::Split { part, at } => {
                let part = self.parts.remove(part % parts);
                let at = at % (part.len + 2);
                let fits = 0 < at && at < part.len && (part.lead() + at).is_multiple_of(page());
                // Half of the time at a page that fits.
                let near = ((part.lead() + at) / page() * page()).saturating_sub(part.lead());
                let (at, fits) = if at.is_multiple_of(2) && 0 < near && near < part.len {
                    (near, true)
                } else {
                    (at, fits)
                };
                let Part { map, offset, len, mut writable, mut own, locked } = part;
                match map.split_at(at) {
                    Ok((left, right)) => {
                        assert!(fits);
                        let number = (offset % page() + at) / page();
                        let right = Part {
                            map: right,
                            offset: offset + at,
                            len: len - at,
                            writable: writable.split_off(number),
                            own: own.split_off(number),
                            locked,
                        };
                        self.parts.push(Part { map: left, offset, len: at, writable, own, locked });
                        self.parts.push(right);
                    }
                    Err(refused) => {
                        assert!(!fits, "{refused}");
                        let map = refused.into_value();
                        self.parts.push(Part { map, offset, len, writable, own, locked });
                    }
                }
            }
            Step::Join { part } => {
                if parts < 2 {
                    return;
                }
                let left = self.parts.remove(part % parts);
                let right = self.parts.remove(part % (parts - 1));
                let continues = left.offset + left.len == right.offset
                    && left.map.address() + left.len == right.map.address()
                    && right.lead() == 0;
                let Part { map, offset, len, mut writable, mut own, locked } = left;
                match map.join(right.map) {
                    Ok(map) => {
                        assert!(continues);
                        writable.extend(right.writable);
                        own.extend(right.own);
                        let (len, locked) = (len + right.len, locked || right.locked);
                        self.parts.push(Part { map, offset, len, writable, own, locked });
                    }
                    Err(refused) => {
                        let (map, other) = refused.into_value();
                        self.parts.push(Part { map, offset, len, writable, own, locked });
                        self.parts.push(Part { map: other, ..right });
                    }
                }
            }
            Step::Close { part } => {
                self.parts.remove(part % parts).map.close().unwrap();
            }
            Step::Again => {
                if parts < 4 {
                    self.again();
                }
            }
        }
    }

    fn check(&self) {
        for part in &self.parts {
            assert_eq!(part.map.len(), part.len);
            assert_eq!(part.map.offset() as usize, part.offset);
            assert_eq!(part.map.address() % page(), part.lead());
            let (seen, expected) = (part.map.to_vec().unwrap(), self.expected(part));
            if let Some(at) = (0..part.len).find(|&at| seen[at] != expected[at]) {
                panic!("byte {at} is {}, not {} of {:?}", seen[at], expected[at], part.map);
            }
        }
        let mut file = vec![0; self.file.len()];
        self.source.read_exact_at(&mut file, 0).unwrap();
        assert!(file == self.file, "the file differs");
        assert_eq!(self.source.metadata().unwrap().len() as usize, self.file.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(
        kind in prop::sample::select(vec![Kind::Shared, Kind::Private, Kind::Memory]),
        on_disk in any::<bool>(),
        offset in 0usize..9000,
        len in 1usize..MAX,
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let (mut world, _scratch) = World::new(kind, on_disk, offset, len);
        world.check();
        for step in &steps {
            world.run(step);
            world.check();
        }
    }
}
