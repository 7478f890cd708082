//! What was measured, and its form as JSON.
//!
//! `docs/command.md` documents every key.

use serde::Serialize;

use crate::ipc::transport::Way;

/// All ways.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Rounds of which figures are the medians.
    pub rounds: usize,
    /// Processors that the two processes had.
    pub processors: usize,
    /// Whether each process had one of its own.
    pub is_pinned: bool,
    /// The kernel.
    pub kernel: String,
    /// A row for each way.
    pub ways: Vec<Row>,
    /// What kinds of memory and messages are like.
    pub properties: [Properties; 5],
}

/// A way.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What it is called.
    pub way: &'static str,
    /// For each size of messages; none if it is lacking.
    pub figures: Vec<Figures>,
    /// Why it could not be measured.
    pub lacking: Option<String>,
}

/// What was measured with messages of one size.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Bytes of a message.
    pub message_bytes: u64,
    /// There and back: half took no longer.
    pub median_nanoseconds: f64,
    /// 99 of 100 took no longer.
    pub p99_nanoseconds: f64,
    /// 999 of 1000 took no longer.
    pub p999_nanoseconds: f64,
    /// One way.
    pub messages_per_second: f64,
    /// The same in bytes.
    pub bytes_per_second: f64,
}

/// What one kind is like, whatever the machine.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Properties {
    /// The kind.
    pub kind: &'static str,
    /// The way by which it was measured.
    pub way: &'static str,
    /// How often the kernel copies a message.
    pub copying: &'static str,
    /// Who can have it.
    pub sharing: &'static str,
    /// Whether a message arrives as one.
    pub message_boundaries: &'static str,
    /// Whether it can lie in a file.
    pub file_backing: &'static str,
    /// What messages that were not received outlive.
    pub outlives: &'static str,
    /// What happens where several receive.
    pub several_receivers: &'static str,
    /// Whether one side learns of the other's death.
    pub death_is_told: &'static str,
}

impl Report {
    /// Of the rows.
    pub fn of(ways: Vec<Row>, rounds: usize, processors: usize, is_pinned: bool) -> Self {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        Self { rounds, processors, is_pinned, kernel, ways, properties: properties() }
    }

    /// How they were made, in words.
    pub fn note(&self) -> String {
        let Self { rounds, kernel, .. } = self;
        let processors = match (self.processors, self.is_pinned) {
            (1, _) => "1 processor".to_owned(),
            (count, true) => format!("{count} processors, each process on its own"),
            (count, false) => format!("{count} processors"),
        };
        format!(
            "Medians of {rounds} rounds, {processors}, Linux {kernel}; payload written and verified."
        )
    }

    /// The figures of a way at the size of this index.
    pub fn figures(&self, way: &str, size: usize) -> Option<&Figures> {
        self.ways.iter().find(|row| row.way == way)?.figures.get(size)
    }
}

impl Figures {
    /// Of each figure the median.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let middle = |figure: fn(&Self) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(figure).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        Self {
            message_bytes: rounds[0].message_bytes,
            median_nanoseconds: middle(|figures| figures.median_nanoseconds),
            p99_nanoseconds: middle(|figures| figures.p99_nanoseconds),
            p999_nanoseconds: middle(|figures| figures.p999_nanoseconds),
            messages_per_second: middle(|figures| figures.messages_per_second),
            bytes_per_second: middle(|figures| figures.bytes_per_second),
        }
    }
}

fn properties() -> [Properties; 5] {
    [
        Properties {
            kind: "mmap (folio)",
            way: Way::FolioAdaptive.name(),
            copying: "none",
            sharing: "name, file or fd",
            message_boundaries: "yes",
            file_backing: "yes",
            outlives: "processes; a reboot, in a file",
            several_receivers: "one, or each, gets it",
            death_is_told: "yes",
        },
        Properties {
            kind: "shmget",
            way: Way::SysV.name(),
            copying: "none",
            sharing: "key",
            message_boundaries: "no",
            file_backing: "no",
            outlives: "processes",
            several_receivers: "own code",
            death_is_told: "no",
        },
        Properties {
            kind: "pipe",
            way: Way::Pipe.name(),
            copying: "twice",
            sharing: "path or fd",
            message_boundaries: "no",
            file_backing: "no",
            outlives: "nothing",
            several_receivers: "bytes go to any",
            death_is_told: "yes",
        },
        Properties {
            kind: "message queue",
            way: Way::MessageQueue.name(),
            copying: "twice",
            sharing: "name",
            message_boundaries: "up to 8 KiB",
            file_backing: "no",
            outlives: "processes",
            several_receivers: "one gets it",
            death_is_told: "no",
        },
        Properties {
            kind: "socket (seqpacket)",
            way: Way::UnixSeqpacket.name(),
            copying: "twice",
            sharing: "path or fd",
            message_boundaries: "up to 200 KiB",
            file_backing: "no",
            outlives: "nothing",
            several_receivers: "a socket for each",
            death_is_told: "yes",
        },
    ]
}
