//! `mpic directory`: the directory document, for people.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use mpic_common::directory::Directory;
use mpic_common::perspective::Perspective;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config;

use super::{Exit, Failure};
use crate::table::Table;

/// Works on directory documents: perspectives, keys, CAs and the policy.
#[derive(Debug, Args)]
pub struct DirectoryArguments {
    #[command(subcommand)]
    command: DirectoryCommand,
}

#[derive(Debug, Subcommand)]
enum DirectoryCommand {
    /// Shows a signed document, under the root that it names
    Show {
        /// The document
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl DirectoryArguments {
    /// Runs the command.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let DirectoryCommand::Show { file } = &self.command;
        let octets = config::read(file).map_err(Failure::malformed)?;
        let directory = Directory::open_unpinned(&octets).map_err(Failure::malformed)?;
        write!(out, "{}", Shown(&directory))?;
        Ok(Exit::Fine)
    }
}

struct Shown<'a>(&'a Directory);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(directory) = self;
        writeln!(f, "serial  {}, issued {}", directory.serial(), directory.issued_ms())?;
        writeln!(f, "root    {} (compare it: the document itself names it)", directory.root())?;
        writeln!(f, "hash    {}", directory.hash())?;
        writeln!(f, "policy  {}", directory.policy().profile.as_str())?;
        for (code, ca) in directory.cas() {
            writeln!(f, "CA      {code}: {}", ca.issuer_domains.join(", "))?;
        }
        let mut table = Table::new(["perspective", "region", "registry", "AS"]);
        for Perspective { code, region, asn, egress, .. } in
            directory.perspectives(SystemClock.now())
        {
            let registry = egress.registry.to_string();
            table.push([code.to_string(), region.clone(), registry, asn.to_string()]);
        }
        write!(f, "{table}")
    }
}
