//! The arguments of `folio pack`, a part of [`arguments`](crate::arguments).

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::size;

/// What stands below the options in its help.
pub(crate) const PACK_NOTES: &str = "\
Examples:
  folio pack big.log                            to big.log.zst
  folio pack --frame 1M --level 19 -o b.zst big.log
  zstd -dc old.zst | folio pack - -o new.zst    zstd that is not seekable
  folio map --offset 10G big.log.zst            a byte of what was packed

Exit status:
  0  done
  1  something failed; one line on standard error says what
  2  the arguments make no sense";

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PackOutput {
    /// A line for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// `folio pack`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Pack {
    /// A file; - for standard input, with --to
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Where to [default: FILE.zst beside FILE]
    #[arg(short = 'o', long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    #[arg(required_if_eq("file", "-"))]
    pub to: Option<PathBuf>,

    /// Bytes in a frame, a power of two from 4K to 2M
    ///
    /// What a read of one byte decodes. Larger frames pack better.
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_frame)]
    pub frame: u32,

    /// Level of compression from 1, fast, to 22, small
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=22))]
    pub level: i32,

    /// Replace OUT if there is one, and pack what is packed already
    #[arg(short, long)]
    pub force: bool,

    /// text for people, json for programs
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    pub output: PackOutput,
}

impl Pack {
    /// Whether FILE is standard input.
    pub fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// The file to be written.
    pub fn target(&self) -> PathBuf {
        self.to.clone().unwrap_or_else(|| {
            let mut name = OsString::from(&self.file);
            name.push(".zst");
            name.into()
        })
    }
}

fn parse_frame(text: &str) -> Result<u32, String> {
    match size::parse(text) {
        Ok(bytes) if bytes.is_power_of_two() && (4 << 10..=2 << 20).contains(&bytes) => {
            Ok(bytes as u32)
        }
        Ok(_) => Err("a frame has a power of two of bytes, from 4K to 2M".into()),
        Err(error) => Err(error.to_string()),
    }
}
