//! `mpic audit`: the auditor's commands, offline, with nothing but files.

mod archive;
mod entry;
mod export;
mod logs;
mod note;
mod print;
mod progress;
mod receipt;
mod report;
mod search;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mpic_audit::note::LogPublicKey;
use mpic_audit::reader::LogReadError;
use mpic_audit::replay::{self, Depth, Signatures, read_records, replay_with};
use mpic_audit::shards::verify_shards;
use mpic_audit::work::Work;

use super::{Dir, Exit, Failure};
use crate::client::ClientConfig;
use crate::fleet::layout::Layout;
use logs::{Logs, Pinned};
use print::Print;
use progress::Bar;

/// Checks a log with nothing but its files and the keys that go with it; `note` alone uses a network.
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
    Replay(Replay),
    Show(entry::Show),
    Prove(receipt::Prove),
    CheckReceipt(receipt::CheckReceipt),
    Search(search::Search),
    Export(export::Export),
    Report(report::Report),
    Archive(archive::Archive),
    Note(note::Note),
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
    logs: Logs,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    print: Print,
}

/// Verifies, then checks every signature and decides every decision again.
#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    pinned: Pinned,
    /// A directory of signed decisions that a CA kept: each must be in the log
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// A file of certificate request ids, one a line: each must have a decision
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Evaluate again whatever evidence is whole, and warn of verdicts that it does not bear out
    #[arg(long)]
    deep: bool,
    /// Verify each signature by itself: slower, and strict even about what only a key's own holder
    /// could have crafted
    #[arg(long)]
    one_by_one: bool,
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
    /// local system whose log it is]
    #[arg(long = "log-key", value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
}

/// What an auditor kept of the log.
#[derive(Debug, Args)]
struct Kept {
    /// A checkpoint of an earlier visit, of which the log must be a continuation; may be repeated
    #[arg(long = "old-checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// An inclusion proof: it must be valid, and the log a continuation of its checkpoint; may be
    /// repeated
    #[arg(long = "proof", value_name = "FILE")]
    proofs: Vec<PathBuf>,
}

impl Audit {
    /// Runs the command. A log that is damaged has failed the check; whatever else keeps it from
    /// checking is the input's fault.
    pub async fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let exit = match &self.command {
            AuditCommand::Verify(verify) => verify.run(out),
            AuditCommand::Replay(replay) => replay.run(out),
            AuditCommand::Show(show) => show.run(out),
            AuditCommand::Prove(prove) => prove.run(out),
            AuditCommand::CheckReceipt(check) => check.run(out),
            AuditCommand::Search(search) => search.run(out),
            AuditCommand::Export(export) => export.run(out),
            AuditCommand::Report(report) => report.run(out),
            AuditCommand::Archive(archive) => archive.run(out),
            AuditCommand::Note(note) => note.run(out).await,
        };
        exit.map_err(|failure| {
            let read = failure.error.downcast_ref::<LogReadError>();
            let is_damage = read.is_some_and(LogReadError::is_damage);
            let exit = if is_damage { Exit::Refused } else { Exit::Malformed };
            Failure { exit, ..failure }
        })
    }
}

impl Verify {
    fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let (shards, bar) = (self.logs.shards(&self.kept)?, Bar::default());
        let report = verify_shards(&shards, Work { watch: &bar, ..Work::default() })?;
        bar.clear();
        self.print.report(out, "verify", &report)
    }
}

impl Replay {
    fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let shards = self.logs.shards(&self.kept)?;
        let requests = self.requests.as_deref().map(read).transpose()?.unwrap_or_default();
        let options = replay::Options {
            directories: self.pinned.octets(&self.logs)?,
            records: self.records.as_deref().map(kept_records).transpose()?.unwrap_or_default(),
            requests: requests.lines().map(str::to_owned).collect(),
            depth: if self.deep { Depth::Evidence } else { Depth::Signed },
            signatures: if self.one_by_one { Signatures::OneByOne } else { Signatures::Batches },
        };
        let bar = Bar::default();
        let report = replay_with(&shards, &options, Work { watch: &bar, ..Work::default() })?;
        bar.clear();
        self.print.report(out, "replay", &report)
    }
}

impl Log {
    fn key(&self) -> Result<LogPublicKey, Failure> {
        let local = || self.local().and_then(|client| client.log_key_file);
        let path = self.key_file.clone().or_else(local).ok_or("--log-key FILE is required")?;
        read_key(&path)
    }

    fn local(&self) -> Option<ClientConfig> {
        local(&self.dir, &self.path)
    }
}

/// How to reach the local system, if this log is its own.
fn local(dir: &Dir, log: &Path) -> Option<ClientConfig> {
    let path = Layout::new(&dir.path()).ok()?.client();
    let log = log.canonicalize().ok()?;
    ClientConfig::load(&path).ok().filter(|client| {
        let own = client.log.as_ref().and_then(|own| own.canonicalize().ok());
        own.is_some_and(|own| own == log || own.parent() == Some(&log))
    })
}

fn kept_records(path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    read_records(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn read_key(path: &Path) -> Result<LogPublicKey, Failure> {
    let text = read(path)?;
    Ok(text.trim_end().parse().map_err(|error| format!("{}: {error}", path.display()))?)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
