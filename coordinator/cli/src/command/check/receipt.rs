//! What a CA keeps of a decision: its record, and the proof that the log has it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mpic_audit::note::LogPublicKey;
use mpic_audit::proof::{Proof, ProofError};
use mpic_runtime::ca_client::{CaClient, Recorded};
use serde_json::json;

use crate::client::ClientConfig;
use crate::command::Failure;

/// How long to wait, and what to keep.
#[derive(Debug, Args)]
pub(super) struct Receipt {
    /// What to wait for: the record in the stream, or a signed checkpoint of the log over it
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = WaitFor::Record)]
    wait_for: WaitFor,
    /// Write the record, and the proof once there is one, into this directory, as JOB.record and
    /// JOB.proof
    #[arg(long, value_name = "DIR")]
    receipt: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WaitFor {
    Record,
    Checkpoint,
}

impl Receipt {
    /// Waits, shows the proof once it is verified, and keeps what is to be kept. With JSON the
    /// proof is a line of its own.
    pub(super) async fn take(
        &self,
        out: &mut dyn Write,
        as_json: bool,
        ca: &CaClient,
        config: &ClientConfig,
        recorded: &Recorded,
    ) -> Result<(), Failure> {
        let job = recorded.decision.job;
        let record = self.keep(&format!("{job}.record"), &recorded.octets)?;
        if self.wait_for == WaitFor::Record {
            return Ok(());
        }
        let key = log_key(config)?;
        let verified = |text: &str| {
            let read = text.parse().and_then(|proof: Proof| {
                let head = proof.check(&key, recorded.leaf)?;
                Ok((text.to_owned(), proof, head))
            });
            read.map_err(|error: ProofError| error.to_string())
        };
        let (text, proof, head) = ca.prove(&recorded.proof_of(), verified).await?;
        let kept = self.keep(&format!("{job}.proof"), text.as_bytes())?;
        if as_json {
            let root = head.root.to_string();
            let proven = json!({"job": job.to_string(), "index": proof.index, "leaf": recorded.leaf.to_string(),
                "origin": head.origin, "size": head.size, "root": root, "proof": text});
            writeln!(out, "{}", json!({ "proven": proven }))?;
            return Ok(());
        }
        writeln!(out, "proven   entry {} of {}", proof.index, head.origin)?;
        writeln!(out, "         under {} entries with the root {}", head.size, head.root)?;
        if let (Some(record), Some(proof)) = (record, kept) {
            let (proof, record) = (proof.display(), record.display());
            writeln!(
                out,
                "         mpic audit check-receipt {proof} --record {record} --log-key …"
            )?;
        }
        Ok(())
    }

    /// Writes a file of the receipt, if one is wanted.
    fn keep(&self, name: &str, octets: &[u8]) -> Result<Option<PathBuf>, Failure> {
        let Some(directory) = &self.receipt else { return Ok(None) };
        let path = directory.join(name);
        let failed = |error| format!("cannot write {}: {error}", path.display());
        fs::create_dir_all(directory).and_then(|()| fs::write(&path, octets)).map_err(failed)?;
        Ok(Some(path))
    }
}

/// The key of the log, as whoever set up this client got it.
fn log_key(config: &ClientConfig) -> Result<LogPublicKey, Failure> {
    let path: &Path = config
        .log_key_file
        .as_deref()
        .ok_or("a proof cannot be verified: the client's configuration has no `log_key_file`")?;
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text.trim_end().parse().map_err(|error| format!("{}: {error}", path.display()))?)
}
