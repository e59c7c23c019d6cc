//! `mpic audit show`, and how one entry is named.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use mpic_audit::reader::LogReader;
use mpic_audit::replay::signatures;
use mpic_audit::search::decisions_on;
use mpic_audit::show;
use mpic_common::job::JobId;
use mpic_runtime::config;

use super::Log;
use super::progress::Bar;
use crate::command::{Exit, Failure};

/// Shows one entry as JSON, with the messages inside it decoded too, and of each signature in it
/// whose it is, whether it holds, and if not, why.
///
/// Exit codes: 0 all signatures hold, 1 one does not, 2 it could not be checked.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    which: Which,
    /// The newest directory document: revocations in it apply, and its root alone is trusted; where
    /// the root was handed over, one of each earlier root too
    #[arg(long = "directory", value_name = "FILE")]
    directories: Vec<PathBuf>,
    /// Print it on one line
    #[arg(long)]
    json: bool,
}

/// One entry.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The index of the entry; 0 is the log's own first
    #[arg(required_unless_present = "job", conflicts_with = "job")]
    index: Option<u64>,
    /// The job that the entry decides on
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,
}

impl Which {
    /// The index, which a job has if one entry decides on it.
    pub(super) fn index(&self, log: &LogReader) -> Result<u64, Failure> {
        let (None, Some(job)) = (self.index, self.job) else {
            return Ok(self.index.unwrap_or_default());
        };
        match decisions_on(log, job)?.as_slice() {
            [index] => Ok(*index),
            [] => Err(format!("no entry of the log decides on job {job}").into()),
            indices => {
                let text = format!("the entries {indices:?} decide on job {job}: name one of them");
                Err(text.into())
            }
        }
    }
}

impl Show {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let bar = Arc::new(Bar::default());
        let log = LogReader::open(&self.log.path, &self.log.key()?)?;
        let log = log.watched(Arc::<Bar>::clone(&bar));
        let index = self.which.index(&log)?;
        let mut shown = show::entry(index, log.genesis()?.seq(index), &log.entry(index)?);
        let found = signatures::<Failure>(&log, &self.directories()?, index)?;
        bar.clear();
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("signatures".to_owned(), serde_json::to_value(&found)?);
        }
        if self.json {
            writeln!(out, "{shown}")?;
        } else {
            writeln!(out, "{shown:#}")?;
        }
        let all_hold = found.iter().all(|signature| signature.valid);
        Ok(if all_hold { Exit::Fine } else { Exit::Refused })
    }

    /// The auditor's own, or those of the local system whose log it is.
    fn directories(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut files = self.directories.clone();
        if files.is_empty() {
            files.extend(self.log.local().map(|client| client.directory_file));
        }
        files.iter().map(|path| Ok(config::read(path)?)).collect()
    }
}
