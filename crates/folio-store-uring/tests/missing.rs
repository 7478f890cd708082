//! Where no ring can be made, reads go on one by one. A test binary of its own: it takes descriptors
//! from its process.

use std::fs::{self, File};

use folio_store::{FileStore, ReadRequest, Store};
use folio_store_uring::UringStore;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn read_both(store: &UringStore) {
    let mut buffers = [[0; 3]; 2];
    let [one, two] = &mut buffers;
    let mut requests = [ReadRequest::new(one, 0), ReadRequest::new(two, 4)];
    store.read_many(&mut requests);
    assert!(requests.iter().all(|request| matches!(request.outcome, Ok(3))));
    assert_eq!(buffers, [*b"one", *b"two"]);
}

#[test]
fn a_ring_that_cannot_be_made_at_first_or_later_is_done_without() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "one two").unwrap();
    let file = FileStore::open(&path).unwrap();
    let store = UringStore::new(FileStore::open(&path).unwrap());

    // From here on no descriptor is to be had.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..limit }).unwrap();
    let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let without = UringStore::new(file);
    read_both(&without);
    let why = without.why_no_ring().expect("no descriptor, no ring").to_string();
    // A store that has one ring gives two threads at a time what they ask for.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| read_both(&store)));
        }
    });
    setrlimit(Resource::Nofile, limit).unwrap();
    drop(taken);
    let expected = format!("cannot batch reads of file {}: ", path.display());
    assert!(why.starts_with(&expected), "{why}");
}
