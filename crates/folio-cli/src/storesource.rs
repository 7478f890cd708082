//! The store that SOURCE names, if the pager is to map it: an object far away, the memory of a process,
//! zeros, or a file that is packed or that the pager was asked for.
//!
//! What is packed, wherever it lies, is known by its first bytes and unpacked on the way; `--as-is` leaves
//! it packed. Any other file is left to the kernel.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use folio_store::{ErrorKind, FileStore, ProcessStore, Store, ZeroStore};
use folio_store_object::{Guarantee, ObjectStore};
use folio_store_zstd::format::HEAD_BYTES;
use folio_store_zstd::{BgzfStore, Format, ZstdStore};

use crate::arguments::Map;
use crate::failure::Failure;
use crate::place::Place;

/// A store to be mapped, and what is known of it.
pub struct StoreSource {
    /// The store.
    pub store: Box<dyn Store>,
    /// Where the bytes come from.
    pub backing: &'static str,
    /// What they are unpacked from.
    pub packing: Option<&'static str>,
    /// What keeps versions of an object apart.
    pub guarantee: Option<Guarantee>,
    /// What the store's first byte is counted as: an address, for the memory of a process.
    pub origin: u64,
}

impl std::fmt::Debug for StoreSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSource")
            .field("store", &self.store.name())
            .field("backing", &self.backing)
            .field("packing", &self.packing)
            .finish_non_exhaustive()
    }
}

/// Opens the store that the arguments name; `None` for what the kernel maps.
///
/// # Errors
/// What the store fails with; that the file is packed in a way that cannot be mapped, or that options of
/// the kernel's mappings were given for a packed one.
pub fn open(arguments: &Map) -> Result<Option<StoreSource>, Failure> {
    if arguments.anonymous {
        return Ok(None);
    }
    match arguments.place().map_err(Failure::new)? {
        Place::Path => of_path(arguments),
        Place::StandardInput => of_standard_input(arguments),
        Place::Url => of_url(arguments).map(Some),
        Place::Process(process) => of_process(arguments, process).map(Some),
        Place::Zeros(bytes) => Ok(Some(StoreSource::new(ZeroStore::new(bytes), "zeros"))),
    }
}

impl StoreSource {
    fn new(store: impl Store + 'static, backing: &'static str) -> Self {
        Self { store: Box::new(store), backing, packing: None, guarantee: None, origin: 0 }
    }

    /// The same bytes, unpacked if they are packed. `index` opens an index beside them, if there is one.
    fn unpacked(
        self,
        index: impl FnOnce() -> folio_store::Result<Option<Box<dyn Store>>>,
    ) -> folio_store::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        let count = self.store.read_full_at(&mut head, 0)?;
        let Self { store, backing, guarantee, origin, .. } = self;
        let (store, packing): (Box<dyn Store>, _) = match Format::of(&head[..count]) {
            Some(Format::Zstd) => (Box::new(ZstdStore::open(store)?), Some("zstd")),
            Some(Format::Bgzip | Format::Gzip) => {
                let unpacked = match index()? {
                    Some(index) => BgzfStore::open_with_index(store, &index)?,
                    None => BgzfStore::open(store)?,
                };
                (Box::new(unpacked), Some("bgzip"))
            }
            _ => (store, None),
        };
        Ok(Self { store, backing, packing, guarantee, origin })
    }
}

fn of_path(arguments: &Map) -> Result<Option<StoreSource>, Failure> {
    let path = &arguments.source;
    // Pipes would block, and what cannot be opened is told by whoever maps it.
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let file = if is_file { File::open(path).ok() } else { None };
    if !is_wanted(arguments, file.as_ref())? {
        return Ok(None);
    }
    let store = FileStore::open(path).map_err(|error| Failure::of_store(&error))?;
    let index = || beside(path);
    of_file(arguments, store, index)
}

fn of_standard_input(arguments: &Map) -> Result<Option<StoreSource>, Failure> {
    let file = rustix::stdio::stdin().try_clone_to_owned().map(File::from);
    let file = file.ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()));
    if !is_wanted(arguments, file.as_ref())? {
        return Ok(None);
    }
    let Some(file) = file else {
        return Err(Failure::new(
            "cannot map standard input by the pager: it is no file: redirect one into it (folio map \
             - < FILE)",
        ));
    };
    let store = FileStore::from_file(file, "standard input");
    of_file(arguments, store.map_err(|error| Failure::of_store(&error))?, || Ok(None))
}

fn of_file(
    arguments: &Map,
    store: FileStore,
    index: impl FnOnce() -> folio_store::Result<Option<Box<dyn Store>>>,
) -> Result<Option<StoreSource>, Failure> {
    let source = StoreSource::new(store, "file");
    if arguments.paging.as_is {
        return Ok(Some(source));
    }
    source.unpacked(index).map(Some).map_err(|error| packed(&error))
}

/// Whether the pager is to map a file: it was asked for, or the file is packed.
fn is_wanted(arguments: &Map, file: Option<&File>) -> Result<bool, Failure> {
    if arguments.paging.is_wanted() {
        return Ok(true);
    }
    let Some(file) = file.filter(|_| !arguments.paging.as_is) else { return Ok(false) };
    let mut head = [0; HEAD_BYTES];
    // A file that cannot be read is for the kernel to refuse.
    let count = file.read_at(&mut head, 0).unwrap_or(0);
    let Some(format) = Format::of(&head[..count]) else { return Ok(false) };
    match arguments.of_the_kernel() {
        None => Ok(true),
        Some(option) => {
            let format = if format == Format::Zstd { "zstd" } else { "gzip" };
            Err(Failure::new(format!(
                "cannot map {}: it is packed ({format}), so that the pager maps it, which has no \
                 {option}: leave that out, or map the packed bytes (--as-is)",
                arguments.source.display()
            )))
        }
    }
}

/// The index of bgzip beside a file.
fn beside(path: &Path) -> folio_store::Result<Option<Box<dyn Store>>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".gzi");
    match FileStore::open(&name) {
        Ok(index) => Ok(Some(Box::new(index))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_url(arguments: &Map) -> Result<StoreSource, Failure> {
    let url = arguments.source.to_str().unwrap_or_default();
    let object = ObjectStore::open(url).map_err(|error| Failure::of_store(&error))?;
    let guarantee = Some(object.guarantee());
    let source = StoreSource { guarantee, ..StoreSource::new(object, "object") };
    if arguments.paging.as_is {
        return Ok(source);
    }
    // Its blocks are found without one too, by reading all of the object once.
    let index = || {
        let (path, query) =
            url.split_once('?').map_or((url, None), |(path, rest)| (path, Some(rest)));
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let index = ObjectStore::open(&format!("{path}.gzi{query}"));
        Ok(index.ok().map(|index| Box::new(index) as Box<dyn Store>))
    };
    source.unpacked(index).map_err(|error| packed(&error))
}

fn of_process(arguments: &Map, process: u32) -> Result<StoreSource, Failure> {
    let start = arguments.offset.unwrap_or_default();
    let length = arguments.length.unwrap_or_default() as u64;
    let store = ProcessStore::open(process)
        .and_then(|store| store.window(start..start.saturating_add(length)));
    let store = store.map_err(|error| Failure::of_store(&error))?;
    Ok(StoreSource { origin: start, ..StoreSource::new(store, "process") })
}

/// Why bytes cannot be unpacked, with the option that helps.
fn packed(error: &folio_store::Error) -> Failure {
    let failure = Failure::of_store(error);
    match error.kind() {
        ErrorKind::Unsupported | ErrorKind::Corrupt | ErrorKind::Invalid => {
            failure.or("or map the packed bytes (--as-is)")
        }
        _ => failure,
    }
}
