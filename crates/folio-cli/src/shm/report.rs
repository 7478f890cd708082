//! What is known of a segment from outside, and its form as JSON.
//!
//! `docs/command.md` documents every key.

use std::time::UNIX_EPOCH;

use folio_shm::{Found, Kind, Life, Usage};
use serde::Serialize;

use crate::shm::users::Users;

/// A segment, as it was when it was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentReport {
    /// Its name in /dev/shm.
    pub name: String,
    /// `segment`, `queue`, `broadcast` or `journal`.
    pub kind: &'static str,
    /// `used`, `idle`, `left-over` or `unfinished`.
    pub state: &'static str,
    /// Bytes of payload when it was made.
    pub payload_bytes: u64,
    /// Bytes of its file.
    pub file_bytes: u64,
    /// Who may reach it, in octal.
    pub mode: String,
    /// The user it belongs to.
    pub user: u32,
    /// Its layout hash, in hexadecimal.
    pub layout: Option<String>,
    /// The process that made it.
    pub creator: Option<u32>,
    /// `alive`, `dead` or `unknown`.
    pub creator_state: Option<&'static str>,
    /// When it was made, in seconds since 1970.
    pub created_seconds: Option<u64>,
    /// The processes that have it open.
    pub users: Vec<u32>,
}

impl SegmentReport {
    /// Of what was found.
    pub fn of(found: &Found, users: &Users) -> Self {
        let creator = found.creator();
        let life = |life| match life {
            Life::Alive => "alive",
            Life::Dead => "dead",
            Life::Unknown => "unknown",
        };
        let since_1970 = found.created().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            name: found.name(),
            kind: match found.kind() {
                Kind::Queue => "queue",
                Kind::Broadcast => "broadcast",
                _ => "segment",
            },
            state: match found.usage() {
                Usage::Used => "used",
                Usage::LeftOver => "left-over",
                Usage::Unfinished => "unfinished",
                _ => "idle",
            },
            payload_bytes: found.len(),
            file_bytes: found.file_len(),
            mode: format!("{:04o}", found.mode()),
            user: found.user(),
            layout: found.layout().map(|hash| format!("{hash:#x}")),
            creator: creator.map(|owner| owner.pid()),
            creator_state: creator.map(|owner| life(owner.life())),
            created_seconds: since_1970.map(|time| time.as_secs()),
            users: users.of(found.path()),
        }
    }

    /// The process that made it, for people.
    pub fn creator_text(&self) -> String {
        match (self.creator, self.creator_state) {
            (Some(pid), Some("alive")) => pid.to_string(),
            (Some(pid), Some(state)) => format!("{pid} ({state})"),
            _ => "unknown".into(),
        }
    }
}

/// The name of a user, or the number where it has none (passwd(5)).
pub fn user_name(user: u32) -> String {
    let names = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    };
    names.lines().find_map(of_line).unwrap_or_else(|| user.to_string())
}
