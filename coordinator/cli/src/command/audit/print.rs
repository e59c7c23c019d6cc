//! How findings are printed, and what they come to.

use std::fmt;
use std::io::Write;

use clap::Args;
use mpic_audit::finding::{Head, Report, Severity};
use mpic_common::time::UnixMs;
use serde::Serialize;

use crate::command::{Exit, Failure};

/// The form of a report, and its severity.
#[derive(Debug, Args)]
pub(super) struct Print {
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Print JSON Lines: one a finding, and a summary
    #[arg(long)]
    json: bool,
}

/// The last line of a check.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    command: &'a str,
    passed: bool,
    errors: u64,
    warnings: u64,
    heads: &'a [Head],
    times_ms: Option<(u64, u64)>,
}

impl Print {
    /// Prints the findings of `command` and what they come to.
    pub(super) fn report(
        &self,
        out: &mut dyn Write,
        command: &str,
        report: &Report,
    ) -> Result<Exit, Failure> {
        let strictness = if self.strict { Severity::Warning } else { Severity::Error };
        let passed = report.has_passed(strictness);
        let Report { findings, errors, warnings, heads, times_ms } = report;
        let (errors, warnings, times_ms) = (*errors, *warnings, *times_ms);
        let summary = Summary { command, passed, errors, warnings, heads, times_ms };
        for finding in findings {
            self.line(out, finding)?;
        }
        self.line(out, &summary)?;
        Ok(if passed { Exit::Fine } else { Exit::Refused })
    }

    fn line<T: Serialize + fmt::Display>(
        &self,
        out: &mut dyn Write,
        line: &T,
    ) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string(line)?)?;
        } else {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, passed, errors, warnings, heads, times_ms } = self;
        let outcome = if *passed { "passed" } else { "FAILED" };
        write!(f, "{command} {outcome}: {errors} errors, {warnings} warnings")?;
        for Head { origin, size, root } in *heads {
            write!(f, "\n  {origin}: {size} entries, root {root}")?;
        }
        if let Some((first, last)) = times_ms {
            write!(f, "\n  from {} to {}", UnixMs(*first), UnixMs(*last))?;
        }
        Ok(())
    }
}
