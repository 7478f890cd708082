//! Omissions: what could not be looked at, a line each on standard error.

use std::path::Path;
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
    /// Whether they are kept to be listed.
    keeps: bool,
    inner: Mutex<(Option<Failure>, Vec<Omission>)>,
}

impl Omissions {
    /// None so far.
    pub fn new(color: ColorChoice, keeps: bool) -> Self {
        Self { color, keeps, inner: Mutex::default() }
    }

    /// Says what was left out, and why.
    pub fn add(&self, path: &Path, reason: &str) {
        let failure = Failure::new(format!("left out {}: {reason}", path.display()));
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = inner.0.replace(failure) {
            last.print(self.color);
        }
        if self.keeps {
            inner.1.push(Omission { path: path.display().to_string(), reason: reason.into() });
        }
    }

    /// Those that were kept so far.
    pub fn list(&self) -> Vec<Omission> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// What the command fails with.
    ///
    /// # Errors
    /// The last line, if there are any.
    pub fn close(self) -> Result<(), Failure> {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).0.map_or(Ok(()), Err)
    }
}
