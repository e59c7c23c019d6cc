//! What a full, slow or forbidding bus does to a process: memory comes back, waits end, and what is
//! wrong is told by name.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use mpic_common::octets::Hash;
use mpic_common::reply::PerspectiveRole;
use mpic_common::subject;
use mpic_common::testing::{Fleet, dns_01_job};
use mpic_coordinator::figures::Exchanges;
use mpic_coordinator::multiplexer::Multiplexer;
use mpic_coordinator::perspectives::{NatsPerspectives, Perspectives, Question};
use mpic_coordinator::rejections::Rejections;
use mpic_runtime::bus::{Bus, SendError, message};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::keys;
use mpic_runtime::nats::{self, BusHealth, Role};
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::{COORDINATOR, Choices, Cluster, agent};
use mpic_tests::internet::Content;
use mpic_tests::process::eventually;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Each is sent once or twice, and nobody answers.
const QUESTIONS: usize = 50_000;
const AT_ONCE: usize = 2_000;
/// What a leak of 250 octets a question would exceed.
const GROWTH_OCTETS_MAX: usize = 8 << 20;

fn role(subscription_capacity: usize, client_capacity: usize) -> Role {
    let (name, inbox_prefix) = ("tests".to_owned(), "_INBOX".to_owned());
    Role { name, inbox_prefix, subscription_capacity, client_capacity }
}

/// The least that there is of a system.
async fn small() -> Cluster {
    let internet = Content::new().honest("honest.example");
    // One remote is too few for a coordinator.
    let choices = Choices::of(internet).without([COORDINATOR]);
    Cluster::start_with(Choices { remotes: 1, ..choices }).await
}

/// What this process keeps in memory.
fn resident_octets() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// One that is asked and asked again, and given up soon.
fn question() -> Question {
    let (fleet, job) = (Fleet::new(1), Arc::new(dns_01_job("a.example")));
    Question {
        perspective: "silent".parse().unwrap(),
        role: PerspectiveRole::Remote,
        assignment: vec![0; 1_024].into(),
        assignment_digest: Hash::ZERO,
        job_digest: Hash::of(&job.to_body()),
        job,
        reply_octets_max: 8_192,
        directory: Arc::new(fleet.directory()),
        asked_ms: SystemClock.now(),
        resend_at: Instant::now(),
        hurry: Arc::default(),
        rejections: Rejections::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_questions_that_nobody_answers_leave_no_memory_behind() {
    let cluster = small().await;
    let client = cluster.client().await;
    let silent = cluster.client().await;
    let asked = question();
    let (to, group) = (subject::check(&asked.perspective), asked.perspective.to_string());
    let mut heard = silent.queue_subscribe(to, group).await.unwrap();
    silent.flush().await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while heard.next().await.is_some() {} });
    let figures = client.statistics();
    let replies = Multiplexer::default();
    let perspectives = NatsPerspectives {
        bus: Arc::new(client),
        coordinator: "coordinator-0".parse().unwrap(),
        replies: replies.clone(),
        exchanges: Exchanges::default(),
        clock: SystemClock,
    };
    let ask_all = async |questions: usize| {
        let ask = |_| timeout(Duration::from_millis(50), perspectives.ask(asked.clone()));
        let answers = stream::iter(0..questions).map(ask).buffer_unordered(AT_ONCE);
        assert!(answers.all(|answered| async move { answered.is_err() }).await, "one is answered");
    };
    // What the first of them take is kept for the others.
    ask_all(QUESTIONS / 5).await;
    let before = resident_octets();
    ask_all(QUESTIONS - QUESTIONS / 5).await;
    assert!(replies.is_empty());
    let grown = resident_octets().saturating_sub(before);
    assert!(grown < GROWTH_OCTETS_MAX, "{grown} octets more than before");
    let sent = || figures.out_messages.load(Ordering::Relaxed) >= QUESTIONS as u64;
    eventually("each was sent", || sent().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_too_slow_is_told_of_and_counted() {
    let cluster = small().await;
    let (client, events) = nats::connect(cluster.bus(), role(16, 64)).await.unwrap();
    let (health, stop) = (Arc::new(BusHealth::default()), CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(nats::watch(client.clone(), events, Arc::clone(&health), stop));
    let _unread = client.subscribe("unread").await.unwrap();
    for _ in 0..200 {
        client.publish("unread", "x".into()).await.unwrap();
    }
    let told = || health.events().get("slow_consumer").copied();
    assert!(eventually("it is told", told).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_finds_no_place_among_those_that_wait_is_given_up() {
    let mut cluster = small().await;
    let (client, _events) = nats::connect(cluster.bus(), role(16, 16)).await.unwrap();
    let bus: &dyn Bus = &client;
    cluster.nats().process().signal(Signal::STOP);
    let full = async {
        loop {
            if let Err(error) = bus.publish(message("x", vec![0; 64 * 1_024].into())).await {
                return error;
            }
        }
    };
    let error = timeout(Duration::from_secs(20), full).await;
    cluster.nats().process().signal(Signal::CONT);
    assert!(matches!(error, Ok(SendError::Full)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_the_bus_turns_away_ends_with_77_after_a_minute_and_others_go_on() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let name = agent(cluster.remotes().remove(0).as_str());
    let nkey = keys::load_nkey(&cluster.layout().nkey(&name)).unwrap().public_key();
    let path = cluster.layout().bus_config();
    let config = std::fs::read_to_string(&path).unwrap();
    let other = nkeys::KeyPair::new_user().public_key();
    std::fs::write(&path, config.replace(&nkey, &other)).unwrap();
    cluster.nats().process().signal(Signal::HUP);
    let away = "the bus does not know this process";
    let is_told = || cluster.output(&name).contains(away).then_some(());
    eventually("it is turned away", is_told).await;
    let since = Instant::now();
    ca.decision(&dns_01("honest.example")).await;
    assert_eq!(cluster.ended(&name).await.code(), Some(77));
    assert!(since.elapsed() > Duration::from_secs(50), "it was only tried for {since:?}");
    assert!(cluster.output(&name).lines().last().unwrap().contains("for a minute"));
    ca.decision(&dns_01("honest.example")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_denied_its_subscription_ends_with_77_and_names_it() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let code = cluster.remotes().remove(0);
    let (name, right) = (agent(code.as_str()), format!("{} {code}", subject::check(&code)));
    let path = cluster.layout().bus_config();
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(&right));
    let other = format!("{} other", subject::check(&code));
    std::fs::write(&path, config.replace(&right, &other)).unwrap();
    cluster.nats().process().signal(Signal::HUP);
    // At work already, and at its start.
    assert_eq!(cluster.ended(&name).await.code(), Some(77));
    cluster.start_unready(&name, &[]);
    assert_eq!(cluster.ended(&name).await.code(), Some(77));
    let said = cluster.output(&name);
    let last = said.lines().last().unwrap();
    assert!(last.contains(&subject::check(&code)), "{last}");
    std::fs::write(&path, config).unwrap();
    cluster.nats().process().signal(Signal::HUP);
    // The server reads when it gets to it: until then it is denied again.
    let ca = CertificationAuthority::of(&cluster).await;
    let taken = |cluster: &Cluster| cluster.output("nats-server").matches("Reloaded").count() > 1;
    eventually("the server has its configuration", || taken(&cluster).then_some(())).await;
    cluster.start_process(&name).await;
    ca.decision(&unanimous(dns_01("honest.example"), 6)).await;
}
