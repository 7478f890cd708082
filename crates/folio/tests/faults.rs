//! Faults become errors: through the copying view exactly, for slices as zeros and a sticky fault.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::path::PathBuf;

use folio::{FaultKind, Mapping};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("folio-{name}-{}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn set_len(&self, len: u64) {
        File::options().write(true).open(&self.0).unwrap().set_len(len).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 + 1).collect()
}

#[test]
fn a_truncated_file_is_an_exact_error_for_the_copying_view() {
    let bytes = pattern(20_000);
    let file = Scratch::new("exact", &bytes);
    let map = Mapping::options().write().open(&file.0).unwrap();
    file.set_len(5000);
    for at in [0, 100, 4000, 8191, 8192, 12_000] {
        for count in [1, 2, 3, 5, 8, 12, 16, 24, 32, 50, 64, 65, 100, 500, 1024, 3000, 7000] {
            let mut buf = vec![0xee; count];
            let read = map.read_at(at, &mut buf);
            if at + count <= 8192 {
                read.unwrap();
            } else {
                let error = read.unwrap_err();
                let fault = error.fault().expect("a fault").clone();
                assert_eq!(fault.kind(), FaultKind::Truncated);
                let done = 8192usize.saturating_sub(at);
                assert_eq!(fault.transferred(), done, "{count} at {at}");
                assert_eq!(fault.offset() as usize, at + done);
                let want: Vec<u8> =
                    (at..at + done).map(|i| if i < 5000 { bytes[i] } else { 0 }).collect();
                assert_eq!(buf[..done], want);
                assert!(buf[done..].iter().all(|&b| b == 0xee));
            }
            let write = map.write_at(at, &vec![1; count]);
            assert_eq!(write.is_err(), at + count > 8192);
            map.fill(at..at + count, 3).err();
            file.set_len(0);
            file.set_len(5000);
            map.write_at(0, &bytes[..5000]).unwrap();
        }
    }
}

#[test]
fn a_slice_reads_zeros_where_the_file_was_cut_and_the_fault_stays_until_restored() {
    let bytes = pattern(20_000);
    let file = Scratch::new("sticky", &bytes);
    let mut map = Mapping::open(&file.0).unwrap();
    file.set_len(4096);
    // SAFETY: the bytes are compared with what this test left in the file, zeros included.
    let fault = unsafe { map.guarded(|all| all.iter().map(|&b| u64::from(b)).sum::<u64>()) };
    let fault = fault.unwrap_err();
    assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 4096));
    assert_eq!(map.check().unwrap_err(), fault);
    let error = map.read_at(9000, &mut [0]).unwrap_err();
    assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
    map.read_at(0, &mut [0; 4096]).unwrap();

    fs::write(&file.0, &bytes).unwrap();
    assert_eq!(map.restore().unwrap(), Some(fault));
    map.check().unwrap();
    assert_eq!(map.to_vec().unwrap(), bytes);
}

#[test]
fn only_the_pages_that_were_lost_are_replaced_and_restored() {
    let bytes = pattern(10 * 4096);
    let file = Scratch::new("between", &bytes);
    let mut map = Mapping::options().private().write().open(&file.0).unwrap();
    file.set_len(0);
    // SAFETY: two bytes are read, and nothing else about them is relied on.
    let touch = |at: usize| unsafe { std::ptr::read_volatile(&raw const map.as_slice()[at]) };
    assert_eq!((touch(4096), touch(9 * 4096)), (0, 0));
    fs::write(&file.0, &bytes).unwrap();

    map.write_at(5 * 4096, b"a change of our own").unwrap();
    let mut page = [0; 4096];
    map.read_at(6 * 4096, &mut page).unwrap();
    assert_eq!(page, bytes[6 * 4096..7 * 4096]);
    assert!(map.read_at(4096, &mut page).unwrap_err().fault().is_some());
    assert!(map.read_at(8 * 4096, &mut [0; 4097]).unwrap_err().fault().is_some());

    assert_eq!(map.restore().unwrap().unwrap().offset(), 4096);
    let mut want = bytes.clone();
    want[5 * 4096..5 * 4096 + 19].copy_from_slice(b"a change of our own");
    assert_eq!(map.to_vec().unwrap(), want);
}

#[test]
fn a_file_cut_within_a_page_is_noticed_by_guarded_and_flush() {
    let file = Scratch::new("within", &[b'x'; 5000]);
    let by_descriptor = File::options().read(true).write(true).open(&file.0).unwrap();
    let maps = [
        Mapping::options().write().open(&file.0).unwrap(),
        Mapping::options().write().keep_file().map(&by_descriptor).unwrap(),
    ];
    // SAFETY: the bytes are counted, and nothing rests on the count.
    let count =
        |map: &Mapping| unsafe { map.guarded(|all| all.iter().filter(|&&b| b == b'x').count()) };
    for map in &maps {
        assert_eq!(count(map).unwrap(), 5000);
        map.flush(..).unwrap();
    }
    file.set_len(4500);
    for map in &maps {
        let fault = count(map).unwrap_err();
        assert_eq!((fault.kind(), fault.offset()), (FaultKind::Truncated, 4500));
        map.write_at(4900, b"lost").unwrap();
        let error = map.flush(..).unwrap_err();
        assert_eq!(error.fault().unwrap().kind(), FaultKind::Truncated);
        map.flush(..4096).unwrap();
    }
    let found_anew = Mapping::options().write().len(4500).map(&by_descriptor).unwrap();
    file.set_len(4400);
    assert!(found_anew.flush(..).unwrap_err().fault().is_some());
    file.set_len(5000);
    for map in &maps {
        map.flush(..).unwrap();
        map.check().unwrap();
    }
    let tail = Mapping::options().write().len(6000).beyond_end().open(&file.0).unwrap();
    tail.flush(..).unwrap();
}

#[test]
fn a_range_that_does_not_fit_is_named() {
    let file = Scratch::new("named", &pattern(1000));
    let map = Mapping::open(&file.0).unwrap();
    let error = map.read_at(999, &mut [0; 2]).unwrap_err().to_string();
    assert!(
        error.ends_with("999..1001 does not lie within the 1000 bytes of the mapping"),
        "{error}"
    );
    let error = map.flush(5..=1000).unwrap_err().to_string();
    assert!(error.contains("5..=1000 does"), "{error}");
    let error = map.write_at(3, b"x").unwrap_err().to_string();
    assert!(error.contains("map it with write()"), "{error}");
}
