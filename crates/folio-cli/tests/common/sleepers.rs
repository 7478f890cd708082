//! Processes that do nothing.

use std::process::{Child, Command, Stdio};

/// They end when this is dropped.
pub struct Sleepers(pub Vec<Child>);

impl Sleepers {
    pub fn start(count: usize) -> Self {
        let sleep = || Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        Self((0..count).map(|_| sleep()).collect())
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
