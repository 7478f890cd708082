//! What must not compile: bytes that are held while something changes them, or goes away. Only
//! doctests see this file.
//!
//! A slice of memory over a discard, a change of length, its end:
//! ```compile_fail,E0502
//! let mut memory = folio::Memory::new(4096)?;
//! let bytes = &memory[..];
//! memory.discard(..)?;
//! assert_eq!(bytes[0], 0);
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0502
//! let mut memory = folio::Memory::new(4096)?;
//! let bytes = &memory[..];
//! memory.resize(8192)?;
//! assert_eq!(bytes[0], 0);
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0505
//! let memory = folio::Memory::new(4096)?;
//! let bytes = &memory[..];
//! let stable = memory.freeze()?;
//! assert_eq!(bytes[0], stable[0]);
//! # Ok::<(), folio::Error>(())
//! ```
//! A slice of stable bytes while they become a mapping again:
//! ```compile_fail,E0505
//! let stable = folio::Memory::new(4096)?.freeze()?;
//! let bytes = &stable[..];
//! let map = stable.into_mapping();
//! assert_eq!(bytes[0], 0);
//! # Ok::<(), folio::Error>(())
//! ```
//! A view, its chunks, words and cursors over a change of address or protection:
//! ```compile_fail,E0502
//! let mut map = folio::MapOptions::new().write().private().anonymous(4096)?;
//! let view = map.view();
//! map.resize(8192, true)?;
//! view.fill(.., 1)?;
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0505
//! let map = folio::MapOptions::new().write().anonymous(4096)?;
//! let word = map.view().range(8..)?.atomic_u64(0)?;
//! drop(map);
//! word.fetch_add(1)?;
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0502
//! let mut map = folio::MapOptions::new().write().anonymous(4096)?;
//! let mut chunks = map.chunks(100);
//! map.protect(.., folio::Protection::NONE)?;
//! chunks.next();
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0505
//! let map = folio::MapOptions::new().write().anonymous(4096)?;
//! let cursor = map.cursor();
//! let (left, right) = map.split_at(0)?;
//! cursor.position();
//! # Ok::<(), folio::Error>(())
//! ```
//! A slice out of the scope that is guarded:
//! ```compile_fail
//! let mut memory = folio::Memory::new(4096)?;
//! let bytes: &mut [u8] = memory.guarded(|bytes| bytes)?;
//! bytes[0] = 1;
//! # Ok::<(), folio::Error>(())
//! ```
//! What an arena handed out, over its reset, and in a box that outlives it:
//! ```compile_fail,E0502
//! let mut arena = folio::Arena::new(4096)?;
//! let number = arena.alloc(1)?;
//! arena.reset()?;
//! *number = 2;
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0505
//! use allocator_api2::vec::Vec;
//! let arena = folio::Arena::new(4096)?;
//! let numbers: Vec<u8, _> = Vec::with_capacity_in(10, &arena);
//! drop(arena);
//! drop(numbers);
//! # Ok::<(), folio::Error>(())
//! ```
//! A stack that somebody runs on already:
//! ```compile_fail,E0499
//! let mut stack = folio::Stack::new(1 << 16)?;
//! stack.run(|| stack.run(|| ()));
//! # Ok::<(), folio::Error>(())
//! ```
//! ```compile_fail,E0502
//! let mut stack = folio::Stack::new(1 << 16)?;
//! stack.run(|| stack.top());
//! # Ok::<(), folio::Error>(())
//! ```
//! A draft while it is finished:
//! ```compile_fail,E0505
//! let mut draft = folio::Code::draft(4096)?;
//! let bytes = &mut draft[..];
//! let code = draft.finish()?;
//! bytes[0] = 0xc3;
//! # Ok::<(), folio::Error>(())
//! ```
//! A view of a growable mapping over its end; growing and shrinking are no harm to it:
//! ```compile_fail,E0505
//! # let path = std::env::temp_dir().join(format!("folio-doc-life-{}", std::process::id()));
//! let log = folio::Growable::create(&path, 4096)?;
//! let view = log.view();
//! log.close()?;
//! view.len();
//! # Ok::<(), folio::Error>(())
//! ```
