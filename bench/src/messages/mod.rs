//! Messages between two processes: this one, and another that runs this program too.
//!
//! 1. A [`way`] is made for messages of one size; its other end's descriptors, or its name, are told.
//! 2. A [`pair`] starts the other process ([`peer`]), keeps each on a processor, and gives it orders over
//!    a socket, on which it sleeps when nothing is measured: so pairs can take turns.
//! 3. In a turn messages go there and back, or one way; their [`payload`] is written at one end and
//!    verified at the other, unless it is left alone.
//!
//! The ways: [`own`] is folio's queue; [`ring`] is the floor; [`iceoryx`], [`ipcchannel`] and [`shmemipc`] are
//! the crates of these names; pipes, sockets and the like are those that `folio compare ipc` measures.

mod iceoryx;
mod ipcchannel;
mod own;
pub(crate) mod pair;
pub(crate) mod payload;
pub(crate) mod peer;
mod ring;
mod shmemipc;
pub(crate) mod way;
