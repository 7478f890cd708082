//! Objects on a server keep every promise of a store.

mod fake;

use std::cell::Cell;

use fake::{Fake, Object};
use folio_store::conformance::Suite;

#[test]
fn objects_pass_the_conformance_suite() {
    let fake = Fake::new();
    let count = Cell::new(0);
    let make = |content: &[u8]| {
        count.set(count.get() + 1);
        let path = format!("/{}", count.get());
        fake.put(&path, Object::new(content, &path[1..]));
        fake.options().largest_bytes(30_000).open(&fake.url(&path)).unwrap()
    };
    Suite::new(make).contents(100_000).run();
}

#[test]
fn objects_in_one_piece_at_a_time_pass_the_conformance_suite() {
    let fake = Fake::new();
    let count = Cell::new(0);
    let make = |content: &[u8]| {
        count.set(count.get() + 1);
        let path = format!("/bucket/{}", count.get());
        fake.put(&path, Object::new(content, &path[8..]));
        let options = fake.s3_options().largest_bytes(900).gap_bytes(0).concurrency(1);
        options.open(&format!("s3:/{path}")).unwrap()
    };
    Suite::new(make).contents(20_000).run();
}
