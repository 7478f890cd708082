//! What the server really answered, underneath `object_store`, whose errors do not say.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderName, HeaderValue, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use crate::runtime::lock;

/// What has been seen of one read's requests; it travels in the extensions of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Arc<Mutex<Seen>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Whether a request was sent at all. Before, there are only those for credentials.
    pub(crate) asked: bool,
    /// The last answer, unless the last request had none.
    pub(crate) answer: Option<Answer>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) length: Option<u64>,
    /// `Content-Range`: first byte, last byte, length of the object.
    pub(crate) range: Option<(u64, u64, u64)>,
    /// Where S3 says that the bucket is.
    pub(crate) region: Option<String>,
}

impl Trace {
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.0).clone()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Wire { inner }))
    }
}

#[derive(Debug)]
struct Wire {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(trace) = request.extensions().get::<Trace>().cloned() else {
            return self.inner.execute(request).await;
        };
        *lock(&trace.0) = Seen { asked: true, answer: None };
        let mut response = self.inner.execute(request).await?;
        let answer = Answer::of(&response);
        if let (None, Some((first, last, _))) = (answer.length, answer.range)
            && response.status() == StatusCode::PARTIAL_CONTENT
            && let Some(length) = last.checked_sub(first)
        {
            // A body in chunks. `object_store` wants to be told, and the range tells.
            let length = HeaderValue::from(length.saturating_add(1));
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        if answer.range.is_none_or(|(_, last, _)| last == u64::MAX) {
            // `object_store` adds one to it.
            response.headers_mut().remove(CONTENT_RANGE);
        }
        lock(&trace.0).answer = Some(answer);
        Ok(response)
    }
}

impl Answer {
    fn of(response: &HttpResponse) -> Self {
        let text = |name: HeaderName| response.headers().get(name)?.to_str().ok();
        let region = HeaderName::from_static("x-amz-bucket-region");
        Self {
            status: response.status(),
            length: text(CONTENT_LENGTH).and_then(|length| length.trim().parse().ok()),
            range: text(CONTENT_RANGE).and_then(content_range),
            region: text(region).map(Into::into),
        }
    }
}

fn content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (range, length) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, length.parse().ok()?))
}
