//! The suite that every store passes.

mod common;

use common::{Shelf, text};
use folio_store::conformance::Suite;
use folio_store_zstd::{FRAME_BYTES, LEVEL, ZstdStore, pack};

fn shelf(content: &[u8], frame_bytes: u32) -> Shelf {
    let mut packed = Vec::new();
    pack(content, &mut packed, frame_bytes, LEVEL, |_| ()).unwrap();
    Shelf::new(packed)
}

/// The same bytes again, as a file that is opened twice.
fn again(store: &ZstdStore<Shelf>) -> ZstdStore<Shelf> {
    let mut shelf = Shelf::new(store.inner().bytes.read().unwrap().clone());
    shelf.number = store.inner().number;
    ZstdStore::open(shelf).unwrap()
}

#[test]
fn a_store_of_seekable_zstd_conforms_with_frames_of_any_size() {
    for frame_bytes in [100, 4096, FRAME_BYTES] {
        Suite::new(|content| ZstdStore::open(shelf(content, frame_bytes)).unwrap())
            .reopened_by(again)
            .contents(300_000)
            .steps(300)
            .run();
    }
}

#[test]
fn it_conforms_without_a_cache_over_a_store_that_reads_little_at_a_time() {
    let open = |content: &[u8]| {
        let mut shelf = shelf(content, 3000);
        shelf.most = 700;
        ZstdStore::open_with_cache(shelf, 0).unwrap()
    };
    Suite::new(open).contents(30_000).run();
}

#[test]
fn it_conforms_as_another_version_below_gets_another_version() {
    Suite::new(|content| ZstdStore::open(shelf(content, 4096)).unwrap())
        .changed_by(|store| {
            *store.inner().version.lock().unwrap() = Some("2".into());
            *store.inner().bytes.write().unwrap() =
                shelf(&text(12_345), 4096).bytes.into_inner().unwrap();
        })
        .contents(30_000)
        .run();
}
