//! `mpic`, as people type it.

use clap::Parser;
use mpic_cli::command::{Arguments, Exit};

/// Runs `mpic` with these words; gives how it ended and what it printed.
///
/// Panics where it fails.
pub async fn mpic(words: &[&str]) -> (Exit, String) {
    let arguments = Arguments::try_parse_from(["mpic"].iter().chain(words)).unwrap();
    let mut out = Vec::new();
    let exit = arguments.run(&mut out).await;
    let text = String::from_utf8(out).unwrap();
    (exit.unwrap_or_else(|failure| panic!("{words:?}: {}\n{text}", failure.error)), text)
}
