//! Folded stacks: a line for each call chain, which flame graphs are drawn from (flamegraph.pl, the
//! crate inferno).
//!
//! ```text
//! sqlite3;_start;main;sqlite3_step;sqlite3BtreeNext;/data/app.db 117
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::faults::report::Chain;
use crate::letters;

/// The lines, counting page faults, or microseconds that threads stood still.
pub(crate) fn write(chains: &[Chain], by_time: bool) -> String {
    let mut sums = BTreeMap::new();
    for chain in chains {
        // What has a meaning in this format.
        let frame = |name: &str| letters::printable(name).replace(';', ":");
        let frames: Vec<_> = chain.frames.iter().map(|name| frame(name)).collect();
        let count = match by_time {
            true => chain.counts.stall_nanoseconds,
            false => chain.counts.faults(),
        };
        *sums.entry(frames.join(";")).or_insert(0) += count;
    }
    let mut lines = String::new();
    for (frames, count) in sums {
        let count = if by_time { count / 1000 } else { count };
        if count > 0 {
            // A string takes everything.
            let _ = writeln!(lines, "{frames} {count}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::report::Counts;

    #[test]
    fn chains_with_the_same_names_are_a_line() {
        let chain = |frames: &[&str], minor_faults, stall_nanoseconds| Chain {
            frames: frames.iter().map(|&name| name.into()).collect(),
            counts: Counts { minor_faults, stall_nanoseconds, ..Counts::default() },
        };
        let chains = [
            chain(&["p", "main", "/a;b\n"], 3, 1500),
            chain(&["p", "main", "/a;b\n"], 4, 1600),
            chain(&["p", "f"], 1, 10),
        ];
        assert_eq!(write(&chains, false), "p;f 1\np;main;/a:b\\n 7\n");
        assert_eq!(write(&chains, true), "p;main;/a:b\\n 3\n");
    }
}
