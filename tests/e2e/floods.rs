//! Whoever floods the bus with what is no message of ours: the log tells what happened and stays
//! small, and honest jobs go on.

use async_nats::Client;
use mpic_audit::finding::Severity;
use mpic_common::policy::Outcome;
use mpic_common::record::RefusalCode;
use mpic_common::subject;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{AUDIT, COORDINATOR, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::load::{JOBS, Progress, asked_once_under};
use mpic_tests::scrape::Scrape;
use tokio::time::Instant;

const SITE: &str = "honest.example";
const REGION: &str = "us-east";
/// Of each kind.
const MESSAGES: usize = 10_000;
/// What a process may say in a second: ten warnings from each of a few places, and what it says of
/// honest jobs. Nearly a thousand messages come in one.
const LINES_PER_SECOND_MAX: usize = 100;

/// Octets that begin like a message, none like the one before.
fn junk(number: usize) -> Vec<u8> {
    let mut octets = b"\x85\xa1v\x01\xa4type".to_vec();
    octets.extend_from_slice(&number.to_be_bytes());
    // Every hundredth is larger than anything that is taken.
    octets.resize(if number.is_multiple_of(100) { 100_000 } else { 300 }, 0xc1);
    octets
}

async fn flood(client: &Client) {
    let (ca, perspective) = ("ca1".parse().unwrap(), REGION.parse().unwrap());
    let coordinator = COORDINATOR.parse().unwrap();
    for number in 0..MESSAGES {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&number.to_be_bytes());
        let reply = subject::reply(&perspective, &coordinator, &token);
        let answer = format!("mpic.v1.answer.ca1.{number}");
        let payload = bytes::Bytes::from(junk(number));
        let job = subject::job(&ca);
        client.publish_with_reply(job, answer, payload.clone()).await.unwrap();
        let check = subject::check(&perspective);
        client.publish_with_reply(check, reply.clone(), payload.clone()).await.unwrap();
        client.publish(reply, payload).await.unwrap();
    }
    client.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_messages_is_told_of_in_few_lines_and_honest_jobs_go_on() {
    let began = Instant::now();
    let mut cluster = Cluster::start(Content::new().honest(SITE)).await;
    let flooded = agent(REGION);
    let address = cluster.listening(&flooded).await;
    let coordinator = cluster.listening(COORDINATOR).await;
    let (ca, client) = (CertificationAuthority::of(&cluster).await, cluster.client().await);
    let (progress, job) = (Progress::default(), |_| dns_01(SITE));
    let decisions = asked_once_under(&ca, &progress, job, flood(&client)).await;
    assert_eq!(decisions.len(), JOBS);
    assert!(decisions.iter().all(|decision| decision.outcome == Outcome::Corroborate));
    // The flooded perspective is heard again at once.
    ca.decision(&unanimous(dns_01(SITE), 6)).await;
    assert!(cluster.output(&flooded).contains("an assignment is dropped"));
    let left_out = |address: &str| Scrape::of(address).series["mpic_log_lines_left_out_total"];
    assert!(left_out(&address) > 0.0);
    let unknown = Scrape::of(&coordinator).series.into_iter().find(|(name, _)| {
        name.starts_with("mpic_replies_total")
            && name.contains("unknown_token")
            && name.contains(REGION)
    });
    assert!(unknown.unwrap().1 > 0.0);
    let lines_max =
        LINES_PER_SECOND_MAX * (1 + usize::try_from(began.elapsed().as_secs()).unwrap());
    for name in [flooded.as_str(), COORDINATOR, AUDIT] {
        let lines = cluster.output(name).lines().count();
        assert!(lines < lines_max, "{name} says {lines} lines");
    }
    // Refusals of one kind are alike, so some of them are in the log more than once.
    let log = cluster.verified().await;
    log.holds(&ca.kept());
    assert!(log.refusals().iter().all(|refusal| refusal.code == RefusalCode::Malformed));
    assert!(!log.refusals().is_empty() && log.refusals().len() < MESSAGES);
    assert!(cluster.replay(&ca.kept()).has_passed(Severity::Warning));
}
