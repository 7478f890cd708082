//! Credentials come from where each provider's own tools take them. Each case runs in a process of its
//! own, since the environment is the process's.

mod fake;

use std::process::Command;

use fake::{Fake, Object, Reply};
use folio_store::Store;
use folio_store_object::ObjectStore;

/// What the processes started by the others do: open the URL that they are given.
#[test]
fn child() {
    let Ok(url) = std::env::var("FOLIO_TEST_CHILD") else { return };
    let mut options = ObjectStore::options();
    if let Ok(profile) = std::env::var("FOLIO_TEST_CHILD_PROFILE") {
        options = options.profile(profile);
    }
    match options.open(&url) {
        Ok(store) => assert_eq!(store.len().unwrap(), 5),
        Err(error) => {
            eprintln!("{error:?}");
            std::process::exit(3);
        }
    }
}

/// Opens `url` in a process with nothing but `environment`. Returns what it says when that fails.
fn open(url: &str, environment: &[(&str, &str)]) -> Result<(), String> {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--nocapture"]).env_clear().env("FOLIO_TEST_CHILD", url);
    let output = child.envs(environment.iter().copied()).output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A server with an object, and the header that a process with `environment` sends to it.
fn authorization(environment: &[(&str, &str)]) -> fake::Request {
    let fake = Fake::new();
    fake.put("/bucket/key", Object::new(b"hello", "v1"));
    let endpoint = fake.url("");
    let mut environment = environment.to_vec();
    environment.push(("AWS_ENDPOINT_URL", &endpoint));
    open("s3://bucket/key", &environment).unwrap();
    fake.requests().remove(0)
}

fn home(config: &str, credentials: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
    home
}

const FILES: [&str; 2] = [
    "[default]\nregion = eu-west-3\n[profile lab]\nregion = ap-south-1\n",
    "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\naws_session_token = filetoken\n\
     [lab]\naws_access_key_id = LAB\naws_secret_access_key = s\n",
];

const KEY: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "ENVIRONMENT"),
    ("AWS_SECRET_ACCESS_KEY", "s"),
    ("AWS_SESSION_TOKEN", "environmenttoken"),
];

#[track_caller]
fn check(request: &fake::Request, key: &str, region: &str, token: Option<&str>) {
    let authorization = request.header("authorization").unwrap();
    assert!(authorization.contains(&format!("Credential={key}/")), "{authorization}");
    assert!(authorization.contains(&format!("/{region}/s3/")), "{authorization}");
    assert_eq!(request.header("x-amz-security-token"), token);
}

#[test]
fn the_environment_goes_before_the_default_profile() {
    let home = home(FILES[0], FILES[1]);
    let home = ("HOME", home.path().to_str().unwrap());
    let mut environment = KEY.to_vec();
    environment.push(home);
    check(&authorization(&environment), "ENVIRONMENT", "eu-west-3", Some("environmenttoken"));
    environment.push(("AWS_REGION", "us-west-2"));
    check(&authorization(&environment), "ENVIRONMENT", "us-west-2", Some("environmenttoken"));
}

#[test]
fn a_profile_is_read_where_the_environment_has_no_key() {
    let home = home(FILES[0], FILES[1]);
    let home = ("HOME", home.path().to_str().unwrap());
    check(&authorization(&[home]), "FILE", "eu-west-3", Some("filetoken"));
    check(&authorization(&[home, ("AWS_PROFILE", "lab")]), "LAB", "ap-south-1", None);
}

#[test]
fn a_profile_that_the_program_names_goes_before_the_environment() {
    let home = home(FILES[0], FILES[1]);
    let mut environment = KEY.to_vec();
    environment.push(("HOME", home.path().to_str().unwrap()));
    environment.push(("AWS_REGION", "us-west-2"));
    environment.push(("FOLIO_TEST_CHILD_PROFILE", "lab"));
    check(&authorization(&environment), "LAB", "ap-south-1", None);
}

#[test]
fn the_instance_hands_out_credentials() {
    let instance = Fake::new();
    instance.lie(|request, _| {
        let mut reply = Reply::status(200);
        reply.body = match (request.method.as_str(), request.path.as_str()) {
            ("PUT", "/latest/api/token") => b"passport".to_vec(),
            ("GET", "/latest/meta-data/iam/security-credentials/") => b"role".to_vec(),
            ("GET", "/latest/meta-data/iam/security-credentials/role") => {
                br#"{"AccessKeyId": "INSTANCE", "SecretAccessKey": "s", "Token": "itoken",
                    "Expiration": "2099-01-01T00:00:00Z"}"#
                    .to_vec()
            }
            _ => return Reply::status(404),
        };
        reply
    });
    let metadata = instance.url("");
    let request = authorization(&[("AWS_METADATA_ENDPOINT", &metadata)]);
    check(&request, "INSTANCE", "us-east-1", Some("itoken"));
}

#[test]
fn without_credentials_the_error_says_where_to_put_them() {
    let fake = Fake::new();
    let endpoint = fake.url("");
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        // Nobody listens there.
        ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"),
    ];
    let error = open("s3://bucket/key", &environment).unwrap_err();
    assert!(error.contains("Denied") && error.contains("set them in the environment"), "{error}");
    assert!(fake.requests().is_empty());
}

#[test]
fn without_credentials_the_error_says_how_to_do_without() {
    let fake = Fake::new();
    fake.put("/bucket/key", Object::new(b"hello", "v1"));
    let endpoint = fake.url("");
    let mut environment =
        vec![("AWS_ENDPOINT_URL", &*endpoint), ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")];
    let error = open("s3://bucket/key", &environment).unwrap_err();
    let way_out = ("AWS_SKIP_SIGNATURE", "true");
    assert!(error.contains(&format!("{}={}", way_out.0, way_out.1)), "{error}");
    environment.push(way_out);
    open("s3://bucket/key", &environment).unwrap();
    assert_eq!(fake.requests()[0].header("authorization"), None);
}

#[test]
fn azure_without_an_account_says_which_variable_names_it() {
    let error = open("az://bucket/key", &[]).unwrap_err();
    assert!(error.contains("set AZURE_STORAGE_ACCOUNT_NAME"), "{error}");
    assert!(!error.contains("Generic"), "{error}");
}

#[test]
fn google_and_azure_read_their_environment() {
    let fake = Fake::new();
    fake.put("/bucket/key", Object { version: None, ..Object::new(b"hello", "v1") });
    fake.put("/account/bucket/key", Object::new(b"hello", "v1"));
    let endpoint = fake.url("");
    let environment = [("GOOGLE_BASE_URL", endpoint.as_str()), ("GOOGLE_BEARER_TOKEN", "gtoken")];
    open("gs://bucket/key", &environment).unwrap();
    assert_eq!(fake.requests()[0].header("authorization"), Some("Bearer gtoken"));
    let endpoint = fake.url("/account");
    let environment = [
        ("AZURE_STORAGE_ENDPOINT", endpoint.as_str()),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA=="),
    ];
    open("az://bucket/key", &environment).unwrap();
    let authorization = fake.requests()[0].header("authorization").unwrap().to_owned();
    assert!(authorization.starts_with("SharedKey account:"), "{authorization}");
}
