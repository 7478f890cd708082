//! The arguments of `folio map` about paging, a part of [`arguments`](crate::arguments).

use clap::{Args, ValueEnum};
use folio::Advice;

use crate::arguments::Map;
use crate::place::Place;
use crate::size;

const HEADING: &str = "Paging (objects far away, packed files, files in little memory)";

/// Memory for a mapping that does not say how much.
pub const MEMORY_BYTES: u64 = 64 << 20;

/// Which granule gives up its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyName {
    /// What is read once goes soon; the rest goes round (S3-FIFO)
    S3Fifo,
    /// A hand goes round, and what is new stands before it (SIEVE)
    Sieve,
    /// A hand goes round (CLOCK)
    Clock,
}

/// How a pager maps SOURCE.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = HEADING)]
pub struct Paging {
    /// Memory it may have; chooses the pager for a file [default for stores: 64M]
    ///
    /// Pages that are in memory and buffers in flight stay under it. A file that is mapped by the
    /// pager does not show what others write to it meanwhile.
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    #[arg(conflicts_with = "anonymous")]
    pub memory: Option<u64>,

    /// Bytes loaded and evicted at once, a power of two from 4K to 2M [default: by the store]
    #[arg(long, value_name = "SIZE", value_parser = parse_granule, conflicts_with = "anonymous")]
    pub granule: Option<usize>,

    /// Which granule gives up its memory: s3-fifo, sieve or clock [default: s3-fifo]
    #[arg(long, value_name = "POLICY", hide_possible_values = true, conflicts_with = "anonymous")]
    pub policy: Option<PolicyName>,

    /// Map the bytes of a packed file (zstd, gzip) as they are
    #[arg(long, conflicts_with = "anonymous")]
    pub as_is: bool,
}

impl Paging {
    /// Whether the pager was asked for.
    pub fn is_wanted(&self) -> bool {
        self.memory.is_some() || self.granule.is_some() || self.policy.is_some()
    }

    /// The budget.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or(MEMORY_BYTES)
    }
}

fn parse_granule(text: &str) -> Result<usize, String> {
    match size::parse(text) {
        Ok(bytes) if bytes.is_power_of_two() && (4 << 10..=2 << 20).contains(&bytes) => {
            Ok(bytes as usize)
        }
        Ok(_) => Err("a granule has a power of two of bytes, from 4K to 2M".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl Map {
    /// Where the bytes come from; of no meaning with `--anonymous`.
    ///
    /// # Errors
    /// What is wrong with SOURCE.
    pub fn place(&self) -> Result<Place, String> {
        Place::of(self.source.as_os_str())
    }

    /// The first option given that only mappings by the kernel have.
    pub fn of_the_kernel(&self) -> Option<&'static str> {
        let pagers = |advice: Advice| {
            matches!(
                advice,
                Advice::Normal | Advice::Random | Advice::Sequential | Advice::WillNeed
            )
        };
        let given = [
            (self.beyond_end, "--beyond-end"),
            (self.protection.is_some_and(|asked| asked != folio::Protection::READ), "--protection"),
            (self.shared, "--shared"),
            (self.private, "--private"),
            (self.near.is_some(), "--near"),
            (self.no_reserve, "--no-reserve"),
            (self.sync, "--sync"),
            (self.transparent_huge, "--transparent-huge"),
            (self.populate, "--populate"),
            (self.lock.is_some(), "--lock"),
            (self.advise.iter().any(|named| !pagers(named.0)), "--advise"),
        ];
        given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// What is wrong with what is asked of a pager, where it is known that one maps SOURCE.
    pub(crate) fn check_paging(&self) -> Result<(), String> {
        if self.anonymous {
            return Ok(());
        }
        let (place, source) = (self.place()?, self.source.display());
        if let Some(option) = self.of_the_kernel() {
            let advice = match option {
                "--advise" => "it takes normal, random, sequential and will-need",
                "--protection" => "it is read-only",
                "--populate" => "--touch all brings in every page",
                _ => "leave it out",
            };
            if place.is_store() {
                return Err(format!(
                    "{option} is for mappings by the kernel, and the pager maps {source}: {advice}"
                ));
            }
            if self.paging.is_wanted() {
                return Err(format!(
                    "{option} is for mappings by the kernel, and --memory, --granule and --policy \
                     choose the pager: {advice}"
                ));
            }
        }
        if matches!(place, Place::Process(_)) && (self.offset.is_none() || self.length.is_none()) {
            return Err(format!(
                "{source} is mapped in part only: choose an address and a length with --offset and \
                 --length (proc_pid_maps(5) lists what there is)"
            ));
        }
        Ok(())
    }
}
