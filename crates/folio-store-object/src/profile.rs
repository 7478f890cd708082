//! Credentials from the files that AWS's own tools write: `~/.aws/credentials` and `~/.aws/config`.
//!
//! `object_store` reads the environment and asks the instance; the files are read here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use folio_store::ErrorKind;

use crate::failure::Failure;

/// What a profile says.
#[derive(Clone, Default)]
pub(crate) struct Profile {
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<String>,
    pub(crate) session_token: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
}

/// Settings by which a profile gets its credentials from elsewhere.
const ELSEWHERE: [&str; 4] = ["sso_session", "sso_start_url", "role_arn", "credential_process"];

/// The profile `name`, or the one that the environment names, or the default one; empty where there is
/// no default one.
pub(crate) fn load(
    name: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Profile, Failure> {
    let named = name.map(str::to_owned).or_else(|| environment("AWS_PROFILE"));
    let named = named.or_else(|| environment("AWS_DEFAULT_PROFILE"));
    let home = environment("HOME").map(PathBuf::from).unwrap_or_default();
    let file = |variable: &str, usual: &str| {
        environment(variable).map_or_else(|| home.join(".aws").join(usual), PathBuf::from)
    };
    let name = named.as_deref().unwrap_or("default");
    let section = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let mut settings = read(&file("AWS_CONFIG_FILE", "config"), &section)?;
    let credentials = read(&file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name)?;
    if settings.is_none() && credentials.is_none() {
        return match named {
            Some(name) => Err(Failure::new(
                ErrorKind::Denied,
                format!("there is no profile {name} in ~/.aws/credentials and ~/.aws/config"),
            )),
            None => Ok(Profile::default()),
        };
    }
    let mut settings = settings.take().unwrap_or_default();
    settings.extend(credentials.unwrap_or_default());
    let mut take = |key: &str| settings.remove(key).filter(|value| !value.is_empty());
    let profile = Profile {
        access_key: take("aws_access_key_id"),
        secret_key: take("aws_secret_access_key"),
        session_token: take("aws_session_token"),
        region: take("region"),
        endpoint: take("endpoint_url"),
    };
    if profile.access_key.is_none()
        && let Some(setting) = ELSEWHERE.iter().find(|setting| settings.contains_key(**setting))
    {
        let reason = format!("profile {name} gets its credentials by {setting}, which is not read");
        let advice = format!(
            "run eval \"$(aws configure export-credentials --profile {name} --format env)\""
        );
        return Err(Failure::new(ErrorKind::Denied, reason).advice(advice));
    }
    Ok(profile)
}

/// The settings of one section, if the file has it.
fn read(path: &Path, section: &str) -> Result<Option<HashMap<String, String>>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse(&text, section)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let reason = format!("{} cannot be read: {error}", path.display());
            Err(Failure::new(ErrorKind::Denied, reason))
        }
    }
}

fn parse(text: &str, section: &str) -> Option<HashMap<String, String>> {
    let mut found: Option<HashMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines() {
        // An indented line belongs to the setting before it.
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = title.split_whitespace().eq(section.split_whitespace());
            if inside {
                found.get_or_insert_default();
            }
        } else if inside && let Some((key, value)) = line.split_once('=') {
            let settings = found.get_or_insert_default();
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# a comment
[default]
region = eu-central-1
s3 =
  max_concurrent_requests = 20
[profile  lab]
endpoint_url=http://127.0.0.1:7480
aws_access_key_id = from-config
[profile sso]
sso_session = corp
";
    const CREDENTIALS: &str = "\
[default]
AWS_ACCESS_KEY_ID = AKIA1 # mine
aws_secret_access_key = a=b/c
[lab]
aws_access_key_id = AKIA2
aws_secret_access_key = secret2
aws_session_token = token2
";

    fn load_from(name: Option<&str>, profile: Option<&str>) -> Result<Profile, Failure> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(".aws")).unwrap();
        std::fs::write(directory.path().join(".aws/config"), CONFIG).unwrap();
        std::fs::write(directory.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        load(name, |variable| match variable {
            "HOME" => Some(directory.path().to_str().unwrap().to_owned()),
            "AWS_PROFILE" => profile.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn the_default_profile_is_read_from_both_files() {
        let profile = load_from(None, None).unwrap();
        assert_eq!(profile.access_key.as_deref(), Some("AKIA1"));
        assert_eq!(profile.secret_key.as_deref(), Some("a=b/c"));
        assert_eq!(profile.region.as_deref(), Some("eu-central-1"));
        assert_eq!(profile.session_token, None);
    }

    #[test]
    fn the_environment_names_a_profile_and_a_caller_another() {
        let profile = load_from(None, Some("lab")).unwrap();
        assert_eq!(profile.access_key.as_deref(), Some("AKIA2"));
        assert_eq!(profile.session_token.as_deref(), Some("token2"));
        assert_eq!(profile.endpoint.as_deref(), Some("http://127.0.0.1:7480"));
        let profile = load_from(Some("default"), Some("lab")).unwrap();
        assert_eq!(profile.access_key.as_deref(), Some("AKIA1"));
    }

    #[test]
    fn a_profile_that_is_named_and_missing_is_an_error() {
        let failure = load_from(Some("nobody"), None).err().unwrap();
        assert_eq!(failure.kind, ErrorKind::Denied);
        assert!(failure.reason.contains("no profile nobody"), "{}", failure.reason);
    }

    #[test]
    fn a_profile_that_signs_in_elsewhere_is_an_error_with_a_way_out() {
        let failure = load_from(Some("sso"), None).err().unwrap();
        assert!(failure.reason.contains("sso_session"), "{}", failure.reason);
        assert!(failure.advice.unwrap().contains("export-credentials --profile sso"));
    }

    #[test]
    fn without_files_the_default_profile_is_empty() {
        let profile = load(None, |_| None).unwrap();
        assert!(profile.access_key.is_none() && profile.region.is_none());
    }
}
