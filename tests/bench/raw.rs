//! The same walk of messages without what makes it worth anything: octets scattered to seven
//! subscribers, gathered, put on a stream and answered once that acknowledges. Nothing is signed,
//! parsed, verified or decided. Each part is a process of its own, as in the system.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use async_nats::{Client, HeaderMap, header, jetstream};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use mpic_runtime::config::BusConfig;
use mpic_runtime::nats::{self, Role};
use mpic_tests::cluster::Cluster;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Octets of the messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) job: usize,
    pub(crate) assignment: usize,
    pub(crate) reply: usize,
    pub(crate) record: usize,
}

/// A process of the walk.
pub(crate) struct Part {
    kind: String,
    bus: BusConfig,
    /// Of what it sends: the assignment and the record, or the reply.
    octets: Vec<usize>,
    name: String,
}

/// The processes of the walk, and who asks them.
pub(crate) struct Raw {
    client: Client,
    processes: BTreeMap<String, Child>,
    sizes: Sizes,
}

const STREAM: &str = "RAW";
const JOBS: &str = "raw.job";
const RECORDS: &str = "raw.record";
const ASKED: usize = 7;

impl Raw {
    /// Starts the walk beside a system, on its bus.
    pub(crate) async fn start(cluster: &Cluster, sizes: Sizes) -> Self {
        let context = cluster.jetstream().await;
        let mut audit = context.get_stream(mpic_common::subject::AUDIT_STREAM).await.unwrap();
        let like_audit = audit.info().await.unwrap().config.clone();
        let subjects = vec![RECORDS.to_owned()];
        let stream = jetstream::stream::Config { name: STREAM.to_owned(), subjects, ..like_audit };
        context.create_stream(stream).await.unwrap();
        let bus = serde_json::to_string(cluster.bus()).unwrap();
        let mut processes = BTreeMap::new();
        for number in 0..ASKED {
            let octets = sizes.reply.to_string();
            let arguments = ["agent", &bus, &format!("{number}"), &octets];
            processes.insert(format!("agent-{number}"), start(&arguments).await);
        }
        let octets = [sizes.assignment.to_string(), sizes.record.to_string()];
        let arguments = ["coordinator", &bus, "0", &octets[0], &octets[1]];
        processes.insert("coordinator".to_owned(), start(&arguments).await);
        Self { client: cluster.client().await, processes, sizes }
    }

    /// Name to process id, with that of the bus.
    pub(crate) fn pids(&self, cluster: &Cluster) -> BTreeMap<String, u32> {
        let pid = |(name, child): (&String, &Child)| (name.clone(), child.id().unwrap());
        let bus = cluster.pids().into_iter().filter(|(name, _)| name == "nats-server");
        self.processes.iter().map(pid).chain(bus).collect()
    }

    /// Asks once and waits for the answer, as often as it is called.
    pub(crate) fn asker(&self) -> impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static {
        let (client, octets) = (self.client.clone(), zeros(self.sizes.job));
        move || {
            let (client, octets) = (client.clone(), octets.clone());
            Box::pin(async move {
                client.request(JOBS, octets).await.unwrap();
            })
        }
    }

    /// Ends the processes.
    pub(crate) async fn stop(self) {
        for (_, mut child) in self.processes {
            child.kill().await.unwrap();
        }
    }
}

/// Starts this binary as a part of the walk, and waits until it is ready.
async fn start(arguments: &[&str]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(&own as &Path);
    command.arg("--raw").args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).await.unwrap();
    assert_eq!(said.trim(), "ready");
    child
}

impl Part {
    /// What the arguments of a process say, where it is to be a part of the walk.
    pub(crate) fn of(arguments: &[String]) -> Option<Self> {
        let [raw, kind, bus, name, octets @ ..] = arguments else { return None };
        let bus = (raw == "--raw").then(|| serde_json::from_str(bus).unwrap())?;
        let octets = octets.iter().map(|octets| octets.parse().unwrap()).collect();
        Some(Self { kind: kind.clone(), bus, octets, name: name.clone() })
    }

    /// Serves until it is killed.
    pub(crate) async fn run(self) {
        let role = Role {
            name: "raw".to_owned(),
            inbox_prefix: "_INBOX".to_owned(),
            subscription_capacity: 65_536,
            client_capacity: 16_384,
        };
        let (client, _events) = nats::connect(&self.bus, role).await.unwrap();
        if self.kind == "agent" {
            reply(client, &check(&self.name), zeros(*self.octets.first().unwrap())).await;
        } else {
            let [assignment, record] = self.octets[..] else { panic!("two sizes") };
            Gathering::new(client, zeros(assignment), zeros(record)).run().await;
        }
    }
}

async fn reply(client: Client, subject: &str, octets: Bytes) {
    let mut asked = client.queue_subscribe(subject.to_owned(), "raw".to_owned()).await.unwrap();
    client.flush().await.unwrap();
    println!("ready");
    while let Some(message) = asked.next().await {
        client.publish(message.reply.unwrap(), octets.clone()).await.unwrap();
    }
}

/// Scatters, gathers, records, answers.
struct Gathering {
    client: Client,
    assignment: Bytes,
    record: Bytes,
    /// By number: how many replies came, and who waits.
    flying: BTreeMap<u64, (usize, async_nats::Subject)>,
    number: u64,
}

impl Gathering {
    fn new(client: Client, assignment: Bytes, record: Bytes) -> Self {
        Self { client, assignment, record, flying: BTreeMap::new(), number: 0 }
    }

    async fn run(mut self) {
        let mut jobs = self.client.queue_subscribe(JOBS, "raw".to_owned()).await.unwrap();
        let mut replies = self.client.subscribe("raw.reply.*").await.unwrap();
        let mut acks = self.client.subscribe("raw.ack.*").await.unwrap();
        self.client.flush().await.unwrap();
        println!("ready");
        loop {
            tokio::select! {
                Some(job) = jobs.next() => self.scatter(job.reply.unwrap()).await,
                Some(reply) = replies.next() => self.gather(number_of(&reply.subject)).await,
                Some(ack) = acks.next() => self.answer(number_of(&ack.subject)).await,
            }
        }
    }

    async fn scatter(&mut self, to: async_nats::Subject) {
        self.number += 1;
        self.flying.insert(self.number, (0, to));
        for agent in 0..ASKED {
            let (subject, to) = (check(&agent.to_string()), format!("raw.reply.{}", self.number));
            self.client.publish_with_reply(subject, to, self.assignment.clone()).await.unwrap();
        }
    }

    async fn gather(&mut self, number: u64) {
        let (replies, _) = self.flying.get_mut(&number).unwrap();
        *replies += 1;
        if *replies == ASKED {
            let mut headers = HeaderMap::new();
            headers.insert(header::NATS_MESSAGE_ID, number.to_string());
            let (to, record) = (format!("raw.ack.{number}"), self.record.clone());
            let sent = self.client.publish_with_reply_and_headers(RECORDS, to, headers, record);
            sent.await.unwrap();
        }
    }

    async fn answer(&mut self, number: u64) {
        let (_, to) = self.flying.remove(&number).unwrap();
        self.client.publish(to, self.record.clone()).await.unwrap();
    }
}

fn check(name: &str) -> String {
    format!("raw.check.{name}")
}

fn number_of(subject: &str) -> u64 {
    subject.rsplit_once('.').unwrap().1.parse().unwrap()
}

fn zeros(octets: usize) -> Bytes {
    vec![0; octets].into()
}
