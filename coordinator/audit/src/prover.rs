//! Answers requests for inclusion proofs, each over the newest published checkpoint.

mod desk;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use mpic_common::proof::{ProofAnswer, ProofStatus};
use mpic_common::subject;
use mpic_common::wire::{Kind, encode_body, envelope};
use mpic_runtime::nats::BusError;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::desk::{Desk, Figures};

/// Hears requests from CAs and auditors.
#[derive(Debug)]
pub struct Prover {
    client: Client,
    requests: Subscriber,
    desk: Arc<Desk>,
}

impl Prover {
    /// Subscribes to the requests.
    pub async fn subscribe(client: Client, desk: Arc<Desk>) -> Result<Self, BusError> {
        let (subject, group) = (subject::PROOFS.to_owned(), subject::AUDITORS.to_owned());
        let requests = client.queue_subscribe(subject.clone(), group).await;
        let requests = requests.map_err(|source| BusError::Subscribe { subject, source })?;
        Ok(Self { client, requests, desk })
    }

    /// Answers until `stop`; who waits then is told `pending`.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), BusError> {
        let mut answering = JoinSet::new();
        while let Some(Some(request)) = stop.run_until_cancelled(self.requests.next()).await {
            while answering.try_join_next().is_some() {}
            let Some((reply, payload)) = admitted(request) else {
                tracing::debug!("a request for a proof has no inbox of who asks");
                continue;
            };
            let (client, desk) = (self.client.clone(), Arc::clone(&self.desk));
            let has_room = answering.len() < WAITING_MAX;
            let stop = stop.clone();
            answering.spawn(async move {
                let answer = if has_room {
                    desk.answer(&payload, &stop).await
                } else {
                    ProofAnswer { status: ProofStatus::Pending, proof: None }
                };
                send(&client, reply, &answer).await;
            });
        }
        answering.join_all().await;
        Ok(())
    }
}

/// Where to answer and what is asked, where the answer goes to who asks and to nobody else.
fn admitted(request: Message) -> Option<(String, Bytes)> {
    let code = subject::code_of_proof(&request.subject)?;
    let reply = request.reply?.to_string();
    subject::is_answer_inbox(&reply, &code).then_some((reply, request.payload))
}

async fn send(client: &Client, reply: String, answer: &ProofAnswer) {
    let octets = envelope::unsigned(Kind::Proof, &encode_body(Kind::Proof, answer));
    let sent = timeout(PUBLISH_WAIT, client.publish(reply, octets.into())).await;
    if !matches!(sent, Ok(Ok(()))) {
        tracing::warn!("cannot answer a request for a proof");
    }
}

/// Requests that wait for their entry at one time; beyond it the answer is `pending` at once.
const WAITING_MAX: usize = 8_192;

/// A full connection makes `publish` wait for ever.
const PUBLISH_WAIT: Duration = Duration::from_millis(250);
