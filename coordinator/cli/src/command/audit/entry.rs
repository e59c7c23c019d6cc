//! `mpic audit show`, and how one entry is named.

use std::io::Write;

use clap::Args;
use mpic_audit::reader::LogReader;
use mpic_audit::search::decisions_on;
use mpic_audit::show;
use mpic_common::job::JobId;

use super::Log;
use crate::command::{Exit, Failure};

/// Shows one entry as JSON, with the messages inside it decoded too.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    which: Which,
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
        let log = LogReader::open(&self.log.path, &self.log.key()?)?;
        let index = self.which.index(&log)?;
        let shown = show::entry(index, log.genesis()?.seq(index), &log.entry(index)?);
        if self.json {
            writeln!(out, "{shown}")?;
        } else {
            writeln!(out, "{shown:#}")?;
        }
        Ok(Exit::Fine)
    }
}
