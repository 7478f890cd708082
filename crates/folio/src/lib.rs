//! Memory mapping for Linux.
