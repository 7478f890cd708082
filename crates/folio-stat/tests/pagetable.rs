//! The page table of a process, page by page.
#![allow(clippy::single_range_in_vec_init)]

mod common;

use common::*;
use folio_stat::{ErrorKind, PageRun, Process, Residency, Via};

#[test]
fn residencies_of_many_pieces_are_those_of_each() {
    let area = Area::anonymous(64);
    area.advise(0..64, libc::MADV_NOHUGEPAGE).unwrap();
    for run in [0..3, 10..11, 20..40, 63..64] {
        area.write(run);
    }
    let pieces = [
        (1, area.pages(0..2)),
        (0, area.pages(5..30)),
        (1, area.pages(30..50)),
        (1, area.pages(60..64)),
    ];
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let [first, second] = process.residencies(2, &pieces).unwrap().try_into().unwrap();
        assert_eq!(first, Residency::from_runs(PAGE, 25, [5..6, 15..25]), "{via:?}");
        assert_eq!(second, Residency::from_runs(PAGE, 26, [0..12, 25..26]), "{via:?}");
        let disorder = [(0, area.pages(5..6)), (0, area.pages(0..1))];
        let error = process.residencies(1, &disorder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRange);
        assert!(process.residencies(0, &pieces).is_err());
    }
}

#[test]
fn a_page_table_comes_in_runs_of_the_same_state() {
    let file = clean_file(4);
    let area = Area::anonymous(16);
    area.advise(0..16, libc::MADV_NOHUGEPAGE).unwrap();
    area.write(2..5);
    area.read(8..9);
    let mapped = Area::new(4 * PAGE, libc::PROT_READ, libc::MAP_SHARED, Some((file.as_file(), 0)));
    let again = Area::new(PAGE, libc::PROT_READ, libc::MAP_SHARED, Some((file.as_file(), 0)));
    mapped.read(0..4);
    again.read(0..1);
    for via in VIAS {
        let process = Process::current().unwrap().via(via);
        let runs = process.page_runs(area.range()).unwrap();
        let pages = |run: &PageRun| run.length_bytes / PAGE;
        assert_eq!(runs.iter().map(pages).collect::<Vec<_>>(), [2, 3, 3, 1, 7], "{via:?} {runs:?}");
        assert!(runs[1].state.is_resident && !runs[1].state.is_shared && !runs[1].state.is_of_file);
        assert_eq!(runs[3].state.is_zero, (via != Via::Text).then_some(true));
        let runs = process.page_runs(mapped.range()).unwrap();
        let shared: Vec<_> = runs.iter().map(|run| (pages(run), run.state.is_shared)).collect();
        assert_eq!(shared, [(1, true), (3, false)], "{via:?}");
        assert!(runs.iter().all(|run| run.state.is_of_file && run.state.is_resident));
    }
}
