//! Agents behind leaf nodes, as `mpic init` configures them: each check reaches its own perspective,
//! a leaf that is away costs that perspective alone, and one that is taken over speaks for it alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::Client;
use futures_util::{FutureExt, StreamExt};
use mpic_cli::fleet::party::Party;
use mpic_common::policy::Outcome;
use mpic_common::record::Missing;
use mpic_common::subject;
use mpic_runtime::ca_client::Recorded;
use mpic_runtime::config::BusConfig;
use mpic_runtime::nats::{self, Role};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01};
use mpic_tests::generated::{GeneratedFleet, HOSTS, Hosts, PERSPECTIVES, Shape};
use mpic_tests::internet::Content;
use mpic_tests::load::job;
use mpic_tests::network::on_network;
use mpic_tests::process::eventually;
use tokio::time::timeout;

const SITE: &str = "honest.example";
/// The perspective whose leaf is away, or is taken over.
const REGION: &str = "us-west";

/// The perspectives without a reply that counts, and why.
fn missing(recorded: &Recorded) -> BTreeSet<(&str, Missing)> {
    let missing = recorded.decision.missing.iter();
    missing.map(|missing| (missing.perspective.as_str(), missing.reason)).collect()
}

/// Jobs, one after the other, until one is corroborated with exactly these missing.
async fn corroborated(ca: &CertificationAuthority, but: &[(&str, Missing)]) {
    let expected: BTreeSet<_> = but.iter().copied().collect();
    let asking = async {
        loop {
            let recorded = ca.decision(&job(0)).await;
            assert_eq!(recorded.decision.outcome, Outcome::Corroborate, "one may be missing");
            if missing(&recorded) == expected {
                return;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("such a decision");
}

/// Longer than it takes to see that a peer is gone, or that it is back.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_leaf_node_each_before_three_servers_all_are_heard_and_a_dead_leaf_costs_its_own()
{
    let internet = Content::new().honest(SITE);
    let shape = Shape { servers: 3, coordinators: 1, absent: &[], leaves: &PERSPECTIVES, internet };
    let mut fleet = GeneratedFleet::start(Hosts::Loopback, shape).await;
    let ca = fleet.ca().await;
    corroborated(&ca, &[]).await;
    let recorded = ca.decision(&dns_01(SITE)).await;
    assert_eq!(missing(&recorded), BTreeSet::new());
    let leaf = format!("leaf-{REGION}");
    fleet.kill(&leaf).await;
    corroborated(&ca, &[(REGION, Missing::NoResponders)]).await;
    fleet.start_server(&leaf).await;
    corroborated(&ca, &[]).await;
    fleet.audited(&ca).await;
}

#[test]
fn a_region_that_is_cut_off_with_its_leaf_node_is_missed_alone_until_it_is_back() {
    on_network(&HOSTS, |network| async {
        let hosts = Hosts::Network(network);
        let internet = Content::new().honest_at(SITE, GeneratedFleet::web(&hosts));
        let shape = Shape { servers: 1, coordinators: 1, absent: &[], leaves: &[REGION], internet };
        let fleet = GeneratedFleet::start(hosts, shape).await;
        let (ca, network) = (fleet.ca().await, fleet.network());
        network.set("bus-0", "net/ipv4/tcp_retries2", 5);
        corroborated(&ca, &[]).await;
        let host = format!("agent-{REGION}");
        network.cut(&host);
        // Until the server has seen it, whoever is asked there is silent.
        let recorded = ca.decision(&job(0)).await;
        assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
        let unheard: Vec<_> = missing(&recorded).into_iter().map(|(code, _)| code).collect();
        assert_eq!(unheard, [REGION]);
        corroborated(&ca, &[(REGION, Missing::NoResponders)]).await;
        network.heal(&host);
        corroborated(&ca, &[]).await;
        fleet.audited(&ca).await;
    });
}

/// A leaf node in the hands of an attacker: it lets its client do anything, and shows the servers the
/// certificate of `shows`.
async fn captured(fleet: &mut GeneratedFleet, name: &str, shows: &str) -> BusConfig {
    let config = std::fs::read_to_string(fleet.server_config(&format!("leaf-{REGION}"))).unwrap();
    let (before, _) = config.split_once("accounts {").unwrap();
    let party = Party::Agent(REGION.parse().unwrap());
    let nkey = mpic_runtime::keys::load_nkey(&fleet.layout().nkey(&party.name())).unwrap();
    let accounts = format!(
        "accounts {{\n  MPIC {{ users: [ {{ nkey: {} }} ] }}\n  SYS {{ users: [] }}\n}}\n\
         system_account: SYS\n",
        nkey.public_key()
    );
    let own = |kind: &str| format!("tls/leaf-{REGION}.{kind}\"");
    // The remote's certificate is what the servers see.
    let (head, remote) = before.split_once("leafnodes {").unwrap();
    let remote = ["pem", "key"].iter().fold(remote.to_owned(), |remote, kind| {
        remote.replace(&own(kind), &format!("tls/{shows}.{kind}\""))
    });
    let path: PathBuf = fleet.server_config(name);
    std::fs::write(&path, format!("{head}leafnodes {{{remote}{accounts}")).unwrap();
    fleet.add_server(name, &path);
    fleet.start_server(name).await;
    let listen = head.lines().find_map(|line| line.strip_prefix("listen: ")).unwrap();
    fleet.layout().bus(&party.name(), vec![format!("tls://{}", listen.trim_matches('"'))])
}

async fn connected(config: &BusConfig) -> Client {
    let (name, inbox_prefix) = ("captor".to_owned(), "_INBOX".to_owned());
    let role = Role { name, inbox_prefix, subscription_capacity: 1_024, client_capacity: 64 };
    nats::connect(config, role).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_node_that_is_taken_over_hears_and_speaks_for_its_own_perspective_alone() {
    let internet = Content::new().honest(SITE);
    let absent = &["agent-us-west", "coordinator-1"];
    let shape = Shape { servers: 1, coordinators: 2, absent, leaves: &[REGION], internet };
    let mut fleet = GeneratedFleet::start(Hosts::Loopback, shape).await;
    let ca = fleet.ca().await;
    fleet.terminate(&format!("leaf-{REGION}")).await;

    // Nobody else's certificate makes a leaf.
    captured(&mut fleet, "pretender", "agent-sa-east").await;
    let is_refused = || fleet.output("pretender").contains("Authorization Violation");
    eventually("it is turned away", || is_refused().then_some(())).await;
    fleet.terminate("pretender").await;

    let config = captured(&mut fleet, "captive", &format!("leaf-{REGION}")).await;
    let captor = connected(&config).await;
    let mut heard = captor.subscribe(">").await.unwrap();
    // Another coordinator's place, where nobody listens but this test.
    let party = Party::Coordinator("coordinator-1".parse().unwrap());
    let listener = fleet.connected(&party, "_INBOX_coordinator.coordinator-1").await;
    let code = "coordinator-1".parse().unwrap();
    let replies = |perspective: &str| subject::replies(&perspective.parse().unwrap(), &code);
    let mut told = listener.subscribe(replies(REGION)).await.unwrap();
    let mut told_by_others = listener.subscribe(replies("sa-east")).await.unwrap();
    let foreign = [
        format!("mpic.v1.reply.sa-east.{code}.x"),
        "mpic.v1.job.ca1".to_owned(),
        "mpic.v1.check.sa-east".to_owned(),
        "mpic.v1.answer.ca1.x".to_owned(),
        "mpic.v1.audit.decision.ca1".to_owned(),
        "$JS.API.STREAM.DELETE.MPIC_AUDIT".to_owned(),
    ];
    let own = format!("mpic.v1.reply.{REGION}.{code}.x");
    // Both directions are open once its own comes through; what was said before it came before it.
    let first = loop {
        for subject in foreign.iter().chain([&own]) {
            captor.publish(subject.clone(), "captor".into()).await.unwrap();
        }
        if let Ok(first) = timeout(Duration::from_millis(100), told.next()).await {
            break first.unwrap();
        }
    };
    assert_eq!(first.subject.as_str(), own);
    assert!(told_by_others.next().now_or_never().is_none());
    // A job goes on without it, and what it hears of that is what its own perspective is asked.
    let recorded = ca.decision(&job(0)).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    let unheard: Vec<_> = missing(&recorded).into_iter().map(|(code, _)| code).collect();
    assert_eq!(unheard, [REGION]);
    let asked = format!("mpic.v1.check.{REGION}");
    let mut subjects = BTreeSet::new();
    while !subjects.contains(&asked) {
        let message = timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
        if message.payload.as_ref() != b"captor" {
            subjects.insert(message.subject.to_string());
        }
    }
    subjects.retain(|subject| !subject.starts_with("$SRV.") && *subject != asked);
    assert_eq!(subjects, BTreeSet::new());
    assert_eq!(captor.statistics().connects.load(std::sync::atomic::Ordering::Relaxed), 1);
    fleet.audited(&ca).await;
}
