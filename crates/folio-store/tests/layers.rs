//! Every layer, and stacks of them in any order, pass the conformance suite.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use folio_store::conformance::Suite;
use folio_store::testing::{Delay, Fail, Operation, ShortRead, Switch, TornWrite};
use folio_store::{
    Cost, Deadline, ErrorKind, FileStore, MemoryStore, Overlay, ReadRequest, Retry, Statistics,
    Store,
};
use proptest::prelude::*;

type Any = Box<dyn Store>;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_micros(1);

fn memory(content: &[u8]) -> Any {
    Box::new(MemoryStore::from(content.to_vec()))
}

fn patient(store: Any) -> Retry<Any> {
    Retry::new(store).attempts(1000).first_wait(SHORT).longest_wait(SHORT).limit(LONG)
}

fn overlay(lower: Any, block_bytes: u32) -> Any {
    let upper = MemoryStore::from(Vec::new());
    Box::new(Overlay::new(lower, upper).unwrap().block_bytes(block_bytes))
}

/// Failures at reads and writes, and a retry that hides them.
fn shaky(store: Any, every: u64) -> Any {
    let failing = Fail::new(store, ErrorKind::Unavailable).on(Operation::Read).on(Operation::Write);
    Box::new(patient(Box::new(failing.every(every))))
}

/// Writes that tear, and a retry that hides them.
fn torn(store: Any, seed: u64) -> Any {
    Box::new(patient(Box::new(TornWrite::new(store).unwrap().every(3, seed))))
}

fn add(layer: Layer, store: Any, seed: u64) -> Any {
    match layer {
        Layer::Overlay => overlay(store, 512 << (seed % 5)),
        Layer::Retry => Box::new(patient(store)),
        Layer::Deadline => Box::new(Deadline::new(store, LONG).unwrap()),
        Layer::Statistics => Box::new(Statistics::new(store)),
        Layer::Delay => Box::new(Delay::new(store, Duration::ZERO).jitter(SHORT, seed)),
        Layer::Shaky => shaky(store, 2 + seed % 5),
        Layer::ShortRead => Box::new(ShortRead::new(store, seed)),
        Layer::Torn => torn(store, seed),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layer {
    Overlay,
    Retry,
    Deadline,
    Statistics,
    Delay,
    Shaky,
    ShortRead,
    Torn,
}

const ALL: [Layer; 8] = [
    Layer::Overlay,
    Layer::Retry,
    Layer::Deadline,
    Layer::Statistics,
    Layer::Delay,
    Layer::Shaky,
    Layer::ShortRead,
    Layer::Torn,
];

fn conforms(layer: Layer) {
    let steps = if matches!(layer, Layer::Delay | Layer::Shaky | Layer::Torn) { 60 } else { 300 };
    Suite::new(|content: &[u8]| add(layer, memory(content), 1)).contents(50_000).steps(steps).run();
}

#[test]
fn an_overlay_is_a_store() {
    conforms(Layer::Overlay);
}

#[test]
fn a_retry_is_a_store() {
    conforms(Layer::Retry);
}

#[test]
fn a_deadline_is_a_store() {
    conforms(Layer::Deadline);
}

#[test]
fn statistics_are_a_store() {
    conforms(Layer::Statistics);
}

#[test]
fn a_delay_is_a_store() {
    conforms(Layer::Delay);
}

#[test]
fn failures_under_a_retry_are_a_store() {
    conforms(Layer::Shaky);
}

#[test]
fn short_reads_are_a_store() {
    conforms(Layer::ShortRead);
}

#[test]
fn torn_writes_under_a_retry_are_a_store() {
    conforms(Layer::Torn);
}

#[test]
fn an_overlay_that_has_blocks_from_both_is_a_store() {
    // Written through the overlay: every other kilobyte and the tail. So blocks of both are mixed.
    Suite::new(|content: &[u8]| {
        let lower = memory(content);
        for (index, chunk) in content.chunks(1000).enumerate().filter(|(index, _)| index % 2 == 1) {
            lower.write_all_at(&vec![0xee; chunk.len()], index as u64 * 1000).unwrap();
        }
        let overlay = Overlay::new(lower, MemoryStore::from(Vec::new())).unwrap().block_bytes(512);
        for (index, chunk) in content.chunks(1000).enumerate().filter(|(index, _)| index % 2 == 1) {
            overlay.write_all_at(chunk, index as u64 * 1000).unwrap();
        }
        overlay
    })
    .contents(50_000)
    .run();
}

#[test]
fn an_overlay_of_a_file_on_a_temporary_file_is_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let files = Cell::new(0);
    let file = |content: &[u8]| {
        files.set(files.get() + 1);
        let path = directory.path().join(files.get().to_string());
        std::fs::write(&path, content).unwrap();
        path
    };
    Suite::new(|content: &[u8]| {
        let lower = FileStore::open(file(content)).unwrap();
        let upper = FileStore::options().writable(true).open(file(&[])).unwrap();
        Overlay::new(lower, upper).unwrap()
    })
    .contents(50_000)
    .steps(100)
    .run();
}

#[test]
fn a_stack_over_a_store_that_can_only_be_read_can_only_be_read() {
    struct Fixed(MemoryStore);
    impl Store for Fixed {
        fn name(&self) -> String {
            "fixed".into()
        }
        fn len(&self) -> folio_store::Result<u64> {
            self.0.len()
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> folio_store::Result<usize> {
            self.0.read_at(buf, offset)
        }
        fn capabilities(&self) -> folio_store::Capabilities {
            folio_store::Capabilities::new(Cost::Memory).fixed_version(true)
        }
    }
    let stack = |content: &[u8]| {
        let store = ShortRead::new(Fixed(MemoryStore::from(content.to_vec())), 1);
        Statistics::new(Retry::new(Deadline::new(store, LONG).unwrap()))
    };
    assert!(stack(&[1]).capabilities().is_fixed_version());
    Suite::new(stack).contents(20_000).steps(50).run();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..Default::default() })]

    #[test]
    fn stacks_in_any_order_are_stores(
        layers in prop::collection::vec(prop::sample::select(&ALL[..]), 3..=5),
        short_below in any::<bool>(),
        seed in any::<u64>(),
    ) {
        Suite::new(|content: &[u8]| {
            let mut store = memory(content);
            if short_below {
                store = Box::new(ShortRead::new(store, seed));
            }
            for (index, layer) in layers.iter().enumerate() {
                store = add(*layer, store, seed.wrapping_add(index as u64));
            }
            store
        })
        .contents(9_000)
        .steps(25)
        .seed(seed)
        .run();
    }
}

/// What a far store would say of itself.
struct Far;

impl Store for Far {
    fn name(&self) -> String {
        "far".into()
    }
    fn len(&self) -> folio_store::Result<u64> {
        Ok(1 << 20)
    }
    fn read_at(&self, _: &mut [u8], _: u64) -> folio_store::Result<usize> {
        panic!("only batches are asked for");
    }
    fn read_many(&self, requests: &mut [ReadRequest<'_>]) {
        let all = requests.len();
        for request in requests {
            request.buf.fill(all as u8);
            request.outcome = Ok(request.buf.len());
        }
    }
    fn capabilities(&self) -> folio_store::Capabilities {
        folio_store::Capabilities::new(Cost::Network).granule(1 << 18).fixed_version(true)
    }
    fn identity(&self) -> Option<String> {
        Some("far identity".into())
    }
    fn version(&self) -> Option<String> {
        Some("far version".into())
    }
}

fn over_far() -> Vec<Any> {
    vec![
        Box::new(Retry::new(Far)),
        Box::new(Deadline::new(Far, LONG).unwrap()),
        Box::new(Statistics::new(Far)),
        Box::new(Delay::new(Far, SHORT)),
        Box::new(Fail::new(Far, ErrorKind::Io).while_on(&Switch::off())),
    ]
}

#[test]
fn layers_that_change_no_bytes_say_what_the_store_below_says() {
    for store in over_far() {
        assert_eq!(store.name(), "far");
        assert_eq!(store.identity().as_deref(), Some("far identity"));
        assert_eq!(store.version().as_deref(), Some("far version"));
        assert_eq!(store.capabilities(), Far.capabilities());
    }
}

#[test]
fn an_overlay_is_another_object_than_the_store_below() {
    let overlay = Overlay::new(Far, MemoryStore::from(Vec::new())).unwrap();
    assert_eq!((overlay.identity(), overlay.version()), (None, None));
    let able = overlay.capabilities();
    assert!(able.is_writable() && able.is_resizable() && !able.is_fixed_version());
    assert_eq!((able.cost(), able.granule_bytes()), (Cost::Network, 1 << 18));
}

#[test]
fn batches_stay_batches() {
    let mut stores = over_far();
    stores.push(Box::new(Overlay::new(Far, MemoryStore::from(Vec::new())).unwrap()));
    for store in stores {
        let mut bytes = [[0; 10]; 3];
        let mut requests: Vec<_> =
            (0..).zip(&mut bytes).map(|(n, b)| ReadRequest::new(b, n * 5000)).collect();
        store.read_many(&mut requests);
        assert!(requests.iter().all(|request| request.outcome.clone().unwrap() == 10));
        assert_eq!(bytes, [[3; 10]; 3]);
    }
}

#[test]
fn a_layer_that_waits_is_not_as_cheap_as_memory() {
    let delayed = Delay::new(MemoryStore::from(vec![0; 10]), SHORT);
    assert_eq!(delayed.capabilities().cost(), Cost::Local);
    let bounded = Deadline::new(Arc::new(MemoryStore::from(vec![0; 10])), LONG).unwrap();
    assert_eq!(bounded.capabilities().cost(), Cost::Local);
    let counted = Statistics::new(MemoryStore::from(vec![0; 10]));
    assert_eq!(counted.capabilities().cost(), Cost::Memory);
}
