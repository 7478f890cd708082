//! What has a name in /dev/shm; and what is wrong with it, in the command's words.

use folio_shm::{
    Broadcast, ChannelOptions, Error, ErrorKind, Found, Kind, Segment, SegmentOptions,
};

use rustix::fs::Access;

use crate::failure::Failure;
use crate::shm::arguments::OpenChannel;
use crate::shm::journal;

/// What is known of the segment of this name without opening it for writing.
///
/// # Errors
/// That there is none, that it is not folio's, that this user may not read it, that it is spoilt.
pub fn find(name: &str) -> Result<Found, Failure> {
    if journal::directory(name).is_some() {
        return Err(Failure::new(format!(
            "cannot open {name}: it is a path, as journals have, and this is for what has a name in \
             /dev/shm: leave slashes out"
        )));
    }
    let plain = name.strip_prefix('/').unwrap_or(name);
    let found = folio_shm::list().map_err(|error| failure(&error))?;
    if let Some(found) = found.into_iter().find(|found| found.name() == plain) {
        return Ok(found);
    }
    Err(match trusting_anybody(Segment::options().read_only()).open(name) {
        Err(error) => failure(&error),
        // Made, or made whole, between the two looks.
        Ok(_) => Failure::new(format!("cannot open /dev/shm/{plain}: it is being made: try again")),
    })
}

/// The same, if it is a segment of bytes.
///
/// # Errors
/// As [`find`], and that it is a channel.
pub fn find_bytes(name: &str, operation: &str) -> Result<Found, Failure> {
    let found = find(name)?;
    let way_out = match found.kind() {
        Kind::Queue => "it is a queue: folio shm send and recv pass messages through it",
        Kind::Broadcast => "it is a broadcast: folio shm send and tail pass messages through it",
        _ => return Ok(found),
    };
    Err(Failure::new(format!("cannot {operation} {}: {way_out}", found.path().display())))
}

/// Kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A queue.
    Queue,
    /// A broadcast.
    Broadcast,
}

impl OpenChannel {
    /// Which kind of channel has the name. With a layout of its own that is found out by trying.
    ///
    /// # Errors
    /// As [`find`], and that it is no channel.
    pub fn find(&self) -> Result<Channel, Failure> {
        let found = find(&self.name)?;
        match found.kind() {
            Kind::Queue => return Ok(Channel::Queue),
            Kind::Broadcast => return Ok(Channel::Broadcast),
            _ => {}
        }
        if self.layout.is_none() {
            let what = "it is no channel, or one with a layout of its own: name that (--layout), or move \
                        bytes (folio shm cat, write)";
            return Err(self.other("open", what));
        }
        match self.open(Broadcast::options()) {
            Ok(_) => Ok(Channel::Broadcast),
            // What is wrong with it is said when it is opened.
            Err(_) => Ok(Channel::Queue),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// That it may not be opened, or not be trusted.
    pub fn open<C: folio_shm::Channel>(&self, options: ChannelOptions<C>) -> Result<C, Failure> {
        let options = options.layout(self.layout.unwrap_or(0));
        let options = match self.anybody {
            true => options.segment(trusting_anybody),
            false => options,
        };
        options.open(&self.name).map_err(|error| failure(&error))
    }

    /// Opens a broadcast to listen to: read-only where this user may do no more, and cannot hold it back then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_broadcast(&self) -> Result<Broadcast, Failure> {
        let name = self.name.strip_prefix('/').unwrap_or(&self.name);
        let may = |access| rustix::fs::access(format!("/dev/shm/{name}"), access).is_ok();
        let is_for_reading = may(Access::READ_OK) && !may(Access::WRITE_OK);
        self.open(Broadcast::options().segment(|segment| match is_for_reading {
            true => segment.read_only(),
            false => segment,
        }))
    }

    /// A failure in one's own words.
    pub fn other(&self, operation: &str, reason: &str) -> Failure {
        let name = self.name.strip_prefix('/').unwrap_or(&self.name);
        match journal::directory(&self.name) {
            Some(path) => Failure::new(format!("cannot {operation} {}: {reason}", path.display())),
            None => Failure::new(format!("cannot {operation} /dev/shm/{name}: {reason}")),
        }
    }
}

/// Opens a channel that was found, to look at it only.
///
/// # Errors
/// That it may not be opened.
pub fn open_found<C: folio_shm::Channel>(
    options: ChannelOptions<C>,
    found: &Found,
) -> Result<C, Failure> {
    let looked_at = |segment| trusting_anybody(segment).read_only();
    options.segment(looked_at).open(&found.name()).map_err(|error| failure(&error))
}

/// Options that take a segment whoever owns it, and whoever else may reach it.
pub fn trusting_anybody(options: SegmentOptions) -> SegmentOptions {
    options.owned_by_anybody().mode(0o777)
}

/// What the library failed with, options in the place of methods.
pub fn failure(error: &Error) -> Failure {
    let text = error.to_string();
    let name = text.split_once("/dev/shm/").and_then(|(_, rest)| rest.split_once(": "));
    let name = name.map_or("NAME", |(name, _)| name);
    // The library's way out, and what it is here.
    let ways = [
        (
            "create() makes one",
            format!("folio shm ls shows all, folio shm create {name} --queue, say, makes one"),
        ),
        (
            "create() opens it, or unlink() it first",
            format!("choose another name, or remove it first: folio shm rm {name}"),
        ),
        ("leave slashes out, or use file() for a path", "leave slashes out".into()),
        ("ask its owner, or open it with read_only()", "ask its owner".into()),
        ("growable() says how many", "create --grow says how many".into()),
        (
            "longest() says how many when the channel is made",
            "create --longest says how many".into(),
        ),
        ("append() makes one", "folio shm create --journal makes one".into()),
        (
            "a broadcast has one at a time",
            "a broadcast has one at a time: wait until it leaves".into(),
        ),
        ("append() goes on before it", "whoever appends next goes on before it".into()),
        ("file_bytes() says how large they are", "make them larger (--file-size)".into()),
        (
            "file_bytes() says how large files are",
            "create --file-size says how large files are".into(),
        ),
        (
            "open it as the kind that it is, with the layout() that it was made with",
            "name the layout that it was made with (--layout), not the one that stat shows".into(),
        ),
    ];
    for (method, option) in ways {
        if let Some(start) = text.strip_suffix(method) {
            return Failure::new(format!("{start}{option}"));
        }
    }
    // Reasons without one.
    let reasons = [
        ("no message can have 4 GiB or more", "choose a smaller --longest"),
        ("there are 1 to 1024 places for each side", "choose smaller --bytes"),
        ("no address space is that large", "choose a smaller size"),
    ];
    for (reason, option) in reasons {
        if text.ends_with(reason) {
            return Failure::new(format!("{text}: {option}"));
        }
    }
    let advice = match error.kind() {
        ErrorKind::Owner | ErrorKind::Mode => "if that is meant, add --anybody",
        ErrorKind::NoSpace if text.contains("(gc)") => {
            "remove what nobody uses (folio shm gc), or have more: Docker's /dev/shm has 64 MB unless \
             --shm-size says otherwise"
        }
        ErrorKind::Busy if text.ends_with("when it is made") => {
            "wait until it leaves, or have more places: folio shm create --help"
        }
        _ => return Failure::new(text),
    };
    // What stands behind the reason.
    let start = text.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ");
    Failure::new(format!("{start}: {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_method_of_the_library_is_a_way_out_here() {
        let name = format!("folio-words-{}", std::process::id());
        let missing = Segment::open(&name).unwrap_err();
        assert_eq!(
            failure(&missing).to_string(),
            format!(
                "cannot open /dev/shm/{name}: there is no segment of that name: folio shm ls shows all, \
                 folio shm create {name} --queue, say, makes one"
            )
        );
        let slash = Segment::open("a/b").unwrap_err();
        assert!(failure(&slash).to_string().ends_with("have no slashes: leave slashes out"));
    }
}
