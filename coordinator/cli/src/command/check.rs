//! `mpic check`: submits a job as a CA does, and shows what came of it.

mod argument;
mod ask;
mod help;
mod raw;
mod receipt;
pub(super) mod report;
mod validation;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mpic_common::limits::BUDGET;
use mpic_common::policy::Outcome;
use mpic_common::record::{RefusalCode, RefusalRecord};
use mpic_runtime::ca_client::{CaClient, Submission, Submitted};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::telemetry;
use tokio::time::Instant;

use super::{Certificate, Dir, Exit, Failure};
use crate::client::ClientConfig;
use crate::fleet::layout::Layout;
use receipt::Receipt;
use report::Report;
use validation::Validation;

/// Asks whether a certificate may be issued, as a CA does, and shows the decision.
///
/// Without --caa and --method it asks for CAA alone. The decision is signed and recorded before it
/// is shown; each perspective's reply is verified again here.
#[derive(Debug, Args)]
#[command(after_help = help::SHORT, after_long_help = help::LONG)]
pub struct Check {
    /// A DNS name, `*.` and a name, an IP address, or for S/MIME a mailbox
    #[arg(required_unless_present = "raw_job")]
    identifier: Option<String>,
    #[command(flatten)]
    validation: Validation,
    #[command(flatten)]
    authorization: Authorization,
    /// The CA's name in CAA and persistent records (repeatable) [default: those of client.toml]
    #[arg(long, value_name = "NAME", help_heading = None)]
    issuer_domain: Vec<String>,
    /// The kind of certificate [default: s-mime for a mailbox, else tls-server]
    #[arg(long, value_enum, help_heading = None)]
    certificate_type: Option<Certificate>,
    /// Ask the remotes together with the primary, not after it has passed
    #[arg(long, value_enum, default_value_t = DispatchArgument::PrimaryFirst, help_heading = None)]
    dispatch: DispatchArgument,
    /// Milliseconds for everything up to the answer, 5000 to 60000
    #[arg(long, value_name = "MS", help_heading = None)]
    budget_ms: Option<u64>,
    /// Send this job, given as JSON, as it stands; `-` reads standard input
    ///
    /// Fields are those of a job on the wire; `type`, `ca` and `job` are filled in where absent.
    #[arg(long, value_name = "FILE", help_heading = None,
        conflicts_with_all = ["identifier", "caa", "method"])]
    raw_job: Option<PathBuf>,
    #[command(flatten)]
    receipt: Receipt,
    #[command(flatten)]
    dir: Dir,
    /// Print JSON: the decision, and each perspective's signed reply with its evidence
    #[arg(long, help_heading = None)]
    json: bool,
}

/// How certification authority authorization is checked (RFC 8659).
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Certification authority authorization")]
struct Authorization {
    /// Check CAA; it is checked without this where there is no --method
    #[arg(long)]
    caa: bool,
    /// An account that `accounturi` may name (RFC 8657; repeatable)
    #[arg(long, value_name = "URI")]
    caa_account_uri: Vec<String>,
    /// What `validationmethods` must list (RFC 8657) [default: the label of the method]
    #[arg(long, value_name = "LABEL")]
    caa_method_label: Option<String>,
}

impl Authorization {
    /// The flags that say how, not whether.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            ("--caa-account-uri", !self.caa_account_uri.is_empty()),
            ("--caa-method-label", self.caa_method_label.is_some()),
        ];
        flags.into_iter().filter_map(|(flag, is_given)| is_given.then_some(flag))
    }
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
        config.trace().map_err(Failure::malformed)?;
        let ca = CaClient::connect(&config.bus, config.ca.clone()).await?;
        let sent = Instant::now();
        let submitted = telemetry::during(ca.submit(&submission, &directory, &SystemClock)).await?;
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
        let known_as: fn(&str) -> &str =
            if self.raw_job.is_some() { |field| field } else { validation::flag_of };
        self.show(out, refusal, &report::Refusal(refusal, known_as))?;
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

#[cfg(test)]
mod tests;
