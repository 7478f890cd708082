//! A static program loaded by hand: its segments mapped from the file with their protections, its
//! zeros put behind them, and its first instruction jumped to in a child process.
//!
//! `cargo run --example load_elf [PROGRAM [ARGUMENT]...]`; the program is a static ELF for x86-64,
//! position-independent or not. Without one, a tiny one that this example writes.
#![allow(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use folio::{MapOptions, Mapping, Memory, Protection, Reservation};
use folio_examples::{about, finish};

const PAGE: usize = 4096;
const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;

fn main() -> ExitCode {
    finish("load_elf", from_arguments())
}

fn from_arguments() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        return run(&arguments);
    }
    let path = std::env::temp_dir().join(format!("load_elf-{}", std::process::id()));
    about(path.display(), fs::write(&path, tiny_program()))?;
    arguments.push(path.display().to_string());
    let ran = run(&arguments);
    fs::remove_file(&path)?;
    ran
}

/// A segment as the program header table has it (elf(5)).
struct Segment {
    kind: u32,
    protection: Protection,
    offset: u64,
    address: usize,
    len_in_file: usize,
    len: usize,
}

struct Elf {
    /// It may lie anywhere (ET_DYN).
    movable: bool,
    entry: usize,
    headers_offset: u64,
    segments: Vec<Segment>,
}

impl Elf {
    fn parse(path: &Path) -> Result<Self, Box<dyn Error>> {
        let map = Mapping::open(path)?;
        let view = map.view();
        let mut magic = [0; 6];
        view.read_at(0, &mut magic)?;
        let number = |at: usize, bytes: usize| {
            let mut word = [0; 8];
            view.read_at(at, &mut word[..bytes]).map(|()| u64::from_le_bytes(word))
        };
        // 64 bits, little-endian, x86-64.
        if &magic != b"\x7fELF\x02\x01" || number(18, 2)? != 62 {
            return Err(format!("{}: not an ELF for x86-64", path.display()).into());
        }
        let headers_offset = number(32, 8)?;
        let mut segments = Vec::new();
        for index in 0..number(56, 2)? {
            let at = usize::try_from(headers_offset + index * 56)?;
            let flags = number(at + 4, 4)?;
            let mut protection = Protection::NONE;
            for (bit, access) in
                [(4, Protection::READ), (2, Protection::WRITE), (1, Protection::EXEC)]
            {
                if flags & bit != 0 {
                    protection |= access;
                }
            }
            let segment = Segment {
                kind: number(at, 4)? as u32,
                protection,
                offset: number(at + 8, 8)?,
                address: usize::try_from(number(at + 16, 8)?)?,
                len_in_file: usize::try_from(number(at + 32, 8)?)?,
                len: usize::try_from(number(at + 40, 8)?)?,
            };
            segments.push(segment);
        }
        let movable = number(16, 2)? == 3;
        Ok(Self { movable, entry: usize::try_from(number(24, 8)?)?, headers_offset, segments })
    }

    fn loads(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| segment.kind == LOAD && segment.len > 0)
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let path = Path::new(&arguments[0]);
    let elf = Elf::parse(path)?;
    if elf.segments.iter().any(|segment| segment.kind == INTERPRETER) {
        let path = path.display();
        return Err(format!("{path}: it is not static: it asks for an interpreter").into());
    }
    let end = elf.loads().map(|segment| segment.address + segment.len).max();
    let end = end.ok_or_else(|| format!("{}: it has no segments to load", path.display()))?;

    // A movable program lies in a reservation, where nothing else can be hit. Another names its
    // addresses, and gets them if nothing lies there.
    let space = if elf.movable { Some(Reservation::new(end)?) } else { None };
    let base = space.as_ref().map_or(0, Reservation::address);
    let place = |options: MapOptions, address: usize| match &space {
        Some(space) => options.inside(space, address),
        None => options.exactly_at(address),
    };

    println!("{}: entry at {:#x}", path.display(), base + elf.entry);
    println!("  {:31} {:>9} {:>9}  protection", "addresses", "in file", "in memory");
    let mut mappings = Vec::new();
    for segment in elf.loads() {
        let start = base + segment.address;
        println!(
            "  {start:#x}..{:#x} {:>9} {:>9}  {}",
            start + segment.len,
            segment.len_in_file,
            segment.len,
            segment.protection
        );
        load(path, segment, &place, &mut mappings)?;
    }

    let headers = elf.loads().find(|segment| {
        let in_segment = elf.headers_offset.checked_sub(segment.offset);
        in_segment.is_some_and(|at| at < segment.len_in_file as u64)
    });
    let headers_address = headers.map_or(0, |segment| {
        base + segment.address + (elf.headers_offset - segment.offset) as usize
    });
    let auxiliary = [
        (libc::AT_PHDR, headers_address as u64),
        (libc::AT_PHENT, 56),
        (libc::AT_PHNUM, elf.segments.len() as u64),
        (libc::AT_PAGESZ, PAGE as u64),
        (libc::AT_ENTRY, (base + elf.entry) as u64),
    ];
    let (stack, top) = stack(arguments, &auxiliary)?;
    start(base + elf.entry, top)?;
    drop((stack, mappings));
    Ok(())
}

/// Maps what a segment has in the file, and zeros behind it.
fn load(
    path: &Path,
    segment: &Segment,
    place: &dyn Fn(MapOptions, usize) -> MapOptions,
    mappings: &mut Vec<Mapping>,
) -> folio::Result<()> {
    let Segment { protection, offset, address, len_in_file, len, .. } = *segment;
    let file_end = address + len_in_file;
    let mut zeros_from = address;
    if len_in_file > 0 {
        // Up to the end of the last page, which may be the file's last too.
        let page_end = file_end.next_multiple_of(PAGE);
        let options = Mapping::options().private().offset(offset).len(page_end - address);
        let options = place(options.beyond_end().write(), address);
        let mut map = options.open(path)?;
        if len > len_in_file {
            map.fill(len_in_file.., 0)?;
        }
        map.protect(.., protection)?;
        mappings.push(map);
        zeros_from = page_end;
    }
    let zeros_to = (address + len).next_multiple_of(PAGE);
    if zeros_to > zeros_from {
        let options = place(Mapping::options().private().protection(protection), zeros_from);
        mappings.push(options.anonymous(zeros_to - zeros_from)?);
    }
    Ok(())
}

/// A stack as the kernel hands it to a new program: the number of arguments, pointers to them, to
/// the environment, and the auxiliary vector (System V ABI for AMD64, 3.4.1). Returns its top.
fn stack(arguments: &[String], auxiliary: &[(u64, u64)]) -> folio::Result<(Memory, usize)> {
    let mut memory = Memory::options().stack().name("program's stack").memory(8 << 20)?;
    let start = memory.address();
    let mut at = memory.len();
    let mut push_bytes = |bytes: &[u8]| {
        at -= bytes.len();
        memory[at..at + bytes.len()].copy_from_slice(bytes);
        (start + at) as u64
    };
    let random = push_bytes(b"16 random bytes!");
    let mut words = vec![arguments.len() as u64];
    for argument in arguments {
        push_bytes(b"\0");
        words.push(push_bytes(argument.as_bytes()));
    }
    words.push(0); // ends the arguments
    words.push(0); // ends the environment, which is empty
    for &(key, value) in auxiliary {
        words.extend([key, value]);
    }
    words.extend([libc::AT_RANDOM, random, libc::AT_NULL, 0]);
    let at = (at - words.len() * 8) & !15;
    for (word, place) in words.iter().zip(memory[at..].chunks_exact_mut(8)) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    Ok((memory, start + at))
}

/// Runs the program in a child process, and says how it ended.
fn start(entry: usize, stack: usize) -> Result<(), Box<dyn Error>> {
    // SAFETY: this process has one thread, so the child may do what it likes (fork(2)).
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: none of Rust's guarantees reach further: the child is the loaded program from
        // here on, on its own stack, as after execve(2). RDX would be a function for it to call at
        // its exit; 0 is none.
        unsafe {
            core::arch::asm!(
                "mov rsp, {stack}",
                "xor ebp, ebp",
                "xor edx, edx",
                "jmp {entry}",
                stack = in(reg) stack,
                entry = in(reg) entry,
                options(noreturn),
            );
        }
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result (waitpid(2)).
    if child < 0 || unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return Err(std::io::Error::last_os_error().into());
    }
    if libc::WIFEXITED(status) {
        println!("it ended with exit code {}", libc::WEXITSTATUS(status));
        Ok(())
    } else {
        Err(format!("it was ended by signal {}", libc::WTERMSIG(status)).into())
    }
}

/// A program by hand: says hello, and exits with 42 if the memory behind its data is zero.
fn tiny_program() -> Vec<u8> {
    const TEXT: usize = 0x1000;
    const DATA_OFFSET: usize = 0x2010;
    const DATA: usize = 0x3010;
    const HELLO: &[u8] = b"hello from a program that was mapped by hand\n";
    let near_zeros = DATA + HELLO.len();
    let far_zeros = DATA + 0x1800;

    let mut text: Vec<u8> = Vec::new();
    // An instruction whose operand is an address relative to its end.
    let relative = |text: &mut Vec<u8>, instruction: &[u8], target: usize| {
        text.extend(instruction);
        let end = TEXT + text.len() + 4;
        text.extend((target as i32 - end as i32).to_le_bytes());
    };
    text.extend([0xb8, 1, 0, 0, 0]); // mov eax, 1 (write)
    text.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1 (standard output)
    relative(&mut text, &[0x48, 0x8d, 0x35], DATA); // lea rsi, [hello]
    text.push(0xba); // mov edx, length
    text.extend((HELLO.len() as u32).to_le_bytes());
    text.extend([0x0f, 0x05]); // syscall
    relative(&mut text, &[0x8b, 0x3d], near_zeros); // mov edi, [near_zeros]
    relative(&mut text, &[0x03, 0x3d], far_zeros); // add edi, [far_zeros]
    text.extend([0x83, 0xc7, 42]); // add edi, 42
    relative(&mut text, &[0x89, 0x3d], far_zeros); // mov [far_zeros], edi
    text.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    text.extend([0x0f, 0x05]); // syscall

    let mut file = Vec::new();
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"); // 64 bits, little-endian, System V
    file.extend([3, 0, 62, 0, 1, 0, 0, 0]); // ET_DYN, x86-64, version 1
    for word in [TEXT as u64, 64, 0] {
        file.extend(word.to_le_bytes()); // entry, program headers, section headers
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 3, 0, 64, 0, 0, 0, 0, 0]); // flags, sizes, 3 segments
    for (flags, offset, address, len_in_file, len) in [
        (4u32, 0, 0, 64 + 3 * 56, 64 + 3 * 56),
        (5, TEXT, TEXT, text.len(), text.len()),
        (6, DATA_OFFSET, DATA, HELLO.len(), 0x2000),
    ] {
        file.extend(LOAD.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [offset, address, address, len_in_file, len, PAGE] {
            file.extend((word as u64).to_le_bytes());
        }
    }
    file.resize(TEXT, 0);
    file.extend(text);
    file.resize(DATA_OFFSET, 0);
    file.extend(HELLO);
    // What a loader has to clear.
    file.resize(file.len() + 100, 0xff);
    file
}
