//! A file from its beginning to its end, each word of it: through the pager, the kernel's mapping, and
//! by reads that leave out the page cache.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use folio::Advice;
use folio_pager::{Budget, Paged, Pager};
use folio_store::FileStore;

use crate::child::Kernel;
use crate::contest::{Contest, wall};
use crate::disk;
use crate::pick::sum;
use crate::raw::Raw;

const GROUP: &str = "scan of a file";
const HUGE: usize = 2 << 20;

/// Reads and sums a file by so many threads, each with a buffer of its own; of huge pages, where a
/// request is as long as one.
fn read(file: &File, len: usize, request: usize, threads: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let buffer = Raw::anonymous(request + HUGE);
                let start = buffer.start.wrapping_add(buffer.start.align_offset(HUGE));
                if request >= HUGE {
                    // SAFETY: advice on memory of this thread's.
                    unsafe { libc::madvise(start.cast(), request, libc::MADV_HUGEPAGE) };
                }
                // SAFETY: the memory is this thread's, and lives as long as `buffer`.
                let bytes = unsafe { std::slice::from_raw_parts_mut(start, request) };
                loop {
                    let at = next.fetch_add(request, Ordering::Relaxed);
                    if at >= len {
                        return;
                    }
                    file.read_exact_at(bytes, at as u64).unwrap();
                    std::hint::black_box(sum(bytes.as_ptr(), request));
                }
            });
        }
    });
}

pub(crate) fn rows(contest: &mut Contest, directory: &Path) -> std::io::Result<()> {
    if !contest.wants(GROUP) {
        return Ok(());
    }
    let len = if contest.quick { 256 << 20 } else { 1 << 30 };
    let memory = len / 8;
    let path = disk::file(directory, "scanned", len)?;
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path)?;
    let pager = Pager::new(Budget::bytes(memory as u64)).map_err(std::io::Error::other)?;
    let kernel = match Kernel::new(&path, memory) {
        Ok(kernel) => Some(RefCell::new(kernel)),
        Err(why) => {
            contest.skip("scan by the kernel", &why);
            None
        }
    };
    let mib = len >> 20;
    let ours = |advice: Option<Advice>| {
        let store = FileStore::options().direct_if_possible(true).open(&path).unwrap();
        let mut options = pager.options();
        if let Some(advice) = advice {
            options = options.advice(advice);
        }
        let map: Paged = options.map(store).unwrap();
        wall(mib, || {
            std::hint::black_box(sum(map.as_ptr(), len));
        })
    };
    for (title, advice) in [("1 MiB", None), ("1 MiB, advised", Some(Advice::Sequential))] {
        let mut row = contest
            .row(GROUP, title)
            .by("folio, O_DIRECT", || ours(advice))
            .by("O_DIRECT, 256 KiB, one at a time", || {
                wall(mib, || read(&direct, len, 256 << 10, 1))
            })
            .by("O_DIRECT, 256 KiB, 8 at a time", || wall(mib, || read(&direct, len, 256 << 10, 8)))
            .aim(1.0 / 0.95)
            .by("O_DIRECT, 2 MiB, huge pages, 2 at a time", || {
                wall(mib, || read(&direct, len, HUGE, 2))
            })
            .aim(1.0 / 0.95);
        if let Some(kernel) = &kernel {
            row = row.by("kernel, MADV_SEQUENTIAL, in a cgroup", || {
                kernel.borrow_mut().scan() / mib as f64
            });
            row = row.aim(1.0);
        }
        row.rounds(5).run();
    }
    Ok(())
}
