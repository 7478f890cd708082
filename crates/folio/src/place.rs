//! Placing: from options and a source to a region. The one place where mmap(2) makes mappings.
//!
//! 1. `measure` finds what the source is, how long, and which bytes are asked for; every sum is
//!    checked here.
//! 2. `addresses` turns the placement into an address and flags, and calls mmap(2).
//! 3. `settle` applies what comes after: advice, fork behaviour, name, locking, populating. If any
//!    of it fails the region is dropped again, and nothing has happened.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::mm::MapFlags;
use rustix::param::page_size;

use crate::error::{Error, ErrorKind, Result};
use crate::options::Placement;
use crate::range::{Extent, round_up};
use crate::region::{Home, Region};
use crate::reservation::PlaceError;
use crate::sys::{self, Errno};
use crate::{Backing, BackingKind, Fork, HugePage, MapOptions, Protection, Sharing, handler};

const MAP: &str = "map";

/// What is to be mapped.
pub(crate) enum Source<'a> {
    File(BorrowedFd<'a>, Option<&'a Path>),
    Anonymous(usize),
}

/// A source that has been looked at.
struct Measured<'a> {
    backing: Backing,
    file: Option<BorrowedFd<'a>>,
    offset: u64,
    len: usize,
    page: usize,
}

pub(crate) fn map(options: &MapOptions, source: Source<'_>) -> Result<Region> {
    let measured = match source {
        Source::File(fd, path) => measure_file(options, fd, path)?,
        Source::Anonymous(len) => measure_memory(options, len)?,
    };
    handler::install().map_err(|errno| Error::os("guard", &measured.backing, errno))?;
    let sized = match (&measured.file, options.huge) {
        (None, Some(size)) => {
            let huge = Measured { page: size.bytes(), ..measured };
            match addresses(options, &huge, Some(size)) {
                Err(error) if options.or_base_pages && no_huge_pages(&error) => {
                    let base = Measured { page: page_size(), ..huge };
                    addresses(options, &base, None)
                }
                other => other,
            }
        }
        _ => addresses(options, &measured, None),
    };
    let mut region = sized?;
    settle(options, &mut region)?;
    Ok(region)
}

fn no_huge_pages(error: &Error) -> bool {
    // ENOMEM: the pool is empty. EINVAL, ENOSYS, EOPNOTSUPP: not such a size, or no hugetlb at all.
    let errnos = [libc::ENOMEM, libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP];
    error.raw_os_error().is_some_and(|errno| errnos.contains(&errno))
}

fn measure_memory(options: &MapOptions, len: usize) -> Result<Measured<'static>> {
    let backing = Backing::ANONYMOUS;
    let invalid =
        |reason: &'static str| Err(Error::kind_of(MAP, &backing, ErrorKind::Invalid, reason));
    if options.offset != 0 || options.len.is_some_and(|asked| asked != len) {
        return invalid("anonymous memory has no offset, and its length is the argument");
    }
    if options.sync {
        return invalid("MAP_SYNC is for files on persistent memory");
    }
    if options.droppable && (options.huge.is_some() || options.sharing == Some(Sharing::Shared)) {
        return invalid("droppable memory is neither shared nor of huge pages");
    }
    Ok(Measured { backing, file: None, offset: 0, len, page: page_size() })
}

fn measure_file<'a>(
    options: &MapOptions,
    fd: BorrowedFd<'a>,
    path: Option<&Path>,
) -> Result<Measured<'a>> {
    let unknown = path.map_or(Backing::ANONYMOUS, Backing::of_path);
    let stat = rustix::fs::fstat(fd).map_err(|errno| Error::os(MAP, &unknown, errno))?;
    let (fs_type, page) = file_system(fd, &stat);
    let backing = Backing::of(&stat, path, fs_type);
    let fail = |kind, reason: String| Err(Error::kind_of(MAP, &backing, kind, reason));

    if options.huge.is_some() || options.droppable {
        let reason = "huge pages and droppable memory are for anonymous memory; a file on hugetlbfs \
                      has its huge pages by itself";
        return fail(ErrorKind::Invalid, reason.into());
    }
    let offset = options.offset;
    let end = match backing.kind() {
        BackingKind::BlockDevice => {
            Some(sys::block_device_len(fd).map_err(|errno| Error::os(MAP, &backing, errno))?)
        }
        BackingKind::CharacterDevice => None,
        _ => Some(stat.st_size as u64),
    };
    let len = match (options.len, end) {
        (Some(len), _) => len,
        (None, Some(end)) if offset <= end => match usize::try_from(end - offset) {
            Ok(len) => len,
            Err(_) => return Err(Error::os(MAP, &backing, Errno::OVERFLOW)),
        },
        (None, Some(end)) => {
            return fail(
                ErrorKind::BeyondEnd,
                format!("offset {offset} lies behind its {end} bytes"),
            );
        }
        (None, None) => {
            let reason = "a character device has no length of its own: give one";
            return fail(ErrorKind::Invalid, reason.into());
        }
    };
    // File offsets are signed in the kernel (off_t).
    let last = offset.checked_add(len as u64).filter(|&last| last <= i64::MAX as u64);
    let Some(last) = last else {
        return Err(Error::os(MAP, &backing, Errno::OVERFLOW)
            .hint("offset and length together exceed the largest file offset"));
    };
    if let Some(end) = end.filter(|&end| last > end && !options.beyond_end) {
        return fail(ErrorKind::BeyondEnd, format!("it has {end} bytes")).map_err(|error| {
            error.range(offset..last).hint("map less, or allow a tail that faults (beyond_end)")
        });
    }
    // Some files, in /proc say, have bytes but no size and cannot be mapped. Those of huge pages
    // can, and a try would make them longer.
    let huge = fs_type == Some(sys::FS_HUGETLB);
    if len == 0 && stat.st_size == 0 && options.len.is_none() && !huge {
        mappable(options, fd, &backing)?;
    }
    Ok(Measured { backing, file: Some(fd), offset, len, page })
}

/// The file system's type where it matters, and the page size of its mappings.
fn file_system(fd: BorrowedFd<'_>, stat: &Stat) -> (Option<i64>, usize) {
    // The file systems of memory have no device, and major number 0. Spare files on a disk the
    // system call.
    let no_device = rustix::fs::major(stat.st_dev) == 0;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !(regular && no_device) {
        return (None, page_size());
    }
    match rustix::fs::fstatfs(fd) {
        Ok(fs) if fs.f_type == sys::FS_HUGETLB => (Some(sys::FS_HUGETLB), fs.f_bsize as usize),
        Ok(fs) => (Some(fs.f_type), page_size()),
        Err(_) => (None, page_size()),
    }
}

/// Whether the kernel maps such a file at all, found out with a page that nobody touches.
fn mappable(options: &MapOptions, fd: BorrowedFd<'_>, backing: &Backing) -> Result<()> {
    let (protection, sharing) = access(options);
    let kind = kind_flags(options, sharing);
    // SAFETY: without MAP_FIXED no existing mapping is touched; the new one is known to nobody.
    unsafe {
        sys::map(0, page_size(), protection.flags(), kind, Some((fd, 0)))
            .and_then(|page| sys::unmap(page, page_size()))
    }
    .map_err(|errno| explain_map(options, backing, page_size(), errno))
}

fn access(options: &MapOptions) -> (Protection, Sharing) {
    let sharing = if options.droppable { Sharing::Private } else { Sharing::default() };
    (options.protection.unwrap_or(Protection::READ), options.sharing.unwrap_or(sharing))
}

fn kind_flags(options: &MapOptions, sharing: Sharing) -> MapFlags {
    match sharing {
        _ if options.droppable => MapFlags::DROPPABLE,
        Sharing::Shared if options.sync => MapFlags::SHARED_VALIDATE | MapFlags::SYNC,
        Sharing::Shared => MapFlags::SHARED,
        Sharing::Private => MapFlags::PRIVATE,
    }
}

/// Calls mmap(2) for what was measured.
fn addresses(
    options: &MapOptions,
    measured: &Measured<'_>,
    huge: Option<HugePage>,
) -> Result<Region> {
    let Measured { backing, file, offset, len, page } = measured;
    let (protection, sharing) = access(options);
    let mut flags = kind_flags(options, sharing);
    if options.sync && sharing == Sharing::Private {
        let reason = "MAP_SYNC is for shared mappings";
        return Err(Error::kind_of(MAP, backing, ErrorKind::Invalid, reason));
    }
    for (wanted, flag) in [
        (options.no_reserve, MapFlags::NORESERVE),
        (options.stack, MapFlags::STACK),
        (huge == Some(HugePage::Mib2), MapFlags::HUGETLB | MapFlags::HUGE_2MB),
        (huge == Some(HugePage::Gib1), MapFlags::HUGETLB | MapFlags::HUGE_1GB),
    ] {
        if wanted {
            flags |= flag;
        }
    }
    let lead = (offset % *page as u64) as usize;
    let start_offset = offset - lead as u64;
    let span = lead.checked_add(*len).and_then(|bytes| round_up(bytes, *page));
    let Some(span) = span.filter(|&span| span <= isize::MAX as usize) else {
        return Err(Error::os(MAP, backing, Errno::NOMEM).hint("no address space is that large"));
    };
    let region = |start, home| {
        let extent = Extent { start, lead, len: *len, page: *page };
        Region::new(extent, *offset, backing.clone(), sharing, protection, home)
    };
    if *len == 0 {
        let extent = Extent { start: *page, lead: 0, len: 0, page: *page };
        let home = Home::Own;
        return Ok(Region::new(extent, *offset, backing.clone(), sharing, protection, home));
    }
    let source = file.map(|fd| (fd, start_offset));
    let call = |address: usize, flags: MapFlags| {
        // SAFETY: MAP_FIXED is not among the flags, so no existing mapping is touched (mmap(2)).
        unsafe { sys::map(address, span, protection.flags(), flags, source) }
    };
    let os = |errno| explain_map(options, backing, *page, errno);
    // The kernel wants the address of the first page; callers name that of the first byte.
    let first_page = |address: usize| match address.checked_sub(lead) {
        Some(page_start) if page_start.is_multiple_of(*page) => Ok(page_start),
        _ => {
            let reason = format!(
                "the address and the offset must agree modulo the page size of {page} bytes"
            );
            Err(Error::kind_of(MAP, backing, ErrorKind::Misaligned, reason))
        }
    };
    match &options.placement {
        Placement::Anywhere => call(0, flags).map(|start| region(start, Home::Own)).map_err(os),
        Placement::Near(hint) => {
            let hint = hint.saturating_sub(lead) / page * page;
            call(hint, flags).map(|start| region(start, Home::Own)).map_err(os)
        }
        Placement::Exactly(address) => {
            let wanted = first_page(*address)?;
            let start = call(wanted, flags | MapFlags::FIXED_NOREPLACE).map_err(|errno| {
                if errno == Errno::EXIST { occupied(backing, *address) } else { os(errno) }
            })?;
            let region = region(start, Home::Own);
            if wanted == 0 {
                // Root may map it; Rust's references may not point there.
                let reason = "nothing is mapped at address 0";
                return Err(Error::kind_of(MAP, backing, ErrorKind::Invalid, reason));
            }
            // A kernel before 4.17 takes the flag for a hint.
            if start == wanted { Ok(region) } else { Err(occupied(backing, *address)) }
        }
        Placement::Inside(reservation, at) => {
            // Offsets in the reservation and addresses agree modulo its alignment only.
            let start = first_page(reservation.address().saturating_add(*at))?;
            let at = start.wrapping_sub(reservation.address());
            let placed = reservation.place(at, span, backing, |start| {
                // SAFETY: the target is a free range of the reservation, which owns it (`place`).
                unsafe { sys::map_over(start, span, protection.flags(), flags, source) }
            });
            match placed {
                Ok(space) => Ok(region(start, Home::Reserved(space))),
                Err(PlaceError::Os(errno)) => Err(os(errno)),
                Err(PlaceError::Refused(error)) => Err(error),
            }
        }
    }
}

fn occupied(backing: &Backing, address: usize) -> Error {
    let reason = format!("something is mapped at {address:#x} already");
    Error::kind_of(MAP, backing, ErrorKind::Occupied, reason)
}

fn explain_map(options: &MapOptions, backing: &Backing, page: usize, errno: Errno) -> Error {
    let error = Error::os(MAP, backing, errno);
    match errno {
        Errno::NOMEM if page > page_size() => error.hint(
            "the pool of huge pages has too few: raise /sys/kernel/mm/hugepages/*/nr_hugepages, \
             or allow base pages",
        ),
        Errno::NOMEM => error.hint(
            "no room: the address space, vm.max_map_count, vm.overcommit_memory or a limit \
             (ulimit -v) is exhausted",
        ),
        Errno::ACCESS => error
            .hint("open it for reading, and for writing too if the mapping is shared and writable"),
        Errno::PERM => error.hint(
            "a seal, the file system's noexec or the lowest permitted address (vm.mmap_min_addr) \
             forbids it",
        ),
        // Files of /proc that have a mmap operation which refuses answer EIO.
        Errno::NODEV | Errno::IO => {
            error.hint("this kind of file cannot be mapped: read it instead")
        }
        Errno::OPNOTSUPP if options.sync => {
            error.hint("MAP_SYNC needs a file on persistent memory with DAX")
        }
        Errno::AGAIN => error.hint("the limit of locked memory is reached (ulimit -l)"),
        Errno::BADF => error.hint("the descriptor is not open for reading or writing (O_PATH?)"),
        Errno::INVAL if options.droppable => error.hint("droppable memory needs Linux 6.11"),
        _ => error,
    }
}

fn settle(options: &MapOptions, region: &mut Region) -> Result<()> {
    if let Some(name) = &options.name
        && region.backing.kind() == BackingKind::Anonymous
    {
        let addresses = region.addresses();
        let _ = sys::name(addresses.start, addresses.len(), name);
    }
    region.fickle |= options.droppable;
    region.tail = options.beyond_end;
    if options.transparent {
        region.advise_pages(.., libc::MADV_HUGEPAGE, "ask for transparent huge pages in")?;
    }
    if options.fork != Fork::Inherit {
        region.set_fork(options.fork)?;
    }
    if let Some(lock) = options.lock {
        region.lock(.., lock)?;
    }
    if options.populate {
        region.populate(..)?;
    }
    Ok(())
}
