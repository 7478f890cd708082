//! An HTTP server in this process that keeps to the rules, until a test tells it not to.

#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use folio_store_object::{ObjectOptions, ObjectStore};

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    pub bytes: Vec<u8>,
    pub e_tag: Option<String>,
    pub modified: Option<String>,
    pub version: Option<String>,
}

impl Object {
    pub fn new(bytes: &[u8], tag: &str) -> Self {
        Self {
            bytes: bytes.to_vec(),
            e_tag: Some(format!("\"{tag}\"")),
            modified: Some("Fri, 20 Nov 2026 10:00:00 GMT".into()),
            version: None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: HashMap<String, String>,
    /// How many there were before it.
    pub number: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// First byte and end.
    pub fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse::<usize>().ok()? + 1))
    }
}

/// How the body leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sending {
    Whole,
    Chunked,
    /// So many bytes, then the connection is closed.
    Cut(usize),
    /// So many bytes, then nothing more, and the connection stays.
    Stall(usize),
    /// One byte at a time, with a pause after each.
    Trickle(Duration),
    /// Closed before the head.
    Nothing,
    /// Nothing, and the connection stays.
    Silence,
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
    pub sending: Sending,
    /// Sent instead of all the rest.
    pub raw: Option<Vec<u8>>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
            sending: Sending::Whole,
            raw: None,
        }
    }

    pub fn set(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn sending(self, sending: Sending) -> Self {
        Self { sending, ..self }
    }
}

type Lie = Arc<dyn Fn(&Request, Reply) -> Reply + Send + Sync>;

pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Versions by path, the newest last.
    objects: Mutex<HashMap<String, Vec<Object>>>,
    requests: Mutex<Vec<Request>>,
    lie: Mutex<Option<Lie>>,
    ended: AtomicBool,
}

impl Fake {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            requests: Mutex::default(),
            lie: Mutex::new(None),
            ended: AtomicBool::new(false),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if server.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(connection), server) = (connection, Arc::clone(&server)) else { continue };
                std::thread::spawn(move || serve(&connection, &server));
            }
        });
        Self { address, shared }
    }

    /// One with an object at `/o`.
    pub fn with(object: Object) -> Self {
        let fake = Self::new();
        fake.put("/o", object);
        fake
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Puts a newer version over what is there.
    pub fn put(&self, path: &str, object: Object) {
        self.shared.objects.lock().unwrap().entry(path.into()).or_default().push(object);
    }

    /// Forgets all versions but the newest.
    pub fn forget(&self, path: &str) {
        let mut objects = self.shared.objects.lock().unwrap();
        let versions = objects.get_mut(path).unwrap();
        versions.drain(..versions.len() - 1);
    }

    pub fn delete(&self, path: &str) {
        self.shared.objects.lock().unwrap().remove(path);
    }

    /// Every honest reply goes through `lie` from now on.
    pub fn lie(&self, lie: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) {
        *self.shared.lie.lock().unwrap() = Some(Arc::new(lie));
    }

    pub fn be_honest(&self) {
        *self.shared.lie.lock().unwrap() = None;
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    /// A deadline of 2 s, and no retries.
    pub fn options(&self) -> ObjectOptions {
        ObjectStore::options().deadline(Duration::from_secs(2)).retries(0)
    }

    pub fn open(&self) -> ObjectStore {
        let store = self.options().open(&self.url("/o")).unwrap();
        self.requests();
        store
    }

    /// As an S3 server, with the object at `/bucket/key`.
    pub fn s3_options(&self) -> ObjectOptions {
        self.options().endpoint(self.url("")).key("key", "secret").region("us-east-1")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(connection: &TcpStream, shared: &Shared) {
    connection.set_nodelay(true).unwrap();
    let mut lines = BufReader::new(connection);
    while let Some(request) = read(&mut lines, shared) {
        let honest = honest(&request, shared);
        let lie = shared.lie.lock().unwrap().clone();
        let reply = match lie {
            Some(lie) => lie(&request, honest),
            None => honest,
        };
        if shared.ended.load(Ordering::Relaxed) || !send(connection, &request, reply, shared) {
            break;
        }
    }
    let _ = connection.shutdown(std::net::Shutdown::Both);
}

fn read(lines: &mut BufReader<&TcpStream>, shared: &Shared) -> Option<Request> {
    let mut first = String::new();
    lines.read_line(&mut first).ok().filter(|count| *count > 0)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|count| *count > 0)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut requests = shared.requests.lock().unwrap();
    let request =
        Request { method, path: path.into(), query: query.into(), headers, number: requests.len() };
    requests.push(request.clone());
    Some(request)
}

fn honest(request: &Request, shared: &Shared) -> Reply {
    let objects = shared.objects.lock().unwrap();
    let Some(versions) = objects.get(&request.path) else { return Reply::status(404) };
    let wanted = request.query.split('&').find_map(|pair| pair.strip_prefix("versionId="));
    let object = match wanted {
        Some(wanted) => versions.iter().find(|object| object.version.as_deref() == Some(wanted)),
        None => versions.last(),
    };
    let Some(object) = object else { return Reply::status(404) };
    let mut reply = Reply::status(200);
    let headers = [
        ("ETag", &object.e_tag),
        ("Last-Modified", &object.modified),
        ("x-amz-version-id", &object.version),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            reply = reply.set(name, value);
        }
    }
    if let Some(tag) = request.header("if-match")
        && (object.e_tag.as_deref() != Some(tag) || tag.starts_with("W/"))
    {
        reply.status = 412;
        return reply;
    }
    let len = object.bytes.len();
    match request.range() {
        Some((first, _)) if first >= len => {
            reply.status = 416;
            reply.set("Content-Range", &format!("bytes */{len}"))
        }
        Some((first, end)) => {
            let end = end.min(len);
            reply.status = 206;
            reply.body = object.bytes[first..end].to_vec();
            reply.set("Content-Range", &format!("bytes {first}-{}/{len}", end - 1))
        }
        None => {
            reply.body.clone_from(&object.bytes);
            reply
        }
    }
}

/// Whether the connection is still good.
fn send(mut connection: &TcpStream, request: &Request, reply: Reply, shared: &Shared) -> bool {
    std::thread::sleep(reply.delay);
    if let Some(raw) = reply.raw {
        let _ = connection.write_all(&raw);
        return false;
    }
    match reply.sending {
        Sending::Nothing => return false,
        Sending::Silence => return hold(shared),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} Whatever\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let says = |name: &str| reply.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let chunked = reply.sending == Sending::Chunked;
    if chunked {
        head += "Transfer-Encoding: chunked\r\n";
    } else if !says("content-length") {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    head += "\r\n";
    if connection.write_all(head.as_bytes()).is_err() {
        return false;
    }
    if request.method == "HEAD" {
        return true;
    }
    match reply.sending {
        Sending::Chunked => {
            for chunk in reply.body.chunks(1000) {
                let _ = write!(connection, "{:x}\r\n", chunk.len());
                let _ = connection.write_all(chunk);
                let _ = connection.write_all(b"\r\n");
            }
            connection.write_all(b"0\r\n\r\n").is_ok()
        }
        Sending::Cut(count) => {
            let _ = connection.write_all(&reply.body[..count.min(reply.body.len())]);
            false
        }
        Sending::Stall(count) => {
            let _ = connection.write_all(&reply.body[..count.min(reply.body.len())]);
            hold(shared)
        }
        Sending::Trickle(pause) => {
            for byte in &reply.body {
                std::thread::sleep(pause);
                if connection.write_all(&[*byte]).is_err() {
                    return false;
                }
            }
            true
        }
        _ => connection.write_all(&reply.body).is_ok() && !says("x-close"),
    }
}

/// Keeps a connection, silent, until the server ends.
fn hold(shared: &Shared) -> bool {
    while !shared.ended.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Bytes that tell their offset and their version.
pub fn bytes(len: usize, version: u8) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add((at >> 8) as u8) ^ version).collect()
}
