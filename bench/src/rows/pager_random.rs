//! Touches of random pages of a file that is eight times as long as there is memory.

use std::cell::RefCell;
use std::path::Path;

use folio::Advice;
use folio_pager::{Budget, Pager};
use folio_store::FileStore;

use crate::child::Kernel;
use crate::contest::Contest;
use crate::disk;
use crate::pick::{Picks, drive};

const READ: &str = "random 4 KiB reads";
const WRITE: &str = "random read-modify-write";

pub(crate) fn rows(contest: &mut Contest, directory: &Path) -> std::io::Result<()> {
    let len = if contest.quick { 256 << 20 } else { 1 << 30 };
    let memory = len / 8;
    for write in [false, true] {
        let group = if write { WRITE } else { READ };
        if !contest.wants(group) {
            continue;
        }
        let name = if write { "written" } else { "read" };
        let (own, peer) = (
            disk::file(directory, &format!("{name}-by-folio"), len)?,
            disk::file(directory, &format!("{name}-by-kernel"), len)?,
        );
        for zipf in [false, true] {
            let store = FileStore::options().writable(write).direct_if_possible(true).open(&own);
            let store = store.map_err(std::io::Error::other)?;
            // The kernel lets all of a cgroup's memory be dirty.
            let budget = Budget::bytes(memory as u64).dirty_bytes(memory as u64);
            let pager = Pager::new(budget).map_err(std::io::Error::other)?;
            let options = pager.options().granule(4096);
            let (read, shared);
            let start = if write {
                shared = options.shared(store).map_err(std::io::Error::other)?;
                shared.advise(.., Advice::Random).map_err(std::io::Error::other)?;
                shared.as_ptr()
            } else {
                read = options.map(store).map_err(std::io::Error::other)?;
                read.advise(.., Advice::Random).map_err(std::io::Error::other)?;
                read.as_ptr()
            };
            let start = start.cast_mut();
            let kernel = match Kernel::new(&peer, memory) {
                Ok(kernel) => RefCell::new(kernel),
                Err(why) => {
                    contest.skip(group, &why);
                    return Ok(());
                }
            };
            // As many touches as bring what is worth keeping into memory.
            let rounds = if zipf { 16 } else { 2 };
            let warm = Picks { zipf, write, threads: 8, count: rounds * memory / 4096, seed: 7 };
            drive(start, len, &warm);
            kernel.borrow_mut().random(&warm);
            let threads: &[usize] = if contest.quick { &[2] } else { &[1, 2, 4, 8] };
            for &threads in threads {
                let per_thread = if contest.quick { 200 } else { 2000 };
                let count = threads * per_thread * if zipf { 4 } else { 1 };
                let picks = |seed| Picks { zipf, write, threads, count, seed };
                let (mut first, mut second) = (100 * threads as u64, 100 * threads as u64);
                let title = format!(
                    "{}, {threads} thread{}",
                    if zipf { "Zipf 0.99" } else { "uniform" },
                    if threads == 1 { "" } else { "s" }
                );
                contest
                    .row(group, title)
                    .by("folio, O_DIRECT", || {
                        first += 1;
                        drive(start, len, &picks(first)) / count as f64
                    })
                    .by("kernel, MADV_RANDOM, in a cgroup", || {
                        second += 1;
                        kernel.borrow_mut().random(&picks(second)) / count as f64
                    })
                    .aim(if zipf { 1.0 / 1.2 } else { 1.0 })
                    .rounds(9)
                    .run();
            }
        }
    }
    Ok(())
}
