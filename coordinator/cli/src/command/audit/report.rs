//! `mpic audit report`: what the Baseline Requirements want recorded, told.

use std::io::Write;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use mpic_audit::note::Checkpoint;
use mpic_audit::report::{Attempt, Rates, attempts as attempts_of, csv, html, rates_csv};
use serde::Serialize;

use super::logs::{Logs, Pinned};
use super::progress::Bar;
use super::search::Wanted;
use crate::command::{Exit, Failure};

/// Reports each attempt of each perspective, and each quorum (BR 5.4.1(2)(7) and (8)).
///
/// Attempts are grouped by CA, certificate request and identifier. Each is replayed before it is
/// printed, and what is wrong with it stands below it; in CSV there is no room for that. With
/// `--check` nothing is said of the other check.
///
/// Exit codes: 0 nothing is wrong with what was printed, 1 something is, 2 it could not be checked.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    pinned: Pinned,
    #[command(flatten)]
    wanted: Wanted,
    /// The form of the report
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Print how often each perspective did not corroborate, over time, instead of the attempts
    #[arg(long)]
    rates: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// JSON Lines, one an attempt
    Json,
    /// A row a perspective and check
    Csv,
    /// One page with charts, which needs nothing from elsewhere
    Html,
}

impl Report {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let (directories, filter) = (self.pinned.octets(&self.logs)?, self.wanted.filter());
        let (mut attempts, mut heads): (Vec<Attempt>, _) = (Vec::new(), Vec::new());
        let bar = Arc::new(Bar::default());
        for log in self.logs.readers(&bar)? {
            attempts.extend(attempts_of::<Failure>(&log, &directories, &filter)?);
            let Checkpoint { origin, size, root } = log.head();
            heads.push(format!("{origin}: {size} entries, root {root}"));
        }
        bar.clear();
        match (self.format, self.rates) {
            (Format::Html, _) => write!(out, "{}", html(&attempts, &heads))?,
            (format, true) => print_rates(out, format, &Rates::of(&attempts))?,
            (format, false) => print_attempts(out, format, &attempts)?,
        }
        Ok(if attempts.iter().any(Attempt::has_failed) { Exit::Refused } else { Exit::Fine })
    }
}

fn print_attempts(
    out: &mut dyn Write,
    format: Format,
    attempts: &[Attempt],
) -> Result<(), Failure> {
    match format {
        Format::Csv => write!(out, "{}", csv(attempts))?,
        Format::Json => lines(out, attempts)?,
        _ => attempts.iter().try_for_each(|attempt| writeln!(out, "{attempt}"))?,
    }
    Ok(())
}

fn print_rates(out: &mut dyn Write, format: Format, rates: &Rates) -> Result<(), Failure> {
    match format {
        Format::Csv => write!(out, "{}", rates_csv(rates))?,
        Format::Json => lines(out, &rates.rows)?,
        _ => rates.rows.iter().try_for_each(|rate| writeln!(out, "{rate}"))?,
    }
    Ok(())
}

fn lines<T: Serialize>(out: &mut dyn Write, items: &[T]) -> Result<(), Failure> {
    for item in items {
        writeln!(out, "{}", serde_json::to_string(item)?)?;
    }
    Ok(())
}
