//! Opening: how long the object is, which version it has, and what this server does about conditions.

use std::ops::Range;

use folio_store::ErrorKind;
use futures_util::future::join;
use http::StatusCode;
use object_store::ObjectMeta;

use crate::failure::Failure;
use crate::fetch::{Condition, Pinned, Remote, modified};
use crate::guarantee::Guarantee;

/// A version and an ETag that no object has.
const NO_VERSION: &str = "0folio0no0such0version0";
const NO_TAG: &str = "\"0folio0no0such0version0\"";

const FIRST_BYTE: Option<Range<u64>> = Some(0..1);

/// Looks at the object and at how the server treats conditions.
pub(crate) async fn open(remote: &Remote) -> Result<Pinned, Failure> {
    let first = match remote.ask(FIRST_BYTE, Condition::default()).await {
        Ok(answer) => answer.meta,
        Err(failure) => return empty(remote, failure).await,
    };
    let mut pinned = pin(first);
    pinned.guarantee = guarantee(remote, &pinned).await?;
    Ok(pinned)
}

fn pin(meta: ObjectMeta) -> Pinned {
    Pinned {
        len: meta.size,
        guarantee: Guarantee::Unchecked,
        modified: modified(&meta),
        // "null" is what S3 calls the version of what was written without versions.
        version: meta.version.filter(|version| !version.is_empty() && version != "null"),
        e_tag: meta.e_tag,
    }
}

/// An empty object has no first byte, which servers say in different ways.
async fn empty(remote: &Remote, failure: Failure) -> Result<Pinned, Failure> {
    let may_be_empty = failure.answer.as_ref().is_some_and(|answer| match answer.status {
        StatusCode::RANGE_NOT_SATISFIABLE => true,
        StatusCode::OK => answer.length == Some(0),
        _ => false,
    });
    if !may_be_empty {
        return Err(failure);
    }
    let whole = remote.ask(None, Condition::default()).await?;
    if whole.meta.size != 0 {
        let reason = "the server refuses to send the first byte of an object that is not empty";
        return Err(Failure::new(ErrorKind::Unsupported, reason));
    }
    let mut pinned = pin(whole.meta);
    if is_strong(pinned.e_tag.as_deref()) {
        // No byte of it will be asked for.
        pinned.guarantee = Guarantee::ComparedAfterwards;
    }
    Ok(pinned)
}

/// A strong ETag promises the same bytes (RFC 9110, 8.8.1).
fn is_strong(e_tag: Option<&str>) -> bool {
    e_tag.is_some_and(|tag| !tag.trim_matches('"').is_empty() && !tag.starts_with("W/"))
}

async fn guarantee(remote: &Remote, pinned: &Pinned) -> Result<Guarantee, Failure> {
    if let Some(version) = &pinned.version {
        let right = Condition { version: Some(version.clone()), if_match: None };
        let wrong = Condition { version: Some(NO_VERSION.to_owned()), if_match: None };
        if believes(remote, right, wrong, pinned).await? {
            return Ok(Guarantee::VersionId);
        }
    }
    if !is_strong(pinned.e_tag.as_deref()) {
        return Ok(Guarantee::Unchecked);
    }
    let right = Condition { version: None, if_match: pinned.e_tag.clone() };
    let wrong = Condition { version: None, if_match: Some(NO_TAG.to_owned()) };
    Ok(match believes(remote, right, wrong, pinned).await? {
        true => Guarantee::IfMatch,
        false => Guarantee::ComparedAfterwards,
    })
}

/// Whether the server does what is asked under the right condition, and refuses under the wrong one.
async fn believes(
    remote: &Remote,
    right: Condition,
    wrong: Condition,
    pinned: &Pinned,
) -> Result<bool, Failure> {
    let wants_412 = wrong.if_match.is_some();
    let (right, wrong) = join(remote.ask(FIRST_BYTE, right), remote.ask(FIRST_BYTE, wrong)).await;
    for failure in [right.as_ref().err(), wrong.as_ref().err().filter(|_| wants_412)] {
        if let Some(failure) = failure.filter(|failure| failure.kind.is_passing()) {
            return Err(failure.clone());
        }
    }
    let answer = wrong.err().and_then(|failure| failure.answer);
    let refused = answer.is_some_and(|answer| match wants_412 {
        true => answer.status == StatusCode::PRECONDITION_FAILED,
        false => answer.status.is_client_error() && answer.status != StatusCode::FORBIDDEN,
    });
    let served = right.is_ok_and(|answer| {
        answer.meta.e_tag == pinned.e_tag
            && (wants_412 || answer.meta.version == pinned.version)
            && answer.meta.size == pinned.len
    });
    Ok(refused && served)
}
