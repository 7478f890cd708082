//! Atomic words.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use folio::MapOptions;

use crate::harness::Contender::{Folio, Raw};
use crate::harness::Harness;

pub(crate) fn rows(harness: &mut Harness) {
    let map = MapOptions::new().write().anonymous(4096).unwrap();
    let folio = map.view().atomic_u64(64).unwrap();
    // SAFETY: the bytes are mapped and aligned, and are touched by atomic operations alone.
    let core = unsafe { AtomicU64::from_ptr(map.as_mut_ptr().add(128).cast()) };
    harness
        .row("atomic u64", "load")
        .by(Folio, || {
            black_box(folio.load().unwrap());
        })
        .by(Raw, || {
            black_box(core.load(SeqCst));
        })
        .run();
    harness
        .row("atomic u64", "store")
        .by(Folio, || folio.store(black_box(1)).unwrap())
        .by(Raw, || core.store(black_box(1), SeqCst))
        .run();
    harness
        .row("atomic u64", "fetch_add")
        .by(Folio, || {
            black_box(folio.fetch_add(1).unwrap());
        })
        .by(Raw, || {
            black_box(core.fetch_add(1, SeqCst));
        })
        .run();
    harness
        .row("atomic u64", "compare_exchange")
        .by(Folio, || {
            let _ = black_box(folio.compare_exchange(1, 2).unwrap());
        })
        .by(Raw, || {
            let _ = black_box(core.compare_exchange(1, 2, SeqCst, SeqCst));
        })
        .run();
}
