//! `mpic directory`: the directory document, for people.

pub(crate) mod written;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mpic_common::directory::Directory;
use mpic_common::octets::Hash;
use mpic_common::perspective::Perspective;
use mpic_common::wire::{Kind, encode_body, envelope};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::{config, keys};

use super::{Exit, Failure};
use crate::table::Table;
use written::Written;

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
    /// Signs a document that is written in TOML, offline
    ///
    /// Whatever a process would refuse is refused here: keys that are none, perspectives off the
    /// Earth, resolvers in another region, a policy looser than the Baseline Requirements.
    Sign {
        /// The document in TOML
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The root's key: base64 of 32 octets, mode 0600
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// Where the signed document goes
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl DirectoryArguments {
    /// Runs the command.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        match &self.command {
            DirectoryCommand::Show { file } => {
                let octets = config::read(file).map_err(Failure::malformed)?;
                let directory = Directory::open_unpinned(&octets).map_err(Failure::malformed)?;
                write!(out, "{}", Shown(&directory))?;
            }
            DirectoryCommand::Sign { file, root, out: signed } => {
                let octets = sign(file, root)?;
                let directory = Directory::open_unpinned(&octets).map_err(Failure::malformed)?;
                directory.policy().check(SystemClock.now().date()).map_err(Failure::malformed)?;
                std::fs::write(signed, octets)?;
                write!(out, "{}", Shown(&directory))?;
            }
        }
        Ok(Exit::Fine)
    }
}

fn sign(file: &Path, root: &Path) -> Result<Vec<u8>, Failure> {
    let written: Written = config::load(file).map_err(Failure::malformed)?;
    let key = keys::load(root).map_err(Failure::malformed)?;
    let document =
        written.document(&key.public(), SystemClock.now()).map_err(Failure::malformed)?;
    let body = encode_body(Kind::Directory, &document);
    Ok(envelope::seal(Kind::Directory, &body, &key, Some(Hash::ZERO)))
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
        let mut table = Table::new(["perspective", "region", "registry", "AS", "provider"]);
        for Perspective { code, region, asn, provider, egress, .. } in
            directory.perspectives(SystemClock.now())
        {
            let registry = egress.registry.to_string();
            let provider = provider.clone().unwrap_or_default();
            table.push([code.to_string(), region.clone(), registry, asn.to_string(), provider]);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../../deploy/config/directory.toml");

    /// Signs `text` with a new root key.
    fn signed(text: &str) -> Result<Directory, String> {
        let dir = tempfile::tempdir().unwrap();
        let (file, root) = (dir.path().join("directory.toml"), dir.path().join("root.key"));
        std::fs::write(&file, text).unwrap();
        let key = keys::create(&root).unwrap();
        let octets = sign(&file, &root).map_err(|failure| failure.error.to_string())?;
        Directory::open(&octets, &key.public()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_sample_is_signed_and_opens_under_its_root() {
        let directory = signed(SAMPLE).unwrap();
        assert_eq!(directory.perspectives(SystemClock.now()).count(), 7);
        let (_, ca) = directory.cas().next().unwrap();
        assert!(ca.sign_jobs);
        assert_eq!(directory.policy().check(SystemClock.now().date()), Ok(()));
    }

    #[test]
    fn what_a_process_would_refuse_is_not_signed() {
        let with = |from: &str, to: &str| {
            assert!(SAMPLE.contains(from), "{from}");
            signed(&SAMPLE.replacen(from, to, 1)).unwrap_err()
        };
        assert!(
            with("serial = 1", "surprise = 2\nserial = 1").contains("unknown field `surprise`")
        );
        assert!(with("latitude = 50.11", "latitude = 95.0").contains("nowhere on Earth"));
        assert!(with("public = \"ed25519:", "public = \"nkey:").contains("key.public `nkey:"));
        assert!(
            with("name = \"us-east\"", "name = \"US East\"").contains("named for its perspective")
        );
        assert!(with("asn = 64502", "asn = -1").contains("asn"));
    }
}
