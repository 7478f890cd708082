//! Values of types in mappings: copied from anywhere, referred to where they are aligned.

use folio::{ErrorKind, FaultKind, Mapping, Memory};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Record {
    id: u64,
    balance: i32,
    flags: [u8; 4],
}

/// Three bytes of padding follow `small`.
#[derive(FromBytes, KnownLayout, Immutable, Debug, PartialEq)]
#[repr(C)]
struct Padded {
    large: u32,
    small: u8,
}

const RECORD: Record = Record { id: 0x0102_0304_0506_0708, balance: -5, flags: *b"abcd" };

#[test]
fn values_are_copied_to_and_from_any_position() {
    let map = Mapping::options().write().anonymous(100).unwrap();
    for at in [0, 1, 7, 84] {
        map.write_value(at, &RECORD).unwrap();
        assert_eq!(map.read_value::<Record>(at).unwrap(), RECORD);
        assert_eq!(map.read_value::<u64>(at).unwrap(), RECORD.id);
        assert_eq!(map.view().read_value::<[u8; 4]>(at + 12).unwrap(), *b"abcd");
    }
    map.write_value(10, &[1u16, 2, 3][..]).unwrap();
    assert_eq!(map.read_value::<[u16; 3]>(10).unwrap(), [1, 2, 3]);
    map.fill(40..48, 9).unwrap();
    let padded = map.read_value::<Padded>(40).unwrap();
    assert_eq!(padded, Padded { large: 0x0909_0909, small: 9 });
}

#[test]
fn values_that_do_not_fit_are_out_of_range_and_lost_ones_are_faults() {
    let map = Mapping::options().write().anonymous(100).unwrap();
    for at in [85, 100, 101, usize::MAX, usize::MAX - 15] {
        let error = map.read_value::<Record>(at).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange, "{at}");
        let error = map.write_value(at, &RECORD).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange, "{at}");
    }
    let memfd = folio::Memfd::new("folio-typed").unwrap();
    memfd.set_len(8192).unwrap();
    let map = memfd.map().unwrap();
    memfd.set_len(4096).unwrap();
    let error = map.read_value::<Record>(4090).unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
}

#[test]
fn references_point_into_memory_where_they_fit_and_are_aligned() {
    let mut memory = Memory::new(4096).unwrap();
    *memory.value_mut(16).unwrap() = RECORD;
    assert_eq!(memory.value::<Record>(16).unwrap(), &RECORD);
    assert_eq!(memory[28..32], *b"abcd");
    for (index, word) in memory.values_mut::<u32>(4000, 24).unwrap().iter_mut().enumerate() {
        *word = index as u32;
    }
    let words = memory.values::<u32>(4000, 24).unwrap();
    assert_eq!((words.len(), words[23]), (24, 23));
    assert_eq!(memory.values::<u64>(4096, 0).unwrap(), []);

    let kind = |error: folio::Error| error.kind();
    assert_eq!(kind(memory.value::<Record>(4).unwrap_err()), ErrorKind::Misaligned);
    assert_eq!(kind(memory.values::<u32>(4001, 2).unwrap_err()), ErrorKind::Misaligned);
    assert_eq!(kind(memory.values_mut::<u32>(4001, 2).unwrap_err()), ErrorKind::Misaligned);
    assert_eq!(kind(memory.value_mut::<u64>(4090).unwrap_err()), ErrorKind::OutOfRange);
    assert_eq!(kind(memory.values::<u32>(4000, 25).unwrap_err()), ErrorKind::OutOfRange);
    assert_eq!(kind(memory.values::<u64>(8, usize::MAX).unwrap_err()), ErrorKind::OutOfRange);

    let stable = memory.freeze().unwrap();
    assert_eq!(stable.value::<Record>(16).unwrap(), &RECORD);
    assert_eq!(stable.values::<u32>(4000, 24).unwrap()[5], 5);
    assert_eq!(kind(stable.value::<u16>(1).unwrap_err()), ErrorKind::Misaligned);
}
