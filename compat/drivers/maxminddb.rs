//! A database of IP addresses, made by hand: all 65,536 networks of 16 bits, each with its number.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use driver::Outcome;
use maxminddb::Reader;

mod driver;

const NODES: u32 = (1 << 16) - 1;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("networks.mmdb");
    let mut bytes = Vec::new();
    // A complete binary tree, node n having the children 2n+1 and 2n+2; below it the data, of 5 bytes
    // each, which records count from the number of nodes on, 16 zeros included.
    for child in 1..=2 * NODES {
        let record = match child {
            inner if inner < NODES => inner,
            leaf => NODES + 16 + (leaf - NODES) * 5,
        };
        bytes.extend(&record.to_be_bytes());
    }
    bytes.extend([0; 16]);
    for number in 0..=NODES {
        bytes.push(0b110_00100); // a u32 of four bytes
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.push(0b111_00000 | 9); // a map of nine pairs
    let mut pair = |key: &str, value: &[u8]| {
        bytes.push(0b010_00000 | key.len() as u8);
        bytes.extend(key.as_bytes());
        bytes.extend(value);
    };
    pair("binary_format_major_version", &[0b101_00001, 2]);
    pair("binary_format_minor_version", &[0b101_00000]);
    pair("build_epoch", &[0b000_00001, 2, 1]);
    pair("database_type", b"\x44Test");
    pair("description", &[0b111_00000]);
    pair("ip_version", &[0b101_00001, 4]);
    pair("languages", &[0b000_00000, 4]);
    pair("node_count", &[&[0b110_00100][..], &NODES.to_be_bytes()].concat());
    pair("record_size", &[0b101_00001, 32]);
    fs::write(&path, bytes)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    // SAFETY: not so, others truncate the file: that is what is tried here.
    let database = unsafe { Reader::open_mmap(dir.join("networks.mmdb"))? };
    let mut sum = 0u64;
    for number in driver::numbers().take(50_000) {
        let address = IpAddr::V4(Ipv4Addr::from(number as u32));
        let found: Option<u32> = database.lookup(address)?.decode()?;
        sum = sum.wrapping_add(u64::from(found.ok_or("not found")?));
    }
    Ok(sum)
}

fn main() {
    driver::run(make, read);
}
