//! Read-ahead: runs of touches that are recognised, and what is loaded before they get there.
//!
//! For each region and thread some streams are kept. A thread that misses granules `g`, `g + s`,
//! `g + 2s` is taken to go on like that, and a window of granules ahead of it is loaded by threads of the
//! pager. Since what is loaded faults no more, the first granule of each window is left on standby, as a
//! marker: when it is touched, the window has been of use, and the next one, twice as long, is loaded. A
//! stream whose marker was never touched halves the length with which the next one starts.

use std::sync::Arc;

use folio::Advice;
use folio_store::Cost;

use crate::prefetch::{parts, run_bytes};
use crate::region::Region;
use crate::workers::Job;
use crate::{lock, sys};

const STREAMS: usize = 16;
/// Steps of the same length that make a run.
const STEPS: u32 = 2;

/// What is known of the runs in a region.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
    clock: u64,
    /// Granules of a stream's first window.
    first_window: usize,
    pub(crate) pattern: Pattern,
}

impl Default for Streams {
    fn default() -> Self {
        Self { streams: Vec::new(), clock: 0, first_window: 4, pattern: Pattern::Normal }
    }
}

/// How a mapping is going to be touched, as far as its owner has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Normal,
    Random,
    Sequential,
}

impl Pattern {
    /// What an advice says about it, if it does.
    pub(crate) fn of(advice: Advice) -> Option<Self> {
        match advice {
            Advice::Normal => Some(Self::Normal),
            Advice::Random => Some(Self::Random),
            Advice::Sequential => Some(Self::Sequential),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Stream {
    thread: usize,
    last: usize,
    stride: isize,
    steps: u32,
    window: usize,
    /// Where the next window begins, and the marker of the last one.
    next: isize,
    marker: Option<usize>,
    used: u64,
}

/// A window to load.
struct Window {
    start: usize,
    stride: isize,
    count: usize,
}

impl Streams {
    /// A granule was missed by a thread: a run may begin, or go on.
    fn missed(
        &mut self,
        thread: usize,
        granule: usize,
        most: usize,
        room: usize,
        run: usize,
    ) -> Option<Window> {
        self.clock += 1;
        if self.pattern == Pattern::Random {
            return None;
        }
        // Where the last window ended it goes on, even if the marker was touched before it was one.
        let near = |stream: &&mut Stream| {
            stream.thread == thread
                && (granule.abs_diff(stream.last) <= 64.max(stream.stride.unsigned_abs())
                    || (stream.marker.is_some() && stream.next == granule as isize))
        };
        let clock = self.clock;
        let Some(stream) =
            self.streams.iter_mut().filter(near).min_by_key(|stream| {
                stream.last.wrapping_add_signed(stream.stride).abs_diff(granule)
            })
        else {
            self.begin(thread, granule);
            return match self.pattern {
                Pattern::Sequential => {
                    let stream = self.streams.last_mut()?;
                    (stream.stride, stream.window) = (1, (most / 2).max(1));
                    stream.next = granule as isize + 1;
                    stream.advance(room, run)
                }
                _ => None,
            };
        };
        let stride = granule as isize - stream.last as isize;
        stream.used = clock;
        if stride == 0 {
            return None;
        }
        // A window was overtaken: the thread is where it was to be, only sooner.
        let ahead = stream.stride != 0
            && stride.signum() == stream.stride.signum()
            && stride % stream.stride == 0;
        if stride == stream.stride || (ahead && stream.marker.is_some()) {
            stream.steps += 1;
        } else {
            if stream.marker.is_some() {
                self.first_window = (self.first_window / 2).max(2);
            }
            (stream.stride, stream.steps, stream.marker) = (stride, 1, None);
        }
        stream.last = granule;
        if stream.steps < STEPS {
            return None;
        }
        stream.window = match stream.marker {
            None => self.first_window,
            Some(_) => stream.window * 2,
        }
        .clamp(1, most);
        let here = granule as isize + stream.stride;
        let passed = (stream.next - here) * stream.stride.signum() < 0;
        if stream.marker.is_none() || passed {
            stream.next = here;
        }
        // Behind a window that is still being loaded nothing more is begun.
        let begun = (stream.next - here) / stream.stride;
        if begun > most as isize { None } else { stream.advance(room, run) }
    }

    /// A marker was touched: its window was of use.
    fn marked(&mut self, granule: usize, most: usize, room: usize, run: usize) -> Option<Window> {
        self.clock += 1;
        let clock = self.clock;
        let stream = self.streams.iter_mut().find(|stream| stream.marker == Some(granule))?;
        stream.used = clock;
        stream.last = granule;
        stream.window = (stream.window * 2).clamp(1, most);
        self.first_window = (self.first_window * 2).min(most.clamp(2, 16));
        stream.advance(room, run)
    }

    fn begin(&mut self, thread: usize, granule: usize) {
        if self.streams.len() >= STREAMS {
            let oldest = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.used);
            let Some((at, _)) = oldest else { return };
            if self.streams.swap_remove(at).marker.is_some() {
                self.first_window = (self.first_window / 2).max(2);
            }
        }
        self.streams.push(Stream {
            thread,
            last: granule,
            stride: 0,
            steps: 0,
            window: 0,
            next: 0,
            marker: None,
            used: self.clock,
        });
    }
}

impl Stream {
    /// The next window, of those granules that exist.
    fn advance(&mut self, granules: usize, run: usize) -> Option<Window> {
        let start = usize::try_from(self.next).ok().filter(|start| *start < granules)?;
        let left = match self.stride > 0 {
            true => (granules - 1 - start) / self.stride.unsigned_abs(),
            false => start / self.stride.unsigned_abs(),
        };
        let mut count = self.window.min(left + 1);
        // To where a run of the store's ends, for fewer and longer requests.
        let over = match self.stride {
            1 => (start + count) % run,
            -1 => (run - (start + 1 - count) % run) % run,
            _ => 0,
        };
        if over < count {
            count -= over;
        }
        self.next += self.stride * count as isize;
        self.marker = Some(start);
        Some(Window { start, stride: self.stride, count })
    }
}

impl Region {
    /// Granules of the longest window: what keeps the store busy, and no more than the budget bears.
    fn longest_window(&self) -> usize {
        let requests = usize::from(self.capabilities.concurrency_or_default());
        let bytes = match self.capabilities.cost() {
            Cost::Memory => 256 << 10,
            _ => 2 * requests * run_bytes(self),
        };
        let bearable = (self.core.budget.limit_bytes() / 8) as usize;
        bytes.min(bearable) / self.granule()
    }

    /// Granules of one request.
    fn run(&self) -> usize {
        (run_bytes(self) / self.granule()).max(1)
    }

    /// A granule was loaded because this thread touched it.
    pub(crate) fn noticed(self: &Arc<Self>, granule: usize) {
        let most = self.longest_window();
        if most < 2 {
            return;
        }
        let window =
            lock(&self.streams).missed(sys::thread(), granule, most, self.granules(), self.run());
        self.load_window(window);
    }

    /// A granule that had been left on standby by read-ahead was touched.
    pub(crate) fn marked(self: &Arc<Self>, granule: usize) {
        let most = self.longest_window();
        let window = lock(&self.streams).marked(granule, most.max(1), self.granules(), self.run());
        self.load_window(window);
    }

    fn load_window(self: &Arc<Self>, window: Option<Window>) {
        let Some(Window { start, stride, count }) = window else { return };
        let at = |n: usize| start.wrapping_add_signed(stride * n as isize);
        let push = |granules, marker| {
            let region = self.clone();
            self.core.workers.push(Job::Load { region, granules, marker, completion: None });
        };
        match stride {
            1 | -1 => {
                let step = self.run();
                let all = at(0).min(at(count - 1))..at(0).max(at(count - 1)) + 1;
                // In the order in which they are needed.
                let mut parts: Vec<_> = parts(&all, step).collect();
                if stride < 0 {
                    parts.reverse();
                }
                parts.into_iter().for_each(|part| push(part, Some(start)));
            }
            _ => (0..count).for_each(|n| push(at(n)..at(n) + 1, Some(start))),
        }
    }
}
