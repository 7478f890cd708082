//! The threads that talk to servers, and how a request is handed to them.
//!
//! One runtime of two workers for the process, started by the first store. A caller, which may be in
//! a signal handler on any thread, a worker of somebody else's runtime among them, puts a future into
//! a queue and writes a byte to a socket that the runtime listens to: it touches nothing of tokio's.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::io::AsyncReadExt;

/// What the runtime is given to do.
type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Runtime {
    queue: Mutex<VecDeque<Job>>,
    bell: UnixStream,
    pid: u32,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process's runtime, started if it is not yet there.
pub(crate) fn start() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _starting = lock(&STARTING);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let (bell, ear) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("folio-object")
        .enable_all()
        .build()?;
    let ear = {
        let _inside = workers.enter();
        tokio::net::UnixStream::from_std(ear)
    };
    let ear = match ear {
        Ok(ear) => ear,
        Err(error) => {
            workers.shutdown_background();
            return Err(error);
        }
    };
    let bell = Runtime { queue: Mutex::default(), bell, pid: std::process::id() };
    let runtime = RUNTIME.get_or_init(|| bell);
    workers.spawn(listen(runtime, ear));
    // It ends with the process.
    std::mem::forget(workers);
    Ok(runtime)
}

async fn listen(runtime: &'static Runtime, mut ear: tokio::net::UnixStream) {
    let mut rings = [0; 64];
    while let Ok(1..) = ear.read(&mut rings).await {
        let jobs = std::mem::take(&mut *lock(&runtime.queue));
        for job in jobs {
            tokio::spawn(job);
        }
    }
}

impl Runtime {
    /// Whether it runs in this process; in a child forked from its own it does not.
    pub(crate) fn is_here(&self) -> bool {
        self.pid == std::process::id()
    }

    /// Hands `job` over; it starts at once.
    pub(crate) fn submit(&self, job: impl Future<Output = ()> + Send + 'static) {
        lock(&self.queue).push_back(Box::pin(job));
        // A full socket has rings enough.
        let _ = (&self.bell).write(&[1]);
    }
}
