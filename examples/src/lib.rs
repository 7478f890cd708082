//! What people build on mappings: examples that run. `cargo run --example first_bytes`, say, from
//! anywhere in the repository; each begins with what it shows and what arguments it takes. Here is
//! what they print with.

use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;

/// One line of an example's output.
pub fn say(what: &str, text: impl Display) {
    println!("{what:<12} {text}");
}

/// A number of bytes for people: `6.1 MiB`.
pub fn size(bytes: usize) -> String {
    let unit = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (bytes.max(1).ilog2() / 10).min(4);
    match step {
        0 => format!("{bytes} B"),
        _ => format!("{:.1} {}", bytes as f64 / (1u64 << (10 * step)) as f64, unit[step as usize]),
    }
}

/// A result whose error names the thing that it is about.
///
/// # Errors
/// That of the result.
pub fn about<T>(thing: impl Display, result: Result<T, impl Display>) -> Result<T, Box<dyn Error>> {
    result.map_err(|error| format!("{thing}: {error}").into())
}

/// The number that an argument is.
///
/// # Errors
/// That it is none.
pub fn number<N: FromStr>(name: &str, text: &str) -> Result<N, Box<dyn Error>> {
    text.parse().map_err(|_| format!("{name} is a number, and '{text}' is none").into())
}

/// The exit code of an example: 0, or 1 with the error on standard error.
pub fn finish(example: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{example}: {error}");
            ExitCode::FAILURE
        }
    }
}
