//! The text of `/proc/PID/smaps` and `/proc/PID/maps` (proc_pid_smaps(5), proc_pid_maps(5)).
//!
//! Read here rather than with procfs, because that crate fails for the whole process when one
//! path is not UTF-8, panics on a file named `/SYSV`, trims spaces off paths, and drops the flags
//! `sl`, `dp`, `lf` and others. The tests hold the two against each other.
//!
//! Invariants of what comes out: mappings in the order of the text, each with `address <
//! address + length_bytes` and one [`Mapping`]; the page the kernel lists in its own half of the
//! address space, `[vsyscall]`, is left out: it is in no process's memory map, and PROCMAP_QUERY
//! does not know it.

use std::io::{self, BufRead};

use crate::backing::Backing;
use crate::costs::Costs;
use crate::flag::{Flag, Flags};
use crate::label::Labels;
use crate::mapping::Mapping;
use crate::protection::{Protection, Sharing};
use crate::span::Span;
use crate::status::kilobytes;

/// The first address of the kernel's half.
const KERNEL_HALF: usize = 1 << 63;

/// Why text could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(io::Error),
    /// The line that does not parse.
    Malformed(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the mappings that touch `wanted`, and stops reading at the first one behind it.
///
/// From `maps`, which has no figures, the costs are all zero and the flags are missing.
pub(crate) fn read(
    mut text: impl BufRead,
    wanted: Span,
    base_page_bytes: usize,
) -> Result<Vec<Costs>, ReadError> {
    let mut found = Vec::new();
    let mut labels = Labels::default();
    let mut entry: Option<Entry> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let malformed = || ReadError::Malformed(String::from_utf8_lossy(content).into_owned());
        if content.first().is_some_and(u8::is_ascii_uppercase) {
            if let Some(entry) = &mut entry {
                entry.field(content).ok_or_else(malformed)?;
            }
            continue;
        }
        found.extend(entry.take().map(|entry| entry.finish(&labels, base_page_bytes)));
        let next = Entry::header(content).ok_or_else(malformed)?;
        if next.span.start() >= wanted.end() || next.span.start() >= KERNEL_HALF {
            return Ok(found);
        }
        labels.pass(next.span.start(), next.span.length(), next.offset_bytes, &next.name);
        entry = next.span.intersect(wanted).map(|_| next);
    }
    found.extend(entry.map(|entry| entry.finish(&labels, base_page_bytes)));
    Ok(found)
}

/// One mapping while its lines are read.
struct Entry {
    span: Span,
    protection: Protection,
    sharing: Sharing,
    offset_bytes: u64,
    device: (u32, u32),
    inode: u64,
    name: Vec<u8>,
    page_size_bytes: Option<usize>,
    flags: Option<Flags>,
    costs: Costs,
}

impl Entry {
    /// `55d0c0a00000-55d0c0a02000 r--p 00001000 fe:00 1234       /usr/bin/sleep`
    fn header(line: &[u8]) -> Option<Self> {
        let mut words = line.splitn(6, |&byte| byte == b' ');
        let (start, end) = pair(words.next()?, b'-')?;
        let span = Span::new(usize::try_from(start).ok()?, usize::try_from(end).ok()?)
            .filter(|span| !span.is_empty())?;
        let &[read, write, execute, sharing] = words.next()? else { return None };
        let offset_bytes = hex(words.next()?)?;
        let (major, minor) = pair(words.next()?, b':')?;
        let inode = str::from_utf8(words.next()?).ok()?.parse().ok()?;
        Some(Self {
            span,
            protection: Protection::new(read == b'r', write == b'w', execute == b'x'),
            sharing: match sharing {
                b's' => Sharing::Shared,
                b'p' => Sharing::Private,
                _ => return None,
            },
            offset_bytes,
            device: (u32::try_from(major).ok()?, u32::try_from(minor).ok()?),
            inode,
            name: unescaped(words.next().unwrap_or_default().trim_ascii_start()),
            page_size_bytes: None,
            flags: None,
            costs: Costs::empty(span),
        })
    }

    /// `Rss:                 16 kB`; keys not known here are skipped.
    fn field(&mut self, line: &[u8]) -> Option<()> {
        let (key, value) = key_and_value(line)?;
        match key {
            b"VmFlags" => self.flags = Some(Flags::parse(value)),
            b"KernelPageSize" => self.page_size_bytes = Some(kilobytes(value)?),
            _ => figure(&mut self.costs, key, value)?,
        }
        Some(())
    }

    fn finish(self, labels: &Labels, base_page_bytes: usize) -> Costs {
        let page_size_bytes =
            self.page_size_bytes.filter(|&bytes| bytes > 0).unwrap_or(base_page_bytes);
        let locked = self.flags.as_ref().is_some_and(|flags| flags.contains(Flag::Locked));
        let mut mapping = Mapping {
            address: self.span.start(),
            length_bytes: self.span.length(),
            page_size_bytes,
            protection: self.protection,
            sharing: self.sharing,
            backing: Backing::new(
                &self.name,
                self.offset_bytes,
                self.device,
                self.inode,
                page_size_bytes,
                base_page_bytes,
            ),
            flags: self.flags,
        };
        labels.name(&mut mapping);
        let mut costs = self.costs;
        costs.locked_bytes = if locked { costs.resident_bytes } else { 0 };
        costs.mapped_bytes = mapping.length_bytes;
        costs.mappings.push(mapping);
        costs.set_page_size(base_page_bytes);
        costs
    }
}

/// Reads `/proc/PID/smaps_rollup`: the figures of all mappings together, each of which the kernel has
/// added up before it rounded. `None` if it is not what proc_pid_smaps(5) says.
pub(crate) fn rollup(text: &[u8]) -> Option<Costs> {
    let mut lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    // A process that has unmapped everything has the range 0-0.
    let (start, end) = pair(lines.next()?.split(|&byte| byte == b' ').next()?, b'-')?;
    let mut costs = Costs::empty(Span::new(start.try_into().ok()?, end.try_into().ok()?)?);
    for line in lines {
        let (key, value) = key_and_value(line)?;
        figure(&mut costs, key, value)?;
    }
    Some(costs)
}

fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((&line[..colon], &line[colon + 1..]))
}

/// Enters a figure; keys not known here are skipped.
fn figure(costs: &mut Costs, key: &[u8], value: &[u8]) -> Option<()> {
    let target = match key {
        b"Rss" => &mut costs.resident_bytes,
        b"Pss" => &mut costs.proportional_bytes,
        b"Shared_Clean" => &mut costs.shared_clean_bytes,
        b"Shared_Dirty" => &mut costs.shared_dirty_bytes,
        b"Private_Clean" => &mut costs.private_clean_bytes,
        b"Private_Dirty" => &mut costs.private_dirty_bytes,
        b"Referenced" => &mut costs.referenced_bytes,
        b"Anonymous" => &mut costs.anonymous_bytes,
        b"Swap" => &mut costs.swapped_bytes,
        b"AnonHugePages" => &mut costs.anonymous_huge_bytes,
        b"ShmemPmdMapped" => &mut costs.shmem_huge_bytes,
        b"FilePmdMapped" => &mut costs.file_huge_bytes,
        // Hugetlb pages are in none of the figures above. They are never written back, so there is no
        // clean copy of them anywhere.
        b"Shared_Hugetlb" | b"Private_Hugetlb" => {
            let shared = key == b"Shared_Hugetlb";
            let bytes = kilobytes(value)?;
            let class =
                if shared { &mut costs.shared_dirty_bytes } else { &mut costs.private_dirty_bytes };
            *class = class.checked_add(bytes)?;
            for sum in
                [&mut costs.resident_bytes, &mut costs.proportional_bytes, &mut costs.hugetlb_bytes]
            {
                *sum = sum.checked_add(bytes)?;
            }
            costs.estimated |= shared && bytes > 0;
            return Some(());
        }
        _ => return Some(()),
    };
    *target = kilobytes(value)?;
    Some(())
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn pair(text: &[u8], separator: u8) -> Option<(u64, u64)> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((hex(&text[..at])?, hex(&text[at + 1..])?))
}

/// The kernel writes a newline in a path as `\012`, and nothing else so.
fn unescaped(name: &[u8]) -> Vec<u8> {
    if !name.contains(&b'\\') {
        return name.to_vec();
    }
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        (rest, _) = match rest.strip_prefix(br"\012") {
            Some(after) => (after, plain.push(b'\n')),
            None => (after, plain.push(byte)),
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BackingKind;
    use proptest::prelude::*;

    const ALL: fn() -> Span = || Span::new(0, usize::MAX).unwrap();

    const TEXT: &[u8] = b"\
10000-12000 rw-p 00000000 00:00 0 \n\
Size:                  8 kB\n\
KernelPageSize:        4 kB\n\
Rss:                   8 kB\n\
Pss:                   6 kB\n\
Shared_Dirty:          4 kB\n\
Private_Dirty:         4 kB\n\
Referenced:            4 kB\n\
Anonymous:             8 kB\n\
Locked:                6 kB\n\
NewInTheKernel:    words\n\
THPeligible:           0\n\
VmFlags: rd wr mr mw me lo ac sl zz \n\
400000-600000 r--s 00200000 fe:01 77                         /a\\012b  \xff (deleted)\n\
KernelPageSize:     2048 kB\n\
Rss:                   0 kB\n\
Private_Hugetlb:    2048 kB\n\
VmFlags: rd ht \n\
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n\
VmFlags: ex \n";

    #[test]
    fn figures_flags_and_paths_are_read() {
        let all = read(TEXT, ALL(), 4096).unwrap();
        assert_eq!(all.len(), 2);
        let first = &all[0];
        assert_eq!((first.resident_bytes, first.proportional_bytes), (8192, 6144));
        assert_eq!((first.shared_dirty_bytes, first.private_dirty_bytes), (4096, 4096));
        assert_eq!((first.locked_bytes, first.page_size_bytes), (8192, 4096));
        assert_eq!(first.referenced_bytes, 4096);
        assert!(first.flags().contains(Flag::Sealed));
        assert!(first.flags().contains(Flag::Other(*b"zz")));
        let second = &all[1];
        assert_eq!((second.resident_bytes, second.hugetlb_bytes), (2 << 20, 2 << 20));
        assert_eq!((second.private_dirty_bytes, second.page_size_bytes), (2 << 20, 2 << 20));
        let backing = &second.mappings[0].backing;
        assert_eq!(backing.kind, BackingKind::Hugetlb);
        assert_eq!(backing.device, (0xfe, 1));
        assert_eq!(backing.inode, 77);
        use std::os::unix::ffi::OsStrExt;
        let path = backing.path.as_ref().unwrap().as_os_str().as_bytes();
        assert_eq!(path, b"/a\nb  \xff");
    }

    #[test]
    fn reading_stops_behind_the_range_asked_for() {
        let text = [TEXT, b"this does not parse\n"].concat();
        let wanted = Span::new(0x11000, 0x12000).unwrap();
        assert_eq!(read(&text[..], wanted, 4096).unwrap().len(), 1);
        let wanted = Span::new(0x12000, 0x400000).unwrap();
        assert_eq!(read(&text[..], wanted, 4096).unwrap().len(), 0);
    }

    #[test]
    fn a_line_that_does_not_parse_is_named() {
        for bad in ["nonsense", "2-1 rw-p 0 0:0 0 ", "1-2 rw-q 0 0:0 0 ", "1-2 rw-p 0 0:0 x "] {
            let error = read(bad.as_bytes(), ALL(), 4096).unwrap_err();
            assert!(matches!(error, ReadError::Malformed(line) if line == bad));
        }
        for bad in ["Rss: many kB", "Rss: 99999999999999999999 kB", "Rss: 18446744073709551615 kB"]
        {
            let text = format!("1000-2000 rw-p 0 0:0 0 \n{bad}\n");
            let error = read(text.as_bytes(), ALL(), 4096).unwrap_err();
            assert!(matches!(error, ReadError::Malformed(line) if line == bad));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes[..], ALL(), 4096);
        }

        #[test]
        fn no_damage_to_real_text_makes_it_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            length in any::<prop::sample::Index>(),
        ) {
            let mut text = TEXT.to_vec();
            for (at, byte) in edits {
                let at = at.index(text.len());
                text[at] = byte;
            }
            text.truncate(length.index(text.len()));
            let _ = read(&text[..], ALL(), 4096);
        }

        #[test]
        fn what_the_kernel_writes_comes_back(
            start in 1..1usize << 35, pages in 1..1usize << 20, inode in any::<u64>(),
            offset in any::<u64>(), resident in 0..1usize << 40, name in "(/[a-z \\\\]{0,20}[a-z])?",
        ) {
            let (start, end) = (start << 12, (start + pages) << 12);
            let text = format!(
                "{start:08x}-{end:08x} r-xs {offset:08x} 08:01 {inode} {:20}{name}\nRss: {resident:8} kB\n",
                ""
            );
            let all = read(text.as_bytes(), ALL(), 4096).unwrap();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(all[0].resident_bytes, resident * 1024);
            let mapping = &all[0].mappings[0];
            prop_assert_eq!(mapping.range(), start..end);
            prop_assert_eq!(mapping.protection.to_string(), "r-x");
            prop_assert_eq!(mapping.sharing, Sharing::Shared);
            prop_assert_eq!(mapping.backing.inode, inode);
            prop_assert_eq!(mapping.backing.offset_bytes, offset);
            let path = mapping.backing.path.as_ref().map(|path| path.to_str().unwrap());
            prop_assert_eq!(path.unwrap_or_default(), name.replace("\\012", "\n"));
        }
    }
}
