//! `mpic audit report`: what the Baseline Requirements want recorded, told.

use std::io::Write;

use clap::{Args, ValueEnum};
use mpic_audit::report::{Attempt, csv};

use super::logs::{Logs, Pinned};
use super::search::Wanted;
use crate::command::{Exit, Failure};

/// Reports each attempt of each perspective, and each quorum (BR 5.4.1(2)(7) and (8)).
///
/// Attempts are grouped by CA, certificate request and identifier. Each is replayed before it is
/// printed, and what is wrong with it stands below it; in CSV there is no room for that.
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
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// JSON Lines, one an attempt
    Json,
    /// A row a perspective and check
    Csv,
}

impl Report {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let (directories, filter) = (self.pinned.octets(&self.logs)?, self.wanted.filter());
        let mut attempts: Vec<Attempt> = Vec::new();
        for log in self.logs.readers()? {
            attempts.extend(mpic_audit::report::attempts::<Failure>(&log, &directories, &filter)?);
        }
        match self.format {
            Format::Table => attempts.iter().try_for_each(|attempt| writeln!(out, "{attempt}"))?,
            Format::Csv => write!(out, "{}", csv(&attempts))?,
            Format::Json => {
                for attempt in &attempts {
                    writeln!(out, "{}", serde_json::to_string(attempt)?)?;
                }
            }
        }
        Ok(if attempts.iter().any(Attempt::has_failed) { Exit::Refused } else { Exit::Fine })
    }
}
