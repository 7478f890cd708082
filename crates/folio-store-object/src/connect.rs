//! From a URL and options to a client: which provider, which key, whose credentials.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use folio_store::ErrorKind;
use http::header::AUTHORIZATION;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as S3Key, AwsCredential};
use object_store::azure::{AzureConfigKey as AzureKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as GoogleKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, HeaderMap, HeaderValue, RetryConfig,
    StaticCredentialProvider,
};
use url::Url;

use crate::failure::{Failure, innermost};
use crate::fetch::Remote;
use crate::options::ObjectOptions;
use crate::profile;
use crate::wire::Connector;

/// An object that has not been asked for.
pub(crate) struct Address {
    pub(crate) remote: Remote,
    /// What no other object is called.
    pub(crate) identity: String,
}

/// A URL as it may be shown: without a password and without what signs it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.to_string().replace("%E2%80%A6", "…")
}

/// The same of what is no URL.
pub(crate) fn shown_unparsed(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    match text.rsplit_once('@') {
        Some((user, rest)) => match user.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{rest}"),
            None => rest.to_owned(),
        },
        None => text.to_owned(),
    }
}

pub(crate) fn address(url: &Url, options: &ObjectOptions) -> Result<Address, Failure> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: options.retries as usize,
        retry_timeout: options.deadline,
    };
    let scheme = url.scheme();
    let (client, path, endpoint) = match scheme {
        "s3" | "s3a" => s3(url, options, retry)?,
        "gs" => google(url, options, retry)?,
        "az" | "azure" | "abfs" | "abfss" => azure(url, options, retry)?,
        "http" | "https" => web(url, options, retry)?,
        _ => {
            let reason = format!("stores of kind {scheme} are not known");
            let advice = "give s3://, gs://, az://, http:// or https://";
            return Err(Failure::new(ErrorKind::Invalid, reason).advice(advice));
        }
    };
    let name = shown(url);
    let identity = match &endpoint {
        Some(endpoint) => format!("{name} at {endpoint}"),
        None if scheme.starts_with("http") => whole(url),
        None => name,
    };
    let remote = Remote { client, path, deadline: options.deadline, retries: options.retries };
    Ok(Address { remote, identity })
}

/// All of a URL but who asks.
fn whole(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url.to_string()
}

type Client = Arc<dyn object_store::ObjectStore>;
type Connected = (Client, Path, Option<String>);

/// The limits of a client's connections, by the key that sets each.
fn limits(options: &ObjectOptions) -> [(ClientConfigKey, String); 3] {
    let text = |duration: Duration| format!("{}us", duration.as_micros());
    // A server that does not take a connection gets another chance.
    let connect = options.deadline / (options.retries.min(2) + 1);
    [
        (ClientConfigKey::ConnectTimeout, text(connect.max(Duration::from_millis(1)))),
        // Deadlines are kept elsewhere, by the bytes that arrive.
        (ClientConfigKey::Timeout, "1day".to_owned()),
        (ClientConfigKey::PoolIdleTimeout, "30s".to_owned()),
    ]
}

fn allow_http(endpoint: Option<&str>) -> bool {
    endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn s3(url: &Url, options: &ObjectOptions, retry: RetryConfig) -> Result<Connected, Failure> {
    let path = key(url)?;
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_retry(retry)
        .with_http_connector(Connector);
    for (key, value) in limits(options) {
        builder = builder.with_config(S3Key::Client(key), value);
    }
    if options.anonymous {
        builder = builder.with_skip_signature(true);
    }
    let has = |builder: &AmazonS3Builder, key| builder.get_config_value(&key).is_some();
    let elsewhere = has(&builder, S3Key::WebIdentityTokenFile)
        || has(&builder, S3Key::ContainerCredentialsRelativeUri)
        || has(&builder, S3Key::ContainerCredentialsFullUri);
    let given = options.key.is_some()
        || options.anonymous
        || elsewhere
        || has(&builder, S3Key::AccessKeyId);
    let variable = |name: &str| std::env::var(name).ok();
    let profile = match options.profile.as_deref() {
        name if name.is_some() || !given => profile::load(name, variable)?,
        // For the region and the endpoint; credentials there are.
        _ => profile::load(None, variable).unwrap_or_default(),
    };
    let of_profile = || profile.access_key.clone().zip(profile.secret_key.clone());
    let credentials = match &options.key {
        Some(key) => Some((key.clone(), options.session_token.clone())),
        None if options.profile.is_some() || !given => {
            of_profile().map(|key| (key, profile.session_token.clone()))
        }
        None => None,
    };
    if let Some(((key_id, secret_key), token)) = credentials {
        let credential = AwsCredential { key_id, secret_key, token };
        builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
    }
    let region = options.region.clone();
    let unset = |key| !has(&builder, key);
    let from_profile = profile.region.filter(|_| {
        options.profile.is_some() || (unset(S3Key::Region) && unset(S3Key::DefaultRegion))
    });
    let profile_endpoint = profile.endpoint.filter(|_| {
        options.profile.is_some() || (unset(S3Key::Endpoint) && unset(S3Key::S3Endpoint))
    });
    if let Some(region) = region.or(from_profile) {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = options.endpoint.clone().or(profile_endpoint) {
        // The one for S3 alone goes before the other.
        builder = builder.with_config(S3Key::S3Endpoint, endpoint);
    }
    let endpoint = builder
        .get_config_value(&S3Key::S3Endpoint)
        .or_else(|| builder.get_config_value(&S3Key::Endpoint));
    if allow_http(endpoint.as_deref()) {
        builder = builder.with_config(S3Key::Client(ClientConfigKey::AllowHttp), "true");
    }
    let client = builder.build().map_err(|error| unusable(&error))?;
    Ok((Arc::new(client), path, endpoint))
}

fn google(url: &Url, options: &ObjectOptions, retry: RetryConfig) -> Result<Connected, Failure> {
    let path = key(url)?;
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(retry)
        .with_http_connector(Connector);
    for (key, value) in limits(options) {
        builder = builder.with_config(GoogleKey::Client(key), value);
    }
    if options.anonymous {
        builder = builder.with_skip_signature(true);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    let endpoint = builder.get_config_value(&GoogleKey::BaseUrl);
    if allow_http(endpoint.as_deref()) {
        builder = builder.with_config(GoogleKey::Client(ClientConfigKey::AllowHttp), "true");
    }
    let client = builder.build().map_err(|error| unusable(&error))?;
    Ok((Arc::new(client), path, endpoint))
}

fn azure(url: &Url, options: &ObjectOptions, retry: RetryConfig) -> Result<Connected, Failure> {
    let path = key(url)?;
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_url(url.as_str())
        .with_retry(retry)
        .with_http_connector(Connector);
    for (key, value) in limits(options) {
        builder = builder.with_config(AzureKey::Client(key), value);
    }
    if let Some((account, secret)) = &options.key {
        builder = builder.with_account(account).with_access_key(secret);
    }
    if options.anonymous {
        builder = builder.with_skip_signature(true);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let account = builder.get_config_value(&AzureKey::AccountName);
    let endpoint = builder.get_config_value(&AzureKey::Endpoint);
    if allow_http(endpoint.as_deref()) {
        builder = builder.with_allow_http(true);
    }
    let client = builder.build().map_err(|error| match account {
        Some(_) => unusable(&error),
        None => unusable(&error).advice("set AZURE_STORAGE_ACCOUNT_NAME to the storage account"),
    })?;
    Ok((Arc::new(client), path, endpoint.or(account)))
}

fn web(url: &Url, options: &ObjectOptions, retry: RetryConfig) -> Result<Connected, Failure> {
    if options.endpoint.is_some() {
        let reason = "an http URL names its server itself";
        return Err(Failure::new(ErrorKind::Invalid, reason).advice("leave the endpoint out"));
    }
    let mut client = ClientOptions::new().with_allow_http(url.scheme() == "http");
    for (key, value) in limits(options) {
        client = client.with_config(key, value);
    }
    if let Some(authorization) = authorization(url)? {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization);
        client = client.with_default_headers(headers);
    }
    // The whole URL is the store's, so that its path and query stay as they were written.
    let client = HttpBuilder::new()
        .with_url(whole(url))
        .with_retry(retry)
        .with_client_options(client)
        .with_http_connector(Connector)
        .build()
        .map_err(|error| unusable(&error))?;
    Ok((Arc::new(client), Path::default(), None))
}

/// The user and password of an http URL, as a header.
fn authorization(url: &Url) -> Result<Option<HeaderValue>, Failure> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let mut both = plain(url.username());
    both.push(b':');
    both.extend(plain(url.password().unwrap_or_default()));
    let value = format!("Basic {}", BASE64_STANDARD.encode(both));
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| Failure::new(ErrorKind::Invalid, "its user cannot be sent"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The key in a bucket.
fn key(url: &Url) -> Result<Path, Failure> {
    let invalid = |reason: String| Failure::new(ErrorKind::Invalid, reason);
    if url.query().is_some() || url.fragment().is_some() {
        let advice = "write %3F for a question mark and %23 for a number sign in its key";
        return Err(invalid("it has a query or a fragment".to_owned()).advice(advice));
    }
    let path = Path::from_url_path(url.path()).map_err(|error| invalid(error.to_string()))?;
    if url.host_str().is_none_or(str::is_empty) || path.as_ref().is_empty() {
        return Err(invalid("it names no object".to_owned()).advice("give a bucket and a key"));
    }
    Ok(path)
}

/// What the client's builder says, without its type.
fn unusable(error: &object_store::Error) -> Failure {
    Failure::new(ErrorKind::Invalid, innermost(error).0)
}
