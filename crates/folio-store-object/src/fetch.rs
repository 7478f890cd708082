//! One range of one object, asked for once: with its condition, within its time, and compared.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use folio_store::ErrorKind;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use object_store::path::Path;
use object_store::{Extensions, GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::time::{Instant, sleep, timeout_at};

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
    pub(crate) retries: u32,
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
    /// How long to wait for a byte before another connection is tried.
    pub(crate) fn patience(&self) -> Duration {
        match self.retries {
            0 => self.deadline,
            _ => self.deadline / 3,
        }
    }

    /// Asks; returns when the head of the answer is there, or at `end`.
    async fn ask_until(
        &self,
        range: Option<Range<u64>>,
        condition: Condition,
        end: Instant,
    ) -> Result<GetResult, Failure> {
        let trace = Trace::default();
        let mut extensions = Extensions::new();
        extensions.insert(trace.clone());
        let options = GetOptions {
            range: range.clone().map(GetRange::Bounded),
            version: condition.version,
            if_match: condition.if_match,
            extensions,
            ..GetOptions::default()
        };
        match timeout_at(end, self.client.get_opts(&self.path, options)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of_head(&error, range.as_ref(), &trace)),
            Err(_) => Err(Failure::late(&trace, format!("no answer within {:?}", self.deadline))),
        }
    }

    /// Asks; returns when the head of the answer is there, or at the deadline.
    pub(crate) async fn ask(
        &self,
        range: Option<Range<u64>>,
        condition: Condition,
    ) -> Result<GetResult, Failure> {
        self.ask_until(range, condition, Instant::now() + self.deadline).await
    }

    /// Asks, and again on another connection when no answer comes for a while: the first may be dead,
    /// or the server only slow.
    async fn ask_twice(
        &self,
        range: Range<u64>,
        condition: Condition,
        end: Instant,
    ) -> Result<GetResult, Failure> {
        let first = pin!(self.ask_until(Some(range.clone()), condition.clone(), end));
        if self.retries == 0 {
            return first.await;
        }
        let second = pin!(async {
            sleep(self.patience()).await;
            self.ask_until(Some(range), condition, end).await
        });
        match select(first, second).await {
            Either::Right((Err(failure), first)) if failure.kind.is_passing() => first.await,
            Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
        }
    }

    /// The bytes of `range`, all of them, of the version that was opened.
    pub(crate) async fn fetch(
        &self,
        range: Range<u64>,
        pinned: &Pinned,
    ) -> Result<Vec<Bytes>, Failure> {
        let now = Instant::now();
        let last = now + longest(self.deadline, range.end - range.start);
        let mut body = Body { range, pieces: Vec::new(), count: 0, heard: now, last };
        let mut retries = self.retries.min(2);
        loop {
            let rest = body.range.start + body.count..body.range.end;
            let end = body.end(self.deadline);
            let answer = match self.ask_twice(rest, pinned.condition(), end).await {
                Ok(answer) => answer,
                Err(failure) => return Err(self.explain(failure, pinned, end).await),
            };
            pinned.compare(&answer.meta)?;
            match body.receive(answer, self, retries > 0).await {
                Ok(()) => return Ok(body.pieces),
                Err(failure) if retries == 0 || !failure.kind.is_passing() => return Err(failure),
                Err(failure) if Instant::now() >= body.end(self.deadline) => return Err(failure),
                Err(_) => retries -= 1,
            }
        }
    }

    /// Tells a changed object from others, where the answer does not.
    async fn explain(&self, failure: Failure, pinned: &Pinned, end: Instant) -> Failure {
        let total = failure.answer.as_ref().and_then(|answer| Some(answer.range?.2));
        match failure.kind {
            ErrorKind::Corrupt if total.is_some_and(|total| total != pinned.len) => changed(),
            // The version is gone. Is there another?
            ErrorKind::NotFound | ErrorKind::Invalid
                if pinned.guarantee == Guarantee::VersionId =>
            {
                let condition = Condition::default();
                match self.ask_until(Some(0..1), condition, end).await {
                    Ok(_) => changed(),
                    Err(_) => failure,
                }
            }
            _ => failure,
        }
    }
}

/// What has arrived of one range.
struct Body {
    range: Range<u64>,
    pieces: Vec<Bytes>,
    count: u64,
    /// When the last byte arrived.
    heard: Instant,
    /// When all of it must be there.
    last: Instant,
}

impl Body {
    /// When waiting for another byte ends.
    fn end(&self, deadline: Duration) -> Instant {
        self.last.min(self.heard + deadline)
    }

    /// Takes what comes. Where another connection can be tried, a stall ends early.
    async fn receive(
        &mut self,
        answer: GetResult,
        remote: &Remote,
        may_retry: bool,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let len = self.range.end - self.range.start;
        let mut stream = answer.into_stream();
        loop {
            let end = self.end(remote.deadline);
            let patient = if may_retry { remote.patience() } else { remote.deadline };
            let stalled = end.min(self.heard.max(began) + patient);
            match timeout_at(stalled, stream.next()).await {
                Ok(Some(Ok(piece))) => {
                    self.heard = Instant::now();
                    self.count += piece.len() as u64;
                    self.pieces.push(piece);
                    if self.count > len {
                        let reason = "the server sent more bytes than were asked for";
                        return Err(Failure::new(ErrorKind::Corrupt, reason));
                    }
                }
                Ok(Some(Err(error))) => return Err(Failure::of_body(&error)),
                Ok(None) if self.count < len => {
                    let reason = format!("the server sent {} bytes instead of {len}", self.count);
                    return Err(Failure::new(ErrorKind::Truncated, reason));
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    let words = match end == self.last {
                        true => format!("only {} of {len} bytes in time", self.count),
                        false => {
                            format!("nothing for {:?} after {} bytes", remote.deadline, self.count)
                        }
                    };
                    return Err(
                        Failure::new(ErrorKind::Timeout, words).advice("raise the deadline")
                    );
                }
            }
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
