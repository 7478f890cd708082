//! One range of one object, asked for once: with its condition, within its time, and compared.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use folio_store::ErrorKind;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{Extensions, GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, changed};
use crate::guarantee::Guarantee;
use crate::wire::Trace;

/// A server that sends less is taken for one that stalls.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

/// An object and how it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) client: Arc<dyn object_store::ObjectStore>,
    pub(crate) path: Path,
    pub(crate) deadline: Duration,
}

/// What a request demands of the object's version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) version: Option<String>,
    pub(crate) if_match: Option<String>,
}

/// The version that was opened.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    pub(crate) len: u64,
    pub(crate) guarantee: Guarantee,
    pub(crate) version: Option<String>,
    pub(crate) e_tag: Option<String>,
    pub(crate) modified: Option<DateTime<Utc>>,
}

/// How long a request for so many bytes may take.
pub(crate) fn longest(deadline: Duration, len: u64) -> Duration {
    deadline.saturating_add(Duration::from_secs(len / SLOWEST_BYTES_PER_SECOND))
}

impl Remote {
    /// Asks; returns when the head of the answer is there.
    pub(crate) async fn ask(
        &self,
        range: Option<Range<u64>>,
        condition: Condition,
        trace: &Trace,
    ) -> Result<GetResult, Failure> {
        let mut extensions = Extensions::new();
        extensions.insert(trace.clone());
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            version: condition.version,
            if_match: condition.if_match,
            extensions,
            ..GetOptions::default()
        };
        let end = Instant::now() + self.deadline;
        match timeout_at(end, self.client.get_opts(&self.path, options)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of_head(&error, trace)),
            Err(_) => Err(Failure::late(trace, format!("no answer within {:?}", self.deadline))),
        }
    }

    /// The bytes of `range`, all of them, of the version that was opened.
    pub(crate) async fn fetch(
        &self,
        range: Range<u64>,
        pinned: &Pinned,
    ) -> Result<Vec<Bytes>, Failure> {
        let trace = Trace::default();
        let began = Instant::now();
        let answer = match self.ask(Some(range.clone()), pinned.condition(), &trace).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.explain(failure, pinned, &trace).await),
        };
        pinned.compare(&answer.meta)?;
        let len = range.end - range.start;
        let last = began + longest(self.deadline, len);
        let mut stream = answer.into_stream();
        let mut pieces = Vec::new();
        let mut count = 0_u64;
        loop {
            let end = last.min(Instant::now() + self.deadline);
            match timeout_at(end, stream.next()).await {
                Ok(Some(Ok(piece))) => {
                    count += piece.len() as u64;
                    pieces.push(piece);
                    if count > len {
                        let reason = "the server sent more bytes than were asked for";
                        return Err(Failure::new(ErrorKind::Corrupt, reason));
                    }
                }
                Ok(Some(Err(error))) => return Err(Failure::of_body(&error)),
                Ok(None) if count < len => {
                    let reason = format!("the server sent {count} bytes instead of {len}");
                    return Err(Failure::new(ErrorKind::Truncated, reason));
                }
                Ok(None) => return Ok(pieces),
                Err(_) => {
                    let words = match end == last {
                        true => format!("{count} of {len} bytes within {:?}", last - began),
                        false => format!("nothing for {:?} after {count} bytes", self.deadline),
                    };
                    return Err(Failure::late(&trace, words));
                }
            }
        }
    }

    /// Tells a changed object from others, where the answer does not.
    async fn explain(&self, failure: Failure, pinned: &Pinned, trace: &Trace) -> Failure {
        let total = trace.seen().answer.and_then(|answer| Some(answer.range?.2));
        match failure.kind {
            ErrorKind::Corrupt if total.is_some_and(|total| total != pinned.len) => changed(),
            // The version is gone. Is there another?
            ErrorKind::NotFound | ErrorKind::Invalid
                if pinned.guarantee == Guarantee::VersionId =>
            {
                let condition = Condition::default();
                match self.ask(Some(0..1), condition, &Trace::default()).await {
                    Ok(_) => changed(),
                    Err(_) => failure,
                }
            }
            _ => failure,
        }
    }
}

impl Pinned {
    /// What every request demands.
    fn condition(&self) -> Condition {
        match self.guarantee {
            Guarantee::VersionId => Condition { version: self.version.clone(), if_match: None },
            Guarantee::IfMatch => Condition { version: None, if_match: self.e_tag.clone() },
            _ => Condition::default(),
        }
    }

    /// Whether an answer is of the version that was opened, as far as it says.
    fn compare(&self, answer: &ObjectMeta) -> Result<(), Failure> {
        let same = match self.guarantee {
            Guarantee::VersionId => {
                same_if_known(&self.version, &answer.version)
                    && same_if_known(&self.e_tag, &answer.e_tag)
            }
            Guarantee::IfMatch | Guarantee::ComparedAfterwards => self.e_tag == answer.e_tag,
            Guarantee::Unchecked => {
                same_if_known(&self.e_tag, &answer.e_tag)
                    && same_if_known(&self.modified, &modified(answer))
            }
        };
        match same && answer.size == self.len {
            true => Ok(()),
            false if answer.e_tag.is_none() && self.e_tag.is_some() && answer.size == self.len => {
                let reason = "the server no longer says which version it answers with";
                Err(Failure::new(ErrorKind::Changed, reason))
            }
            false => Err(changed()),
        }
    }
}

fn same_if_known<T: PartialEq>(pinned: &Option<T>, answer: &Option<T>) -> bool {
    match (pinned, answer) {
        (Some(pinned), Some(answer)) => pinned == answer,
        _ => true,
    }
}

/// The time of change, if the server gives one.
pub(crate) fn modified(answer: &ObjectMeta) -> Option<DateTime<Utc>> {
    (answer.last_modified.timestamp() != 0).then_some(answer.last_modified)
}
