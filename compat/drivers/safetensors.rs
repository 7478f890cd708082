//! Two tensors of 4 MiB, read from a mapping as safetensors' documentation has it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use driver::Outcome;
use memmap2::MmapOptions;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

mod driver;

fn make(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let path = dir.join("model.safetensors");
    let bytes: Vec<u8> = driver::numbers().take(512 << 10).flat_map(u64::to_le_bytes).collect();
    let tensors = (0..2)
        .map(|n| {
            let view = TensorView::new(Dtype::F32, vec![1024, 1024], &bytes)?;
            Ok((format!("layer.{n}"), view))
        })
        .collect::<Outcome<Vec<_>>>()?;
    fs::write(&path, safetensors::serialize(tensors, None)?)?;
    Ok(vec![path])
}

fn read(dir: &Path) -> Outcome<u64> {
    let file = File::open(dir.join("model.safetensors"))?;
    // SAFETY: not so, others truncate the file: that is what is tried here.
    let map = unsafe { MmapOptions::new().map(&file)? };
    let tensors = SafeTensors::deserialize(&map)?;
    let digests = tensors.iter().map(|(_, view)| driver::digest(view.data()));
    Ok(digests.fold(0, u64::wrapping_add))
}

fn main() {
    driver::run(make, read);
}
