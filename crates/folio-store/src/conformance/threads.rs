//! What is checked on several threads at once.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use super::caller::Caller;
use super::probe::Probe;
use super::rule;
use crate::Store;

const THREADS: usize = 4;

/// Stripes of uneven length; every thread has each fourth, so that neighbours share sectors and pages.
fn stripes(len: usize) -> Vec<Range<usize>> {
    let mut stripes = Vec::new();
    let mut start = 0;
    for step in [700, 37, 4096, 1, 513, 3000, 9001].into_iter().cycle() {
        if start >= len {
            return stripes;
        }
        let end = (start + step).min(len);
        stripes.push(start..end);
        start = end;
    }
    stripes
}

/// Each thread reads and writes stripes of its own and reads those that nobody writes; one makes the
/// store longer and shorter behind them. Then everything is compared.
pub(super) fn disjoint<'a, S: Store>(
    probe: &mut Probe<'a, S>,
    caller: impl Fn(u64) -> Caller<'a, S>,
    steps: usize,
) {
    let stripes = stripes(probe.model.len());
    if stripes.is_empty() {
        return;
    }
    let (writable, resizable) = (probe.is_writable(), probe.is_resizable());
    let barrier = Barrier::new(THREADS + 1);
    let model = &probe.model;
    let owned = |thread: usize| stripes.iter().skip(thread).step_by(THREADS);
    let written = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let mut caller = caller(thread as u64 + 1);
                // The last thread's stripes are written by nobody.
                let writes = writable && thread + 1 < THREADS;
                let own: Vec<Range<usize>> = owned(thread).cloned().collect();
                let fixed: Vec<Range<usize>> = owned(THREADS - 1).cloned().collect();
                let mut bytes = model.clone();
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for _ in 0..steps {
                        step(&mut caller, &mut bytes, &own, &fixed, writes);
                    }
                    bytes
                })
            })
            .collect();
        let mut resizer = caller(THREADS as u64 + 1);
        let len = model.len() as u64;
        barrier.wait();
        if resizable {
            for turn in 0..steps as u64 / 4 {
                for to in [len + 1 + turn * 37 % 9000, len] {
                    let outcome = resizer.call(format!("resize({to})"), |store| store.resize(to));
                    if let Err(error) = outcome {
                        resizer.broken(rule::RESIZE, error.to_string());
                    }
                }
                resizer.sync();
            }
        }
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    let owned: Vec<Vec<Range<usize>>> =
        (0..THREADS).map(|thread| owned(thread).cloned().collect()).collect();
    for (bytes, stripes) in written.iter().zip(owned) {
        for stripe in stripes {
            probe.model[stripe.clone()].copy_from_slice(&bytes[stripe]);
        }
    }
    probe.caller.note("threads read and wrote, and ended");
    probe.hold_all(rule::DISJOINT);
}

fn step<S: Store>(
    caller: &mut Caller<'_, S>,
    bytes: &mut [u8],
    own: &[Range<usize>],
    fixed: &[Range<usize>],
    writes: bool,
) {
    let stripes = if own.is_empty() || caller.random.one_in(4) { fixed } else { own };
    if stripes.is_empty() {
        return;
    }
    let stripe = stripes[caller.random.within(0..stripes.len())].clone();
    let part = if caller.random.one_in(2) {
        stripe
    } else {
        let start = caller.random.within(stripe.clone());
        start..caller.random.within(start..stripe.end) + 1
    };
    let offset = part.start as u64;
    if writes && std::ptr::eq(stripes, own) && caller.random.one_in(2) {
        let new = caller.random.bytes(part.len());
        if let Err(error) = caller.write_all_at(&new, offset) {
            caller.broken(rule::WRITABLE, error.to_string());
        }
        bytes[part].copy_from_slice(&new);
        return;
    }
    let mut buffer = caller.buffer(part.len());
    let read = if caller.random.one_in(2) {
        caller.read_full_at(buffer.bytes(), offset)
    } else {
        let mut buffers = [(buffer, offset)];
        let read = caller.read_many(&mut buffers)[0];
        let [(again, _)] = buffers;
        buffer = again;
        read
    };
    if read != Some(part.len()) || buffer.bytes() != &bytes[part.clone()] {
        let got = buffer.bytes();
        let at = got.iter().zip(&bytes[part.clone()]).position(|(got, own)| got != own);
        let what = format!(
            "of bytes {part:?}, which no other thread writes, {read:?} were read, the first wrong \
             one is {at:?}"
        );
        caller.broken(rule::DISJOINT, what);
    }
}
