//! Answers `$SRV` (ADR-32), so that `nats micro ls` and `mpic status` list each process.
//!
//! The library's own service hides its subscriber, so it cannot stop without loss; and it answers
//! wherever it is told to, which would let who asks aim at any subject.

use std::collections::BTreeMap;

use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::select_all;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use mpic_common::octets::hex;
use mpic_common::subject;
use mpic_common::time::UnixMs;

use crate::nats::BusError;

/// How agents are called.
pub const AGENT: &str = "mpic-agent";
/// How coordinators are called.
pub const COORDINATOR: &str = "mpic-coordinator";
/// In the metadata: the code of an agent's perspective, or of a coordinator.
pub const CODE: &str = "code";
/// In the metadata: the id of the key that a process signs with, in hex.
pub const KEY: &str = "key";
/// In the metadata: name and version of what runs.
pub const SOFTWARE: &str = "software";

/// What INFO says of every process; what it is follows from its name.
const DESCRIPTION: &str = "Multi-Perspective Issuance Corroboration";

/// What a process is; it does not change while the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// `mpic-agent`, `mpic-coordinator` or `mpic-audit`.
    pub name: String,
    /// Random for each process.
    pub id: String,
    /// `SemVer`.
    pub version: String,
    /// Code, perspective, registry, key id.
    pub metadata: BTreeMap<String, String>,
}

/// The one endpoint of each process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `check`, `job` or `proof`.
    pub name: String,
    /// What it subscribes to.
    pub subject: String,
    /// In which queue group.
    pub queue_group: String,
}

/// What changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages taken.
    pub num_requests: u64,
    /// Messages that were not served.
    pub num_errors: u64,
    /// Anything else, by name: `inflight`, `capacity`, `draining`.
    pub data: BTreeMap<String, u64>,
}

/// An answer to a question about a process, as `mpic status` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Which process.
    #[serde(flatten)]
    pub service: Service,
    /// Its endpoint and figures; only in answers to STATS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointStats>,
}

/// An endpoint and its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStats {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Its figures.
    #[serde(default, flatten)]
    pub stats: Stats,
}

/// Answers for one process until it is stopped.
pub struct Discovery<F> {
    client: Client,
    service: Service,
    endpoint: Endpoint,
    started_ms: UnixMs,
    stats: F,
    questions: futures_util::stream::SelectAll<Subscriber>,
}

impl<F> std::fmt::Debug for Discovery<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("service", &self.service).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Pong<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    service: &'a Service,
}

#[derive(Serialize)]
struct Report<'a, E> {
    r#type: &'static str,
    #[serde(flatten)]
    service: &'a Service,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    endpoints: [E; 1],
}

/// What clients of ADR-32 read of an endpoint: what is not measured here is nil.
#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    endpoint: &'a Endpoint,
    #[serde(flatten)]
    stats: Stats,
    last_error: &'static str,
    processing_time: u64,
    average_processing_time: u64,
}

/// What INFO says of an endpoint.
#[derive(Serialize)]
struct Offered<'a> {
    #[serde(flatten)]
    endpoint: &'a Endpoint,
    metadata: BTreeMap<String, String>,
}

/// A random id for `Service`.
pub fn process_id() -> Result<String, getrandom::Error> {
    let mut id = [0; 8];
    getrandom::fill(&mut id)?;
    Ok(hex(&id))
}

impl<F: Fn() -> Stats + Send + 'static> Discovery<F> {
    /// Subscribes to the questions.
    pub async fn subscribe(
        client: Client,
        service: Service,
        endpoint: Endpoint,
        started_ms: UnixMs,
        stats: F,
    ) -> Result<Self, BusError> {
        let mut questions = Vec::new();
        for verb in subject::DISCOVERY_VERBS {
            let (name, id) = (Some(service.name.as_str()), Some(service.id.as_str()));
            for (name, id) in [(None, None), (name, None), (name, id)] {
                let subject = subject::discovery(verb, name, id);
                let subscribed = client.subscribe(subject.clone()).await;
                questions
                    .push(subscribed.map_err(|source| BusError::Subscribe { subject, source })?);
            }
        }
        let questions = select_all(questions);
        Ok(Self { client, service, endpoint, started_ms, stats, questions })
    }

    /// Answers until `stop`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), BusError> {
        while let Some(Some(question)) = stop.run_until_cancelled(self.questions.next()).await {
            let Some(reply) = question.reply else { continue };
            if !reply.starts_with(subject::DISCOVERY_INBOX) {
                continue;
            }
            let verb = question.subject.split('.').nth(1).unwrap_or_default();
            if let Some(answer) = self.answer(verb) {
                self.client
                    .publish(reply.clone(), answer.into())
                    .await
                    .map_err(|source| BusError::Publish { subject: reply.to_string(), source })?;
            }
        }
        Ok(())
    }

    fn answer(&self, verb: &str) -> Option<Vec<u8>> {
        let service = &self.service;
        let answer = match verb {
            "PING" => {
                serde_json::to_vec(&Pong { r#type: "io.nats.micro.v1.ping_response", service })
            }
            "INFO" => serde_json::to_vec(&Report {
                r#type: "io.nats.micro.v1.info_response",
                service,
                started: None,
                description: Some(DESCRIPTION),
                endpoints: [Offered { endpoint: &self.endpoint, metadata: BTreeMap::new() }],
            }),
            "STATS" => serde_json::to_vec(&Report {
                r#type: "io.nats.micro.v1.stats_response",
                service,
                started: Some(self.started_ms.to_string()),
                description: None,
                endpoints: [Measured {
                    endpoint: &self.endpoint,
                    stats: (self.stats)(),
                    last_error: "",
                    processing_time: 0,
                    average_processing_time: 0,
                }],
            }),
            _ => return None,
        };
        answer.ok()
    }
}
