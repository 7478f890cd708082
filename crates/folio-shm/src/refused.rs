//! What must not compile: types that may not be shared. Each example differs in one thing from the first,
//! which does.
//!
//! ```
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Fine { one: u32, other: i32, more: [u16; 4], last: folio_shm::RelPtr<u64> }
//! ```
//!
//! A reference, a pointer:
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: &'static u64 }
//! ```
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: *const u64 }
//! ```
//!
//! Types of which not all bytes are a value:
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: bool }
//! ```
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: char }
//! ```
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: core::num::NonZero<u32> }
//! ```
//! ```compile_fail
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(u8)]
//! enum Refused { One, Other }
//! ```
//!
//! Padding, between and behind:
//! ```compile_fail,E0080
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused { one: u8, other: u32 }
//! ```
//! ```compile_fail,E0080
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C, align(8))]
//! struct Refused { one: u32 }
//! ```
//!
//! A layout that is the compiler's to choose, or has parameters:
//! ```compile_fail
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! struct Refused { one: u32 }
//! ```
//! ```compile_fail
//! use folio_shm::Shared;
//! #[derive(Clone, Copy, Shared)]
//! #[repr(C)]
//! struct Refused<T> { one: T }
//! ```
//!
//! A destructor:
//! ```compile_fail,E0277
//! use folio_shm::Shared;
//! #[derive(Shared)]
//! #[repr(C)]
//! struct Refused { one: u32 }
//! impl Drop for Refused { fn drop(&mut self) {} }
//! ```
