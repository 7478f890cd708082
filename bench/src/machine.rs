//! Where and with what it was measured.
#![allow(unsafe_code)]

use std::fs;
use std::process::Command;

/// The processors that this thread may run on.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: all zeros is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes a set of the size given.
    let found = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    let has = |cpu: &usize| {
        // SAFETY: `cpu` lies within the set.
        found == 0 && unsafe { libc::CPU_ISSET(*cpu, &set) }
    };
    (0..libc::CPU_SETSIZE as usize).filter(has).collect()
}

/// Keeps this thread on the last processor it may run on, and returns its number.
pub(crate) fn pin() -> Option<usize> {
    let last = *processors().last()?;
    pin_to(last);
    (processors() == [last]).then_some(last)
}

/// Keeps this thread on one processor; returns where it could run before.
pub(crate) fn pin_to(processor: usize) -> libc::cpu_set_t {
    // SAFETY: all zeros is a valid, empty set; the kernel writes and reads sets of the size given.
    unsafe {
        let mut before: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&before), &raw mut before);
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        before
    }
}

/// Undoes [`pin_to`].
pub(crate) fn unpin(before: &libc::cpu_set_t) {
    // SAFETY: the kernel reads a set of the size given.
    unsafe { libc::sched_setaffinity(0, size_of_val(before), before) };
}

/// The machine in a line, as seen before pinning.
pub(crate) fn line() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or_else(|| "unknown".into(), |(_, value)| value.trim().to_owned())
    };
    let kib: u64 =
        field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = field("/proc/cpuinfo", "model name");
    let family = field("/proc/cpuinfo", "cpu family");
    let model = field("/proc/cpuinfo", "model\t");
    let flags = field("/proc/cpuinfo", "flags");
    let guest = flags.split(' ').any(|flag| flag == "hypervisor");
    let kind = if guest { ", virtual machine" } else { "" };
    format!(
        "{cpu} (family {family}, model {model}), {cpus} processors{kind}, {} GiB, Linux {}",
        (kib + (1 << 19)) >> 20,
        kernel.trim()
    )
}

pub(crate) fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().trim().to_owned()
}

/// Packages with their versions.
pub(crate) fn versions(packages: &[&'static str]) -> Vec<(&'static str, String)> {
    packages.iter().map(|name| (*name, version(name).to_owned())).collect()
}

/// The version of a package that this program was built with.
fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    // Of several versions the last is the highest.
    let (_, rest) = lock.rsplit_once(&entry).expect("a dependency");
    rest.split('"').next().expect("a version")
}
