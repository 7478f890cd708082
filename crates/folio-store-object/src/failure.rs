//! What went wrong with a request, in the store's words.

use std::borrow::Cow;
use std::error::Error as _;
use std::ops::Range;

use folio_store::{Error, ErrorKind};
use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use crate::wire::{Answer, Trace};

/// An [`Error`] that does not know the store yet.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) advice: Option<Cow<'static, str>>,
    /// What the server answered, if it did.
    pub(crate) answer: Option<Answer>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason: reason.into(), advice: None, answer: None }
    }

    pub(crate) fn advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The same, of an operation on a store.
    pub(crate) fn of(
        self,
        operation: &'static str,
        store: &str,
        range: Option<Range<u64>>,
    ) -> Error {
        let mut error = Error::new(self.kind, operation, store).reason(self.reason);
        if let Some(range) = range {
            error = error.range(range);
        }
        match self.advice {
            Some(advice) => error.advice(advice),
            None => error,
        }
    }

    /// The head of an answer never came, or is not what was asked for.
    pub(crate) fn of_head(
        error: &object_store::Error,
        asked: Option<&Range<u64>>,
        trace: &Trace,
    ) -> Self {
        let seen = trace.seen();
        match seen.answer {
            Some(answer) => {
                Self { answer: Some(answer.clone()), ..of_answer(error, asked, &answer) }
            }
            None if seen.asked => of_transport(error),
            None => without_credentials(error),
        }
    }

    /// The body stopped.
    pub(crate) fn of_body(error: &object_store::Error) -> Self {
        of_transport(error)
    }

    /// Nothing came in time.
    pub(crate) fn late(trace: &Trace, words: String) -> Self {
        if trace.seen().asked {
            Self::new(ErrorKind::Timeout, words).advice("raise the deadline")
        } else {
            no_credentials(words)
        }
    }
}

fn of_answer(error: &object_store::Error, asked: Option<&Range<u64>>, answer: &Answer) -> Failure {
    let status = answer.status;
    let says = || format!("the server answers {status}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED => {
            Failure::new(ErrorKind::NotFound, says())
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::new(ErrorKind::Denied, says()),
        StatusCode::PRECONDITION_FAILED => changed(),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Failure::new(ErrorKind::Changed, "it is shorter than when it was opened")
        }
        StatusCode::OK => Failure::new(
            ErrorKind::Unsupported,
            "the server ignores ranges and answers with the whole object",
        )
        .advice("download it and map the file"),
        StatusCode::PARTIAL_CONTENT => {
            Failure::new(ErrorKind::Corrupt, of_range(error, asked, answer.range))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Failure::new(ErrorKind::Unavailable, says())
        }
        StatusCode::BAD_REQUEST => Failure::new(ErrorKind::Invalid, says()),
        _ if status.is_server_error() => Failure::new(ErrorKind::Unavailable, says()),
        _ if status.is_redirection() => {
            let failure = Failure::new(ErrorKind::Invalid, says());
            match &answer.region {
                Some(region) => failure.advice(format!("the bucket is in region {region}")),
                None => failure,
            }
        }
        _ => Failure::new(ErrorKind::Io, says()),
    }
}

/// Why a part of the object was not taken.
fn of_range(
    error: &object_store::Error,
    asked: Option<&Range<u64>>,
    answered: Option<(u64, u64, u64)>,
) -> String {
    match answered {
        None => "the server does not say which bytes it answers with".to_owned(),
        Some((first, last, _))
            if asked.is_some_and(|asked| *asked == (first..last.saturating_add(1))) =>
        {
            format!("the head of the answer makes no sense: {}", innermost(error).0)
        }
        Some((first, last, _)) => {
            format!("the server answers with bytes {first} to {last}, which were not asked for")
        }
    }
}

fn of_transport(error: &object_store::Error) -> Failure {
    let (words, kind) = innermost(error);
    let kind = match kind {
        Some(HttpErrorKind::Timeout) => ErrorKind::Timeout,
        Some(HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted) => {
            ErrorKind::Unavailable
        }
        _ => ErrorKind::Io,
    };
    match kind {
        ErrorKind::Timeout => Failure::new(kind, "the server is not reached in time"),
        _ => Failure::new(kind, words),
    }
}

fn without_credentials(error: &object_store::Error) -> Failure {
    no_credentials(format!("there are no credentials: {}", innermost(error).0))
}

fn no_credentials(words: String) -> Failure {
    Failure::new(ErrorKind::Denied, words).advice(
        "set them in the environment or a profile; what everyone may read needs none with \
         AWS_SKIP_SIGNATURE=true (or GOOGLE_…, AZURE_…)",
    )
}

/// The words of the deepest cause, and the kind of the HTTP error on the way.
pub(crate) fn innermost(error: &object_store::Error) -> (String, Option<HttpErrorKind>) {
    let mut kind = None;
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            kind = Some(http.kind());
        }
        words = error.to_string();
        source = error.source();
    }
    let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
    (words, kind)
}

/// The object is not the one that was opened.
pub(crate) fn changed() -> Failure {
    Failure::new(ErrorKind::Changed, "it has changed since it was opened")
}
