//! A process to look at: the test binary itself, in another role.
//!
//! A test binary that uses it has a test `subject`, which is ignored and calls [`play`].

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// The variable that says which role is played.
const ROLE: &str = "FOLIO_TEST_SUBJECT";

/// A process that plays a role until it is dropped.
#[derive(Debug)]
pub struct Subject(pub Child);

impl Subject {
    /// Starts it, and waits until it is ready.
    pub fn start(role: &str, path: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a name"))
            .args(["--exact", "subject", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env("FOLIO_TEST_PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let is_ready = |line: std::io::Result<String>| line.expect("text").contains("ready");
        let ready = lines.into_iter().any(is_ready);
        let subject = Self(child);
        assert!(ready, "{role} ended");
        subject
    }

    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Stops it: what is ready may still touch a page or two.
    pub fn stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it is there");
        let stat = format!("/proc/{}/stat", self.pid());
        while !std::fs::read_to_string(&stat).expect("it is there").contains(") T ") {
            std::thread::yield_now();
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays the role that was asked for: `of` makes what is to be looked at from the role and a path, and `busy`
/// is called again and again, until the other side goes.
pub fn play<T>(of: impl Fn(&str, &str) -> T, mut busy: impl FnMut(&T) -> bool) {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = std::env::var("FOLIO_TEST_PATH").expect("a path");
    let made = of(&role, &path);
    println!("ready");
    let ended = std::thread::spawn(|| std::io::stdin().read(&mut [0]));
    while !ended.is_finished() && busy(&made) {}
    let _ = ended.join();
    drop(made);
}
