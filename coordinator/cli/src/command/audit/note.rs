//! `mpic audit note`: what an operator has to say about the log, signed into it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use async_nats::jetstream;
use async_nats::{HeaderMap, header};
use clap::{Args, ValueEnum};
use mpic_common::directory::{Directory, Owner};
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::octets::Hash;
use mpic_common::record::{NoteKind, NoteRecord};
use mpic_common::subject;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body, encode_body, envelope};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config;
use mpic_runtime::nats::{self, Role};

use crate::command::{Dir, Exit, Failure};
use crate::fleet::layout::Layout;
use crate::operator::OperatorConfig;

/// Signs a note as an operator and puts it on record.
///
/// A note of kind `gap` explains sequences that the stream has lost: without one a replay fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Where the key must not meet a network, sign on one machine and send from another:
  mpic audit note --kind gap --seq 81735 --out note 'bus-1 lost its disk, incident 12'
  mpic audit note --send note")]
pub(super) struct Note {
    /// What there is to say, at most 8,192 octets
    #[arg(required_unless_present = "send")]
    text: Option<String>,
    /// What it is about
    #[arg(long, value_enum, default_value_t = About::Note)]
    kind: About,
    /// A stream sequence that it explains; may be repeated
    #[arg(long = "seq", value_name = "SEQ", required_if_eq("kind", "gap"))]
    seqs: Vec<u64>,
    /// The operator's configuration [default: that of the local system]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the signed note here and send nothing
    #[arg(long, value_name = "FILE", conflicts_with = "send")]
    out: Option<PathBuf>,
    /// Send a note that was signed before
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "seqs"])]
    send: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum About {
    /// Anything
    Note,
    /// Sequences that the stream has lost
    Gap,
    /// Something that went wrong
    Incident,
}

impl Note {
    pub(super) async fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => Layout::new(&self.dir.path())?.operator(),
        };
        let config = OperatorConfig::load(&path)?;
        let (directory, now) = (config.directory()?, SystemClock.now());
        let note = match &self.send {
            Some(path) => config::read(path)?,
            None => self.sign(&config, now)?,
        };
        check(&note, &directory)?;
        match &self.out {
            Some(path) => {
                write_new(path, &note)?;
                writeln!(out, "signed: {}", path.display())?;
            }
            None => {
                let seq = publish(&config, note).await?;
                writeln!(out, "on record: sequence {seq} of {}", subject::AUDIT_STREAM)?;
            }
        }
        Ok(Exit::Fine)
    }

    fn sign(&self, config: &OperatorConfig, now: UnixMs) -> Result<Vec<u8>, Failure> {
        let text = self.text.clone().unwrap_or_default();
        if text.len() > TEXT_MAX || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(
                "the text must be of at most 8192 octets, without control characters".into()
            );
        }
        let kind = match self.kind {
            About::Note => NoteKind::Note,
            About::Gap => NoteKind::Gap,
            About::Incident => NoteKind::Incident,
        };
        let (operator, seqs) = (config.operator.clone(), self.seqs.clone());
        let record = NoteRecord { operator, kind, seqs, at_ms: now, text };
        let body = encode_body(Kind::Note, &record);
        Ok(envelope::seal(Kind::Note, &body, &config.key()?, Some(Hash::ZERO)))
    }
}

/// Nobody else's note goes on record, nor one that a replay would call a forgery.
fn check(note: &[u8], directory: &Directory) -> Result<(), Failure> {
    let envelope = Envelope::parse(note, RECORD_OCTETS_MAX)?.of_kind(Kind::Note)?;
    let record: NoteRecord = decode_body(Kind::Note, envelope.body)?;
    let owner = Owner::Operator(record.operator.clone());
    let key = envelope.seal.and_then(|seal| directory.key(seal.key, record.at_ms));
    let key = key.filter(|key| key.owner == owner).ok_or_else(|| {
        format!("the directory has no key in force for the operator {}", record.operator)
    })?;
    Ok(envelope.verify(&key.public, Some(Hash::ZERO))?)
}

fn write_new(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).open(path);
    let failed = |error| format!("cannot write {}: {error}", path.display());
    Ok(file.and_then(|mut file| file.write_all(octets)).map_err(failed)?)
}

/// Publishes and waits for the stream's word; sent again, the same octets are stored once.
async fn publish(config: &OperatorConfig, note: Vec<u8>) -> Result<u64, Failure> {
    let role = Role {
        name: format!("operator/{}", config.operator),
        inbox_prefix: subject::OPERATOR_INBOX.to_owned(),
        subscription_capacity: 64,
        client_capacity: 64,
    };
    let (client, _events) = nats::connect(config.bus()?, role).await?;
    let id = subject::payload_id(&Hash::of(&note));
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_MESSAGE_ID, id.as_str());
    headers.insert(header::NATS_EXPECTED_STREAM, subject::AUDIT_STREAM);
    let stream = jetstream::new(client);
    let sent = stream.publish_with_headers(subject::AUDIT_NOTE, headers, note.into()).await?;
    Ok(sent.await?.sequence)
}

/// Octets of a note's text.
const TEXT_MAX: usize = 8_192;
