//! Which logs a command reads: one, or the shards of one history.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mpic_audit::note::{LogPublicKey, read_unverified};
use mpic_audit::reader::LogReader;
use mpic_audit::replay::Shard;
use mpic_audit::shards;
use mpic_audit::verify;
use mpic_runtime::config;

use super::progress::Bar;
use super::{Kept, local, read};
use crate::client::ClientConfig;
use crate::command::{Dir, Failure};

/// The logs, in order, and what they are verified with.
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The directory of the log; several in their order, or one directory that holds them
    #[arg(value_name = "LOGDIR", required = true)]
    paths: Vec<PathBuf>,
    /// A file with the keys that checkpoints are verified with, one a line; may be repeated
    /// [default: that of the local system whose log it is]
    #[arg(long = "log-key", value_name = "FILE")]
    key_files: Vec<PathBuf>,
    #[command(flatten)]
    dir: Dir,
}

/// Whom the auditor trusts to say who may sign.
#[derive(Debug, Args)]
pub(super) struct Pinned {
    /// The newest directory document, which pins the root; where the root was handed over, one of
    /// each earlier root too [default: that of the local system whose log it is, else the log's
    /// own]
    #[arg(long = "directory", value_name = "FILE")]
    directories: Vec<PathBuf>,
}

impl Logs {
    /// The directories and their keys.
    pub(super) fn found(&self) -> Result<Vec<(PathBuf, LogPublicKey)>, Failure> {
        let mut paths = Vec::new();
        for path in &self.paths {
            let failed = |error| format!("cannot read {}: {error}", path.display());
            let found = shards::find(path).map_err(failed)?;
            if found.is_empty() {
                return Err(format!("no log in {}: no file `checkpoint`", path.display()).into());
            }
            paths.extend(found);
        }
        let keys = self.keys()?;
        paths.into_iter().map(|path| Ok((path.clone(), key_of(&path, &keys)?))).collect()
    }

    /// A reader of each, which tells `bar` how far it is.
    pub(super) fn readers(&self, bar: &Arc<Bar>) -> Result<Vec<LogReader>, Failure> {
        let open = |(path, key): (PathBuf, LogPublicKey)| {
            Ok(LogReader::open(&path, &key)?.watched(Arc::<Bar>::clone(bar)))
        };
        self.found()?.into_iter().map(open).collect()
    }

    /// What is to be verified, with what was kept of each.
    pub(super) fn shards(&self, kept: &Kept) -> Result<Vec<Shard>, Failure> {
        let found = self.found()?;
        let mut shards: Vec<_> = found
            .into_iter()
            .map(|(directory, key)| Shard { directory, key, kept: verify::Options::default() })
            .collect();
        for path in &kept.checkpoints {
            let origin = origin(&fs::read(path).unwrap_or_default());
            if let Some(shard) = of_origin(&mut shards, origin.as_deref()) {
                shard.kept.old_checkpoints.push(path.clone());
            }
        }
        for path in &kept.proofs {
            let proof = fs::read_to_string(path).unwrap_or_default();
            let note = proof.split_once("\n\n").map(|(_, note)| note).unwrap_or_default();
            if let Some(shard) = of_origin(&mut shards, origin(note.as_bytes()).as_deref()) {
                shard.kept.proofs.push(path.clone());
            }
        }
        Ok(shards)
    }

    fn keys(&self) -> Result<Vec<LogPublicKey>, Failure> {
        let mut files = self.key_files.clone();
        if files.is_empty() {
            files.extend(self.local().and_then(|client| client.log_key_file));
        }
        let mut keys = Vec::new();
        for path in &files {
            for line in read(path)?.lines().filter(|line| !line.is_empty()) {
                let key = line.parse().map_err(|error| format!("{}: {error}", path.display()))?;
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err("--log-key FILE is required".into());
        }
        Ok(keys)
    }

    fn local(&self) -> Option<ClientConfig> {
        local(&self.dir, self.paths.first()?)
    }
}

impl Pinned {
    /// The directory documents that there are besides the log's own.
    pub(super) fn octets(&self, logs: &Logs) -> Result<Vec<Vec<u8>>, Failure> {
        let mut files = self.directories.clone();
        if files.is_empty() {
            files.extend(logs.local().map(|client| client.directory_file));
        }
        files.iter().map(|path| Ok(config::read(path)?)).collect()
    }
}

/// The key of the name that a log's checkpoint says; of one key alone, that one.
fn key_of(path: &Path, keys: &[LogPublicKey]) -> Result<LogPublicKey, Failure> {
    let origin = shards::origin(path);
    let named = keys.iter().find(|key| Some(key.origin()) == origin.as_deref());
    match (named, keys) {
        (Some(key), _) | (None, [key]) => Ok(key.clone()),
        _ => {
            let origin = origin.unwrap_or_default();
            Err(format!("no --log-key for {}, which says it is {origin:?}", path.display()).into())
        }
    }
}

/// What was kept of a log that is not among these is shown to be of another one by the last.
fn of_origin<'a>(shards: &'a mut [Shard], origin: Option<&str>) -> Option<&'a mut Shard> {
    let place = shards.iter().position(|shard| Some(shard.key.origin()) == origin);
    let last = shards.len().checked_sub(1)?;
    shards.get_mut(place.unwrap_or(last))
}

fn origin(note: &[u8]) -> Option<String> {
    Some(read_unverified(note).ok()?.origin)
}
