//! `folio map` of objects on real servers on loopback: nginx and Ceph's S3 gateway, which
//! `servers/nginx` and `servers/ceph` start. Without them these tests say what to start, and pass.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Files, Ran, folio, hex, noise, number, run, text};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStore, PutOptions};
use serde_json::Value;

const LENGTH: usize = 32 << 20;

fn variable(name: &str, server: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        let start = format!("eval \"$(servers/{server} start DIR)\"");
        common::skip(format!("{name} is not set: {start}"));
    }
    value
}

/// A bucket on the S3 server.
struct Bucket {
    endpoint: String,
    name: String,
    key: String,
    secret: String,
}

impl Bucket {
    fn named_by(name: &str) -> Option<Self> {
        Some(Self {
            endpoint: variable("FOLIO_TEST_S3_ENDPOINT", "ceph")?,
            name: variable(name, "ceph")?,
            key: variable("FOLIO_TEST_S3_ACCESS_KEY", "ceph")?,
            secret: variable("FOLIO_TEST_S3_SECRET_KEY", "ceph")?,
        })
    }

    fn client(&self) -> AmazonS3 {
        let builder = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_bucket_name(&self.name)
            .with_access_key_id(&self.key)
            .with_secret_access_key(&self.secret);
        builder.build().unwrap()
    }

    /// Puts an object there; returns its URL.
    fn put(&self, key: &str, content: &[u8]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, to) = (self.client(), key.into());
        let put = client.put_opts(&to, content.to_vec().into(), PutOptions::default());
        runtime.block_on(put).unwrap();
        self.url(key)
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// The command, told of the server as other programs are, and of no account of the user's.
    fn folio(&self, arguments: &[&str]) -> Command {
        let mut command = folio(arguments);
        for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"] {
            command.env_remove(name);
        }
        for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(name, "/dev/null");
        }
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret);
        command
    }
}

fn touching(url: &str) -> [&str; 8] {
    ["map", url, "--memory", "8M", "--touch", "random:100", "--output", "json"]
}

#[track_caller]
fn check(report: &Value, content: &[u8], guarantee: &str) {
    assert_eq!(report["bytes"], hex(&content[..64]));
    assert_eq!(number(report, "length_bytes"), content.len() as u64);
    assert_eq!((&report["backing"], &report["packing"]), (&"object".into(), &Value::Null));
    assert_eq!((&report["guarantee"], &report["fault"]), (&guarantee.into(), &Value::Null));
    assert_eq!(report["is_fixed_version"], true);
    assert_eq!(number(report, "memory_bytes"), 8 << 20);
    assert!(number(report, "memory_used_bytes") <= 8 << 20);
    assert!(number(report, "resident_bytes") <= 8 << 20);
    assert_eq!((number(report, "touched_pages"), number(report, "failed_granules")), (100, 0));
    // A hundred pages at random are in nearly as many granules of 1 MiB as there are.
    assert!(number(report, "read_bytes") > content.len() as u64 / 2, "{report:#}");
    assert!(number(report, "evicted_granules") > 0, "{report:#}");
}

#[test]
fn an_object_of_nginx_is_mapped_in_a_quarter_of_its_memory() {
    let Some(server) = variable("FOLIO_TEST_HTTP", "nginx") else { return };
    let Some(files) = variable("FOLIO_TEST_HTTP_FILES", "nginx") else { return };
    let content = noise(LENGTH);
    let name = format!("folio-map-{}", std::process::id());
    let path = Path::new(&files).join(&name);
    std::fs::write(&path, &content).unwrap();
    let url = format!("{server}/{name}");
    let report = run(&touching(&url)).json();
    let raw = run(&["map", &url, "--memory", "8M", "--output", "raw"]);
    std::fs::remove_file(&path).unwrap();
    check(&report, &content, "if-match");
    assert!(raw.stdout == content, "{}", raw.stderr);
    assert!(run(&["map", &url]).line().contains("404 Not Found"));
}

#[test]
fn an_object_of_s3_is_mapped_in_a_quarter_of_its_memory() {
    let buckets = [("FOLIO_TEST_S3_BUCKET", "if-match"), ("FOLIO_TEST_S3_VERSIONS", "version-id")];
    for (name, guarantee) in buckets {
        let Some(bucket) = Bucket::named_by(name) else { return };
        let content = noise(LENGTH);
        let url = bucket.put("folio-map", &content);
        check(&Ran::of(&mut bucket.folio(&touching(&url))).json(), &content, guarantee);
        let arguments = ["map", &url, "--memory", "8M", "--output", "raw"];
        let raw = Ran::of(&mut bucket.folio(&arguments));
        assert!(raw.stdout == content, "{}", raw.stderr);
    }
}

#[test]
fn a_packed_object_of_s3_is_addressed_by_what_it_was() {
    let Some(bucket) = Bucket::named_by("FOLIO_TEST_S3_BUCKET") else { return };
    let files = Files::new();
    let content = noise(LENGTH);
    let out = text(&files.path("packed"));
    assert_eq!(run(&["pack", "-o", &out, &files.file("f", &content)]).code, 0);
    let url = bucket.put("folio-map.zst", &std::fs::read(out).unwrap());
    let arguments =
        ["map", &url, "--offset", "20M", "--bytes", "100", "--memory", "1M", "--output", "json"];
    let report = Ran::of(&mut bucket.folio(&arguments)).json();
    assert_eq!(report["bytes"], hex(&content[20 << 20..][..100]));
    assert_eq!((&report["backing"], &report["packing"]), (&"object".into(), &"zstd".into()));
}

#[test]
fn what_an_s3_server_refuses_is_one_line() {
    let Some(mut bucket) = Bucket::named_by("FOLIO_TEST_S3_BUCKET") else { return };
    let url = bucket.url("nothing-there");
    let ran = Ran::of(&mut bucket.folio(&["map", &url]));
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    assert!(ran.line().contains(&url) && ran.line().contains("404 Not Found"), "{}", ran.line());
    let url = bucket.put("folio-secret", b"there");
    bucket.secret = "wrong".into();
    let ran = Ran::of(&mut bucket.folio(&["map", &url]));
    assert_eq!((ran.code, ran.stdout.len()), (1, 0));
    assert!(ran.line().contains(&url) && ran.line().contains("403 Forbidden"), "{}", ran.line());
}
