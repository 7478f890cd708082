//! The rules, in the words a failure shows.

pub(super) const BYTES: &str = "a read returns the bytes that are there";
pub(super) const SHOWN: &str = "bytes shows what a read of the range returns, or nothing";
pub(super) const ZERO: &str = "a read returns 0 only for an empty buffer or at and behind the end";
pub(super) const END: &str = "a read ends where the store does";
pub(super) const FULL: &str = "read_full_at reads until the buffer is full or the store ends";
pub(super) const READABLE: &str =
    "a read is an error only where its range ends behind the last u64";
pub(super) const MANY: &str = "read_many gives each request the outcome of read_full_at";
pub(super) const COUNT: &str = "no more bytes are read or written than were asked for";
pub(super) const LEN: &str = "len is the number of bytes in the store";
pub(super) const EMPTY: &str = "is_empty agrees with len";
pub(super) const PANIC: &str = "nothing panics";
pub(super) const LINE: &str = "names and errors are one line and not empty";
pub(super) const RANGE: &str = "an error of a read or a write says which bytes it was about";
pub(super) const KIND: &str = "a request that ends behind the last u64 is an error of kind Invalid";
pub(super) const STABLE: &str = "name, identity and capabilities do not change";
pub(super) const GRANULE: &str = "the best granule is a multiple of the alignment";
pub(super) const FIXED: &str = "a store with a fixed version cannot be changed through itself";
pub(super) const CHANGED: &str =
    "a store with a fixed version reads the same bytes for good, or is an error of kind Changed";
pub(super) const READ_ONLY: &str =
    "a store that is not writable refuses writes as ReadOnly or Unsupported";
pub(super) const WRITABLE: &str = "a writable store takes writes before its end";
pub(super) const PROGRESS: &str = "a write returns 0 only for no bytes";
pub(super) const NOTHING: &str = "writing no bytes succeeds and changes nothing";
pub(super) const BEHIND: &str = "a write behind the end of a store that cannot grow is an error";
pub(super) const GROW: &str =
    "a write behind the end makes a resizable store longer, with zeros between";
pub(super) const UNTOUCHED: &str = "what failed changes no bytes but those it was about";
pub(super) const SIZED: &str =
    "a store that is not resizable refuses another length as Unsupported or ReadOnly";
pub(super) const RESIZE: &str = "resize makes a resizable store as long as asked";
pub(super) const SYNC: &str = "sync succeeds where nothing failed";
pub(super) const IDENTITY: &str = "two stores with the same identity show the same bytes";
pub(super) const VERSION: &str = "another content has another version, the same content the same";
pub(super) const LASTING: &str = "what was synced is there when the store is opened again";
pub(super) const DISJOINT: &str = "ranges that do not overlap do not disturb each other";
