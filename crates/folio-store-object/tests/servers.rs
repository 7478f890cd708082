//! Real servers on loopback: nginx and Ceph's S3 gateway, which `servers/nginx` and `servers/ceph`
//! start. Without them these tests say what to start, and pass.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use folio_pager::{Budget, Paged, Pager};
use folio_store::{ErrorKind, ReadRequest, Store};
use folio_store_object::{Guarantee, ObjectOptions, ObjectStore};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ObjectStore as _, PutPayload};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers").join(name)
}

fn run(name: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(script(name)).args(arguments).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn bytes(len: usize, version: u64) -> Vec<u8> {
    let mut state = version.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..len).map(step).collect()
}

fn variable(test: &str, name: &str, server: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        eprintln!("skipped: {test}: {name} is not set: eval \"$(servers/{server} start DIR)\"");
    }
    value
}

/// nginx's URL and the directory it serves.
fn nginx(test: &str) -> Option<(String, PathBuf)> {
    let url = variable(test, "FOLIO_TEST_HTTP", "nginx")?;
    Some((url, variable(test, "FOLIO_TEST_HTTP_FILES", "nginx")?.into()))
}

/// The S3 server.
struct Bucket {
    endpoint: String,
    name: String,
    key: String,
    secret: String,
    runtime: tokio::runtime::Runtime,
    client: AmazonS3,
    /// One test at a time, since one of them kills a part of the server.
    _turn: MutexGuard<'static, ()>,
}

fn bucket(test: &str) -> Option<Bucket> {
    let endpoint = variable(test, "FOLIO_TEST_S3_ENDPOINT", "ceph")?;
    let name = variable(test, "FOLIO_TEST_S3_BUCKET", "ceph")?;
    let key = variable(test, "FOLIO_TEST_S3_ACCESS_KEY", "ceph")?;
    let secret = variable(test, "FOLIO_TEST_S3_SECRET_KEY", "ceph")?;
    let client = client(&endpoint, &name, &key, &secret);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Bucket { endpoint, name, key, secret, runtime, client, _turn })
}

fn client(endpoint: &str, bucket: &str, key: &str, secret: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_bucket_name(bucket)
        .with_access_key_id(key)
        .with_secret_access_key(secret)
        .build()
        .unwrap()
}

impl Bucket {
    /// The one beside it that keeps versions.
    fn versions(mut self, name: String) -> Self {
        self.client = client(&self.endpoint, &name, &self.key, &self.secret);
        self.name = name;
        self
    }

    fn put(&self, key: &str, content: Vec<u8>) {
        let payload = PutPayload::from(content);
        let (key, options) = (Key::parse(key).unwrap(), object_store::PutOptions::default());
        let put = self.client.put_opts(&key, payload, options);
        self.runtime.block_on(put).unwrap();
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    fn options(&self) -> ObjectOptions {
        ObjectStore::options().endpoint(&self.endpoint).key(&self.key, &self.secret)
    }
}

/// All of it in pieces of different kinds.
fn check_reads(store: &ObjectStore, content: &[u8]) {
    assert_eq!(store.len().unwrap(), content.len() as u64);
    let mut all = vec![0; content.len() + 1];
    assert_eq!(store.read_full_at(&mut all, 0).unwrap(), content.len());
    assert!(all[..content.len()] == *content);
    let mut bufs = vec![vec![0; 5000]; 50];
    let mut requests: Vec<_> = bufs
        .iter_mut()
        .enumerate()
        .map(|(index, buf)| ReadRequest::new(buf, (index * 71_993 % content.len()) as u64))
        .collect();
    store.read_many(&mut requests);
    for request in &requests {
        let count = *request.outcome.as_ref().unwrap();
        let at = request.offset as usize;
        assert!(request.buf[..count] == content[at..at + count]);
        assert!(count == 5000 || at + count == content.len());
    }
}

/// The object at an address, in a fraction of the memory.
fn mapped(store: impl Store + 'static) -> Paged {
    let pager = Pager::new(Budget::bytes(2 << 20)).unwrap();
    pager.options().granule(256 << 10).map(store).unwrap()
}

/// All of a mapping, by copying it: what is evicted comes from the server again.
fn check_copies(map: &Paged, content: &[u8]) {
    let mut copy = vec![0; content.len()];
    map.read_at(0, &mut copy).unwrap();
    assert!(copy == content);
}

/// All of a mapping, by touching it: what a slice has shown is kept.
fn check_bytes(map: &Paged, content: &[u8]) {
    assert!(map.guarded(|bytes| bytes == content).unwrap());
}

/// The kind of fault that a copy meets.
fn fault(map: &Paged, at: usize) -> ErrorKind {
    map.read_at(at, &mut [0; 4096]).unwrap_err().fault().unwrap().kind()
}

/// How long the middle one of many small reads takes.
fn typical(store: &ObjectStore) -> Duration {
    let mut times: Vec<_> = (0..101)
        .map(|turn| {
            let began = Instant::now();
            store.read_full_at(&mut [0; 4096], turn * 9973).unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn nginx_is_read_by_ranges_and_honours_if_match() {
    let Some((url, files)) = nginx("nginx_is_read_by_ranges_and_honours_if_match") else { return };
    let content = bytes(20 << 20, 1);
    std::fs::write(files.join("ranges"), &content).unwrap();
    let store = ObjectStore::open(&format!("{url}/ranges")).unwrap();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
    check_reads(&store, &content);
    let time = typical(&store);
    eprintln!("nginx: 4 KiB in {time:?}");
    assert!(time < Duration::from_millis(20), "{time:?}");
    let error = ObjectStore::open(&format!("{url}/nothing")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    std::fs::write(files.join("empty"), b"").unwrap();
    assert_eq!(ObjectStore::open(&format!("{url}/empty")).unwrap().len().unwrap(), 0);
}

#[test]
fn a_file_that_is_replaced_under_nginx_is_changed() {
    let Some((url, files)) = nginx("a_file_that_is_replaced_under_nginx_is_changed") else {
        return;
    };
    let file = files.join("replaced");
    std::fs::write(&file, bytes(1 << 20, 1)).unwrap();
    let store = ObjectStore::open(&format!("{url}/replaced")).unwrap();
    let map = mapped(ObjectStore::open(&format!("{url}/replaced")).unwrap());
    assert_eq!(store.read_full_at(&mut [0; 100], 0).unwrap(), 100);
    map.read_at(0, &mut [0; 100]).unwrap();
    let newer = files.join("replaced.new");
    std::fs::write(&newer, bytes(1 << 20, 2)).unwrap();
    let later = SystemTime::now() + Duration::from_secs(2);
    std::fs::File::options().append(true).open(&newer).unwrap().set_modified(later).unwrap();
    std::fs::rename(newer, file).unwrap();
    for _ in 0..2 {
        let error = store.read_full_at(&mut [0; 100], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        assert_eq!(fault(&map, 1_000_000), ErrorKind::Changed);
    }
    // What was loaded before is still that of the version that was opened.
    let mut page = [0; 100];
    map.read_at(0, &mut page).unwrap();
    assert_eq!(page, bytes(1 << 20, 1)[..100]);
}

/// Ends the server it stands for.
struct Own(tempfile::TempDir);

impl Own {
    fn dir(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = run("nginx", &["stop", self.dir()]);
    }
}

#[test]
fn a_server_that_stops_is_an_error_in_time_and_read_on_when_it_is_back() {
    let own = Own(tempfile::tempdir().unwrap());
    let environment = match run("nginx", &["start", own.dir()]) {
        Ok(environment) => environment,
        Err(why) => {
            eprintln!("skipped: a_server_that_stops_is_an_error_in_time: {why}");
            return;
        }
    };
    let url = environment.lines().find_map(|line| line.strip_prefix("export FOLIO_TEST_HTTP="));
    let content = bytes(3 << 20, 1);
    std::fs::write(own.0.path().join("files/o"), &content).unwrap();
    let deadline = Duration::from_secs(2);
    let options = ObjectStore::options().deadline(deadline);
    let url = format!("{}/o", url.unwrap());
    let store = options.open(&url).unwrap();
    for _ in 0..2 {
        check_reads(&store, &content);
        let (mut map, shown) = (mapped(options.open(&url).unwrap()), options.open(&url).unwrap());
        check_copies(&map, &content);
        map.evict(..).unwrap();
        let shown = mapped(shown);
        check_bytes(&shown, &content);
        run("nginx", &["stop", own.dir()]).unwrap();
        // What a slice has shown is kept.
        check_bytes(&shown, &content);
        let began = Instant::now();
        let error = store.read_full_at(&mut [0; 4096], 4096).unwrap_err();
        assert!(began.elapsed() <= deadline + Duration::from_millis(500), "{:?}", began.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let began = Instant::now();
        assert_eq!(fault(&map, 1 << 20), ErrorKind::Unavailable);
        assert_eq!(map.as_slice().unwrap()[2 << 20], 0);
        assert!(map.take_fault().is_some());
        assert!(began.elapsed() <= 3 * deadline, "{:?}", began.elapsed());
        run("nginx", &["start", own.dir()]).unwrap();
        assert!(map.retry());
        check_bytes(&map, &content);
    }
    check_reads(&store, &content);
}

#[test]
fn ceph_is_read_by_ranges_and_honours_if_match() {
    let Some(bucket) = bucket("ceph_is_read_by_ranges_and_honours_if_match") else { return };
    let content = bytes(20 << 20, 3);
    bucket.put("ranges of/é", content.clone());
    let store = bucket.options().open(&bucket.url("ranges of/é")).unwrap();
    assert_eq!(store.guarantee(), Guarantee::IfMatch);
    check_reads(&store, &content);
    let time = typical(&store);
    eprintln!("ceph: 4 KiB in {time:?}");
    assert!(time < Duration::from_millis(20), "{time:?}");
    let error = bucket.options().open(&bucket.url("nothing")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = bucket.options().key("folio", "wrong").open(&bucket.url("ranges of/é"));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
    bucket.put("empty", Vec::new());
    assert_eq!(bucket.options().open(&bucket.url("empty")).unwrap().len().unwrap(), 0);
}

#[test]
fn an_object_that_is_replaced_in_ceph_is_changed() {
    let Some(bucket) = bucket("an_object_that_is_replaced_in_ceph_is_changed") else { return };
    bucket.put("replaced", bytes(5 << 20, 1));
    let store = bucket.options().open(&bucket.url("replaced")).unwrap();
    assert_eq!(store.read_full_at(&mut [0; 100], 0).unwrap(), 100);
    bucket.put("replaced", bytes(5 << 20, 2));
    for at in [0, 4 << 20] {
        let error = store.read_full_at(&mut [0; 100], at).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    }
    check_reads(&bucket.options().open(&bucket.url("replaced")).unwrap(), &bytes(5 << 20, 2));
}

#[test]
fn the_old_version_is_read_on_from_a_bucket_that_keeps_it() {
    let test = "the_old_version_is_read_on_from_a_bucket_that_keeps_it";
    let Some(bucket) = bucket(test) else { return };
    let Some(name) = variable(test, "FOLIO_TEST_S3_VERSIONS", "ceph") else { return };
    let bucket = bucket.versions(name);
    bucket.put("kept", bytes(1 << 20, 1));
    let store = bucket.options().open(&bucket.url("kept")).unwrap();
    assert_eq!(store.guarantee(), Guarantee::VersionId);
    bucket.put("kept", bytes(2 << 20, 2));
    check_reads(&store, &bytes(1 << 20, 1));
    let newer = bucket.options().open(&bucket.url("kept")).unwrap();
    check_reads(&newer, &bytes(2 << 20, 2));
    assert_ne!(store.version(), newer.version());
}

#[test]
fn the_bytes_are_the_same_while_an_osd_is_killed() {
    let test = "the_bytes_are_the_same_while_an_osd_is_killed";
    let Some(bucket) = bucket(test) else { return };
    let Some(dir) = variable(test, "FOLIO_TEST_CEPH", "ceph") else { return };
    let content = bytes(16 << 20, 5);
    bucket.put("survivor", content.clone());
    let options = bucket.options().deadline(Duration::from_secs(20));
    let store = Arc::new(options.open(&bucket.url("survivor")).unwrap());
    let map = mapped(store.clone());
    let done = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) {
                check_reads(&store, &content);
                check_copies(&map, &content);
                rounds += 1;
            }
            rounds
        });
        std::thread::sleep(Duration::from_millis(300));
        run("ceph", &["kill", &dir, "1"]).unwrap();
        std::thread::sleep(Duration::from_secs(4));
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    check_reads(&store, &content);
    run("ceph", &["revive", &dir, "1"]).unwrap();
    eprintln!("{rounds} rounds while an OSD was killed");
    assert!(rounds > 0);
}
