//! The page table of a process, asked page by page: which pages are in memory, and in which state.
//!
//! ```
//! use folio_stat::Process;
//!
//! let bytes = vec![1u8; 64 << 10];
//! let address = bytes.as_ptr() as usize;
//! let runs = Process::current()?.page_runs(address..address + bytes.len())?;
//! assert!(runs.iter().all(|run| run.state.is_resident));
//! let length: usize = runs.iter().map(|run| run.length_bytes).sum();
//! assert!(length >= bytes.len());
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::error::Result;
use crate::process::Process;
use crate::residency::Residency;
use crate::scan::{self, category};
use crate::span::Span;

/// How a page is, as its entry in the page table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PageState {
    /// In memory, and mapped by this process. The zero page is not resident where it can be told.
    pub is_resident: bool,
    /// Moved out to swap (or poisoned).
    pub is_swapped: bool,
    /// Resident, and a page of a file or of shared memory, as opposed to one of this process's own.
    pub is_of_file: bool,
    /// Resident, and mapped more than once, by any processes.
    pub is_shared: bool,
    /// The kernel's one page of zeros, where memory was only read; `None` where that is not known.
    pub is_zero: Option<bool>,
    /// Mapped as a huge page, transparent or hugetlb; `None` where that is not known.
    pub is_huge: Option<bool>,
    /// A guard page of `MADV_GUARD_INSTALL` (Linux 6.15).
    pub is_guard: bool,
}

/// Neighbouring pages in the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PageRun {
    /// The first address.
    pub address: usize,
    /// Its length in bytes, whole pages.
    pub length_bytes: usize,
    /// How all of its pages are.
    pub state: PageState,
    /// The physical frame of its first page, counted in base pages. Known to processes with
    /// CAP_SYS_ADMIN only.
    pub frame: Option<u64>,
}

impl PageRun {
    /// The addresses it covers.
    pub fn range(&self) -> Range<usize> {
        self.address..self.address + self.length_bytes
    }

    /// A part of it, in bytes from its start, whole pages that lie inside.
    ///
    /// # Panics
    ///
    /// If they do not.
    #[must_use]
    pub fn part(&self, bytes: Range<usize>) -> Self {
        assert!(
            bytes.start <= bytes.end && bytes.end <= self.length_bytes,
            "{bytes:?} of {self:?}"
        );
        let pages = (bytes.start / rustix::param::page_size()) as u64;
        Self {
            address: self.address + bytes.start,
            length_bytes: bytes.len(),
            state: self.state,
            frame: self.frame.map(|frame| frame + pages),
        }
    }
}

impl Process {
    /// Which pages of a range are in memory and mapped by this process, numbered from the page
    /// the range starts in.
    ///
    /// What a file has in the page cache beyond that is [`PageCache`](crate::PageCache)'s to say.
    /// Zero pages are not resident; [`Via::Text`](crate::Via::Text) cannot tell them and takes
    /// them for resident.
    ///
    /// # Errors
    ///
    /// As for [`pages`](Self::pages).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio_stat::Process;
    ///
    /// let bytes = vec![1u8; 1 << 20];
    /// let address = bytes.as_ptr() as usize;
    /// let residency = Process::current()?.residency(address..address + bytes.len())?;
    /// assert_eq!(residency.resident_pages(), residency.pages());
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn residency(&self, range: Range<usize>) -> Result<Residency> {
        let (start, end) = (range.start, range.end);
        let [residency] =
            self.residencies(1, &[(0, start..end)])?.try_into().expect("one was asked for");
        Ok(residency)
    }

    /// As [`residency`](Self::residency), of many ranges in one walk. A piece is a range of whole pages
    /// and the number of the answer that it belongs to, below `count`; pieces are in order and do not
    /// overlap. The pages of an answer are numbered through its pieces.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRange`](crate::ErrorKind::InvalidRange) where pieces are not as said; else as
    /// for [`pages`](Self::pages).
    ///
    /// # Examples
    ///
    /// ```
    /// use folio_stat::Process;
    ///
    /// // One answer for all that is writable, and one for the rest.
    /// let process = Process::current()?;
    /// let mappings = process.mappings()?;
    /// let pieces: Vec<_> =
    ///     mappings.iter().map(|m| (usize::from(m.protection.write), m.range())).collect();
    /// let [rest, writable] = process.residencies(2, &pieces)?.try_into().unwrap();
    /// assert!(rest.resident_pages() > 0 && writable.resident_pages() > 0);
    /// # Ok::<(), folio_stat::Error>(())
    /// ```
    pub fn residencies(
        &self,
        count: usize,
        pieces: &[(usize, Range<usize>)],
    ) -> Result<Vec<Residency>> {
        let operation = "read the residency";
        let page_bytes = self.page_bytes;
        // Where each piece begins in its answer.
        let mut pages = vec![0; count];
        let mut spans = Vec::with_capacity(pieces.len());
        let mut end = 0;
        for (answer, range) in pieces {
            let span = Span::of_pages(range, page_bytes, operation)?;
            if *answer >= count || span.start() < end {
                return Err(Span::invalid(
                    range,
                    operation,
                    "it is not in order, or belongs to no answer",
                ));
            }
            end = span.end();
            spans.push((span, *answer, pages[*answer]));
            pages[*answer] += (span.length() / page_bytes) as u64;
        }
        let mut found: Vec<_> =
            pages.into_iter().map(|pages| Residency::new(page_bytes, pages)).collect();
        let Some((first, ..)) = spans.first() else { return Ok(found) };
        let whole = Span::new(first.start(), end).expect("they are in order");
        let mut next = 0;
        let mut insert = |run: Span| {
            while spans.get(next).is_some_and(|(span, ..)| span.end() <= run.start()) {
                next += 1;
            }
            for (span, answer, first) in &spans[next..] {
                let Some(part) = span.intersect(run) else {
                    if span.start() >= run.end() {
                        break;
                    }
                    continue;
                };
                let page = |address: usize| first + ((address - span.start()) / page_bytes) as u64;
                found[*answer].insert(page(part.start())..page(part.end()));
            }
        };
        self.with_pagemap(
            whole,
            operation,
            &mut insert,
            |pagemap, span, insert| scan::resident_by_scan(pagemap, span, insert),
            |pagemap, span, insert| scan::resident_by_entries(pagemap, span, page_bytes, insert),
        )?;
        Ok(found)
    }

    /// The pages of a range, in runs of the same state: all of the range, in order. Where nothing is
    /// mapped, nothing is resident.
    ///
    /// # Errors
    ///
    /// As for [`pages`](Self::pages).
    pub fn page_runs(&self, range: Range<usize>) -> Result<Vec<PageRun>> {
        self.runs(&range, |_, _| true)
    }

    /// As [`page_runs`](Self::page_runs), in runs that are contiguous in physical memory too. Where the
    /// frames are not known, it is the same.
    ///
    /// # Errors
    ///
    /// As for [`pages`](Self::pages).
    pub fn frame_runs(&self, range: Range<usize>) -> Result<Vec<PageRun>> {
        let page_bytes = self.page_bytes;
        self.runs(&range, |run, frame| match (run.frame, frame) {
            (Some(first), Some(next)) => first + (run.length_bytes / page_bytes) as u64 == next,
            (first, next) => first == next,
        })
    }

    /// Runs of pages in the same state, for which `continues` says so too.
    fn runs(
        &self,
        range: &Range<usize>,
        continues: impl Fn(&PageRun, Option<u64>) -> bool,
    ) -> Result<Vec<PageRun>> {
        let operation = "read the page table";
        let span = Span::of_pages(range, self.page_bytes, operation)?;
        let mut runs: Vec<PageRun> = Vec::new();
        let mut push = |part: Span, state: PageState, frame: Option<u64>| match runs.last_mut() {
            Some(last)
                if last.range().end == part.start()
                    && last.state == state
                    && continues(last, frame) =>
            {
                last.length_bytes += part.length();
            }
            _ => runs.push(PageRun {
                address: part.start(),
                length_bytes: part.length(),
                state,
                frame,
            }),
        };
        let page_bytes = self.page_bytes;
        self.with_pagemap(
            span,
            operation,
            &mut push,
            |pagemap, span, push| states_by_scan(pagemap, span, page_bytes, push),
            |pagemap, span, push| {
                scan::entries(pagemap, span, page_bytes, |page, entry| {
                    let state =
                        PageState { is_zero: None, is_huge: None, ..PageState::of_entry(entry) };
                    if state != PageState::default() {
                        push(page, state, frame(entry));
                    }
                })
            },
        )?;
        Ok(with_gaps(runs, span))
    }
}

impl PageState {
    /// What an entry of pagemap knows.
    fn of_entry(entry: u64) -> Self {
        let has = |bit| entry & bit != 0;
        let is_resident = has(scan::ENTRY_PRESENT);
        Self {
            is_resident,
            is_swapped: has(scan::ENTRY_SWAPPED) && !has(scan::ENTRY_GUARD),
            is_of_file: is_resident && has(scan::ENTRY_FILE),
            is_shared: is_resident && !has(scan::ENTRY_EXCLUSIVE),
            is_guard: has(scan::ENTRY_GUARD),
            is_zero: None,
            is_huge: None,
        }
    }
}

fn frame(entry: u64) -> Option<u64> {
    let frame = entry & scan::ENTRY_FRAME;
    (entry & scan::ENTRY_PRESENT != 0 && frame != 0).then_some(frame)
}

/// Visits the pages of `span` that are more than absent.
fn states_by_scan(
    pagemap: &File,
    span: Span,
    page_bytes: usize,
    push: &mut impl FnMut(Span, PageState, Option<u64>),
) -> io::Result<()> {
    scan::scan(pagemap, span, |run, categories| {
        let has = |category| categories & category != 0;
        let is_zero = has(category::ZERO) && has(category::PRESENT);
        let known = PageState {
            is_swapped: has(category::SWAPPED) && !has(category::GUARD),
            is_guard: has(category::GUARD),
            is_zero: Some(is_zero),
            is_huge: Some(has(category::HUGE) && !is_zero),
            ..PageState::default()
        };
        if !has(category::PRESENT) || is_zero {
            push(run, known, None);
            return Ok(());
        }
        scan::entries(pagemap, run, page_bytes, |page, entry| {
            let state = PageState {
                is_zero: known.is_zero,
                is_huge: known.is_huge,
                ..PageState::of_entry(entry)
            };
            push(page, state, frame(entry));
        })
    })?;
    Ok(())
}

/// With runs of absent pages between, so that all of `span` is covered.
fn with_gaps(runs: Vec<PageRun>, span: Span) -> Vec<PageRun> {
    let absent = PageState { is_zero: Some(false), is_huge: Some(false), ..PageState::default() };
    let mut all = Vec::with_capacity(runs.len());
    let mut from = span.start();
    let gap = |from: usize, to: usize| PageRun {
        address: from,
        length_bytes: to - from,
        state: absent,
        frame: None,
    };
    for run in runs {
        if run.address > from {
            all.push(gap(from, run.address));
        }
        from = run.range().end;
        all.push(run);
    }
    if from < span.end() {
        all.push(gap(from, span.end()));
    }
    all
}
