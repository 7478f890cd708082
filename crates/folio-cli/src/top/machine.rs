//! The memory of the machine: what `/proc/meminfo` says of it (proc_meminfo(5)).
//!
//! ```
//! let machine = folio_cli::top::machine::Machine::now();
//! assert!(machine.available_bytes <= machine.memory_bytes);
//! ```

/// Figures of the machine, 0 where the kernel does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// All memory.
    pub memory_bytes: u64,
    /// What programs could have without swapping: free, or in caches.
    pub available_bytes: u64,
    /// All swap space.
    pub swap_bytes: u64,
    /// The part of it in use.
    pub swapped_bytes: u64,
}

impl Machine {
    /// As it is.
    pub fn now() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            number.map_or(0, |kib: u64| kib.saturating_mul(1024))
        };
        let swap_bytes = bytes("SwapTotal:");
        Self {
            memory_bytes: bytes("MemTotal:"),
            available_bytes: bytes("MemAvailable:"),
            swap_bytes,
            swapped_bytes: swap_bytes.saturating_sub(bytes("SwapFree:")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_in_bytes_and_what_is_missing_is_nothing() {
        let text =
            "MemTotal:        8000 kB\nMemAvailable:    6000 kB\nSwapTotal: 9 kB\nSwapFree: 2 kB\n";
        let machine = Machine::parse(text);
        assert_eq!((machine.memory_bytes, machine.available_bytes), (8000 << 10, 6000 << 10));
        assert_eq!((machine.swap_bytes, machine.swapped_bytes), (9 << 10, 7 << 10));
        assert_eq!(Machine::parse("MemTotal: many kB\nSwapFree: 3 kB"), Machine::default());
    }
}
