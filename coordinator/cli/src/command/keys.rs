//! `mpic keys`: makes API keys, and rotates the keys of a fleet with overlap.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use mpic_runtime::clock::{Clock, SystemClock};

use super::{Exit, Failure};
use crate::fleet::gateway::{key_hash, new_api_key};
use crate::fleet::layout::Layout;
use crate::fleet::rotation::{self, RotationError};

/// Makes keys, and rotates those of a fleet with overlap
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Makes a new key; the old one stays good for a while
    Rotate {
        #[command(flatten)]
        whose: Whose,
        /// Days for which the old signing key stays good
        #[arg(long, value_name = "N", default_value_t = 7)]
        overlap_days: u32,
        /// The nkey that the bus knows the party by, instead of the key that signs
        #[arg(long)]
        nkey: bool,
    },
    /// Prints a new API key for the gateway's clients, and the hash that its configuration has
    Api,
    /// Lets the bus forget the nkeys that were rotated
    Retire {
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Args)]
struct Whose {
    /// The name of its files, such as agent-us-east, coordinator-0 or ca-ca1
    name: String,
    /// The directory that `mpic init` or `mpic up` has written
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

const EXAMPLES: &str = "\
Example:
  mpic keys rotate agent-us-east --dir fleet
  mpic keys rotate agent-us-east --nkey --dir fleet
  mpic keys retire agent-us-east --dir fleet
  mpic keys api";

const DAY: Duration = Duration::from_secs(24 * 3_600);

impl KeysArguments {
    /// Runs the command.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        match &self.command {
            KeysCommand::Rotate { whose, nkey: true, .. } => rotate_nkey(whose, out)?,
            KeysCommand::Rotate { whose, overlap_days, nkey: false } => {
                rotate_signing(whose, DAY * *overlap_days, out)?;
            }
            KeysCommand::Api => {
                let key = new_api_key().map_err(Failure::malformed)?;
                writeln!(out, "key         {key}\nkey_sha256  {}", key_hash(&key))?;
            }
            KeysCommand::Retire { whose } => retire(whose, out)?,
        }
        Ok(Exit::Fine)
    }
}

impl Whose {
    fn layout(&self) -> std::io::Result<Layout> {
        Layout::new(&self.dir)
    }
}

fn malformed(error: RotationError) -> Failure {
    Failure::malformed(error)
}

fn rotate_signing(whose: &Whose, overlap: Duration, out: &mut dyn Write) -> Result<(), Failure> {
    let (layout, name) = (whose.layout()?, &whose.name);
    let rotated = rotation::rotate_signing(&layout, name, overlap, SystemClock.now());
    let rotation::Rotated { serial, old, until, new } = rotated.map_err(malformed)?;
    write!(
        out,
        "{name}: key {new} is in force from now, {old} until {until}
next, in this order:
  1. bring {} (serial {serial}) to every coordinator, agent and CA, and send each SIGHUP:
     a signature of the new key counts only where it is listed
  2. bring {} to the processes of {name} and restart them, one at a time
",
        layout.directory_file().display(),
        layout.key(name).display(),
    )?;
    Ok(())
}

fn rotate_nkey(whose: &Whose, out: &mut dyn Write) -> Result<(), Failure> {
    let (layout, name) = (whose.layout()?, &whose.name);
    rotation::rotate_nkey(&layout, name).map_err(malformed)?;
    write!(
        out,
        "{name}: a new nkey; the old one stays good until it is retired
next, in this order:
  1. run `mpic init` again: the servers' configurations then know both
  2. bring those to the servers, and send each SIGHUP
  3. bring {} to the processes of {name} and restart them, one at a time
  4. mpic keys retire {name} --dir {}
",
        layout.nkey(name).display(),
        layout.dir().display(),
    )?;
    Ok(())
}

fn retire(whose: &Whose, out: &mut dyn Write) -> Result<(), Failure> {
    let (layout, name) = (whose.layout()?, &whose.name);
    let forgotten = rotation::retire_nkey(&layout, name).map_err(malformed)?;
    writeln!(
        out,
        "{name}: {forgotten} nkeys retired; run `mpic init` again, bring the servers their \
         configurations, and send each SIGHUP"
    )?;
    Ok(())
}
