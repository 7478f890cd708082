//! The command `folio`.

fn main() {}
