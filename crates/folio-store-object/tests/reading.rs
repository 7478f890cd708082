//! What is asked of the server, from where, and how often.

mod fake;

use std::time::{Duration, Instant};

use fake::{Fake, Object, Reply, Sending, bytes};
use folio_store::{Cost, ReadRequest, Store};

const LEN: usize = 300_000;

fn fake() -> Fake {
    Fake::with(Object::new(&bytes(LEN, 1), "v1"))
}

#[test]
fn it_says_what_it_is() {
    let fake = fake();
    let store = fake.open();
    assert_eq!(store.name(), fake.url("/o"));
    assert_eq!(store.len().unwrap(), LEN as u64);
    let capabilities = store.capabilities();
    assert_eq!(capabilities.cost(), Cost::Network);
    assert_eq!(capabilities.granule_bytes(), 1 << 20);
    assert_eq!(capabilities.concurrency_or_default(), 16);
    assert!(!capabilities.is_writable() && !capabilities.is_resizable());
    assert_eq!(store.identity(), Some(format!("{}, version \"v1\"", fake.url("/o"))));
}

#[test]
fn a_read_is_one_request_and_one_behind_the_end_none() {
    let fake = fake();
    let store = fake.open();
    let mut buf = vec![0; 4096];
    assert_eq!(store.read_at(&mut buf, 8192).unwrap(), 4096);
    assert_eq!(buf, bytes(LEN, 1)[8192..8192 + 4096]);
    assert_eq!(store.read_at(&mut buf, LEN as u64 - 10).unwrap(), 10);
    assert_eq!(buf[..10], bytes(LEN, 1)[LEN - 10..]);
    assert_eq!(fake.requests().len(), 2);
    for offset in [LEN as u64, LEN as u64 + 1, u64::MAX] {
        assert_eq!(store.read_at(&mut buf, offset).unwrap(), 0);
    }
    assert_eq!(store.read_at(&mut [], 0).unwrap(), 0);
    assert!(fake.requests().is_empty());
}

#[test]
fn an_empty_object_is_opened_and_read_without_a_request() {
    for status in [416, 200] {
        let fake = Fake::with(Object::new(b"", "empty"));
        fake.lie(move |_, mut reply| {
            if reply.status == 416 {
                reply.status = status;
            }
            reply
        });
        let store = fake.open();
        assert_eq!(store.len().unwrap(), 0);
        assert_eq!(store.read_at(&mut [0; 10], 0).unwrap(), 0);
        assert!(fake.requests().is_empty());
    }
}

#[test]
fn neighbours_share_a_request_with_its_condition() {
    let fake = fake();
    let store = fake.open();
    let offsets = [40_000, 0, 8192, 4096, 4096, 200_000];
    let mut bufs = vec![vec![0; 4096]; offsets.len()];
    let mut requests: Vec<_> =
        bufs.iter_mut().zip(offsets).map(|(buf, at)| ReadRequest::new(buf, at)).collect();
    store.read_many(&mut requests);
    for request in &requests {
        assert_eq!(*request.outcome.as_ref().unwrap(), 4096);
    }
    for (buf, at) in bufs.iter().zip(offsets) {
        assert_eq!(*buf, bytes(LEN, 1)[at as usize..at as usize + 4096]);
    }
    let mut asked = fake.requests();
    asked.sort_by_key(|request| request.range());
    let ranges: Vec<_> = asked.iter().map(|request| request.range().unwrap()).collect();
    assert_eq!(ranges, [(0, 44_096), (200_000, 204_096)]);
    assert!(asked.iter().all(|request| request.header("if-match") == Some("\"v1\"")));
}

#[test]
fn big_reads_are_cut_up_and_asked_for_at_the_same_time() {
    let fake = fake();
    let store = fake.options().largest_bytes(30_000).open(&fake.url("/o")).unwrap();
    fake.requests();
    fake.lie(|_, reply| Reply { delay: Duration::from_millis(100), ..reply });
    let mut buf = vec![0; LEN + 5];
    let began = Instant::now();
    assert_eq!(store.read_full_at(&mut buf, 0).unwrap(), LEN);
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
    assert!(buf[..LEN] == bytes(LEN, 1));
    assert_eq!(fake.requests().len(), 10);
    assert_eq!(store.read_at(&mut buf, 0).unwrap(), 30_000);
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn no_more_requests_than_wanted_run_at_a_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let fake = fake();
    let options = fake.options().largest_bytes(10_000).concurrency(3);
    let store = options.open(&fake.url("/o")).unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    fake.lie(move |_, reply| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(10));
        now.fetch_sub(1, Ordering::SeqCst);
        reply
    });
    assert_eq!(store.read_full_at(&mut vec![0; LEN], 0).unwrap(), LEN);
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[test]
fn a_read_that_fails_in_passing_is_repeated() {
    let fake = fake();
    let store = fake.options().retries(3).open(&fake.url("/o")).unwrap();
    for sending in
        [None, Some(Sending::Nothing), Some(Sending::Cut(5000)), Some(Sending::Stall(5000))]
    {
        fake.requests();
        fake.lie(move |request, reply| match sending {
            _ if request.number >= 2 => reply,
            None => Reply::status(503),
            Some(sending) => reply.sending(sending),
        });
        let mut buf = vec![0; 50_000];
        assert_eq!(store.read_full_at(&mut buf, 1000).unwrap(), 50_000, "{sending:?}");
        assert!(buf == bytes(LEN, 1)[1000..51_000], "{sending:?}");
        assert_eq!(fake.requests().len(), 3, "{sending:?}");
    }
}

#[test]
fn a_long_body_takes_longer_than_the_deadline_while_bytes_arrive() {
    let fake = fake();
    let store = fake.options().deadline(Duration::from_millis(300)).open(&fake.url("/o")).unwrap();
    fake.lie(|_, reply| reply.sending(Sending::Trickle(Duration::from_micros(1500))));
    // 400 bytes of 1.5 ms each.
    assert!(store.read_full_at(&mut vec![0; 400], 0).is_err(), "slower than 64 KiB a second");
    let content = bytes(LEN, 1);
    let chunks = std::sync::Arc::new(content);
    fake.lie(move |request, mut reply| {
        let (first, end) = request.range().unwrap();
        reply.raw = None;
        reply.body = chunks[first..end].to_vec();
        reply.sending(Sending::Trickle(Duration::ZERO))
    });
    assert_eq!(store.read_full_at(&mut vec![0; LEN], 0).unwrap(), LEN);
}

#[test]
fn a_body_in_chunks_is_read() {
    let fake = fake();
    let store = fake.open();
    fake.lie(|_, reply| reply.sending(Sending::Chunked));
    let mut buf = vec![0; 50_000];
    assert_eq!(store.read_full_at(&mut buf, 1000).unwrap(), 50_000);
    assert!(buf == bytes(LEN, 1)[1000..51_000]);
    fake.options().open(&fake.url("/o")).unwrap();
}

#[test]
fn redirects_are_followed_with_range_and_condition() {
    let fake = fake();
    fake.put("/elsewhere", Object::new(&bytes(LEN, 1), "v1"));
    fake.lie(|request, reply| match request.path.as_str() {
        "/o" => Reply::status(302).set("Location", "/elsewhere"),
        _ => reply,
    });
    let store = fake.open();
    let mut buf = [0; 100];
    assert_eq!(store.read_full_at(&mut buf, 77).unwrap(), 100);
    assert_eq!(buf, bytes(LEN, 1)[77..177]);
    let asked = fake.requests();
    assert_eq!(asked[1].path, "/elsewhere");
    assert_eq!(asked[1].header("if-match"), Some("\"v1\""));
}

#[test]
fn urls_reach_the_server_as_they_were_written() {
    let fake = Fake::new();
    let path = "/a%20b//c%2Fd+%C3%A9";
    fake.put(path, Object::new(b"hello", "v1"));
    let url = format!("http://user:p%40ss@{}{path}?X-Amz-Signature=hush&y=%2F", fake.address);
    let store = fake.options().open(&url).unwrap();
    for request in fake.requests() {
        assert_eq!(request.path, path);
        assert_eq!(request.query, "X-Amz-Signature=hush&y=%2F");
        assert_eq!(request.header("authorization"), Some("Basic dXNlcjpwQHNz"));
    }
    assert_eq!(store.name(), format!("http://{}{path}?…", fake.address));
    assert!(!format!("{store:?}").contains("hush"));
}

#[test]
fn keys_reach_an_s3_server_as_they_are() {
    let fake = Fake::new();
    fake.put("/bucket/a%20b/%C3%A9.fa", Object::new(b"hello", "v1"));
    let store = fake.s3_options().open("s3://bucket/a b/%C3%A9.fa").unwrap();
    assert_eq!(store.len().unwrap(), 5);
    let authorization = fake.requests()[0].header("authorization").unwrap().to_owned();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{authorization}");
    assert!(store.identity().unwrap().contains(&fake.url("")));
    let store = fake.s3_options().anonymous(true).open("s3://bucket/a b/%C3%A9.fa").unwrap();
    assert_eq!(store.len().unwrap(), 5);
    assert_eq!(fake.requests()[0].header("authorization"), None);
}

#[test]
fn reads_work_inside_somebodys_runtime() {
    let fake = fake();
    let reads = async || {
        // Opened and read on a worker, which must not be blocked on.
        let store = fake.options().open(&fake.url("/o")).unwrap();
        let mut buf = [0; 100];
        assert_eq!(store.read_full_at(&mut buf, 5).unwrap(), 100);
        assert_eq!(buf, bytes(LEN, 1)[5..105]);
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(reads());
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    workers.block_on(reads());
}

#[test]
fn many_threads_read_at_the_same_time() {
    let fake = fake();
    let store = fake.open();
    let content = bytes(LEN, 1);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, content) = (&store, &content);
            scope.spawn(move || {
                for turn in 0..40 {
                    let at = (thread * 7919 + turn * 104_729) % (LEN - 5000);
                    let mut buf = vec![0; 5000];
                    assert_eq!(store.read_full_at(&mut buf, at as u64).unwrap(), 5000);
                    assert!(buf == content[at..at + 5000]);
                }
            });
        }
    });
}

#[test]
fn a_slow_server_is_waited_for_and_a_dead_connection_is_not() {
    let fake = fake();
    let options = fake.options().deadline(Duration::from_millis(1500)).retries(1);
    let store = options.open(&fake.url("/o")).unwrap();
    fake.lie(|_, reply| Reply { delay: Duration::from_millis(1000), ..reply });
    assert_eq!(store.read_full_at(&mut [0; 10], 0).unwrap(), 10);
    fake.requests();
    fake.lie(|request, reply| match request.number {
        0 => reply.sending(Sending::Silence),
        _ => reply,
    });
    let began = Instant::now();
    assert_eq!(store.read_full_at(&mut [0; 10], 0).unwrap(), 10);
    assert!(began.elapsed() < Duration::from_millis(1400), "{:?}", began.elapsed());
}

#[test]
fn the_longest_and_the_shortest_deadline_are_bounded() {
    let fake = fake();
    let store = fake.options().deadline(Duration::MAX).open(&fake.url("/o")).unwrap();
    assert_eq!(store.read_full_at(&mut [0; 10], 0).unwrap(), 10);
    assert_eq!(store.read_full_at(&mut vec![0; LEN], 0).unwrap(), LEN);
    fake.lie(|_, reply| reply.sending(Sending::Silence));
    let options = fake.options().deadline(Duration::ZERO).retries(3);
    assert!(options.open(&fake.url("/o")).unwrap_err().kind().is_passing());
}
