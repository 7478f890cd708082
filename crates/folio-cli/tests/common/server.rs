//! A server of one object over HTTP, with ranges and conditions, on loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The object, and how often it was asked for.
#[derive(Debug)]
pub struct Object {
    bytes: Mutex<(Vec<u8>, u64)>,
    pub fails: AtomicBool,
    pub sent_bytes: AtomicU64,
}

/// A server at a port of the system's choice. It ends with the test.
#[derive(Debug)]
pub struct Server {
    pub object: Arc<Object>,
    pub port: u16,
}

impl Server {
    /// Serves these bytes as `/object`, and nothing else.
    pub fn of(bytes: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let object = Arc::new(Object {
            bytes: Mutex::new((bytes, 1)),
            fails: AtomicBool::new(false),
            sent_bytes: AtomicU64::new(0),
        });
        let served = Arc::clone(&object);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let object = Arc::clone(&served);
                thread::spawn(move || object.serve(&stream));
            }
        });
        Self { object, port }
    }

    /// Where the object is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/object", self.port)
    }
}

impl Object {
    fn serve(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut lines = BufReader::new(stream).lines();
        while let Some(Ok(request)) = lines.next() {
            let mut headers = Vec::new();
            for line in lines.by_ref() {
                match line {
                    Ok(line) if line.is_empty() => break,
                    Ok(line) => headers.push(line.to_ascii_lowercase()),
                    Err(_) => return,
                }
            }
            if self.answer(stream, &request, &headers).is_none() {
                return;
            }
        }
    }

    fn answer(&self, mut stream: &TcpStream, request: &str, headers: &[String]) -> Option<()> {
        let header = |name: &str| {
            headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let (bytes, version) = self.bytes.lock().unwrap().clone();
        let etag = format!("\"v{version}\"");
        let status = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let is_other = header("if-match").is_some_and(|wanted| wanted != etag);
        let is_same = header("if-none-match").is_some_and(|known| known == etag);
        let (head, body) = if self.fails.load(Ordering::SeqCst) {
            (status("503 Service Unavailable"), &[][..])
        } else if request.split(' ').nth(1) != Some("/object") {
            (status("404 Not Found"), &[][..])
        } else if is_other {
            (status("412 Precondition Failed"), &[][..])
        } else if is_same {
            (status("304 Not Modified"), &[][..])
        } else {
            let range = header("range").and_then(|range| range.strip_prefix("bytes="));
            let (start, end) = match range.and_then(|range| range.split_once('-')) {
                Some((start, end)) => (
                    start.parse::<usize>().ok()?,
                    end.parse::<usize>().map_or(bytes.len(), |last| last + 1).min(bytes.len()),
                ),
                None => (0, bytes.len()),
            };
            let part = bytes.get(start..end).unwrap_or_default();
            let status = match range {
                Some(_) => format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{}/{}",
                    end.max(1) - 1,
                    bytes.len()
                ),
                None => "200 OK".to_owned(),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nETag: {etag}\r\nAccept-Ranges: bytes\r\n\
                 Content-Type: application/octet-stream\r\n\
                 Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
                part.len()
            );
            (head, part)
        };
        stream.write_all(head.as_bytes()).ok()?;
        if !request.starts_with("HEAD") {
            self.sent_bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
            stream.write_all(body).ok()?;
        }
        Some(())
    }
}
