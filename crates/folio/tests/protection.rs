//! What may be done with the bytes: every combination of read, write and exec, for all or a range.

mod common;

use common::{End, Scratch, fork, memfd, page, pattern, peek, poke, vma_at};
use folio::{ErrorKind, FaultKind, MapOptions, Mapping, Protection};

const READ: Protection = Protection::READ;
const WRITE: Protection = Protection::WRITE;
const EXEC: Protection = Protection::EXEC;

fn combinations() -> Vec<Protection> {
    (0..8)
        .map(|bits| {
            let all = [(1, READ), (2, WRITE), (4, EXEC)];
            all.iter()
                .filter(|(bit, _)| bits & bit != 0)
                .fold(Protection::NONE, |set, (_, p)| set | *p)
        })
        .collect()
}

#[test]
fn every_combination_is_what_the_kernel_shows_and_enforces() {
    for protection in combinations() {
        for private in [false, true] {
            let options = Mapping::options().protection(protection);
            let options = if private { options.private() } else { options.shared() };
            let map = options.anonymous(page()).unwrap();
            assert_eq!(map.protection(), protection);
            let sharing = if private { 'p' } else { 's' };
            let access = vma_at(map.address()).unwrap().access;
            assert_eq!(access, format!("{protection}{sharing}"));

            // x86-64: what can be written or executed can be read.
            let readable = protection != Protection::NONE;
            assert_eq!(map.read_at(0, &mut [0]).is_ok(), readable, "{protection}");
            assert_eq!(map.write_at(0, b"x").is_ok(), protection.contains(WRITE), "{protection}");
            let dies = fork(|| poke(map.address(), 1));
            let expected =
                if protection.contains(WRITE) { End::Well } else { End::Signal(libc::SIGSEGV) };
            assert_eq!(dies, expected, "{protection}");
        }
    }
}

#[test]
fn code_runs_where_execution_is_permitted_and_only_there() {
    // mov eax, 42; ret
    let code = [0xb8, 42, 0, 0, 0, 0xc3];
    let mut map = Mapping::options().write().private().anonymous(page()).unwrap();
    map.write_at(0, &code).unwrap();
    let run = |address| assert_eq!(common::call(address), 42);
    assert_eq!(fork(|| run(map.address())), End::Signal(libc::SIGSEGV));
    map.protect(.., READ | EXEC).unwrap();
    assert_eq!(fork(|| run(map.address())), End::Well);
    map.protect(.., READ).unwrap();
    assert_eq!(fork(|| run(map.address())), End::Signal(libc::SIGSEGV));
}

#[test]
fn protecting_a_range_changes_whole_pages_around_it_and_no_other() {
    let file = Scratch::new(&pattern(6 * page()));
    let offset = 100;
    let options = Mapping::options().write().offset(offset as u64);
    let mut map = options.open(file.path()).unwrap();
    let at = |number: usize| number * page() - offset;
    let touched = map.protect(at(2)..at(3) + 1, READ).unwrap();
    assert_eq!(touched, at(2)..at(4));
    let access = |map: &Mapping, position: usize| vma_at(map.address() + position).unwrap().access;
    assert_eq!(access(&map, at(2) - 1), "rw-s");
    assert_eq!(access(&map, at(2)), "r--s");
    assert_eq!(access(&map, at(4) - 1), "r--s");
    assert_eq!(access(&map, at(4)), "rw-s");
    assert_eq!(map.protection(), READ | WRITE, "as last set for the whole");
    for (position, writes) in [(at(2) - 1, true), (at(2), false), (at(4) - 1, false), (at(4), true)]
    {
        assert_eq!(map.write_at(position, b"!").is_ok(), writes, "{position}");
    }
    let error = map.write_at(at(2) - 2, b"four").unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.kind(), fault.transferred()), (FaultKind::Protection, 2));
    assert_eq!(fault.offset() as usize, 2 * page());

    assert_eq!(map.protect(0..1, Protection::NONE).unwrap(), 0..at(1));
    assert_eq!(access(&map, 0), "---s");
    assert!(map.read_at(0, &mut [0]).is_err());
    map.protect(.., READ | WRITE).unwrap();
    map.fill(.., 9).unwrap();
    assert_eq!(file.bytes()[offset..], vec![9; 6 * page() - offset]);
    assert_eq!(file.bytes()[..offset], pattern(offset));
}

#[test]
fn a_refused_protection_leaves_the_mapping_as_it_was_and_usable() {
    let file = Scratch::new(&pattern(2 * page()));
    let mut map = Mapping::open(file.path()).unwrap();
    let error = map.protect(.., READ | WRITE).unwrap_err();
    assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::Os, Some(libc::EACCES)));
    let message = error.to_string();
    assert!(message.contains(&*file.path().to_string_lossy()), "{message}");
    assert!(message.contains("not opened for that"), "{message}");
    assert_eq!(map.protection(), READ);
    assert_eq!(vma_at(map.address()).unwrap().access, "r--s");
    assert_eq!(map.to_vec().unwrap(), pattern(2 * page()));
}

#[test]
fn a_private_mapping_of_a_read_only_file_can_be_made_writable() {
    let file = Scratch::new(&pattern(page()));
    let mut map = Mapping::options().private().open(file.path()).unwrap();
    map.write_at(0, b"x").unwrap_err();
    map.protect(.., READ | WRITE).unwrap();
    map.write_at(0, b"x").unwrap();
    assert_eq!(file.bytes(), pattern(page()));
}

#[test]
fn memory_frozen_and_thawed_gives_values_back() {
    let mut memory = folio::Memory::new(3 * page()).unwrap();
    memory[7] = 7;
    let stable = memory.freeze().unwrap();
    assert_eq!(stable[7], 7);
    assert_eq!(vma_at(stable.address()).unwrap().access, "r--p");
    assert_eq!(fork(|| poke(stable.address(), 1)), End::Signal(libc::SIGSEGV));
}

#[test]
fn only_bytes_that_nobody_can_change_become_stable() {
    let file = Scratch::new(&pattern(page()));
    let refused = |map: Mapping| {
        let refused = map.into_stable().unwrap_err();
        assert_eq!(refused.error().kind(), ErrorKind::Invalid);
        let map = refused.into_value();
        let mut start = [0; 10];
        map.read_at(0, &mut start).unwrap();
        assert_eq!(start[..], pattern(10));
    };
    refused(Mapping::open(file.path()).unwrap());
    refused(Mapping::options().private().open(file.path()).unwrap());
    let open = memfd(&pattern(page()));
    refused(Mapping::options().keep_file().map(&open).unwrap());
    common::seal(&open, libc::F_SEAL_WRITE);
    refused(Mapping::options().keep_file().map(&open).unwrap());
    common::seal(&open, libc::F_SEAL_SHRINK);
    let beyond = Mapping::options().keep_file().beyond_end().len(2 * page()).map(&open).unwrap();
    refused(beyond);
    let stable = Mapping::options().keep_file().map(&open).unwrap().into_stable().unwrap();
    assert_eq!(stable[..], pattern(page())[..]);
    let shared = Mapping::options().write().anonymous(page()).unwrap();
    shared.write_at(0, &pattern(10)).unwrap();
    refused(shared);
}

#[test]
fn memory_with_guards_does_not_become_a_slice_that_kills() {
    let memory = MapOptions::new().private().write().anonymous(3 * page()).unwrap();
    let sealed = memfd(&pattern(3 * page()));
    common::seal(&sealed, libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK);
    let sealed = Mapping::options().keep_file().map(&sealed).unwrap();
    for mut map in [memory, sealed] {
        if map.discard(page()..2 * page(), folio::Discard::Guard).is_err() {
            common::skip("guards in this kind of memory");
            continue;
        }
        let refused = map.into_stable().unwrap_err();
        assert_eq!(refused.error().kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains("guards"), "{refused}");
        refused.into_value().read_at(0, &mut [0]).unwrap();
    }
}

#[test]
fn a_page_without_access_still_holds_its_bytes() {
    let mut map = Mapping::options().write().private().anonymous(2 * page()).unwrap();
    map.fill(.., 5).unwrap();
    map.protect(.., Protection::NONE).unwrap();
    assert_eq!(fork(|| assert_eq!(peek(map.address()), 5)), End::Signal(libc::SIGSEGV));
    map.protect(.., READ).unwrap();
    assert_eq!(map.to_vec().unwrap(), vec![5; 2 * page()]);
}
