//! From options to a segment: making one, and checking one that is there.
//!
//! Order of making: contradictions, a file without a name, its space, a mapping, the header, the user's
//! own first contents, and last the name or the seals. Order of checking: what can be had without
//! trusting the file (its kind, owner, mode, length), then the header, then what the options ask for.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use folio::{Mapping, Memfd, Seals};
use rustix::fs::Mode;

use crate::error::{Error, ErrorKind, Result};
use crate::header::{self, Header};
use crate::options::{Making, SegmentOptions, Trusted};
use crate::owner::Owner;
use crate::publish::{self, Unnamed};
use crate::segment::{Place, Segment};
use crate::space;

const OPEN: &str = "open";
const CREATE: &str = "create";

/// Opens or makes the segment at a place in a file system.
pub(crate) fn at(options: &SegmentOptions, place: Place) -> Result<Segment> {
    let Some(path) = place.path() else {
        return Err(invalid(OPEN, &place.show(), "it has no path"));
    };
    let what = place.show();
    if options.makes() {
        contradictions(options, &what)?;
        let memfds_only = "only a memfd can be made of huge pages or be sealed: use memfd()";
        if options.huge.is_some() || options.seals.is_some() {
            return Err(invalid(CREATE, &what, memfds_only));
        }
    }
    // Two who make and remove the same name in turns could be met for ever.
    const TRIES: usize = 1000;
    for _ in 0..TRIES {
        if options.making != Making::Make {
            match publish::open(OPEN, path, !options.read_only) {
                Ok(file) => {
                    allowed(options, &what, &file)?;
                    return found(options, place, file);
                }
                Err(error)
                    if error.kind() == ErrorKind::NotFound
                        && options.making == Making::FindOrMake => {}
                Err(error) => return Err(error),
            }
        }
        let mode = Mode::from_raw_mode(options.mode.unwrap_or(0o600));
        let made = Unnamed::new(CREATE, path, mode)?;
        let segment = fill(options, place.clone(), made.file())?;
        match made.publish(CREATE, path) {
            Ok(()) => return Ok(segment),
            Err(error)
                if error.kind() == ErrorKind::Exists && options.making == Making::FindOrMake =>
            {
                segment.forget_name();
            }
            Err(error) => {
                segment.forget_name();
                return Err(error);
            }
        }
    }
    let reason = "others make it and remove it all the time";
    Err(Error::new(ErrorKind::Busy, OPEN, what, reason).advice("agree on who makes it"))
}

/// Makes a segment without a name.
pub(crate) fn memfd(options: &SegmentOptions, name: &str) -> Result<Segment> {
    let place = Place::Memfd(name.to_owned());
    let what = place.show();
    contradictions(options, &what)?;
    if !options.makes() {
        let reason = "a memfd cannot be found by name";
        let error = invalid(OPEN, &what, reason);
        return Err(error.advice("create() makes one, fd() opens one that was sent"));
    }
    let made = match options.huge {
        None => Memfd::new(name),
        Some(size) => Memfd::huge_pages(name, size),
    };
    let failed = |error| Error::mapping(CREATE, what.clone(), error);
    let memfd = made.map_err(failed)?;
    let file = File::from(OwnedFd::from(memfd));
    if let Some(mode) = options.mode {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|errno| Error::os(CREATE, &*what, errno))?;
    }
    let segment = fill(options, place.clone(), &file)?;
    let seals = options.seals.unwrap_or(match options.capacity {
        None => Seals::SHRINK | Seals::GROW | Seals::SEAL,
        Some(_) => Seals::SHRINK | Seals::SEAL,
    });
    // A memfd that is mapped writable cannot be sealed against writing.
    let kept = (!seals.contains(Seals::WRITE)).then_some(segment);
    let memfd = Memfd::try_from(OwnedFd::from(file)).map_err(|refused| failed(refused.into()))?;
    memfd.add_seals(seals).map_err(failed)?;
    match kept {
        Some(segment) => Ok(segment),
        None => {
            let options = SegmentOptions { read_only: true, ..options.clone() };
            found(&options, place, File::from(OwnedFd::from(memfd)))
        }
    }
}

/// Opens the segment behind a descriptor.
pub(crate) fn adopt(options: &SegmentOptions, fd: OwnedFd) -> Result<Segment> {
    let place = Place::Fd;
    let file = File::from(fd);
    let stat = rustix::fs::fstat(&file).map_err(|errno| Error::os(OPEN, place.show(), errno))?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        let reason = "the descriptor is not that of a regular file";
        return Err(Error::new(ErrorKind::Foreign, OPEN, place.show(), reason));
    }
    publish::lock(OPEN, &place.show(), &file)?;
    found(options, place, file)
}

fn invalid(operation: &'static str, what: &str, reason: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, operation, what, reason)
}

fn contradictions(options: &SegmentOptions, what: &str) -> Result<()> {
    let fail = |reason| Err(invalid(CREATE, what, reason));
    if options.read_only {
        return fail("a segment that is made is written to: leave read_only() out");
    }
    let Some(size) = options.size_to_make() else {
        return fail("its size is not known: say size()");
    };
    if options.capacity.is_some_and(|capacity| capacity < size) {
        return fail("it cannot grow to less than it is: growable() is smaller than size()");
    }
    if options.capacity.is_some() && options.huge.is_some() {
        return fail("huge pages from the pool do not grow: leave growable() or huge_pages() out");
    }
    if options.mode.is_some_and(|mode| mode & !0o777 != 0) {
        return fail("its mode has bits beyond 0777");
    }
    // A page more than the header is left for rounding, and a huge page for that.
    let largest = isize::MAX as usize - (2 << 30);
    if options.capacity.unwrap_or(size) > largest {
        return fail("no address space is that large");
    }
    Ok(())
}

/// Makes a file a segment, in all but name.
fn fill(options: &SegmentOptions, place: Place, file: &File) -> Result<Segment> {
    let what = place.show();
    let size = options.size_to_make().unwrap_or_default();
    let unit = space::unit(file);
    let end = (header::BYTES as u64 + size as u64).next_multiple_of(unit);
    space::reserve(CREATE, &what, file, 0, end)?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let header = Header {
        layout: options.layout,
        payload: size as u64,
        capacity: options.capacity.unwrap_or(size) as u64,
        creator: Owner::this_process(),
        created_nanos: since_1970.as_nanos() as u64,
        is_kept: options.kept,
    };
    let mapping = map(CREATE, &what, options, &header, file, true)?;
    let failed = |error| Error::mapping(CREATE, what.clone(), error);
    mapping.write_at(0, &header.encode()).map_err(failed)?;
    mapping.write_at(header::LEN_AT, &header.payload.to_le_bytes()).map_err(failed)?;
    let segment = Segment::new(mapping, header, place, options.fleeting);
    if let Some(init) = &options.init
        && let Err(error) = init(&segment)
    {
        segment.forget_name();
        return Err(error);
    }
    Ok(segment)
}

/// What a file system says about a segment, against what the options ask for.
fn allowed(options: &SegmentOptions, what: &str, file: &File) -> Result<()> {
    let stat = rustix::fs::fstat(file).map_err(|errno| Error::os(OPEN, what, errno))?;
    let expected = match options.trusted {
        Trusted::Own => Some(rustix::process::geteuid().as_raw()),
        Trusted::User(user) => Some(user),
        Trusted::Anybody => None,
    };
    if let Some(expected) = expected.filter(|&user| user != stat.st_uid) {
        let user = stat.st_uid;
        let reason = format!("it belongs to user {user}, and not to user {expected}");
        return Err(Error::new(ErrorKind::Owner, OPEN, what, reason)
            .advice(format!("if user {user} is to be trusted, say owned_by({user})")));
    }
    let (mode, most) = (stat.st_mode & 0o777, options.mode.unwrap_or(0o600));
    if mode & !most != 0 {
        let reason = format!("its mode is {mode:04o}, which lets in more than {most:04o}");
        return Err(Error::new(ErrorKind::Mode, OPEN, what, reason)
            .advice(format!("if that is meant, say mode(0o{mode:o})")));
    }
    Ok(())
}

/// Checks a file that is locked and whose owner and mode are in order, and maps it.
fn found(options: &SegmentOptions, place: Place, file: File) -> Result<Segment> {
    let what = place.show();
    let io = |error: std::io::Error| {
        let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
        Error::os(OPEN, &*what, errno)
    };
    let len = file.metadata().map_err(io)?.len();
    let header = Header::decode(OPEN, &what, &header::read(&file).map_err(io)?, len)?;
    if header.layout != options.layout {
        let (has, asked) = (header.layout, options.layout);
        let reason = format!("its layout is {has:#x}, and {asked:#x} was asked for");
        return Err(Error::new(ErrorKind::Layout, OPEN, &*what, reason)
            .advice("open it as the kind that it is, with the layout() that it was made with"));
    }
    let differs = |asked: Option<usize>, has| asked.is_some_and(|asked| asked as u64 != has);
    if differs(options.size, header.payload) || differs(options.capacity, header.capacity) {
        let Header { payload, capacity, .. } = header;
        let reason = match header.is_growable() {
            true => format!("it was made with {payload} bytes, growing to {capacity}"),
            false => format!("it was made with {payload} bytes"),
        };
        return Err(Error::new(ErrorKind::Size, OPEN, &*what, reason)
            .advice("ask for the same, or leave the size out"));
    }
    let mapping = map(OPEN, &what, options, &header, &file, !options.read_only)?;
    Ok(Segment::new(mapping, header, place, options.fleeting))
}

fn map(
    operation: &'static str,
    what: &str,
    options: &SegmentOptions,
    header: &Header,
    file: &File,
    write: bool,
) -> Result<Mapping> {
    let len = header::BYTES + header.capacity as usize;
    let mut how = Mapping::options().len(len).keep_file().guard();
    if write {
        how = how.write();
    }
    if header.is_growable() {
        how = how.beyond_end();
    }
    if options.transparent {
        how = how.transparent_huge_pages();
    }
    how.map(file).map_err(|error| {
        let error = Error::mapping(operation, what, error);
        match error.raw_os_error() {
            Some(libc_eperm) if libc_eperm == rustix::io::Errno::PERM.raw_os_error() => {
                error.advice("it is sealed against writing: open it with read_only()")
            }
            Some(errno) if errno == rustix::io::Errno::ACCESS.raw_os_error() => {
                error.advice("the descriptor is read-only: open it with read_only()")
            }
            _ => error,
        }
    })
}
