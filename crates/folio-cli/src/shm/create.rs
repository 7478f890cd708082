//! `folio shm create`: a segment, a channel or a journal that stays.

use folio_shm::{Broadcast, Channel, ChannelOptions, Queue, Segment};

use crate::failure::Failure;
use crate::shm::arguments::Create;
use crate::shm::find::failure;
use crate::shm::journal;

/// Places for subscribers: there may be many, and they cost little.
const SUBSCRIBERS: usize = 16;

/// Makes it.
///
/// # Errors
/// That there is something of that name, that there is no space for it, what contradicts itself.
pub fn run(arguments: &Create) -> Result<(), Failure> {
    if arguments.journal {
        return journal::create(arguments);
    }
    let name = &arguments.name;
    let made = if arguments.queue {
        let mut options = channel(arguments, Queue::options());
        if let Some(count) = arguments.senders {
            options = options.senders(count);
        }
        if let Some(count) = arguments.receivers {
            options = options.receivers(count);
        }
        if arguments.drop_oldest {
            options = options.drop_oldest();
        }
        options.open(name).map(drop)
    } else if arguments.broadcast {
        let count = arguments.subscribers.unwrap_or(SUBSCRIBERS);
        let mut options = channel(arguments, Broadcast::options()).subscribers(count);
        if arguments.hold_back {
            options = options.hold_back();
        }
        options.open(name).map(drop)
    } else {
        segment(arguments).open(name).map(drop)
    };
    made.map_err(|error| failure(&error))
}

// The process that makes it ends at once: without `keep` it would be left over from then on.

fn segment(arguments: &Create) -> folio_shm::SegmentOptions {
    let mut options = Segment::options().create_new().keep().mode(arguments.mode);
    options = options.layout(arguments.layout.unwrap_or(0)).size(arguments.size.unwrap_or(0));
    match arguments.grow {
        Some(capacity) => options.growable(capacity),
        None => options,
    }
}

fn channel<C: Channel>(arguments: &Create, options: ChannelOptions<C>) -> ChannelOptions<C> {
    let mode = arguments.mode;
    let mut options = options.create_new().segment(|segment| segment.keep().mode(mode));
    if let Some(bytes) = arguments.longest {
        options = options.longest(bytes);
    }
    if let Some(bytes) = arguments.bytes {
        options = options.bytes(bytes);
    }
    options.layout(arguments.layout.unwrap_or(0))
}
