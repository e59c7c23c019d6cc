//! `mpic audit prove` and `check-receipt`: that one record is in the log, for whoever keeps it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mpic_audit::note::Checkpoint;
use mpic_audit::proof::Proof;
use mpic_audit::reader::LogReader;
use mpic_audit::tree::leaf_hash;
use mpic_runtime::config;

use super::entry::Which;
use super::progress::Bar;
use super::{Log, read, read_key};
use crate::command::{Exit, Failure};

/// Writes the proof that an entry is in the log, a `c2sp.org/tlog-proof@v1` text.
#[derive(Debug, Args)]
#[command(after_help = "\
Proof and record together are a receipt, which holds for ever and needs no log to be checked:
  mpic audit prove LOGDIR --log-key log.vkey 17 --record record > proof
  mpic audit check-receipt proof --record record --log-key log.vkey")]
pub(super) struct Prove {
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    which: Which,
    /// Where to write the entry itself, octet by octet
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Checks offline, without the log, that a record is in it.
#[derive(Debug, Args)]
pub(super) struct CheckReceipt {
    /// The proof
    #[arg(value_name = "PROOF")]
    proof: PathBuf,
    /// The record that it is to be of, octet by octet as the CA was answered
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// The file with the key that the log's checkpoints are verified with
    #[arg(long = "log-key", value_name = "FILE")]
    key_file: PathBuf,
}

impl Prove {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let bar = Arc::new(Bar::default());
        let log = LogReader::open(&self.log.path, &self.log.key()?)?;
        let log = log.watched(Arc::<Bar>::clone(&bar));
        let index = self.which.index(&log)?;
        bar.clear();
        let (entry, proof) = (log.entry(index)?, log.prove(index)?);
        if let Some(path) = &self.record {
            let failed = |error| format!("cannot write {}: {error}", path.display());
            fs::write(path, entry).map_err(failed)?;
        }
        write!(out, "{proof}")?;
        Ok(Exit::Fine)
    }
}

impl CheckReceipt {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let key = read_key(&self.key_file)?;
        let leaf = leaf_hash(&config::read(&self.record)?);
        let checked = read(&self.proof)?
            .parse::<Proof>()
            .and_then(|proof| Ok((proof.index, proof.check(&key, leaf)?)));
        match checked {
            Ok((index, Checkpoint { origin, size, root })) => {
                writeln!(out, "valid: the record is entry {index} of {origin}")?;
                writeln!(out, "  leaf {leaf}, under {size} entries with the root {root}")?;
                Ok(Exit::Fine)
            }
            Err(error) => {
                writeln!(out, "NOT VALID: {error}")?;
                Ok(Exit::Refused)
            }
        }
    }
}
