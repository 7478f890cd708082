//! The arguments of `folio cache`, a part of [`arguments`](crate::arguments).

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::shm::arguments::parse_interval;
use crate::size;

/// What stands below the options in its help.
pub(crate) const CACHE_NOTES: &str = "\
Examples:
  folio cache /var/lib/db                   how much of a tree is in memory
  folio cache --tree=2 /usr                 by directory, two levels deep
  folio cache --each=20 /var                the 20 files with the most
  folio cache --warm --rate 200M data       into memory, at most 200 MiB a second
  folio cache --evict --range 1G.. big.log  out of it again, from 1 GiB on
  folio cache --lock index                  into memory, and kept there until Ctrl-C
  folio cache --watch /var/lib/db           as it changes

Exit status:
  0  done
  1  something failed or was left out; a line on standard error for each says what
  2  the arguments make no sense";

/// Depth of a tree, or number of files, that is meant by all.
const ALL: &str = "all";

/// `folio cache`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Cache {
    /// Files, directories and block devices
    ///
    /// A symbolic link that is named is followed, and one in a directory is not. What is reached
    /// twice, by hard links or by two PATHs, counts where it is met first.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Only this part of each file, such as 1M..2M, 1G.. or ..64K
    #[arg(long, value_name = "START..END", value_parser = parse_range)]
    #[arg(help_heading = "What to look at")]
    pub range: Option<Range<u64>>,

    /// Stay on the file system of each PATH
    #[arg(short = 'x', long, help_heading = "What to look at")]
    pub one_file_system: bool,

    /// Load what is not in memory, in the order of the disk
    #[arg(long, help_heading = "What to do first", group = "action")]
    pub warm: bool,

    /// Bytes to load in a second, at most
    #[arg(long, value_name = "SIZE", value_parser = parse_rate, requires = "warm")]
    #[arg(help_heading = "What to do first")]
    pub rate: Option<u64>,

    /// Write back what is dirty, then drop the pages; says what stayed, and why
    #[arg(long, help_heading = "What to do first", group = "action")]
    pub evict: bool,

    /// Load all and keep it in memory until Ctrl-C or SIGTERM; tells systemd when it is ready
    #[arg(long, help_heading = "What to do first", group = "action")]
    pub lock: bool,

    /// A row for each directory, so many levels deep [default: all]
    #[arg(long, value_name = "DEPTH", value_parser = parse_count, num_args = 0..=1)]
    #[arg(default_missing_value = ALL, require_equals = true)]
    #[arg(help_heading = "What to show", conflicts_with = "each")]
    pub tree: Option<usize>,

    /// A row for each file with pages in memory, or for the N with the most [default: all]
    #[arg(long, value_name = "N", value_parser = parse_count, num_args = 0..=1)]
    #[arg(default_missing_value = ALL, require_equals = true, help_heading = "What to show")]
    pub each: Option<usize>,

    /// Which pages of a file are in memory, off a terminal too
    #[arg(long, help_heading = "What to show")]
    pub strip: bool,

    /// Again and again, every so many seconds [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, num_args = 0..=1)]
    #[arg(default_missing_value = "1", require_equals = true, conflicts_with = "action")]
    #[arg(help_heading = "What to show")]
    pub watch: Option<Duration>,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    #[arg(help_heading = "What to show")]
    pub output: CacheOutput,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CacheOutput {
    /// A table for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

impl Cache {
    /// The part of each file that is meant.
    pub fn range(&self) -> Range<u64> {
        self.range.clone().unwrap_or(0..u64::MAX)
    }
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("a range is START..END, such as 1M..2M")?;
    let size = |text: &str, default| match text {
        "" => Ok(default),
        text => size::parse(text).map_err(|error| error.to_string()),
    };
    let range = size(start, 0)?..size(end, u64::MAX)?;
    match range.is_empty() {
        true => Err("it has no bytes: END is not past START".into()),
        false => Ok(range),
    }
}

fn parse_rate(text: &str) -> Result<u64, String> {
    match size::parse(text) {
        Ok(0) => Err("nothing would ever be loaded".into()),
        Ok(rate) => Ok(rate),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text {
        ALL => Ok(usize::MAX),
        text => text.parse().map_err(|_| "a number, or all".into()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=1e6).contains(seconds));
    let time = seconds.map(Duration::from_secs_f64).or_else(|| parse_interval(text).ok());
    time.ok_or("a number of seconds, such as 1 or 0.5, or a time, such as 500ms".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Command, parse};

    fn cache(line: &str) -> Option<Cache> {
        let words = ["folio", "cache"].into_iter().chain(line.split_whitespace());
        match parse(words).ok()?.command {
            Command::Cache(cache) => Some(*cache),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ranges_are_read_as_documented() {
        for (text, range) in
            [("1M..2M", 1 << 20..2 << 20), ("1G..", 1 << 30..u64::MAX), ("..64K", 0..64 << 10)]
        {
            assert_eq!(parse_range(text), Ok(range), "{text}");
        }
        for text in ["", "1M", "2..1", "1..1", "..0", "a..b", "-1..2"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_option_with_a_default_value_does_not_swallow_a_path() {
        assert_eq!(cache("--tree f").unwrap().tree, Some(usize::MAX));
        assert_eq!(cache("--tree=2 f").unwrap().tree, Some(2));
        assert_eq!(cache("--each f").unwrap().each, Some(usize::MAX));
        assert_eq!(cache("--watch f").unwrap().watch, Some(Duration::from_secs(1)));
        for time in ["0.5", "500ms"] {
            let cache = cache(&format!("--watch={time} f")).unwrap();
            assert_eq!(cache.watch, Some(Duration::from_millis(500)));
        }
    }

    #[test]
    fn requests_that_make_no_sense_are_usage_errors() {
        for line in [
            "",
            "--warm --evict f",
            "--lock --evict f",
            "--rate 1M f",
            "--warm --rate 0 f",
            "--watch --lock f",
            "--watch=0 f",
            "--watch=inf f",
            "--tree --each f",
            "--tree=-1 f",
            "--range 5 f",
            "--output xml f",
        ] {
            assert!(cache(line).is_none(), "{line}");
        }
    }
}
