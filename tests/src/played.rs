//! Roles that a test plays itself, with a right key or a stolen one: a perspective's agent, and a
//! coordinator.

use std::time::Duration;

use async_nats::{Client, Message, Subject, Subscriber};
use futures_util::StreamExt;
use mpic_common::assignment::{Assignment, SignedAssignment};
use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::job::Job;
use mpic_common::octets::{Hash, Octets};
use mpic_common::reply::{PerspectiveRole, Reply, ReplyOutcome};
use mpic_common::signature::SigningKey;
use mpic_common::subject;
use mpic_common::testing::{Fleet, Seen};
use mpic_common::wire::{Kind, envelope};
use mpic_runtime::clock::{Clock, SystemClock};

use crate::cluster::Cluster;

/// A remote perspective's agent, played by the test.
#[derive(Debug)]
pub struct PlayedAgent {
    /// The perspective.
    pub perspective: PerspectiveId,
    /// What its agents sign with.
    pub key: SigningKey,
    client: Client,
    directory: Directory,
    assignments: Subscriber,
}

/// An assignment that came to a played agent.
#[derive(Debug)]
pub struct Received {
    /// What is asked.
    pub assignment: Assignment,
    /// The job in it.
    pub job: Job,
    /// What an honest reply signs.
    pub digest: Hash,
    /// Its exact octets.
    pub octets: Vec<u8>,
    /// Where the reply goes.
    pub reply_to: Subject,
}

/// Longer than an assignment takes unless something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

impl PlayedAgent {
    /// Serves a perspective whose own agent must be absent.
    pub async fn of(cluster: &Cluster, perspective: &str) -> Self {
        let perspective: PerspectiveId = perspective.parse().unwrap();
        let client = cluster.client().await;
        let (subject, group) = (subject::check(&perspective), perspective.to_string());
        let assignments = client.queue_subscribe(subject, group).await.unwrap();
        client.flush().await.unwrap();
        let (key, directory) = (cluster.agent_key(&perspective), cluster.directory());
        Self { perspective, key, client, directory, assignments }
    }

    /// The next assignment of `job`, which its coordinator signed. A job before it may still be
    /// asked once more.
    pub async fn assignment(&mut self, job: &Job) -> Received {
        let of_the_job = async {
            loop {
                let message = self.assignments.next().await.unwrap();
                let received = self.received(message);
                if received.job.id == job.id {
                    return received;
                }
            }
        };
        tokio::time::timeout(PATIENCE, of_the_job).await.expect("an assignment in time")
    }

    /// The next assignment, of whatever job.
    pub async fn next_assignment(&mut self) -> Received {
        let message = self.assignments.next().await.unwrap();
        self.received(message)
    }

    fn received(&self, message: Message) -> Received {
        let octets = message.payload.to_vec();
        let verified = Assignment::verify(&octets, &self.directory, SystemClock.now()).unwrap();
        let (reply_to, digest, job) = (message.reply.unwrap(), verified.digest, verified.job);
        Received { assignment: verified.assignment, job, digest, octets, reply_to }
    }

    /// What an honest agent would say: it sees what the job expects.
    pub fn pass(&self, received: &Received) -> Reply {
        let job = &received.job;
        // The builder's own perspectives stand in; what is theirs is replaced.
        let (fleet, stand_in) = (Fleet::new(1), "r0".parse().unwrap());
        let (_, reply) = fleet.reply(&stand_in, job, Seen::Expected);
        let now = SystemClock.now();
        let place = self.directory.perspective(&self.perspective, now).unwrap();
        Reply {
            perspective: self.perspective.clone(),
            role: PerspectiveRole::Remote,
            registry: place.egress.registry,
            job_digest: received.assignment.job_digest,
            started_ms: now,
            ended_ms: now,
            ..Reply::clone(&reply)
        }
    }

    /// What an agent without a permit says.
    pub fn busy(&self, received: &Received) -> Reply {
        let observations = std::collections::BTreeMap::new();
        Reply { outcome: ReplyOutcome::Busy, observations, ..self.pass(received) }
    }

    /// Signs a reply as its perspective.
    pub fn sign(&self, reply: &Reply, received: &Received) -> Vec<u8> {
        reply.sign(&self.key, received.digest)
    }

    /// Sends octets to where the reply is waited for.
    pub async fn send(&self, received: &Received, octets: impl Into<Vec<u8>>) {
        self.client.publish(received.reply_to.clone(), octets.into().into()).await.unwrap();
        self.client.flush().await.unwrap();
    }
}

/// The assignments of a perspective, overheard beside its agents.
pub async fn assignments(cluster: &Cluster, perspective: &PerspectiveId) -> Subscriber {
    let client = cluster.client().await;
    let overheard = client.subscribe(subject::check(perspective)).await.unwrap();
    client.flush().await.unwrap();
    overheard
}

/// A coordinator, played by the test, that asks one perspective.
#[derive(Debug)]
pub struct PlayedCoordinator {
    /// Its code.
    pub code: CoordinatorId,
    /// What it signs with.
    pub key: SigningKey,
    client: Client,
    perspective: PerspectiveId,
    replies: Subscriber,
}

impl PlayedCoordinator {
    /// Speaks as a coordinator of the fleet, which must be absent.
    pub async fn of(cluster: &Cluster, code: &str, perspective: &PerspectiveId) -> Self {
        let code: CoordinatorId = code.parse().unwrap();
        let (client, key) = (cluster.client().await, cluster.coordinator_key(&code));
        let perspective = perspective.clone();
        let replies = client.subscribe(subject::replies(&perspective, &code)).await.unwrap();
        client.flush().await.unwrap();
        Self { code, key, client, perspective, replies }
    }

    /// An assignment of this job to the perspective.
    pub fn assignment(&self, job: &Job) -> Assignment {
        let body = job.to_body();
        Assignment {
            coordinator: self.code.clone(),
            job: job.id,
            perspectives: vec![self.perspective.clone()],
            job_envelope: Octets(envelope::unsigned(Kind::Job, &body)),
            job_digest: Hash::of(&body),
            budget_ms: 10_000,
            deadline_ms: SystemClock.now().plus(Duration::from_secs(10)),
            reply_octets_max: 8_192,
        }
    }

    /// Signs an assignment.
    pub fn sign(&self, assignment: &Assignment) -> SignedAssignment {
        assignment.sign(&self.key)
    }

    /// Sends octets as an assignment, and gives the subject on which it waits for the reply.
    pub async fn send(&self, octets: &[u8]) -> String {
        let mut token = [0; 16];
        getrandom::fill(&mut token).unwrap();
        let reply_to = subject::reply(&self.perspective, &self.code, &token);
        self.send_for(octets, reply_to.clone()).await;
        reply_to
    }

    /// Sends octets as an assignment whose reply is to go to any subject.
    pub async fn send_for(&self, octets: &[u8], reply_to: String) {
        let to = subject::check(&self.perspective);
        self.client.publish_with_reply(to, reply_to, octets.to_vec().into()).await.unwrap();
        self.client.flush().await.unwrap();
    }

    /// The next reply on a subject of this coordinator's.
    pub async fn reply(&mut self) -> Message {
        let message = tokio::time::timeout(PATIENCE, self.replies.next());
        message.await.expect("a reply in time").unwrap()
    }
}
