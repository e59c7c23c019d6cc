//! The commands, a file each. They print through the writer that they are given.

pub mod audit;
pub mod check;
pub mod directory;
pub mod explain;
pub mod init;
pub mod keys;
pub mod perspectives;
pub mod provision;
pub mod status;
pub mod up;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mpic_common::policy::CertificateType;

/// Multi-Perspective Issuance Corroboration, for people.
///
/// Before a certification authority issues a certificate, it asks distant places on the Internet
/// whether they see the same evidence that it sees. `mpic` starts such a system on this machine,
/// asks it as a CA does, and audits what it has recorded.
#[derive(Debug, Parser)]
#[command(name = "mpic", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Begin with:
  mpic up                                    a whole system, with a small Internet to try it on
  mpic check honest.example                  in another terminal: ask it
  mpic explain --remotes 5 --failing 1       what would be decided, and why

Exit codes: 0 corroborated or fine, 1 refused or not as it must be, 2 malformed input,
3 could not be decided or recorded.";

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Check(Box<check::Check>),
    Explain(explain::Explain),
    Perspectives(perspectives::Perspectives),
    Status(status::Status),
    Audit(audit::Audit),
    Directory(directory::DirectoryArguments),
    Init(init::Init),
    Keys(keys::KeysArguments),
    Provision(provision::Provision),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Corroborated, or fine.
    Fine,
    /// Refused, or not as it must be.
    Refused,
    /// The input is malformed.
    Malformed,
    /// It could not be decided or recorded.
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Refused => 1,
            Exit::Malformed => 2,
            Exit::Undecided => 3,
        })
    }
}

/// The kinds of certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Certificate {
    TlsServer,
    #[value(name = "s-mime")]
    SMime,
}

impl From<Certificate> for CertificateType {
    fn from(certificate: Certificate) -> Self {
        match certificate {
            Certificate::TlsServer => Self::TlsServer,
            Certificate::SMime => Self::SMime,
        }
    }
}

/// The directory of a local system.
#[derive(Debug, Args)]
struct Dir {
    /// The directory of the local system [default: `mpic` in `$XDG_STATE_HOME` or `~/.local/state`]
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Dir {
    /// The directory, which is the same for every command unless it is named.
    fn path(&self) -> PathBuf {
        let state = || std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
        let home = || std::env::home_dir().unwrap_or_default().join(".local/state");
        let default = || state().map_or_else(home, PathBuf::from).join("mpic");
        self.dir.clone().unwrap_or_else(default)
    }
}

/// What went wrong, and how the process ends for it.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Box<dyn Error + Send + Sync>,
    /// How the process ends.
    pub exit: Exit,
}

impl Failure {
    fn malformed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), exit: Exit::Malformed }
    }
}

/// What is not said to be the input's fault could not be done.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), exit: Exit::Undecided }
    }
}

impl Arguments {
    /// Runs the command; it prints to `out`.
    pub async fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        match self.command {
            Command::Up(up) => up.run(out).await,
            Command::Check(check) => check.run(out).await,
            Command::Explain(explain) => explain.run(out),
            Command::Perspectives(perspectives) => perspectives.run(out),
            Command::Status(status) => status.run(out).await,
            Command::Audit(audit) => audit.run(out).await,
            Command::Directory(directory) => directory.run(out),
            Command::Init(init) => init.run(out),
            Command::Keys(keys) => keys.run(out),
            Command::Provision(provision) => provision.run(out).await,
        }
    }
}
