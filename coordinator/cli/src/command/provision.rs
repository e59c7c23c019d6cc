//! `mpic provision`: makes the stream of records, its consumer and the bucket of the log's head.

use std::io::Write;

use async_nats::jetstream;
use clap::Args;
use mpic_common::subject;
use mpic_runtime::config::BusConfig;
use mpic_runtime::nats::{self, Role};
use mpic_runtime::stream;

use super::{Exit, Failure};

/// Makes what the bus must hold before any process starts
///
/// What is absent is made; what is there is compared, and a setting on which evidence rests must
/// be the same. Nothing is ever lowered, purged or made anew.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Provision {
    /// A server of the bus; repeat it for each
    #[arg(long = "server", value_name = "URL", required = true)]
    servers: Vec<String>,
    /// Decisions a day: the stream is to hold six days of them, so that there is time to repair
    /// the audit consumer
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    decisions_per_day: u32,
    /// Copies of each record: 3 in production, over three failure domains
    #[arg(long, value_name = "N", default_value_t = 3)]
    replicas: usize,
}

const EXAMPLES: &str = "\
Example:
  mpic provision --server nats://bus-0:4222 --server nats://bus-1:4222 --decisions-per-day 200000";

/// Days that the stream holds, and octets of a decision with its replies.
const DAYS: i64 = 6;
const DECISION_OCTETS: i64 = 16 * 1_024;

impl Provision {
    /// Runs the command.
    pub async fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let role = Role {
            name: "provisioning".to_owned(),
            inbox_prefix: subject::ADMIN_INBOX.to_owned(),
            subscription_capacity: 64,
            client_capacity: 64,
        };
        let bus = BusConfig::without_identity(self.servers);
        let (client, _events) = nats::connect(&bus, role).await?;
        let octets_max = i64::from(self.decisions_per_day) * DAYS * DECISION_OCTETS;
        stream::provision(&jetstream::new(client), octets_max, self.replicas).await?;
        writeln!(
            out,
            "{} with consumer `{}`, and {}: as they must be",
            subject::AUDIT_STREAM,
            subject::AUDIT_CONSUMER,
            subject::AUDIT_HEAD_BUCKET
        )?;
        Ok(Exit::Fine)
    }
}
