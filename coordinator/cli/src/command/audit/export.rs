//! `mpic audit export`: the log for other programs.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use mpic_audit::export;
use mpic_audit::replay::judge_each;
use mpic_audit::search::Subject;

use super::logs::{Logs, Pinned};
use super::progress::Bar;
use super::search::Span;
use crate::command::{Exit, Failure};

/// Prints entries as JSON Lines, the messages inside them decoded too.
///
/// Each line says whether the entry's signature is valid and what else a replay finds about it.
/// Where a span of time is given, entries that state no time are left out.
///
/// Exit codes: 0 nothing is wrong with what was printed, 1 something is, 2 it could not be checked.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    pinned: Pinned,
    #[command(flatten)]
    span: Span,
}

impl Export {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let directories = self.pinned.octets(&self.logs)?;
        let filter = self.span.filter();
        let mut exit = Exit::Fine;
        let bar = Arc::new(Bar::beside_output());
        for log in self.logs.readers(&bar)? {
            judge_each(&log, &directories, |entry| {
                if !filter.admits_time(Subject::of(&entry.octets).at) {
                    return Ok(());
                }
                if entry.has_failed() {
                    exit = Exit::Refused;
                }
                Ok::<_, Failure>(writeln!(out, "{}", export::line(&entry))?)
            })?;
        }
        bar.clear();
        Ok(exit)
    }
}
