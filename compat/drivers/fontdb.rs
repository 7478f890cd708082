//! A font file that fontdb maps to read its names, and again to hand out its bytes.

use std::fs;
use std::path::{Path, PathBuf};

use driver::Outcome;
use fontdb::Database;

mod driver;

const FONT: &[u8] = include_bytes!(concat!(env!("DEPENDENT"), "/tests/fonts/Tuffy.ttf"));

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("font.ttf");
    fs::write(&path, FONT)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let mut fonts = Database::new();
    fonts.load_font_file(dir.join("font.ttf"))?;
    let face = fonts.faces().next().ok_or("no face")?.id;
    let whole = fonts.with_face_data(face, |data, _| driver::digest(data));
    // SAFETY: not so, others truncate the file: that is what is tried here.
    let (shared, _) = unsafe { fonts.make_shared_face_data(face) }.ok_or("no data")?;
    Ok(whole.ok_or("no data")? ^ driver::digest((*shared).as_ref()).rotate_left(1))
}

fn main() {
    driver::run(make, read);
}
