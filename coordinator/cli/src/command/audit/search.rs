//! `mpic audit search`, and the conditions that `report` shares with it.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use mpic_audit::search::{Filter, Names, search};
use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::job::JobId;
use mpic_common::observation::CheckKind;
use mpic_common::policy::Outcome;
use mpic_common::time::UnixMs;

use super::logs::Logs;
use super::progress::Bar;
use crate::command::{Exit, Failure};

/// Prints the index of every entry that meets the conditions, one a line; of several logs, the
/// name of the log before it.
#[derive(Debug, Args)]
pub(super) struct Search {
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    wanted: Wanted,
}

/// What entries must be about.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// A name or address, or `*.` and a name for all below it
    #[arg(long, value_name = "NAME")]
    identifier: Option<Names>,
    /// The code of the CA that asked
    #[arg(long, value_name = "CODE")]
    ca: Option<CaId>,
    /// The CA's own id of the certificate request
    #[arg(long, value_name = "ID")]
    ca_request: Option<String>,
    /// The job
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
    /// A check that was asked: `dcv` or `caa`
    #[arg(long, value_parser = check)]
    check: Option<CheckKind>,
    /// What was decided: `corroborate` or `refuse`
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// The code of a perspective that was the primary or in the cohort
    #[arg(long, value_name = "CODE")]
    perspective: Option<PerspectiveId>,
    #[command(flatten)]
    span: Span,
}

/// A span of the times that signers state.
#[derive(Debug, Args)]
pub(super) struct Span {
    /// Not before this time, such as `2026-12-20T10:11:12Z`
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UnixMs>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UnixMs>,
}

impl Wanted {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            identifier: self.identifier.clone(),
            ca: self.ca.clone(),
            ca_request: self.ca_request.clone(),
            job: self.job,
            check: self.check,
            outcome: self.outcome,
            perspective: self.perspective.clone(),
            ..self.span.filter()
        }
    }
}

impl Span {
    pub(super) fn filter(&self) -> Filter {
        Filter { from: self.from, to: self.to, ..Filter::default() }
    }
}

impl Search {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let bar = Arc::new(Bar::default());
        let (logs, filter) = (self.logs.readers(&bar)?, self.wanted.filter());
        for log in &logs {
            let found = search(log, &filter)?;
            bar.clear();
            for index in found {
                match logs.as_slice() {
                    [_] => writeln!(out, "{index}")?,
                    _ => writeln!(out, "{} {index}", log.head().origin)?,
                }
            }
        }
        Ok(Exit::Fine)
    }
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let outcomes = [Outcome::Corroborate, Outcome::Refuse];
    let found = outcomes.into_iter().find(|outcome| outcome.as_str() == text);
    found.ok_or_else(|| "neither `corroborate` nor `refuse`".to_owned())
}

fn check(text: &str) -> Result<CheckKind, String> {
    let found = [CheckKind::Dcv, CheckKind::Caa].into_iter().find(|check| check.as_str() == text);
    found.ok_or_else(|| "neither `dcv` nor `caa`".to_owned())
}

fn time(text: &str) -> Result<UnixMs, String> {
    let time: Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let ms = u64::try_from(time.as_millisecond());
    ms.map(UnixMs).map_err(|_| "a time before 1970".to_owned())
}
