//! `mpic audit`: the auditor's commands, offline, with nothing but files.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mpic_audit::finding::{Report, Severity};
use mpic_audit::note::LogPublicKey;
use mpic_audit::verify::{self, verify};
use mpic_common::time::UnixMs;
use serde::Serialize;

use super::{Dir, Exit, Failure};
use crate::client::ClientConfig;
use crate::fleet::layout::Layout;

/// Checks a log with nothing but its files and the keys that go with it; no network.
///
/// Exit codes: 0 all checks passed, 1 at least one failed, 2 it could not be checked.
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Verify(Verify),
}

/// Checks the checkpoint, every entry, every tile and every root.
#[derive(Debug, Args)]
#[command(after_help = "\
Keep the checkpoint of each visit and pass it at the next: that is what protects an auditor from
whoever holds the log's key.
  cp LOGDIR/checkpoint kept
  mpic audit verify LOGDIR --log-key log.vkey --old-checkpoint kept")]
struct Verify {
    #[command(flatten)]
    log: Log,
    /// A checkpoint kept from an earlier visit: it must be a prefix of this log; may be repeated
    #[arg(long, value_name = "FILE")]
    old_checkpoint: Vec<PathBuf>,
    /// An inclusion proof: it must be valid, and its checkpoint a prefix of this log; may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    proof: Vec<PathBuf>,
    #[command(flatten)]
    print: Print,
}

/// Which log, and what it is verified with.
#[derive(Debug, Args)]
struct Log {
    /// The directory of the log
    #[arg(value_name = "LOGDIR")]
    path: PathBuf,
    /// The file with the key that the log's checkpoints are verified with [default: that of the
    /// local system]
    #[arg(long = "log-key", value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
}

/// How findings are printed and what they come to.
#[derive(Debug, Args)]
struct Print {
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Print JSON Lines: one a finding, and a summary
    #[arg(long)]
    json: bool,
}

impl Audit {
    /// Runs the command; whatever keeps it from checking is the input's fault.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let exit = match &self.command {
            AuditCommand::Verify(verify) => verify.run(out),
        };
        exit.map_err(|failure| Failure { exit: Exit::Malformed, ..failure })
    }
}

impl Verify {
    fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let options = verify::Options {
            old_checkpoints: self.old_checkpoint.clone(),
            proofs: self.proof.clone(),
        };
        let report = verify(&self.log.path, &self.log.key()?, &options)?;
        self.print.report(out, "verify", &report)
    }
}

impl Log {
    fn key(&self) -> Result<LogPublicKey, Failure> {
        let path = match &self.key_file {
            Some(path) => path.clone(),
            None => self.client()?.log_key_file.ok_or("--log-key is required")?,
        };
        let text = read(&path)?;
        Ok(text.trim_end().parse().map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// The client's configuration of the local system, for what the arguments leave out.
    fn client(&self) -> Result<ClientConfig, Failure> {
        let path = Layout::new(&self.dir.path())?.client();
        let why = |error| format!("--log-key is required where no local system is: {error}");
        Ok(ClientConfig::load(&path).map_err(why)?)
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The last line of a check.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    command: &'a str,
    passed: bool,
    errors: u64,
    warnings: u64,
    heads: &'a [mpic_audit::finding::Head],
    times_ms: Option<(u64, u64)>,
}

impl Print {
    fn report(&self, out: &mut dyn Write, command: &str, report: &Report) -> Result<Exit, Failure> {
        let strictness = if self.strict { Severity::Warning } else { Severity::Error };
        let passed = report.has_passed(strictness);
        let Report { findings, errors, warnings, heads, times_ms } = report;
        let (errors, warnings, times_ms) = (*errors, *warnings, *times_ms);
        let summary = Summary { command, passed, errors, warnings, heads, times_ms };
        for finding in findings {
            if self.json {
                writeln!(out, "{}", serde_json::to_string(finding)?)?;
            } else {
                writeln!(out, "{finding}")?;
            }
        }
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&summary)?)?;
        } else {
            write!(out, "{summary}")?;
        }
        Ok(if passed { Exit::Fine } else { Exit::Refused })
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, passed, errors, warnings, heads, times_ms } = self;
        let outcome = if *passed { "passed" } else { "FAILED" };
        writeln!(f, "{command} {outcome}: {errors} errors, {warnings} warnings")?;
        for head in *heads {
            let mpic_audit::finding::Head { origin, size, root } = head;
            writeln!(f, "  {origin}: {size} entries, root {root}")?;
        }
        match times_ms {
            Some((first, last)) => {
                writeln!(f, "  from {} to {}", UnixMs(*first), UnixMs(*last))
            }
            None => Ok(()),
        }
    }
}
