//! Omissions: what could not be looked at, a line each on standard error; and special files, which are
//! counted.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::ColorChoice;
use serde::Serialize;

use crate::failure::Failure;

/// What was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Omission {
    /// Its path.
    pub path: String,
    /// Why, in words.
    pub reason: String,
}

/// All of them, for several threads to add to.
///
/// The last line is kept for [`Omissions::close`], which fails with it: the command prints what it
/// failed with, and each line is printed once.
#[derive(Debug)]
pub struct Omissions {
    color: ColorChoice,
    /// Whether they are said.
    is_first: bool,
    /// Whether they are kept to be listed.
    keeps: bool,
    special_files: AtomicU64,
    inner: Mutex<(Option<Failure>, Vec<Omission>)>,
}

impl Omissions {
    /// None so far. They are said where this is the first look, and kept to be listed with `keeps`.
    pub fn new(color: ColorChoice, is_first: bool, keeps: bool) -> Self {
        Self { color, is_first, keeps, special_files: AtomicU64::new(0), inner: Mutex::default() }
    }

    /// Counts a special file, whose like nobody would look for in the page cache.
    pub fn add_special(&self) {
        self.special_files.fetch_add(1, Ordering::Relaxed);
    }

    /// How many special files there were so far.
    pub fn special_files(&self) -> u64 {
        self.special_files.load(Ordering::Relaxed)
    }

    /// Says what was left out, and why.
    pub fn add(&self, path: &Path, reason: &str) {
        let failure = Failure::new(format!("left out {}: {reason}", path.display()));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = inner.0.replace(failure)
            && self.is_first
        {
            last.print(self.color);
        }
        if self.keeps {
            inner.1.push(Omission { path: path.display().to_string(), reason: reason.into() });
        }
    }

    /// Whether nothing was left out so far.
    pub fn is_empty(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.is_none()
    }

    /// Those that were kept so far.
    pub fn list(&self) -> Vec<Omission> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Says the last one, where the command goes on.
    pub fn say(self) {
        let (color, is_first) = (self.color, self.is_first);
        if let Err(last) = self.close()
            && is_first
        {
            last.print(color);
        }
    }

    /// What the command fails with.
    ///
    /// # Errors
    /// The last line, if there are any.
    pub fn close(self) -> Result<(), Failure> {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).0.map_or(Ok(()), Err)
    }
}
