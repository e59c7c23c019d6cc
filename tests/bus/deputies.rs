//! Answers go to who asked: nobody can have a process, or the server itself, publish where he may
//! not.

use std::time::Duration;

use futures_util::StreamExt;
use mpic_cli::fleet::party::Party;
use mpic_common::code::CaId;
use mpic_common::proof::ProofRequest;
use mpic_common::subject;
use mpic_common::wire::{Kind, envelope};
use mpic_runtime::nats::{self, Role};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;

async fn connected(cluster: &Cluster, party: &Party, inbox: &str) -> async_nats::Client {
    let config = cluster.layout().bus(&party.name(), cluster.bus().servers.clone());
    let role = Role {
        name: party.name(),
        inbox_prefix: inbox.to_owned(),
        subscription_capacity: 1_024,
        client_capacity: 64,
    };
    nats::connect(&config, role).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_of_discovery_is_answered_to_inboxes_of_discovery_alone() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let watcher = cluster.client().await;
    let ops = connected(&cluster, &Party::Ops, subject::OPS_INBOX).await;
    let before = cluster.records().await.cached_info().state.last_sequence;
    let victims = ["victim.1", "mpic.v1.audit.decision.ca1", "mpic.v1.check.us-east", "_INBOX_srv"];
    let mut seen = Vec::new();
    for victim in victims {
        seen.push(watcher.subscribe(victim).await.unwrap());
    }
    watcher.flush().await.unwrap();
    for victim in victims {
        for verb in subject::DISCOVERY_VERBS {
            let question = subject::discovery(verb, None, None);
            ops.publish_with_reply(question, victim, "".into()).await.unwrap();
        }
    }
    // Whoever answers a later question has read the earlier ones.
    let inbox = ops.new_inbox();
    let mut answers = ops.subscribe(inbox.clone()).await.unwrap();
    ops.publish_with_reply(subject::discovery("PING", None, None), inbox, "".into()).await.unwrap();
    let expected = cluster.remotes().len() + 2;
    for _ in 0..expected {
        let answer = tokio::time::timeout(Duration::from_secs(10), answers.next()).await;
        answer.expect("every agent and the coordinator answer").unwrap();
    }
    for (victim, seen) in victims.iter().zip(&mut seen) {
        watcher.publish(*victim, "end".into()).await.unwrap();
        let first = seen.next().await.unwrap();
        assert_eq!(&first.payload[..], b"end", "{victim}");
    }
    let records = cluster.records().await;
    let after = records.cached_info().state.last_sequence;
    assert_eq!(after, before + 1, "nothing but the end mark is in the stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_for_a_proof_is_answered_to_an_inbox_of_who_asks_alone() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let recorded = ca.decision(&dns_01("honest.example")).await;
    let code: CaId = "ca1".parse().unwrap();
    let (party, inbox) = (Party::Ca(code.clone()), subject::answer_inbox(&code));
    let client = connected(&cluster, &party, &inbox).await;
    let watcher = cluster.client().await;
    let other = subject::answer_inbox(&"ca2".parse().unwrap());
    let victims =
        ["victim.1", "mpic.v1.audit.decision.ca1", "mpic.v1.check.us-east", &format!("{other}.x")]
            .map(str::to_owned);
    let mut seen = Vec::new();
    for victim in &victims {
        seen.push(watcher.subscribe(victim.clone()).await.unwrap());
    }
    watcher.flush().await.unwrap();
    let timeout = Duration::from_secs(5);
    let request = ProofRequest { of: recorded.proof_of(), timeout };
    let octets = envelope::unsigned(Kind::ProofRequest, &request.to_body());
    let to = subject::proof(&code);
    for victim in &victims {
        let sent = client.publish_with_reply(to.clone(), victim.clone(), octets.clone().into());
        sent.await.unwrap();
    }
    // The answer to a later question of the same client comes after those to the earlier ones.
    let asked = async_nats::Request::new().payload(octets.into()).timeout(Some(timeout * 2));
    let answer = client.send_request(to, asked).await.unwrap();
    assert!(!answer.payload.is_empty());
    for (victim, seen) in victims.iter().zip(&mut seen) {
        watcher.publish(victim.clone(), "end".into()).await.unwrap();
        assert_eq!(&seen.next().await.unwrap().payload[..], b"end", "{victim}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_itself_says_is_believed_by_nobody() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    ca.decision(&dns_01("honest.example")).await;
    let before = cluster.audited(&ca).await.entries.len();
    let ops = connected(&cluster, &Party::Ops, subject::OPS_INBOX).await;
    let question = subject::jetstream(&format!("STREAM.INFO.{}", subject::AUDIT_STREAM));
    let perspective = &cluster.remotes()[0];
    let coordinator = "coordinator-0".parse().unwrap();
    let aims = [
        subject::AUDIT_NOTE.to_owned(),
        subject::audit_decision(&"ca1".parse().unwrap()),
        subject::AUDIT_DIRECTORY.to_owned(),
        subject::job(&"ca1".parse().unwrap()),
        subject::check(perspective),
        subject::reply(perspective, &coordinator, &[7; 16]),
        subject::puback(&coordinator, &[7; 16]),
        format!("{}.x", subject::AUDIT_INBOX),
    ];
    for aim in aims {
        ops.publish_with_reply(question.clone(), aim, "".into()).await.unwrap();
    }
    ops.flush().await.unwrap();
    // Everyone goes on.
    ca.decision(&dns_01("honest.example")).await;
    let log = cluster.verified().await;
    log.holds(&ca.kept());
    let is_json = |entry: &&Vec<u8>| entry.starts_with(b"{\"type\":\"io.nats.jetstream");
    let foreign = log.entries[before..].iter().filter(is_json).count();
    assert_eq!(foreign, 3, "what landed in the stream is logged as it is");
    assert_eq!(log.entries.len(), before + 3 + 1);
}
