//! `folio ps`: what processes have mapped, and what it costs.
//!
//! Data first: [`overview`] is a process in the list, [`snapshot`] one with its mappings, which are put in
//! [`group`]s; all of them have the same [`figures`].

pub mod figures;
pub mod group;
pub mod overview;
pub mod snapshot;
