//! What people build on mappings: examples that run. `cargo run --example first_bytes`, say, from
//! anywhere in the repository; each begins with what it shows and what arguments it takes.
