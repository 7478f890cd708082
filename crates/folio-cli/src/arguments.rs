//! The arguments of the command: the one definition that parsing, help, shell completions and man
//! pages come from.
//!
//! ```
//! use folio_cli::arguments::{Command, parse};
//! let command = parse(["folio", "map", "--length", "4K", "Cargo.lock"]).unwrap();
//! let Command::Map(map) = command.command else { panic!() };
//! assert_eq!(map.length, Some(4096));
//! ```
//!
//! What clap can check it checks; [`parse`] adds what depends on two arguments at once. So whatever
//! it returns is a request that makes sense, and everything else is a usage error.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use folio::{HugePage, Protection};
use rustix::param::page_size;

use crate::cache::arguments::CACHE_NOTES;
pub use crate::cache::arguments::Cache;
use crate::faults::arguments::FAULTS_NOTES;
pub use crate::faults::arguments::Faults;
use crate::generate;
pub use crate::ipc::arguments::Compare;
pub use crate::namedadvice::NamedAdvice;
use crate::packarguments::PACK_NOTES;
pub use crate::packarguments::{Pack, PackOutput};
pub use crate::pagingarguments::{MEMORY_BYTES, Paging, PolicyName};
use crate::ps::arguments::PS_NOTES;
pub use crate::ps::arguments::Ps;
use crate::runarguments::RUN_NOTES;
pub use crate::runarguments::{OnFault, Run};
use crate::shm::arguments::SHM_NOTES;
pub use crate::shm::arguments::Shm;
use crate::size;
use crate::top::arguments::TOP_NOTES;
pub use crate::top::arguments::{ProcessSort, Top, TopOutput};
pub use crate::toucharguments::Touch;

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  something failed, a fault too; one line on standard error says what
  2  the arguments make no sense";

const MAP_NOTES: &str = "\
Examples:
  folio map Cargo.lock                        a file: first bytes and costs
  folio map --offset 1M --length 64K FILE     a part of it
  folio map --touch all --output json FILE    every page touched, costs as JSON
  folio map --output raw FILE | sha256sum     the mapped bytes themselves
  folio map --anonymous 64M --huge --or-base  memory in huge pages, if any
  folio map --length 4K /dev/zero             a device
  folio map s3://bucket/genome.fa             an object far away
  folio map --offset 10G big.log.zst          a part of a packed file (folio pack)
  folio map --memory 256M -t all FILE         a file in no more memory than this

Sizes:
  4096, 4K, 4KiB, 2MiB, 1G (1024 each), 10GB (1000 each), 0x1000

Exit status:
  0  done
  1  something failed, a fault too; one line on standard error says what
  2  the arguments make no sense";

const TOUCH: &str = "\
Touch none, first, all, or random:N pages

A touch reads a byte of the page, or, if the mapping is private and writable, writes what is there \
already.

[default: first; none where the protection does not permit reading, and with --output raw]";

const BYTES: &str = "\
Bytes to show

[default: 64; 0 if nothing is touched]";

/// Memory mapping for Linux: map anything, see its bytes and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "folio", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,

    /// When to colour the output
    ///
    /// `auto` colours on a terminal, unless NO_COLOR is set or TERM is `dumb`.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// What `folio` does.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Map a file, a device or memory; show its first bytes and what it costs
    ///
    /// Maps SOURCE, touches it, shows its first bytes, then what that cost: pages in memory,
    /// shared and private, clean and dirty, and the page faults taken. A page that cannot be had,
    /// because the file was truncated, the disk failed or memory ran out, is reported and never
    /// ends the program by a signal.
    #[command(after_help = MAP_NOTES)]
    Map(Box<Map>),

    /// Run a program; faults in its file mappings become zeros instead of SIGBUS
    ///
    /// Becomes COMMAND, with a library of folio's preloaded (LD_PRELOAD). Where a file that it has
    /// mapped is truncated, or its disk fails or is full, the program goes on over zeros, and a line
    /// on standard error names the file and the offset, once for each file. Its children are covered
    /// too. Otherwise the program behaves as it does without folio, but for a few details about
    /// SIGBUS.
    #[command(after_help = RUN_NOTES)]
    Run(Run),

    /// Pack a file so that it can be mapped compressed: seekable zstd
    ///
    /// Writes FILE.zst: zstd that any program decompresses, in frames that are decoded one by one,
    /// and a table of them, so that `folio map` shows any part of it without the rest. OUT appears
    /// when it is finished, or not at all.
    #[command(after_help = PACK_NOTES)]
    Pack(Pack),

    /// Shared memory between processes: segments and channels in /dev/shm, and journals
    ///
    /// Those of the library folio-shm: segments with a header that is checked, and queues and broadcasts
    /// of messages. NAME is that of a file in /dev/shm.
    #[command(after_help = SHM_NOTES)]
    Shm(Shm),

    /// What processes have mapped, and what it costs
    ///
    /// Without arguments, all processes by proportional resident size. With a process, its mappings,
    /// grouped by backing: files, heap, stack, anonymous memory by name, shared memory, devices. What is
    /// not this user's to read is said so.
    #[command(after_help = PS_NOTES)]
    Ps(Box<Ps>),

    /// The page cache: what it holds of files and trees; load, evict and lock it
    ///
    /// Shows for each PATH how much of it is in memory, and how much of that waits to be written back.
    /// Looking loads nothing. With --warm, --evict or --lock that is done first, and what is shown is
    /// what came of it.
    #[command(after_help = CACHE_NOTES)]
    Cache(Box<Cache>),

    /// Watch a program's page faults: which files made it wait, and what would help
    ///
    /// Runs COMMAND, or looks on at a process, and tells its page faults apart by file and by the code that
    /// touched it, with how long threads stood still for them. COMMAND's children are watched too.
    #[command(after_help = FAULTS_NOTES)]
    Faults(Faults),

    /// Show what processes have in memory, and their page faults, as they change
    ///
    /// Full screen: processes, the mappings of one, and the pages of a mapping as a heat map, with
    /// histories. Without a terminal, or with --plain, a table for each interval. Until q or Ctrl-C is
    /// pressed. What takes the kernel long to tell is read of what is in sight, and not each time.
    #[command(after_help = TOP_NOTES)]
    Top(Top),

    /// Compare folio with others, on this machine
    Compare(Compare),

    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the man page, of folio or of one of its commands
    Man {
        /// The command, such as map or shm-send; folio itself by default
        #[arg(value_parser = PossibleValuesParser::new(generate::COMMANDS))]
        command: Option<String>,
    },
}

/// How the result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables for people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// The mapped bytes themselves, and nothing else
    Raw,
}

/// When the pages of a locked mapping are brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lock {
    /// All of them at once (mlock)
    Now,
    /// Each when it is first touched (MLOCK_ONFAULT)
    OnFault,
}

/// `folio map`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Map {
    /// A file, device, URL, process:PID or zero:SIZE; - for a file on standard input; with
    /// --anonymous a size
    ///
    /// An object at s3://, gs://, az://, http:// or https://, the memory of a process, and files that
    /// are packed, as zstd by `folio pack` or by bgzip, are mapped by a pager.
    #[arg(value_name = "SOURCE", value_hint = ValueHint::FilePath)]
    pub source: PathBuf,

    /// First byte to map, any number [default: 0]
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    #[arg(help_heading = "What to map", conflicts_with = "anonymous")]
    pub offset: Option<u64>,

    /// Bytes to map [default: the rest of SOURCE]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length)]
    #[arg(help_heading = "What to map", conflicts_with = "anonymous")]
    pub length: Option<usize>,

    /// Allow a length that reaches beyond the end of the file, with a tail that faults
    #[arg(long, help_heading = "What to map", requires = "length", conflicts_with = "anonymous")]
    pub beyond_end: bool,

    /// Map memory without a file: SOURCE is its size
    #[arg(short, long, help_heading = "What to map")]
    pub anonymous: bool,

    /// Letters of "rwx", or "none" [default: r; rw with --anonymous]
    ///
    /// Accesses to permit. A touch writes only where nobody else sees it, in private mappings,
    /// and writes what is there already.
    #[arg(short, long, value_name = "RWX", help_heading = "How to map it")]
    pub protection: Option<Protection>,

    /// Writes reach SOURCE and all who map it [default for files]
    #[arg(long, help_heading = "How to map it", conflicts_with = "private")]
    pub shared: bool,

    /// Writes stay in this process: copy-on-write [default with --anonymous]
    #[arg(long, help_heading = "How to map it")]
    pub private: bool,

    /// Ask for addresses near this one
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    #[arg(help_heading = "How to map it")]
    pub near: Option<usize>,

    /// Reserve no swap space (MAP_NORESERVE)
    #[arg(long, help_heading = "How to map it")]
    pub no_reserve: bool,

    /// Stores flushed from the caches survive a crash (MAP_SYNC); needs persistent memory
    #[arg(long, help_heading = "How to map it", conflicts_with_all = ["private", "anonymous"])]
    pub sync: bool,

    /// The kernel may drop pages when memory is short (MAP_DROPPABLE)
    #[arg(long, help_heading = "How to map it", requires = "anonymous", conflicts_with = "shared")]
    pub droppable: bool,

    /// Huge pages of 2M or 1G from the kernel's pool (MAP_HUGETLB) [default size: 2M]
    #[arg(long, value_name = "SIZE", value_parser = parse_huge_page, num_args = 0..=1)]
    #[arg(default_missing_value = "2M", require_equals = true)]
    #[arg(help_heading = "Pages", requires = "anonymous", conflicts_with = "droppable")]
    pub huge: Option<HugePage>,

    /// Base pages where the pool of huge pages has too few
    #[arg(long, help_heading = "Pages", requires = "huge")]
    pub or_base: bool,

    /// Ask for transparent huge pages (MADV_HUGEPAGE)
    #[arg(long, help_heading = "Pages")]
    pub transparent_huge: bool,

    /// Bring every page into memory first
    #[arg(long, help_heading = "Pages")]
    pub populate: bool,

    /// Keep the pages in memory: now, or on-fault [default: now]
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "now")]
    #[arg(require_equals = true, hide_possible_values = true, help_heading = "Pages")]
    pub lock: Option<Lock>,

    /// Advise the kernel; may be given again
    ///
    /// Carried out before the first touch, in the order given. What acts on pages in memory (cold,
    /// page-out, collapse) wants --populate too; do-dump and unmergeable undo an advice given
    /// before.
    #[arg(long, value_name = "ADVICE", help_heading = "Pages")]
    pub advise: Vec<NamedAdvice>,

    /// How a pager maps it.
    #[command(flatten)]
    pub paging: Paging,

    /// Touch none, first, all, or random:N pages [default: first]
    #[arg(short, long, value_name = "PAGES", help_heading = "What to do with it")]
    #[arg(long_help = TOUCH)]
    pub touch: Option<Touch>,

    /// Bytes to show [default: 64]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_length)]
    #[arg(help_heading = "What to do with it", long_help = BYTES)]
    pub bytes: Option<usize>,

    /// text for people, json for programs, raw for the bytes themselves
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    #[arg(help_heading = "What to do with it")]
    pub output: Output,
}

pub(crate) fn parse_length(text: &str) -> Result<usize, size::ParseSizeError> {
    usize::try_from(size::parse(text)?).map_err(|_| size::ParseSizeError::TooLarge)
}

fn parse_address(text: &str) -> Result<usize, String> {
    match parse_length(text) {
        Ok(address) if address < page_size() => {
            Err("nothing is ever placed near it: name a higher address".into())
        }
        Ok(address) => Ok(address),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_huge_page(text: &str) -> Result<HugePage, String> {
    match size::parse(text) {
        Ok(bytes) if bytes == HugePage::Mib2.bytes() as u64 => Ok(HugePage::Mib2),
        Ok(bytes) if bytes == HugePage::Gib1.bytes() as u64 => Ok(HugePage::Gib1),
        _ => Err("huge pages are of 2M or 1G".into()),
    }
}

impl Map {
    /// The length that SOURCE is with `--anonymous`.
    ///
    /// # Errors
    /// What is wrong with it as a size.
    pub fn memory_length(&self) -> Result<usize, size::ParseSizeError> {
        self.source.to_str().ok_or(size::ParseSizeError::NotANumber).and_then(parse_length)
    }

    /// Whether SOURCE is the file on standard input.
    pub fn is_standard_input(&self) -> bool {
        !self.anonymous && self.source.as_os_str() == "-"
    }

    /// What may be done with the bytes.
    pub fn protection(&self) -> Protection {
        let memory = Protection::READ | Protection::WRITE;
        self.protection.unwrap_or(if self.anonymous { memory } else { Protection::READ })
    }

    /// Whether writes stay in this process.
    pub fn is_private(&self) -> bool {
        self.private || self.anonymous && !self.shared
    }

    /// Which pages to touch.
    pub fn touch(&self) -> Touch {
        let readable = self.protection().contains(Protection::READ);
        self.touch.unwrap_or(match self.output {
            Output::Text | Output::Json if readable => Touch::First,
            _ => Touch::None,
        })
    }

    /// How many bytes to show.
    pub fn bytes(&self) -> usize {
        self.bytes.unwrap_or(if self.touch() == Touch::None { 0 } else { 64 })
    }

    fn check(&self) -> Result<(), String> {
        if self.anonymous
            && let Err(error) = self.memory_length()
        {
            let source = self.source.display();
            return Err(format!(
                "with --anonymous SOURCE is a size, and '{source}' is none: {error}"
            ));
        }
        self.check_paging()?;
        if self.output == Output::Raw && self.bytes.is_some() {
            return Err("--output raw writes all bytes: choose them with --offset and --length \
                        instead of --bytes"
                .into());
        }
        Ok(())
    }
}

/// Parses the arguments, the program's name first.
///
/// # Errors
/// A usage error, or help and version where they were asked for: [`clap::Error::exit_code`] tells
/// them apart.
pub fn parse<A>(arguments: impl IntoIterator<Item = A>) -> Result<Arguments, clap::Error>
where
    A: Into<OsString> + Clone,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let parsed =
        Arguments::try_parse_from(&arguments).map_err(|error| advise(error, &arguments))?;
    if let Command::Map(map) = &parsed.command {
        map.check().map_err(|message| {
            let mut folio = Arguments::command();
            folio.build();
            let map = folio.find_subcommand_mut("map").expect("the command map is defined above");
            map.error(ErrorKind::ValueValidation, message)
        })?;
    }
    Ok(parsed)
}

/// Adds the tip for a value that stands behind its option without the `=` it needs.
fn advise(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let words = arguments.iter().map(|argument| argument.to_str().unwrap_or_default());
    let mut pairs = words.clone().zip(words.skip(1));
    let is_split = |(option, value): &(&str, &str)| match *option {
        "--huge" => parse_huge_page(value).is_ok(),
        "--lock" => Lock::from_str(value, false).is_ok(),
        _ => false,
    };
    if let Some((option, value)) = pairs.find(is_split) {
        let tip = format!("to set the value of '{option}', write '{option}={value}'");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(line: &str) -> Result<Map, ErrorKind> {
        let words = ["folio", "map"].into_iter().chain(line.split_whitespace());
        match parse(words).map_err(|error| error.kind())?.command {
            Command::Map(map) => Ok(*map),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_says_a_default_once() {
        let folio = Arguments::command();
        for argument in folio.find_subcommand("map").unwrap().get_arguments() {
            let help = argument.get_long_help().or(argument.get_help()).unwrap().to_string();
            // clap adds those that it knows.
            let known = argument.get_default_values().len();
            assert!(help.matches("[default").count() + known <= 1, "{help}");
        }
    }

    #[test]
    fn a_file_is_read_shared_and_touched_once_by_default() {
        let file = map("f").unwrap();
        assert_eq!(file.protection(), Protection::READ);
        assert!(!file.is_private());
        assert_eq!((file.touch(), file.bytes()), (Touch::First, 64));
        assert_eq!(map("f --touch none").unwrap().bytes(), 0);
        assert_eq!(map("f --protection none").unwrap().touch(), Touch::None);
        assert_eq!(map("f --output raw").unwrap().touch(), Touch::None);
    }

    #[test]
    fn memory_is_private_and_writable_by_default() {
        let memory = map("--anonymous 2M").unwrap();
        assert_eq!(memory.memory_length(), Ok(2 << 20));
        assert_eq!(memory.protection(), Protection::READ | Protection::WRITE);
        assert!(memory.is_private());
        assert!(!map("--anonymous 2M --shared").unwrap().is_private());
    }

    #[test]
    fn what_a_pager_maps_is_known_by_its_name_or_by_what_is_asked_for() {
        for line in [
            "zero:64G -t random:1000 -m 1M",
            "s3://b/k --advise random --advise will-need",
            "process:1 -o 0x1000 -l 4K",
            "f -m 1M --granule 4K --policy clock -p r",
        ] {
            let map = map(line).unwrap();
            assert!(map.place().unwrap().is_store() || map.paging.is_wanted(), "{line}");
        }
        let file = map("f --as-is").unwrap();
        assert!(!file.paging.is_wanted());
        assert_eq!(file.paging.memory_bytes(), MEMORY_BYTES);
        assert!(map("./zero:64G --lock").is_ok());
    }

    #[test]
    fn an_option_with_a_default_value_does_not_swallow_the_source() {
        assert_eq!(map("--lock f").unwrap().lock, Some(Lock::Now));
        assert_eq!(map("--lock=on-fault f").unwrap().lock, Some(Lock::OnFault));
        assert_eq!(map("-a --huge 4M").unwrap().huge, Some(HugePage::Mib2));
        assert_eq!(map("-a --huge=1GiB 1G").unwrap().huge, Some(HugePage::Gib1));
    }

    #[test]
    fn requests_that_make_no_sense_are_usage_errors() {
        for line in [
            "",
            "f g",
            "f --private --shared",
            "f --offset x",
            "f --length 16E",
            "f --length -1",
            "f --touch some",
            "f --touch random:",
            "f --touch random:-1",
            "f --touch random:0",
            "f --near 0",
            "f --near 123",
            "f --advise nonsense",
            "f --protection q",
            "f --huge",
            "f --droppable",
            "f --or-base",
            "f --beyond-end",
            "f --sync --private",
            "f --output raw --bytes 3",
            "f --output xml",
            "f --color sometimes",
            "-a 4K --or-base",
            "-a 4K --huge=4K",
            "-a 4K --offset 1",
            "-a 4K --length 1",
            "-a 4K --beyond-end",
            "-a 4K --droppable --shared",
            "-a 4K --sync",
            "-a 4K --memory 1M",
            "-a 4K --granule 4K",
            "-a 4K --policy clock",
            "-a 4K --as-is",
            "f --granule 3K",
            "f --granule 4M",
            "f --policy lru",
            "f --memory much",
            "f --memory 1M --shared",
            "f --granule 64K --populate",
            "f --policy sieve --lock",
            "s3://b/k --private",
            "https://h/x --near 1M",
            "zero:1G --no-reserve",
            "zero:1G --sync",
            "zero:1G --transparent-huge",
            "zero:1G --advise collapse",
            "zero:1G --beyond-end --length 2G",
            "zero:1G -p rw",
            "zero:much",
            "process:1",
            "process:1 --offset 4K",
            "process:none --offset 4K --length 4K",
            "ftp://h/x",
            "-a f",
        ] {
            assert!(map(line).is_err(), "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_arguments_make_the_parser_panic(
            words in prop::collection::vec(
                prop_oneof![
                    any::<String>(),
                    "--[a-z-]{1,12}(=[0-9a-zA-Z:]{0,6})?",
                    prop::sample::select(vec![
                        "map", "man", "completions", "-a", "--anonymous", "--huge", "--or-base",
                        "--lock", "--touch", "random:3", "--bytes", "4K", "--output", "raw", "f",
                    ]).prop_map(String::from),
                ],
                0..8,
            ),
        ) {
            let _ = parse(std::iter::once("folio".to_owned()).chain(words));
        }
    }
}
