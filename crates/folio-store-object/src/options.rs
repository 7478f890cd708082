//! How an object is opened: where, as whom, and how long a read waits.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use folio_store_object::ObjectStore;
//!
//! let genome = ObjectStore::options()
//!     .endpoint("http://127.0.0.1:7480")
//!     .profile("lab")
//!     .deadline(Duration::from_secs(2))
//!     .open("s3://genomes/chr21.fa")?;
//! # Ok::<(), folio_store::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use folio_store::Result;

use crate::store::ObjectStore;

/// How an object is opened.
///
/// Credentials are, in this order: those given here; the environment's, in the names that the
/// provider's own tools use (`AWS_ACCESS_KEY_ID` …, `GOOGLE_APPLICATION_CREDENTIALS` …,
/// `AZURE_STORAGE_ACCOUNT_NAME` …); for S3 a profile of `~/.aws/credentials` and `~/.aws/config`; and
/// what the instance or container that the program runs on hands out.
#[derive(Clone)]
pub struct ObjectOptions {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) key: Option<(String, String)>,
    pub(crate) session_token: Option<String>,
    pub(crate) anonymous: bool,
    pub(crate) deadline: Duration,
    pub(crate) retries: u32,
    pub(crate) gap_bytes: u64,
    pub(crate) largest_bytes: u64,
    pub(crate) concurrency: u16,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            profile: None,
            key: None,
            session_token: None,
            anonymous: false,
            deadline: Duration::from_secs(5),
            retries: 3,
            gap_bytes: 64 << 10,
            largest_bytes: 8 << 20,
            concurrency: 16,
        }
    }
}

impl ObjectOptions {
    /// The defaults that the methods name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The server to ask, as a URL, instead of the provider's own. For `s3://`, `gs://` and `az://`;
    /// without it the environment (`AWS_ENDPOINT_URL`, …) and the profile may name one.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The region of an S3 bucket. Without it the environment's or the profile's, else `us-east-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The S3 profile to use, before what the environment says. Without it `AWS_PROFILE` or `default`.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// An S3 access key and its secret, or an Azure account and its key.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.key = Some((name.into(), secret.into()));
        self
    }

    /// The session token that belongs to a temporary [`key`](Self::key) of S3.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }

    /// Whether to ask without credentials, for what everyone may read. Not by default.
    #[must_use]
    pub fn anonymous(mut self, yes: bool) -> Self {
        self.anonymous = yes;
        self
    }

    /// How long a read waits without a byte arriving, retries included; 5 s by default. A page fault
    /// waits as long. A server that sends less than 64 KiB a second in the end misses it too. At
    /// least 1 ms, at most a day.
    ///
    /// After a third of it, what is still asked for is asked for again on another connection, unless
    /// there are to be no [`retries`](Self::retries).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline.clamp(Duration::from_millis(1), Duration::from_secs(86_400));
        self
    }

    /// How often a request is repeated, within the deadline, after the server was not reached, broke
    /// off or answered that it cannot now (status 5xx or 429); 3 by default.
    #[must_use]
    pub fn retries(mut self, count: u32) -> Self {
        self.retries = count;
        self
    }

    /// The most bytes between two reads of [`read_many`](folio_store::Store::read_many) that are
    /// fetched for nothing to save a request; 64 KiB by default.
    #[must_use]
    pub fn gap_bytes(mut self, bytes: u64) -> Self {
        self.gap_bytes = bytes;
        self
    }

    /// The most bytes of one request, at least 1; 8 MiB by default. As many are held in memory for
    /// each request in flight.
    #[must_use]
    pub fn largest_bytes(mut self, bytes: u64) -> Self {
        self.largest_bytes = bytes.max(1);
        self
    }

    /// Requests of one [`read_many`](folio_store::Store::read_many) at a time, at least 1; 16 by
    /// default.
    #[must_use]
    pub fn concurrency(mut self, requests: u16) -> Self {
        self.concurrency = requests.max(1);
        self
    }

    /// Opens an object: `s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/BLOB`, `http://…` or
    /// `https://…`. Costs three small requests, two of them at the same time.
    ///
    /// # Errors
    /// [`Invalid`](folio_store::ErrorKind::Invalid) for a URL that names no object;
    /// [`NotFound`](folio_store::ErrorKind::NotFound), [`Denied`](folio_store::ErrorKind::Denied),
    /// [`Unavailable`](folio_store::ErrorKind::Unavailable) and
    /// [`Timeout`](folio_store::ErrorKind::Timeout) as the server answers or does not;
    /// [`Unsupported`](folio_store::ErrorKind::Unsupported) for a server that knows no ranges.
    pub fn open(&self, url: &str) -> Result<ObjectStore> {
        ObjectStore::open_with(url, self)
    }
}

impl fmt::Debug for ObjectOptions {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectOptions")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("profile", &self.profile)
            .field("key", &self.key.as_ref().map(|(name, _)| name))
            .field("anonymous", &self.anonymous)
            .field("deadline", &self.deadline)
            .field("retries", &self.retries)
            .field("gap_bytes", &self.gap_bytes)
            .field("largest_bytes", &self.largest_bytes)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
