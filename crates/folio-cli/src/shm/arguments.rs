//! The arguments of `folio shm`, a part of [`arguments`](crate::arguments).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use crate::arguments::parse_length;
use crate::shm::journal::From;

/// What stands below the commands in its help.
pub(crate) const SHM_NOTES: &str = "\
Examples:
  folio shm create jobs --queue --receivers 4   a queue
  seq 10 | folio shm send jobs                  a message for each line
  folio shm recv jobs                           the messages, a line each
  folio shm create state --size 1M              a segment of bytes
  folio shm write state < state.bin             into it
  folio shm cat state | cmp - state.bin         and out again
  folio shm create ./log --journal --keep 1G    messages that stay, in files
  folio shm tail ./log --follow                 each that is appended from now on
  folio shm ls                                  what there is, and who has it
  folio shm watch jobs                          what moves through it, each second
  folio shm gc                                  away with what dead processes left

Exit status:
  0  done
  1  something failed; one line on standard error says what
  2  the arguments make no sense
  3  what was watched is gone";

/// `folio shm`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Shm {
    /// What is to be done.
    #[command(subcommand)]
    pub command: ShmCommand,
}

/// What `folio shm` does.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ShmCommand {
    /// List segments and channels
    ///
    /// Those of folio's that this user may read; other files in /dev/shm are left out.
    Ls(Ls),

    /// Show what is known of one: its header, its users, a channel's counters
    Stat(Stat),

    /// Make a segment, a queue, a broadcast or a journal
    ///
    /// It stays until it is removed, whoever uses it.
    Create(Box<Create>),

    /// Write a segment's payload, or a journal's messages, to standard output
    Cat(Cat),

    /// Write standard input to a segment's payload
    ///
    /// The rest of the payload stays as it is. A segment that can grow grows.
    Write(Write),

    /// Send messages into a queue, a broadcast or a journal
    ///
    /// Each MESSAGE, or else each line of standard input, is one. Waits for room. What is in a journal is on
    /// the disk whenever more input is waited for, and at the end.
    Send(Send),

    /// Receive messages from a queue, and write each on a line
    ///
    /// Until the sender has left and there are no more: at once, if the last sender left earlier and nothing is
    /// there; --follow waits for another. Each goes to one receiver.
    Recv(Receive),

    /// Write messages on lines: of a broadcast those from now on, of a journal those that are there
    ///
    /// Until the publisher has left, which may have been before, or the journal ends; --follow goes on, in a
    /// journal with the next that is appended. Messages that were lost because others were faster are counted on
    /// standard error.
    Tail(Tail),

    /// Show counters as they change: rates of messages and bytes, how full, who sleeps, who died
    ///
    /// Redrawn in place on a terminal, a line for each interval elsewhere. Until it is interrupted (Ctrl-C), or
    /// what it watches is gone, which is exit status 3.
    Watch(Watch),

    /// Remove the names of segments
    ///
    /// Who has one open keeps it; nobody else finds it any more.
    Rm(Rm),

    /// Remove what dead processes left
    ///
    /// A segment is left over if nobody has it open, the process that made it is dead, and it was not
    /// made to be kept.
    Gc(Gc),
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ShmOutput {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}

/// `folio shm ls`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Ls {
    /// Journals, or directories that have journals in them, instead of /dev/shm
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub paths: Vec<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: ShmOutput,
}

/// `folio shm stat`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Stat {
    /// Its name in /dev/shm, or the path of a journal, with a slash in it
    pub name: String,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: ShmOutput,
}

/// `folio shm create`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["size", "queue", "broadcast", "journal"]))]
pub struct Create {
    /// A name, without slashes; for a journal the path of a directory, with a slash in it
    pub name: String,

    /// Who may reach it, in octal
    #[arg(long, default_value = "0600", value_parser = parse_mode)]
    pub mode: u32,

    /// What it holds, as a number that all who use it agree on [default: 0]
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    pub layout: Option<u64>,

    /// Bytes of payload
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length)]
    #[arg(help_heading = "A segment")]
    pub size: Option<usize>,

    /// Bytes to which the payload can grow
    #[arg(long, value_name = "SIZE", value_parser = parse_length, help_heading = "A segment")]
    #[arg(requires = "size")]
    pub grow: Option<usize>,

    /// Make a queue: one receiver gets each message
    #[arg(short, long, help_heading = "A channel", conflicts_with_all = ["size", "broadcast"])]
    pub queue: bool,

    /// Make a broadcast: each subscriber gets each message
    #[arg(short, long, help_heading = "A channel", conflicts_with = "size")]
    pub broadcast: bool,

    /// Bytes of the longest message [default: 64K]
    #[arg(long, value_name = "SIZE", value_parser = parse_length, help_heading = "A channel")]
    #[arg(conflicts_with = "size")]
    pub longest: Option<usize>,

    /// Bytes for messages that have not been received, for each sender [default: 4M, or room
    /// for eight of the longest]
    #[arg(long, value_name = "SIZE", value_parser = parse_length, help_heading = "A channel")]
    #[arg(conflicts_with = "size")]
    pub bytes: Option<usize>,

    /// Senders of a queue at a time [default: 1]
    #[arg(long, value_name = "N", help_heading = "A channel", conflicts_with_all = ["size", "broadcast"])]
    #[arg(value_parser = parse_places)]
    pub senders: Option<usize>,

    /// Receivers of a queue at a time [default: 1]
    #[arg(long, value_name = "N", help_heading = "A channel", conflicts_with_all = ["size", "broadcast"])]
    #[arg(value_parser = parse_places)]
    pub receivers: Option<usize>,

    /// Subscribers of a broadcast at a time [default: 16]
    #[arg(long, value_name = "N", help_heading = "A channel", conflicts_with_all = ["size", "queue"])]
    #[arg(value_parser = parse_places)]
    pub subscribers: Option<usize>,

    /// Have senders of a queue drop the oldest message where there is no room, and never wait
    #[arg(long, help_heading = "A channel", conflicts_with_all = ["size", "broadcast"])]
    pub drop_oldest: bool,

    /// Have the publisher of a broadcast wait for the slowest subscriber
    #[arg(long, help_heading = "A channel", conflicts_with_all = ["size", "queue"])]
    pub hold_back: bool,

    /// Make a journal: messages that stay, in files
    #[arg(short, long, help_heading = "A journal")]
    #[arg(conflicts_with_all = ["size", "queue", "broadcast", "longest", "bytes", "drop_oldest"])]
    pub journal: bool,

    /// Bytes of each file [default: 64M]
    #[arg(long, value_name = "SIZE", value_parser = parse_length, help_heading = "A journal")]
    #[arg(requires = "journal", conflicts_with_all = ["size", "queue", "broadcast"])]
    pub file_size: Option<usize>,

    /// Remove the oldest files when all together have more bytes [default: keep all]
    #[arg(long, value_name = "SIZE", value_parser = parse_length, help_heading = "A journal")]
    #[arg(requires = "journal", conflicts_with_all = ["size", "queue", "broadcast"])]
    pub keep: Option<usize>,

    /// Remove files whose last message is older, such as 12h or 7d [default: keep all]
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "A journal")]
    #[arg(requires = "journal", conflicts_with_all = ["size", "queue", "broadcast"])]
    pub keep_for: Option<Duration>,
}

/// `folio shm cat`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Cat {
    /// Its name in /dev/shm, or the path of a journal, with a slash in it
    pub name: String,

    /// First byte to write, in the payload
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length, default_value = "0")]
    pub offset: usize,

    /// Bytes to write [default: the rest]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length)]
    pub length: Option<usize>,

    /// First message of a journal: oldest, a number, or -N for the last N [default: oldest]
    #[arg(long, value_name = "START", value_parser = From::parse, allow_hyphen_values = true)]
    pub from: Option<From>,
}

/// `folio shm write`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Write {
    /// Its name in /dev/shm
    pub name: String,

    /// Where the first byte goes, in the payload
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length, default_value = "0")]
    pub offset: usize,

    /// Trust it whoever owns it, and whoever else may reach it
    #[arg(long)]
    pub anybody: bool,
}

/// A channel, and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct OpenChannel {
    /// Its name in /dev/shm, or the path of a journal, with a slash in it
    pub name: String,

    /// How long to wait for room, or for a message, such as 500ms, 2s or 1m [default: for ever]
    #[arg(short, long, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<Duration>,

    /// What its messages are, as the number it was made with, not the one that `stat` shows [default: 0]
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    pub layout: Option<u64>,

    /// Trust it whoever owns it, and whoever else may reach it
    #[arg(long)]
    pub anybody: bool,
}

/// `folio shm send`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Send {
    /// Where to.
    #[command(flatten)]
    pub channel: OpenChannel,

    /// Messages; without any, the lines of standard input
    #[arg(value_name = "MESSAGE")]
    pub messages: Vec<OsString>,

    /// Send standard input as one message
    #[arg(short, long, conflicts_with = "messages")]
    pub whole: bool,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageOutput {
    /// A line for each; what would end or spoil it is escaped
    #[default]
    Text,
    /// A line of JSON for each
    Json,
    /// The bytes, with nothing between them
    #[value(skip)]
    Raw,
}

/// `folio shm tail`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Tail {
    /// As of a queue.
    #[command(flatten)]
    pub receive: Receive,

    /// First message of a journal: oldest, newest (the next), a number, or -N for the last N [default: oldest,
    /// or newest with --follow]
    #[arg(long, value_name = "START", value_parser = From::parse, allow_hyphen_values = true)]
    pub from: Option<From>,
}

/// `folio shm recv`, and what `folio shm tail` shares with it.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Receive {
    /// Where from.
    #[command(flatten)]
    pub channel: OpenChannel,

    /// Stop after so many messages
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<u64>,

    /// Go on when the sender has left or died, and wait for another
    #[arg(short, long)]
    pub follow: bool,

    /// Write the bytes of messages, with nothing between them
    #[arg(short, long, conflicts_with = "output")]
    pub raw: bool,

    /// text: a line for each message; json: a line of JSON
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: MessageOutput,
}

/// `folio shm watch`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Watch {
    /// Its name in /dev/shm, or the path of a journal; without one, all in /dev/shm are watched
    pub name: Option<String>,

    /// Time between two looks, such as 500ms, 2s or 1m
    #[arg(short, long, value_name = "TIME", value_parser = parse_interval, default_value = "1s")]
    pub interval: Duration,

    /// Stop after so many intervals
    #[arg(short = 'n', long, value_name = "N")]
    pub count: Option<u64>,

    /// text for people, json for programs: a line for each segment and interval
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: ShmOutput,
}

/// `folio shm rm`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Rm {
    /// Their names in /dev/shm
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// `folio shm gc`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Gc {
    /// Only list what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: ShmOutput,
}

fn parse_mode(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err("a mode is octal, such as 600 or 0644, up to 777"),
    }
}

/// A layout hash, in decimal, or hexadecimal behind 0x.
pub(crate) fn parse_hash(text: &str) -> Result<u64, &'static str> {
    let hash = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    hash.map_err(|_| "a layout hash is a number of 64 bits, such as 7 or 0x1f")
}

fn parse_places(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err("there are 1 to 1024 places"),
    }
}

fn parse_time(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a time is a number with a unit, such as 500ms, 2s or 1m";
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    // A century is for ever.
    let most = 100 * 365 * 24 * 3_600_000;
    Ok(Duration::from_millis(number.saturating_mul(milliseconds).min(most)))
}

/// Not so short that looking is all that is done.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, &'static str> {
    match parse_time(text)? {
        time if time < Duration::from_millis(10) => Err("an interval has 10ms or more"),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_modes_are_read_as_documented() {
        for (text, milliseconds) in
            [("0ms", 0), ("500ms", 500), ("2s", 2000), ("1m", 60_000), ("2d", 172_800_000)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)));
        }
        assert!(parse_time("99999999999999999h").is_ok());
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        assert_eq!((parse_mode("600"), parse_mode("0644")), (Ok(0o600), Ok(0o644)));
        assert!(parse_mode("1000").is_err() && parse_mode("+600").is_err());
        assert_eq!((parse_hash("7"), parse_hash("0x1f")), (Ok(7), Ok(31)));
    }
}
