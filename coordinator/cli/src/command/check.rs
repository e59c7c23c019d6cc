//! `mpic check`: submits a job as a CA does, and shows what came of it.

mod ask;
mod raw;
mod receipt;
pub(super) mod report;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mpic_common::limits::BUDGET;
use mpic_common::policy::Outcome;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_runtime::ca_client::{CaClient, Submission, Submitted};
use mpic_runtime::clock::{Clock, SystemClock};
use tokio::time::Instant;

use super::{Certificate, Dir, Exit, Failure};
use crate::client::ClientConfig;
use crate::fleet::layout::Layout;
use receipt::Receipt;
use report::Report;

/// Asks whether a certificate may be issued, as a CA does, and shows the decision.
///
/// Without --caa and --method it asks for CAA alone. The decision is signed and recorded before it
/// is shown; each perspective's reply is verified again here.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// A DNS name, `*.` and a name, an IP address, or for S/MIME a mailbox
    #[arg(required_unless_present = "raw_job")]
    identifier: Option<String>,
    /// Check certification authority authorization (RFC 8659)
    #[arg(long)]
    caa: bool,
    /// Validate domain control by this ACME challenge
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// dns-01: what a TXT record at `_acme-challenge` must say
    #[arg(long, value_name = "H", required_if_eq("method", "dns-01"))]
    key_authorization_hash: Option<String>,
    /// http-01: names the file
    #[arg(long, value_name = "T", required_if_eq("method", "http-01"))]
    token: Option<String>,
    /// http-01: what the file must say
    #[arg(long, value_name = "K", required_if_eq("method", "http-01"))]
    key_authorization: Option<String>,
    /// The kind of certificate
    #[arg(long, value_enum, default_value_t = Certificate::TlsServer)]
    certificate_type: Certificate,
    /// Ask the remotes together with the primary, not after it has passed
    #[arg(long, value_enum, default_value_t = DispatchArgument::PrimaryFirst)]
    dispatch: DispatchArgument,
    /// Milliseconds for everything up to the answer, 5000 to 60000
    #[arg(long, value_name = "MS")]
    budget_ms: Option<u64>,
    /// Send this job, given as JSON, as it stands; `-` reads standard input
    ///
    /// Fields are those of a job on the wire; `type`, `ca` and `job` are filled in where absent.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["identifier", "caa", "method"])]
    raw_job: Option<PathBuf>,
    #[command(flatten)]
    receipt: Receipt,
    #[command(flatten)]
    dir: Dir,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples, with the small Internet of `mpic up`:
  mpic check honest.example
  mpic check honest.example --caa --method dns-01 \\
      --key-authorization-hash 6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM
  mpic check forbidden.example --json
  mpic check honest.example --wait-for checkpoint --receipt kept
  echo '{\"identifier\": {\"kind\": \"dns\", \"value\": \"a_b\"}}' | mpic check --raw-job -

Exit codes: 0 corroborated, 1 refused, 2 malformed job, 3 could not be decided or recorded.";

/// The challenges of RFC 8555.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    #[value(name = "dns-01")]
    Dns01,
    #[value(name = "http-01")]
    Http01,
}

/// When the remotes are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DispatchArgument {
    PrimaryFirst,
    Together,
}

impl Check {
    /// Submits the job and prints what came of it.
    pub async fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let client = Layout::new(&self.dir.path())?.client();
        let config = ClientConfig::load(&client).map_err(Failure::malformed)?;
        let directory = config.directory()?;
        let submission = self.submission(&config)?;
        let ca = CaClient::connect(&config.bus, config.ca.clone()).await?;
        let sent = Instant::now();
        let submitted = ca.submit(&submission, &directory, &SystemClock).await?;
        let elapsed = sent.elapsed();
        match submitted {
            Submitted::Refused(refusal) => self.show_refusal(out, &refusal),
            Submitted::Decided(recorded) => {
                let report = Report::new(&recorded, &directory, elapsed)?;
                self.show(out, &report, &report)?;
                self.receipt.take(out, self.json, &ca, &config, &recorded).await?;
                Ok(match recorded.decision.outcome {
                    Outcome::Corroborate => Exit::Fine,
                    Outcome::Refuse => Exit::Refused,
                })
            }
        }
    }

    fn submission(&self, config: &ClientConfig) -> Result<Submission, Failure> {
        let key = config.key()?;
        let now = SystemClock.now();
        let (job, body, budget) = match &self.raw_job {
            Some(path) => {
                let (job, body) = raw::job(path, config, now)?;
                (job, body, BUDGET)
            }
            None => {
                let job = self.job(config, now)?;
                (job.id, job.to_body(), job.budget.unwrap_or(BUDGET))
            }
        };
        Ok(Submission::new(job, &body, budget, key.as_ref()))
    }

    fn show_refusal(&self, out: &mut dyn Write, refusal: &RefusalRecord) -> Result<Exit, Failure> {
        self.show(out, refusal, &report::Refusal(refusal))?;
        Ok(match refusal.code {
            RefusalCode::Busy
            | RefusalCode::Unrecorded
            | RefusalCode::NoCohort
            | RefusalCode::Counted
            | RefusalCode::Internal => Exit::Undecided,
            RefusalCode::Malformed
            | RefusalCode::Invalid
            | RefusalCode::UnsupportedVersion
            | RefusalCode::Forbidden
            | RefusalCode::Expired
            | RefusalCode::Conflict => Exit::Malformed,
        })
    }

    fn show(
        &self,
        out: &mut dyn Write,
        machines: &impl serde::Serialize,
        people: &impl std::fmt::Display,
    ) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{}", serde_json::to_string(machines)?)?;
        } else {
            write!(out, "{people}")?;
        }
        Ok(())
    }
}
