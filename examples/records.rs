//! A database file of fixed records that grows while its address stays: records are appended, one is
//! changed in place, and all are read back after the file was closed and opened again.
//!
//! ```text
//! cargo run --example records [FILE [COUNT]]
//! ```
//! Without arguments the file is a temporary one. Given a file, records are added to those in it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use folio::Growable;
use folio_examples::{finish, number, say, size};

/// Room for 256 million records. Addresses cost nothing.
const CAPACITY: usize = 16 << 30;

/// An account as it lies in the file: 64 bytes, numbers little-endian.
#[derive(Debug, PartialEq)]
struct Account {
    number: u64,
    balance: i64,
    name: [u8; 48],
}

impl Account {
    const LEN: usize = 64;

    fn new(number: u64) -> Self {
        let mut name = [0; 48];
        let text = format!("account {number}");
        name[..text.len()].copy_from_slice(text.as_bytes());
        Self { number, balance: number as i64 * 10, name }
    }

    fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.balance.to_le_bytes());
        bytes[16..].copy_from_slice(&self.name);
        bytes
    }

    fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let word = |at| bytes[at..at + 8].try_into().expect("eight bytes");
        let name = bytes[16..].try_into().expect("forty-eight bytes");
        Self { number: u64::from_le_bytes(word(0)), balance: i64::from_le_bytes(word(8)), name }
    }

    fn read(file: &Growable, index: usize) -> folio::Result<Self> {
        let mut bytes = [0; Self::LEN];
        file.read_at(index * Self::LEN, &mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).trim_end_matches('\0').to_owned()
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (path, keep) = match arguments.next() {
        Some(path) => (PathBuf::from(path), true),
        None => {
            let name = format!("folio-records-{}", std::process::id());
            (std::env::temp_dir().join(name), false)
        }
    };
    let count = arguments.next().map_or(Ok(100_000), |count| number("COUNT", &count));
    let result = count.and_then(|count| run(&path, count));
    if !keep {
        let _ = std::fs::remove_file(&path);
    }
    finish("records", result)
}

fn run(path: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let file = Growable::options().or_create().open(path, CAPACITY)?;
    let before = file.len() / Account::LEN;
    say("file", format_args!("{}, {before} records of {} bytes", path.display(), Account::LEN));
    if !file.len().is_multiple_of(Account::LEN) {
        return Err(format!("{}: not a file of records", path.display()).into());
    }

    let address = file.address();
    let mut batch = Vec::new();
    for index in before..before + count {
        batch.extend(Account::new(index as u64).to_bytes());
        // A growth is a system call: not for each record.
        if batch.len() >= 1 << 20 {
            file.append(&batch)?;
            batch.clear();
        }
    }
    file.append(&batch)?;
    let records = file.len() / Account::LEN;
    assert_eq!(file.address(), address);
    say("appended", format_args!("{count} records; the file has {} now", size(file.len())));
    say("address", format_args!("{address:#x}, before and after"));

    if records == 0 {
        return Ok(());
    }
    let index = records / 2;
    let mut account = Account::read(&file, index)?;
    account.balance = -1;
    file.write_at(index * Account::LEN, &account.to_bytes())?;
    file.flush(..)?;
    file.close()?;
    say("changed", format_args!("record {index}, then flushed and closed"));

    let file = Growable::open(path, CAPACITY)?;
    let account = Account::read(&file, index)?;
    let right = |&index: &usize| {
        Account::read(&file, index).is_ok_and(|account| account.number == index as u64)
    };
    let wrong = records - (0..records).filter(right).count();
    say("reopened", format_args!("{} records, {wrong} of them wrong", file.len() / Account::LEN));
    say("record", format_args!("{index}: {}, balance {}", account.name(), account.balance));
    Ok(())
}
