//! No read mixes two versions of an object, whatever the server does about conditions.

mod fake;

use fake::{Fake, Object, Reply, Sending, bytes};
use folio_store::{Error, ErrorKind, ReadRequest, Store};
use folio_store_object::{Guarantee, ObjectStore};
use proptest::prelude::*;

fn read(store: &impl Store, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0; len];
    let count = store.read_full_at(&mut buf, offset)?;
    buf.truncate(count);
    Ok(buf)
}

fn kind(store: &impl Store) -> ErrorKind {
    read(store, 0, 100).unwrap_err().kind()
}

#[test]
fn a_server_that_honours_if_match_guarantees_by_it() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    let store = fake.options().open(&fake.url("/o")).unwrap();
    assert_eq!(fake.requests().len(), 3, "requests to open");
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
    assert!(store.capabilities().is_fixed_version());
    assert_eq!(store.version().as_deref(), Some("\"v1\""));
    assert_eq!(read(&store, 10, 100).unwrap(), bytes(5000, 1)[10..110]);
    let requests = fake.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("if-match"), Some("\"v1\""));
    assert_eq!(requests[0].header("range"), Some("bytes=10-109"));
}

#[test]
fn a_replaced_object_is_changed_for_good() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    let store = fake.open();
    fake.put("/o", Object::new(&bytes(5000, 2), "v2"));
    let error = read(&store, 0, 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_eq!(error.bytes(), Some(0..100));
    fake.put("/o", Object::new(&bytes(5000, 1), "v1"));
    fake.requests();
    assert_eq!(kind(&store), ErrorKind::Changed);
    assert!(fake.requests().is_empty(), "a changed object is asked for again");
    let again = fake.open();
    assert_eq!(read(&again, 0, 100).unwrap(), bytes(100, 1));
}

/// Answers without regard to conditions.
fn without_conditions(fake: &Fake, object: impl Fn() -> Object + Send + Sync + 'static) {
    fake.lie(move |request, _| {
        let object = object();
        let (first, end) = request.range().unwrap();
        let end = end.min(object.bytes.len());
        let mut reply = Reply::status(206);
        reply.body = object.bytes[first..end].to_vec();
        let range = format!("bytes {first}-{}/{}", end - 1, object.bytes.len());
        reply = reply.set("Content-Range", &range);
        for (name, value) in [("ETag", &object.e_tag), ("Last-Modified", &object.modified)] {
            if let Some(value) = value {
                reply = reply.set(name, value);
            }
        }
        reply
    });
}

#[test]
fn a_server_that_ignores_if_match_is_found_out_and_its_answers_are_compared() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    without_conditions(&fake, || Object::new(&bytes(5000, 1), "v1"));
    let store = fake.open();
    assert_eq!(store.guarantee(), Guarantee::ComparedAfterwards);
    assert!(store.capabilities().is_fixed_version());
    assert_eq!(read(&store, 0, 100).unwrap(), bytes(100, 1));
    without_conditions(&fake, || Object::new(&bytes(5000, 2), "v2"));
    assert_eq!(kind(&store), ErrorKind::Changed);
}

#[test]
fn a_server_that_refuses_every_condition_is_asked_without_one() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    fake.lie(|request, reply| match request.header("if-match") {
        Some(_) => Reply::status(412),
        None => reply,
    });
    let store = fake.open();
    assert_eq!(store.guarantee(), Guarantee::ComparedAfterwards);
    assert_eq!(read(&store, 0, 100).unwrap(), bytes(100, 1));
    fake.put("/o", Object::new(&bytes(5000, 2), "v2"));
    assert_eq!(kind(&store), ErrorKind::Changed);
}

#[test]
fn a_server_that_cannot_now_while_it_is_opened_is_an_error_and_no_lesser_guarantee() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    fake.lie(|request, reply| match request.header("if-match") {
        Some(_) => Reply::status(503),
        None => reply,
    });
    let error = fake.options().open(&fake.url("/o")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[test]
fn a_server_without_etags_guarantees_nothing_and_changes_of_length_and_time_are_seen() {
    let plain = |version, len, time: &str| Object {
        e_tag: None,
        modified: Some(format!("Fri, 20 Nov 2026 {time} GMT")),
        ..Object::new(&bytes(len, version), "")
    };
    let fake = Fake::with(plain(1, 5000, "10:00:00"));
    for changed in
        [plain(2, 5001, "10:00:00"), plain(2, 4999, "10:00:00"), plain(2, 5000, "10:00:01")]
    {
        fake.put("/o", plain(1, 5000, "10:00:00"));
        let store = fake.open();
        assert_eq!(store.guarantee(), Guarantee::Unchecked);
        assert!(!store.capabilities().is_fixed_version());
        assert_eq!((store.identity(), store.version()), (None, None));
        assert_eq!(read(&store, 0, 100).unwrap(), bytes(100, 1));
        fake.put("/o", changed);
        assert_eq!(kind(&store), ErrorKind::Changed);
    }
}

#[test]
fn a_weak_etag_guarantees_nothing_and_its_change_is_seen() {
    let weak = |version, tag: &str| Object {
        e_tag: Some(format!("W/\"{tag}\"")),
        ..Object::new(&bytes(5000, version), "")
    };
    let fake = Fake::with(weak(1, "a"));
    let store = fake.open();
    assert_eq!(store.guarantee(), Guarantee::Unchecked);
    assert_eq!(read(&store, 0, 100).unwrap(), bytes(100, 1));
    fake.put("/o", weak(2, "b"));
    assert_eq!(kind(&store), ErrorKind::Changed);
}

#[test]
fn an_answer_that_no_longer_names_its_version_is_not_believed() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    let store = fake.open();
    fake.lie(|_, reply| reply.without("ETag"));
    let error = read(&store, 0, 100).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(error.to_string().contains("no longer says"), "{error}");
}

#[test]
fn a_server_that_stops_honouring_if_match_is_found_out() {
    let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
    let store = fake.open();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
    without_conditions(&fake, || Object::new(&bytes(5000, 2), "v2"));
    assert_eq!(kind(&store), ErrorKind::Changed);
}

fn versioned(version: u8) -> Object {
    Object {
        version: Some(format!("id{version}")),
        ..Object::new(&bytes(5000, version), &format!("v{version}"))
    }
}

fn versioned_store(fake: &Fake) -> ObjectStore {
    fake.put("/bucket/key", versioned(1));
    fake.s3_options().open("s3://bucket/key").unwrap()
}

#[test]
fn an_old_version_is_read_on_from_a_server_that_keeps_it() {
    let fake = Fake::new();
    let store = versioned_store(&fake);
    assert_eq!(store.guarantee(), Guarantee::VersionId);
    assert_eq!(store.version().as_deref(), Some("id1"));
    fake.put("/bucket/key", versioned(2));
    assert_eq!(read(&store, 0, 100).unwrap(), bytes(100, 1));
    let newer = fake.s3_options().open("s3://bucket/key").unwrap();
    assert_eq!(read(&newer, 0, 100).unwrap(), bytes(100, 2));
    assert_ne!(newer.identity(), store.identity());
}

#[test]
fn a_version_that_is_gone_while_there_is_another_is_changed_and_else_not_found() {
    let fake = Fake::new();
    let store = versioned_store(&fake);
    fake.put("/bucket/key", versioned(2));
    fake.forget("/bucket/key");
    assert_eq!(kind(&store), ErrorKind::Changed);
    let store = fake.s3_options().open("s3://bucket/key").unwrap();
    fake.delete("/bucket/key");
    assert_eq!(kind(&store), ErrorKind::NotFound);
}

#[test]
fn a_server_that_names_versions_and_ignores_the_wish_for_one_is_found_out() {
    let fake = Fake::new();
    fake.put("/bucket/key", versioned(1));
    fake.lie(|request, reply| match request.query.contains("versionId") {
        true => {
            // Whatever version was wished for, the newest comes.
            let mut newest = Reply::status(206).set("Content-Range", "bytes 0-0/5000");
            newest = newest.set("ETag", "\"v1\"").set("x-amz-version-id", "id1");
            newest.body = bytes(1, 1);
            newest.set("Last-Modified", "Fri, 20 Nov 2026 10:00:00 GMT")
        }
        false => reply,
    });
    let store = fake.s3_options().open("s3://bucket/key").unwrap();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
}

#[test]
fn who_may_read_an_object_and_not_its_versions_reads_by_if_match() {
    let fake = Fake::new();
    fake.put("/bucket/key", versioned(1));
    fake.lie(|request, reply| match request.query.contains("versionId") {
        true => Reply::status(403),
        false => reply,
    });
    let store = fake.s3_options().open("s3://bucket/key").unwrap();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
}

#[test]
fn what_was_written_without_versions_is_read_by_if_match() {
    let fake = Fake::new();
    let object = Object { version: Some("null".into()), ..versioned(1) };
    fake.put("/bucket/key", object);
    let store = fake.s3_options().open("s3://bucket/key").unwrap();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
}

#[test]
fn a_body_that_breaks_off_is_not_completed_from_another_version() {
    for honours in [true, false] {
        let fake = Fake::with(Object::new(&bytes(50_000, 1), "v1"));
        if !honours {
            without_conditions(&fake, || Object::new(&bytes(50_000, 1), "v1"));
        }
        let store = fake.options().retries(3).open(&fake.url("/o")).unwrap();
        fake.lie(|_, reply| reply.sending(Sending::Cut(20_000)));
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| read(&store, 0, 50_000));
            while fake.requests().is_empty() {
                std::thread::yield_now();
            }
            match honours {
                true => {
                    fake.put("/o", Object::new(&bytes(50_000, 2), "v2"));
                    fake.be_honest();
                }
                false => without_conditions(&fake, || Object::new(&bytes(50_000, 2), "v2")),
            }
            match reading.join().unwrap() {
                Ok(content) => assert!(content == bytes(50_000, 1), "two versions are mixed"),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Changed | ErrorKind::Unavailable),
                    "{error}"
                ),
            }
        });
        assert_eq!(kind(&store), ErrorKind::Changed);
    }
}

#[test]
fn an_object_that_grows_or_shrinks_is_changed() {
    for len in [0, 1, 100, 4999, 5001, 9000] {
        let fake = Fake::with(Object::new(&bytes(5000, 1), "v1"));
        let store = fake.open();
        fake.put("/o", Object::new(&bytes(len, 1), &format!("v{len}")));
        assert_eq!(read(&store, 4000, 100).unwrap_err().kind(), ErrorKind::Changed, "{len} bytes");
        assert_eq!(store.len().unwrap(), 5000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_while_an_object_is_replaced_is_all_of_the_opened_version(
        honours in any::<bool>(),
        when in 0_usize..12,
        reads in prop::collection::vec((0_u64..60_000, 1_usize..20_000), 1..12),
    ) {
        let fake = Fake::with(Object::new(&bytes(60_000, 1), "v1"));
        let new = Object::new(&bytes(60_000, 2), "v2");
        let old = Object::new(&bytes(60_000, 1), "v1");
        if !honours {
            without_conditions(&fake, { let old = old.clone(); move || old.clone() });
        }
        let store = fake.options().largest_bytes(4000).open(&fake.url("/o")).unwrap();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let next = move || count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if honours {
            fake.lie(move |request, reply| match next() < when {
                true => reply,
                false if request.header("if-match").is_some() => Reply::status(412),
                false => reply,
            });
        } else {
            without_conditions(&fake, move || if next() < when { old.clone() } else { new.clone() });
        }
        let content = bytes(60_000, 1);
        let mut bufs: Vec<_> = reads.iter().map(|(_, len)| vec![0; *len]).collect();
        let mut requests: Vec<_> =
            bufs.iter_mut().zip(&reads).map(|(buf, (at, _))| ReadRequest::new(buf, *at)).collect();
        store.read_many(&mut requests);
        for request in requests {
            match request.outcome {
                Ok(count) => {
                    let at = request.offset as usize;
                    prop_assert_eq!(count, request.buf.len().min(60_000 - at));
                    prop_assert!(request.buf[..count] == content[at..at + count]);
                }
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Changed),
            }
        }
    }
}
