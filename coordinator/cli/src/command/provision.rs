//! `mpic provision`: makes the stream of records, its consumer and the bucket of the log's head.

use std::io::Write;
use std::path::PathBuf;

use async_nats::jetstream;
use clap::Args;
use mpic_common::subject;
use mpic_runtime::config;
use mpic_runtime::nats::{self, Role};
use mpic_runtime::stream;

use super::{Exit, Failure};
use crate::client::ProvisionConfig;

/// Makes what the bus must hold before any process starts
///
/// What is absent is made; what is there is compared, and a setting on which evidence rests must
/// be the same. Nothing is ever lowered, purged or made anew.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Provision {
    /// What `mpic init` has written for it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

const EXAMPLES: &str = "\
Example:
  mpic provision --config /etc/mpic/config/provisioning.toml";

impl Provision {
    /// Runs the command.
    pub async fn run(self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let config: ProvisionConfig = config::load(&self.config).map_err(Failure::malformed)?;
        let role = Role {
            name: "provisioning".to_owned(),
            inbox_prefix: subject::ADMIN_INBOX.to_owned(),
            subscription_capacity: 64,
            client_capacity: 64,
        };
        let (client, _events) = nats::connect(&config.bus, role).await?;
        let octets_max = stream::octets_for(config.decisions_per_day);
        stream::provision(&jetstream::new(client), octets_max, config.replicas).await?;
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
