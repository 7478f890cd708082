//! What the kernel says lies at an address, whoever mapped it. For the signal handler: no allocation,
//! no lock.
//!
//! 1. [`at`] opens /proc/thread-self/maps and asks with one ioctl, PROCMAP_QUERY (Linux 6.11). What
//!    /proc/self has is the first thread's, which may have ended.
//! 2. An older kernel has only the text: it is read piece by piece, up to the line that holds the
//!    address.
#![allow(unsafe_code)]

use core::ops::Range;

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::param::page_size;

use crate::Protection;
use crate::sys::Errno;

/// A mapping, as the kernel describes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) protection: Protection,
    pub(crate) shared: bool,
    /// Bytes of a page of the mapping; an older kernel does not say, and base pages are assumed.
    pub(crate) page: usize,
    /// Offset in the file of the first address.
    pub(crate) offset: u64,
    pub(crate) device: u64,
    /// 0 for memory without a file.
    pub(crate) inode: u64,
    /// Bytes of its name that were written to the caller's buffer.
    pub(crate) name: usize,
}

impl Known {
    pub(crate) fn addresses(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// `struct procmap_query` (linux/fs.h).
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

/// The mapping that holds `address`, and in `name` what the kernel calls it; a name that is too long
/// is left out. None where nothing is mapped. Safe to call from a signal handler that preserves errno.
pub(crate) fn at(address: usize, name: &mut [u8]) -> Result<Option<Known>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let maps = rustix::fs::open(c"/proc/thread-self/maps", flags, Mode::empty())?;
    match query(&maps, address, name) {
        Err(Errno::NAMETOOLONG) => query(&maps, address, &mut []),
        // No such ioctl.
        Err(Errno::NOTTY | Errno::INVAL) => search(&maps, address, name),
        other => other,
    }
}

/// What the kernel says lies at these addresses, piece by piece, up to where it does not say.
pub(crate) fn pieces<'a>(
    addresses: &Range<usize>,
    name: &'a mut [u8],
) -> impl Iterator<Item = Option<Known>> + use<'a> {
    let Range { start: mut next, end } = *addresses;
    core::iter::from_fn(move || {
        while next < end {
            let from = next;
            match at(next, name) {
                Ok(Some(known)) => {
                    next = known.end;
                    return Some(Some(Known { start: from, end: known.end.min(end), ..known }));
                }
                Ok(None) => next += page_size(),
                Err(_) => {
                    next = end;
                    return Some(None);
                }
            }
        }
        None
    })
}

fn query(maps: &OwnedFd, address: usize, name: &mut [u8]) -> Result<Option<Known>, Errno> {
    const PROCMAP_QUERY: libc::Ioctl = 0xc068_6611_u32 as libc::Ioctl;
    const READABLE: u64 = 1;
    const WRITABLE: u64 = 2;
    const EXECUTABLE: u64 = 4;
    const SHARED: u64 = 8;

    let mut query = Query {
        size: size_of::<Query>() as u64,
        query_addr: address as u64,
        vma_name_size: name.len() as u32,
        vma_name_addr: if name.is_empty() {
            0
        } else {
            name.as_mut_ptr().expose_provenance() as u64
        },
        ..Query::default()
    };
    // SAFETY: the kernel reads and writes the structure, and writes at most `vma_name_size` bytes to
    // `name` (linux/fs.h), which is borrowed exclusively.
    if unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY, &raw mut query) } == -1 {
        // SAFETY: `__errno_location` returns a valid pointer to this thread's errno (errno(3)).
        let errno = Errno::from_raw_os_error(unsafe { *libc::__errno_location() });
        return if errno == Errno::NOENT { Ok(None) } else { Err(errno) };
    }
    let is = |flag| query.vma_flags & flag != 0;
    Ok(Some(Known {
        start: query.vma_start as usize,
        end: query.vma_end as usize,
        protection: protection(is(READABLE), is(WRITABLE), is(EXECUTABLE)),
        shared: is(SHARED),
        page: (query.vma_page_size as usize).max(page_size()),
        offset: query.vma_offset,
        device: rustix::fs::makedev(query.dev_major, query.dev_minor),
        inode: query.inode,
        // The kernel counts the terminating NUL.
        name: (query.vma_name_size as usize).saturating_sub(1).min(name.len()),
    }))
}

fn protection(read: bool, write: bool, execute: bool) -> Protection {
    let flags = [(read, Protection::READ), (write, Protection::WRITE), (execute, Protection::EXEC)];
    let set = flags.into_iter().filter(|(has, _)| *has);
    set.fold(Protection::NONE, |all, (_, more)| all | more)
}

fn search(maps: &OwnedFd, address: usize, name: &mut [u8]) -> Result<Option<Known>, Errno> {
    let mut line = Line::default();
    let mut piece = [0; 512];
    loop {
        let count = match rustix::io::read(maps, &mut piece) {
            Ok(0) => return Ok(None),
            Ok(count) => count,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        for &byte in &piece[..count] {
            if byte != b'\n' {
                line.push(byte, name);
                continue;
            }
            if let Some(known) = line.parse(name.len())
                && known.addresses().contains(&address)
            {
                return Ok(Some(known));
            }
            line = Line::default();
        }
    }
}

/// A line of the text, as far as it has been read: `7f00-8f00 r-xs 00001000 fe:01 1234   /name`.
struct Line {
    /// The numbers before the name. Five fields have at most 75 bytes.
    head: [u8; 96],
    len: usize,
    fields: usize,
    within: bool,
    name: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { head: [0; 96], len: 0, fields: 0, within: false, name: 0 }
    }
}

impl Line {
    fn push(&mut self, byte: u8, name: &mut [u8]) {
        if self.name > 0 || (self.fields == 5 && !self.within && byte != b' ') {
            if let Some(place) = name.get_mut(self.name) {
                *place = byte;
            }
            self.name += 1;
            return;
        }
        match (byte, self.within) {
            (b' ', true) => self.within = false,
            (b' ', false) => return,
            (_, false) => {
                self.within = true;
                self.fields += 1;
            }
            (_, true) => {}
        }
        if let Some(place) = self.head.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn parse(&self, room: usize) -> Option<Known> {
        let head = core::str::from_utf8(self.head.get(..self.len)?).ok()?;
        let mut fields = head.split(' ');
        let mut pair = |by| fields.next()?.split_once(by);
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = pair('-')?;
        let flags = fields.next()?.as_bytes();
        let offset = hex(fields.next()?)?;
        let (major, minor) = fields.next()?.split_once(':')?;
        let is = |at: usize, flag| flags.get(at) == Some(&flag);
        Some(Known {
            start: hex(start)? as usize,
            end: hex(end)? as usize,
            protection: protection(is(0, b'r'), is(1, b'w'), is(2, b'x')),
            shared: is(3, b's'),
            page: page_size(),
            offset,
            device: rustix::fs::makedev(hex(major)? as u32, hex(minor)? as u32),
            inode: fields.next()?.trim_end().parse().ok()?,
            name: if self.name <= room { self.name } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(address: usize) -> (Option<Known>, String) {
        let open = || std::fs::File::open("/proc/self/maps").unwrap().into();
        let (mut asked, mut read) = ([0; 300], [0; 300]);
        let found = search(&open(), address, &mut read).unwrap();
        let name = |known: &Option<Known>, name: &[u8]| {
            String::from_utf8(name[..known.map_or(0, |known| known.name)].into()).unwrap()
        };
        match query(&open(), address, &mut asked) {
            Ok(known) => {
                assert_eq!(known, found);
                assert_eq!(name(&known, &asked), name(&found, &read));
            }
            Err(errno) => eprintln!("skipped: PROCMAP_QUERY: {errno}"),
        }
        let text = name(&found, &read);
        (found, text)
    }

    #[test]
    fn the_ioctl_and_the_text_say_the_same() {
        let path = std::env::temp_dir().join(format!("folio proc map {}", std::process::id()));
        std::fs::write(&path, vec![1; 30_000]).unwrap();
        let map = crate::Mapping::options().offset(8192).open(&path).unwrap();
        let (known, name) = both_ways(map.address() + 5000);
        let known = known.unwrap();
        assert_eq!(known.addresses(), map.address()..map.address() + 24_576);
        assert!(known.protection == Protection::READ && known.shared);
        assert_eq!((known.offset, known.page), (8192, 4096));
        assert_eq!(Some((known.device, known.inode)), map.backing().inode());
        assert_eq!(name, path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        let (_, name) = both_ways(map.address());
        assert_eq!(name, format!("{} (deleted)", path.display()));

        let (known, _) = both_ways(both_ways as *const () as usize);
        assert!(known.unwrap().protection.contains(Protection::EXEC));
        let here = 1;
        let (known, name) = both_ways((&raw const here).addr());
        assert!(
            known.is_some_and(
                |known| known.inode == 0 && known.protection.contains(Protection::WRITE)
            ),
            "{name}"
        );
        assert_eq!(both_ways(4096).0, None);
        assert_eq!(both_ways(usize::MAX).0.map_or(0, |known| known.inode), 0);
    }

    #[test]
    fn a_name_without_room_is_left_out() {
        let mut name = [0; 4];
        let known = at(both_ways as *const () as usize, &mut name).unwrap().unwrap();
        assert_eq!((known.name, known.inode != 0), (0, true));
        let maps: OwnedFd = std::fs::File::open("/proc/self/maps").unwrap().into();
        let known = search(&maps, both_ways as *const () as usize, &mut name).unwrap().unwrap();
        assert_eq!(known.name, 0);
    }
}
