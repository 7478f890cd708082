//! One load of one chunk, which several threads wait for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::slots::Place;
use crate::error::{Error, ErrorKind};

/// Bytes that were loaded, and which of them are the chunk's.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) range: Range<usize>,
}

impl Loaded {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// Why a chunk could not be loaded; `alone` if it was the only one that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) alone: bool,
}

pub(super) type Landing = Result<Loaded, Failed>;

/// A load under way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    landing: Mutex<Option<Landing>>,
    landed: Condvar,
}

impl Flight {
    pub(super) fn wait(&self) -> Landing {
        let mut landing = lock(&self.landing);
        loop {
            match &*landing {
                Some(landing) => return landing.clone(),
                None => {
                    landing = self.landed.wait(landing).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn land(&self, with: Landing) {
        lock(&self.landing).get_or_insert(with);
        self.landed.notify_all();
    }
}

/// The loads under way.
pub(super) type Flights = Mutex<HashMap<Place, Arc<Flight>>>;

/// The duty to load a chunk. Dropped without having done so, it fails those who wait.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    pub(super) place: Place,
    pub(super) flight: Arc<Flight>,
    flights: &'a Flights,
}

impl<'a> Lead<'a> {
    pub(super) fn new(place: Place, flights: &'a Flights) -> Self {
        Self { place, flight: Arc::default(), flights }
    }

    pub(super) fn land(&self, landing: Landing) {
        self.flight.land(landing);
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let error = Error::new(ErrorKind::Io, "read", "a cache").reason("the read was given up");
        self.flight.land(Err(Failed { error, alone: false }));
        lock(self.flights).remove(&self.place);
    }
}

/// Locks; a thread that panicked meanwhile left nothing half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
