//! Who has a file open as a segment: the locks that the kernel knows (proc_locks(5)).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// All locks of flock(2), as they were when they were asked for.
#[derive(Debug)]
pub struct Users(String);

impl Users {
    /// Asks for them. Where /proc does not tell, there are none.
    pub fn now() -> Self {
        Self(fs::read_to_string("/proc/locks").unwrap_or_default())
    }

    /// The processes that have the file at a path locked: each once, in order. Those of other PID
    /// namespaces cannot be seen.
    pub fn of(&self, path: &Path) -> Vec<u32> {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Vec::new() };
        let (device, inode) = (metadata.dev(), metadata.ino());
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let mut pids = in_lines(&self.0, &format!("{major:02x}:{minor:02x}:{inode}"));
        pids.sort_unstable();
        pids.dedup();
        pids
    }
}

fn in_lines(lines: &str, file: &str) -> Vec<u32> {
    let pid = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // Waiting ones have an arrow in the second.
        let is_lock = fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&file);
        fields.get(4)?.parse().ok().filter(|pid| is_lock && *pid > 0)
    };
    lines.lines().filter_map(pid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_locks_of_the_file_count() {
        let lines = "\
1: FLOCK  ADVISORY  READ 4711 00:19:42 0 EOF
2: POSIX  ADVISORY  WRITE 4712 00:19:42 0 EOF
3: FLOCK  ADVISORY  READ 4713 00:19:43 0 EOF
4: FLOCK  ADVISORY  READ -1 00:19:42 0 EOF
4: -> FLOCK  ADVISORY  WRITE 4714 00:19:42 0 EOF
5: FLOCK  ADVISORY  READ 4715 00:19:42 0 EOF
";
        assert_eq!(in_lines(lines, "00:19:42"), [4711, 4715]);
        assert!(in_lines("", "00:19:42").is_empty());
    }
}
