//! What a process costs altogether, without a line of text for each of its mappings.
//!
//! ```
//! use folio_stat::Process;
//!
//! let process = Process::current()?;
//! let total = process.total_costs()?;
//! assert!(total.resident_bytes > 0 && total.resident_bytes <= total.mapped_bytes);
//! assert!(process.mapping_count()? > 3);
//! # Ok::<(), folio_stat::Error>(())
//! ```

use std::io::Read;

use crate::costs::Costs;
use crate::error::Result;
use crate::process::Process;
use crate::smaps;
use crate::span::Span;
use crate::status::decimal;

impl Process {
    /// What all its mappings cost together, as the kernel adds it up (`/proc/PID/smaps_rollup`): the
    /// kernel walks all its page tables, which takes some milliseconds for each GiB in memory.
    ///
    /// [`Costs::proportional_bytes`] was added up before it was rounded: it is no less than the sum of
    /// what [`costs_by_mapping`](Self::costs_by_mapping) gives, by up to 1 KiB for each mapping.
    /// [`Costs::mappings`] is empty, and [`Costs::locked_bytes`] is 0, because nothing but smaps tells.
    /// A kernel thread costs nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`](crate::ErrorKind::PermissionDenied) for another user's process,
    /// [`ErrorKind::ProcessGone`](crate::ErrorKind::ProcessGone).
    pub fn total_costs(&self) -> Result<Costs> {
        let operation = "read the costs";
        let mut text = Vec::new();
        let file = "smaps_rollup";
        let read = self.open_at(file).and_then(|mut file| file.read_to_end(&mut text));
        if let Err(error) = read {
            let nothing = Costs::empty(Span::new(0, 0).expect("0 is not below 0"));
            return match error.raw_os_error() {
                // No memory: a process that ended, or a kernel thread. Some kernels say so when the file is
                // opened, and some when it is read.
                Some(libc::ESRCH) => self.ensure_alive(operation).map(|()| nothing),
                _ => Err(self.unopened(file, operation, &error)),
            };
        }
        let sizes = self.text_of_all("statm", operation)?;
        self.ensure_alive(operation)?;
        let page_bytes = rustix::param::page_size();
        let mapped = || {
            let pages = decimal(sizes.split(|&byte| byte == b' ').next()?)?;
            pages.checked_mul(page_bytes)
        };
        let mut costs =
            smaps::rollup(&text).ok_or_else(|| self.malformed("smaps_rollup", operation))?;
        costs.mapped_bytes = mapped().ok_or_else(|| self.malformed("statm", operation))?;
        costs.set_page_size(page_bytes);
        Ok(costs)
    }

    /// How many mappings it has: the lines of `/proc/PID/maps`, which has no cheaper count, without
    /// the page that the kernel lists in its own half (`[vsyscall]`).
    ///
    /// # Errors
    ///
    /// As for [`total_costs`](Self::total_costs).
    pub fn mapping_count(&self) -> Result<usize> {
        let operation = "count the mappings";
        let mut text = Vec::new();
        let read = self.open("maps", operation)?.read_to_end(&mut text);
        read.map_err(|error| self.error(operation, &error))?;
        self.ensure_alive(operation)?;
        // An address of the kernel's half has sixteen digits, of which the first is an f.
        let is_kernels = |line: &&[u8]| line.starts_with(b"f") && line.get(16) == Some(&b'-');
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter(|line| !is_kernels(line)).count())
    }
}
