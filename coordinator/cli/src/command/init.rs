//! `mpic init`: everything that a described fleet needs.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mpic_runtime::clock::{Clock, SystemClock};

use super::{Exit, Failure};
use crate::fleet::generated::Generated;
use crate::fleet::store::Mode;

/// Writes what a described fleet needs: keys, certificates, servers, streams, configurations, and
/// the signed directory document
///
/// Run it again after the description has changed: what is new is added, what follows from the
/// description is written anew, and no key is ever overwritten. FILES in the directory says which
/// file goes where.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Init {
    /// The description in TOML; deploy/config/fleet.toml is one
    #[arg(value_name = "FLEET.toml")]
    description: PathBuf,
    /// Where the files go; it holds secrets
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write nothing, and say what differs
    #[arg(long)]
    check: bool,
}

const EXAMPLES: &str = "\
Example:
  mpic init fleet.toml --out fleet
  mpic init fleet.toml --out fleet --check     exit code 1 where something differs";

impl Init {
    /// Runs the command.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let mode = if self.check { Mode::Check } else { Mode::Write };
        let fleet = Generated::read(&self.description, &self.out).map_err(Failure::malformed)?;
        let changes = fleet.apply(mode, SystemClock.now()).map_err(Failure::malformed)?;
        for change in &changes {
            let is_made = change.path.exists();
            let what = if self.check || !is_made { "" } else { ", now written" };
            writeln!(out, "{:<9} {}{what}", change.what, change.path.display())?;
        }
        if changes.is_empty() {
            writeln!(out, "as described: nothing differs")?;
        }
        let is_whole = changes.iter().all(|change| change.path.exists());
        let is_fine = if self.check { changes.is_empty() } else { is_whole };
        Ok(if is_fine { Exit::Fine } else { Exit::Refused })
    }
}
