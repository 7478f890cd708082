//! Every way in which a server can fail is an error that says so, within the deadline.

mod fake;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use fake::{Fake, Object, Reply, Sending, bytes};
use folio_store::{Error, ErrorKind, ReadRequest, Store};
use folio_store_object::ObjectStore;

const LEN: usize = 50_000;

fn object() -> Object {
    Object::new(&bytes(LEN, 1), "v1")
}

/// What reading 20,000 bytes fails with when the server lies so after an honest start.
fn read_from(lie: impl Fn(&fake::Request, Reply) -> Reply + Send + Sync + 'static) -> Error {
    let fake = Fake::with(object());
    let store = fake.options().deadline(Duration::from_millis(600)).open(&fake.url("/o")).unwrap();
    fake.lie(lie);
    let began = Instant::now();
    let error = store.read_full_at(&mut [0; 20_000], 100).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}: {error}", began.elapsed());
    assert_eq!(error.operation(), "read");
    assert_eq!(error.bytes(), Some(100..20_100));
    assert!(error.to_string().contains(&fake.url("/o")), "{error}");
    fake.be_honest();
    if error.kind() != ErrorKind::Changed {
        let mut buf = vec![0; 20_000];
        assert_eq!(store.read_full_at(&mut buf, 100).unwrap(), 20_000, "reading does not go on");
        assert_eq!(buf, bytes(LEN, 1)[100..20_100]);
    }
    error
}

#[track_caller]
fn check(error: &Error, kind: ErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn statuses_become_kinds() {
    for (status, kind) in [
        (404, ErrorKind::NotFound),
        (410, ErrorKind::NotFound),
        (401, ErrorKind::Denied),
        (403, ErrorKind::Denied),
        (412, ErrorKind::Changed),
        (416, ErrorKind::Changed),
        (400, ErrorKind::Invalid),
        (418, ErrorKind::Io),
        (429, ErrorKind::Unavailable),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ] {
        let error = read_from(move |_, _| Reply::status(status));
        assert_eq!(error.kind(), kind, "{status}: {error}");
        if ![412, 416].contains(&status) {
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
    }
}

#[test]
fn a_missing_object_and_a_forbidden_one_are_not_opened() {
    let fake = Fake::new();
    let error = fake.options().open(&fake.url("/nothing")).unwrap_err();
    check(&error, ErrorKind::NotFound, "404");
    assert_eq!(error.operation(), "open");
    fake.lie(|_, _| Reply::status(403));
    check(&fake.options().open(&fake.url("/o")).unwrap_err(), ErrorKind::Denied, "403");
}

#[test]
fn a_server_that_ignores_ranges_is_refused_with_words() {
    let whole = |_: &fake::Request, mut reply: Reply| {
        if reply.status == 206 {
            reply.status = 200;
            reply.body = bytes(LEN, 1);
        }
        reply.without("Content-Range")
    };
    check(&read_from(whole), ErrorKind::Unsupported, "ignores ranges");
    let fake = Fake::with(object());
    fake.lie(whole);
    let error = fake.options().open(&fake.url("/o")).unwrap_err();
    check(&error, ErrorKind::Unsupported, "ignores ranges");
    check(&error, ErrorKind::Unsupported, "download it");
}

#[test]
fn other_bytes_than_were_asked_for_are_not_taken() {
    for range in ["bytes 0-19999/50000", "bytes 101-20100/50000", "bytes 100-50/50000"] {
        let error = read_from(move |_, reply| reply.set("Content-Range", range));
        check(&error, ErrorKind::Corrupt, "not asked for");
    }
    for range in ["bytes 100-20099/*", "bytes 100-18446744073709551615/50000", "pages 1-2", ""] {
        let error = read_from(move |_, reply| reply.set("Content-Range", range));
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{range}: {error}");
    }
    let error = read_from(|_, reply| reply.without("Content-Range"));
    check(&error, ErrorKind::Corrupt, "does not say which bytes");
    let error = read_from(|_, reply| reply.set("Content-Range", "bytes 100-20099/60000"));
    check(&error, ErrorKind::Changed, "changed");
}

#[test]
fn a_body_of_another_length_is_not_taken() {
    let short = |_: &fake::Request, mut reply: Reply| {
        reply.body.truncate(7000);
        reply
    };
    check(&read_from(short), ErrorKind::Truncated, "7000 bytes instead of 20000");
    let short =
        move |request: &fake::Request, reply| short(request, reply).sending(Sending::Chunked);
    check(&read_from(short), ErrorKind::Truncated, "7000 bytes instead of 20000");
    let long = |_: &fake::Request, mut reply: Reply| {
        reply.body.extend([0; 1000]);
        reply
    };
    check(&read_from(long), ErrorKind::Corrupt, "more bytes");
}

#[test]
fn a_connection_that_breaks_off_is_unavailable() {
    for sending in [Sending::Nothing, Sending::Cut(0), Sending::Cut(9000)] {
        let error = read_from(move |_, reply| reply.sending(sending));
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{sending:?}: {error}");
    }
}

#[test]
fn a_server_that_says_nothing_more_is_a_timeout() {
    for sending in [Sending::Silence, Sending::Stall(0), Sending::Stall(9000)] {
        let error = read_from(move |_, reply| reply.sending(sending));
        assert_eq!(error.kind(), ErrorKind::Timeout, "{sending:?}: {error}");
    }
    let error = read_from(|_, reply| Reply { delay: Duration::from_secs(1), ..reply });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[test]
fn a_server_that_trickles_is_a_timeout() {
    let trickle = Sending::Trickle(Duration::from_millis(20));
    check(&read_from(move |_, reply| reply.sending(trickle)), ErrorKind::Timeout, "bytes");
}

#[test]
fn what_is_not_http_is_an_error() {
    for raw in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"\0\0\0", b"HTTP/1.1 206\r\n", &[b'a'; 500_000]] {
        let error = read_from(move |_, reply| Reply { raw: Some(raw.to_vec()), ..reply });
        assert!(
            matches!(error.kind(), ErrorKind::Io | ErrorKind::Unavailable),
            "{:?}: {error}",
            error.kind()
        );
    }
    let endless = |_: &fake::Request, mut reply: Reply| {
        let header = format!("x: {}\r\n", "y".repeat(1000));
        reply.raw = Some(format!("HTTP/1.1 206 OK\r\n{}", header.repeat(3000)).into_bytes());
        reply
    };
    assert_ne!(read_from(endless).kind(), ErrorKind::Timeout);
}

#[test]
fn headers_that_are_no_text_are_an_error() {
    let raw = b"HTTP/1.1 206 OK\r\nETag: \"\xff\xfe\"\r\nContent-Length: 20000\r\n\
        Content-Range: bytes 100-20099/50000\r\n\r\n";
    read_from(move |_, reply| Reply { raw: Some(raw.to_vec()), ..reply });
    read_from(|_, reply| reply.set("Last-Modified", "yesterday"));
    read_from(|_, reply| reply.set("Content-Length", "many"));
}

#[test]
fn redirects_in_a_circle_are_an_error_and_s3s_say_the_region() {
    read_from(|_, _| Reply::status(302).set("Location", "/o"));
    let fake = Fake::new();
    fake.lie(|_, _| Reply::status(301).set("x-amz-bucket-region", "eu-north-1"));
    let error = fake.s3_options().open("s3://bucket/key").unwrap_err();
    check(&error, ErrorKind::Invalid, "region eu-north-1");
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let began = Instant::now();
    let error = ObjectStore::open(&format!("http://127.0.0.1:{port}/o")).unwrap_err();
    check(&error, ErrorKind::Unavailable, "connection refused");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_server_that_accepts_nothing_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = ObjectStore::options().deadline(Duration::from_millis(300)).retries(3);
    let began = Instant::now();
    let url = format!("http://{}/o", listener.local_addr().unwrap());
    assert_eq!(options.open(&url).unwrap_err().kind(), ErrorKind::Timeout);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_batch_ends_soon_after_its_server_has() {
    let fake = Fake::with(object());
    let options = fake.options().deadline(Duration::from_millis(400)).concurrency(2);
    let store = options.largest_bytes(100).open(&fake.url("/o")).unwrap();
    fake.lie(|_, reply| reply.sending(Sending::Silence));
    let mut bufs = vec![[0; 50]; 40];
    let mut requests: Vec<_> = bufs
        .iter_mut()
        .enumerate()
        .map(|(index, buf)| ReadRequest::new(buf, index as u64 * 1000))
        .collect();
    let began = Instant::now();
    store.read_many(&mut requests);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    for request in requests {
        let error = request.outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.bytes(), Some(request.offset..request.offset + 50));
    }
}

#[test]
fn one_part_that_fails_does_not_spoil_the_others() {
    let fake = Fake::with(object());
    let store = fake.options().gap_bytes(10).open(&fake.url("/o")).unwrap();
    fake.lie(|request, reply| match request.range() {
        Some((first, _)) if first >= 20_000 => Reply::status(404),
        _ => reply,
    });
    let (mut one, mut two) = ([0; 100], [0; 100]);
    let mut requests = [ReadRequest::new(&mut two, 20_000), ReadRequest::new(&mut one, 0)];
    store.read_many(&mut requests);
    assert_eq!(requests[0].outcome.as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(*requests[1].outcome.as_ref().unwrap(), 100);
    assert_eq!(one, bytes(LEN, 1)[..100]);
}

#[test]
fn it_cannot_be_written() {
    let fake = Fake::with(object());
    let store = fake.open();
    assert_eq!(store.write_at(b"x", 0).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(store.resize(1).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn urls_that_name_no_object_are_invalid() {
    for url in [
        "",
        "genome.fa",
        "ftp://host/file",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "s3://bucket/key?x=1",
        "s3://bucket/key#3",
        "s3://bucket/a//b",
        "gs://bucket",
        "az://container",
        "http://",
    ] {
        let options = ObjectStore::options().anonymous(true);
        let error = options.open(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}: {error}");
    }
    let error = ObjectStore::options().endpoint("http://127.0.0.1").open("http://x/y").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn no_secret_is_told() {
    for url in [
        "http://user:hush@127.0.0.1:1/o?X-Amz-Signature=hush",
        "ftp://user:hush@host/x",
        "http://user:hush@[bad/x?hush",
        "s3://user:hush@bucket/key?hush",
    ] {
        let error = ObjectStore::options().retries(0).open(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
    let options = ObjectStore::options().key("name", "hush").session_token("hush");
    assert!(!format!("{options:?}").contains("hush"));
}
