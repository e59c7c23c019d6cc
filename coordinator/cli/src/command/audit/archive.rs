//! `mpic audit archive`: a second copy of a log, verified before and after.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mpic_audit::archive::{ArchiveError, Archived, archive};

use super::Log;
use crate::command::{Exit, Failure};

/// Copies a log, live or finished, into a directory whose files never change but `checkpoint`.
///
/// Only what the copy lacks is copied, so run it as often as you like. The log must verify, and go
/// on from what the copy has; the copy must verify afterwards.
#[derive(Debug, Args)]
pub(super) struct Archive {
    #[command(flatten)]
    log: Log,
    /// The directory of the copy, made where it is not there
    #[arg(value_name = "COPY")]
    copy: PathBuf,
}

impl Archive {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        match archive(&self.log.path, &self.copy, &self.log.key()?) {
            Ok(Archived { head, files, octets }) => {
                writeln!(out, "archived: {files} new files, {octets} octets")?;
                writeln!(out, "  {}: {} entries, root {}", head.origin, head.size, head.root)?;
                Ok(Exit::Fine)
            }
            Err(damaged @ ArchiveError::Damaged { .. }) => {
                writeln!(out, "NOT ARCHIVED: {damaged}")?;
                Ok(Exit::Refused)
            }
            Err(error) => Err(error.into()),
        }
    }
}
