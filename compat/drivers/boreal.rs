//! YARA rules over a mapped file.

use std::fs;
use std::path::{Path, PathBuf};

use boreal::Compiler;
use driver::Outcome;

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("sample");
    let bytes: Vec<u8> = driver::numbers().take(1 << 20).flat_map(u64::to_le_bytes).collect();
    fs::write(&path, bytes)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let mut compiler = Compiler::new();
    compiler.add_rules_str(
        r#"rule found { strings: $a = { 0f 05 ?? 10 } $b = /[a-e]{3}[0-9]/ condition: #a + #b > 1 }"#,
    )?;
    let scanner = compiler.finalize();
    // SAFETY: not so, others truncate the file: that is what is tried here.
    let found = unsafe { scanner.scan_file_memmap(dir.join("sample")) };
    let found = found.map_err(|(error, _)| error)?;
    let matches = found.rules.iter().flat_map(|rule| &rule.matches);
    let places = matches.flat_map(|string| &string.matches);
    Ok(places.fold(0, |sum, place| sum.wrapping_mul(31) ^ place.offset as u64))
}

fn main() {
    driver::run(make, read);
}
