//! The threads that load ahead and save in the background: started when there is work, ended with the
//! pager.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};

use crate::core::Core;
use crate::lock;
use crate::prefetch::Completion;
use crate::region::Region;
use crate::save::Saving;

/// Threads of a pager, at most.
const THREADS: usize = 16;
/// Jobs that wait, at most; read-ahead beyond is dropped.
const WAITING: usize = 256;

pub(crate) enum Job {
    /// Load what is absent of a run.
    Load {
        region: Arc<Region>,
        granules: Range<usize>,
        marker: Option<usize>,
        completion: Option<Arc<Completion>>,
    },
    /// Save dirty granules; the flag says that somebody is at it.
    Save(Weak<Core>, Arc<AtomicBool>),
    /// Help somebody to save.
    Help(Arc<Core>, Arc<Saving>),
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wakeup: Condvar,
}

pub(crate) struct Workers(Arc<Shared>);

impl Workers {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn push(&self, job: Job) {
        let mut queue = lock(&self.0.queue);
        let optional = matches!(&job, Job::Load { completion: None, .. });
        if queue.closed || (optional && queue.jobs.len() >= WAITING) {
            return;
        }
        match job {
            // What others wait for goes first.
            Job::Load { completion: None, .. } => queue.jobs.push_back(job),
            _ => queue.jobs.push_front(job),
        }
        let start = queue.idle < queue.jobs.len() && queue.threads < THREADS;
        queue.threads += usize::from(start);
        drop(queue);
        if start {
            let shared = self.0.clone();
            let builder = std::thread::Builder::new().name("folio-pager".into());
            if builder.spawn(move || work(&shared)).is_err() {
                lock(&self.0.queue).threads -= 1;
                self.work_off();
            }
        } else {
            self.0.wakeup.notify_one();
        }
    }

    /// Without a thread the work is done here.
    fn work_off(&self) {
        let job = {
            let mut queue = lock(&self.0.queue);
            if queue.threads > 0 { None } else { queue.jobs.pop_front() }
        };
        if let Some(job) = job {
            run(job);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.closed = true;
        let jobs = core::mem::take(&mut queue.jobs);
        drop(queue);
        drop(jobs);
        self.0.wakeup.notify_all();
    }
}

fn work(shared: &Shared) {
    let mut queue = lock(&shared.queue);
    loop {
        if queue.closed {
            queue.threads -= 1;
            return;
        }
        let Some(job) = queue.jobs.pop_front() else {
            queue.idle += 1;
            queue = shared.wakeup.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
            queue.idle -= 1;
            continue;
        };
        drop(queue);
        run(job);
        queue = lock(&shared.queue);
    }
}

/// A panic, of a store that is dropped with its last mapping for example, is nobody's error here.
fn run(job: Job) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| carry_out(job))) {
        // To drop it may panic again.
        std::mem::forget(payload);
    }
}

fn carry_out(job: Job) {
    match job {
        Job::Load { region, granules, marker, completion } => {
            let result = region.load_ahead(granules, marker);
            if let Some(completion) = completion {
                completion.part_done(result);
            }
        }
        Job::Help(core, saving) => saving.help(&core),
        Job::Save(core, flag) => {
            if let Some(core) = core.upgrade() {
                core.save_in_background();
            }
            flag.store(false, Ordering::Release);
        }
    }
}
