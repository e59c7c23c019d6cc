//! Three servers of the bus with three copies of each record, as `mpic init` configures them: what
//! goes with one of them, and with two.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mpic_common::policy::Outcome;
use mpic_common::record::RefusalCode;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, refused_with};
use mpic_tests::generated::{GeneratedFleet, Hosts, PERSPECTIVES, Shape};
use mpic_tests::internet::Content;
use mpic_tests::load::{JOBS, Progress, decisions_under, job};
use mpic_tests::process::eventually;
use rustix::process::Signal;

const SITE: &str = "honest.example";
const SERVERS: [&str; 3] = ["bus-0", "bus-1", "bus-2"];

async fn fleet() -> GeneratedFleet {
    let internet = Content::new().honest(SITE);
    let shape = Shape { servers: 3, coordinators: 2, absent: &[], leaves: &[], internet };
    GeneratedFleet::start(Hosts::Loopback, shape).await
}

/// Which server leads the stream of records.
async fn leader(fleet: &GeneratedFleet) -> String {
    let records = fleet.records().await;
    let cluster = records.cached_info().cluster.clone().expect("it is a cluster");
    assert_eq!(records.cached_info().config.num_replicas, 3);
    cluster.leader.expect("it is led")
}

/// How many clients a server has.
fn connections(fleet: &GeneratedFleet, server: &str) -> u64 {
    let path = fleet.layout().configs().join(format!("{server}.conf"));
    let config = std::fs::read_to_string(path).unwrap();
    let monitor = config.lines().find_map(|line| line.strip_prefix("http: ")).unwrap();
    let mut connection = TcpStream::connect(monitor.trim_matches('"')).unwrap();
    // HTTP/1.1 would keep it open.
    connection.write_all(b"GET /varz HTTP/1.0\r\n\r\n").unwrap();
    let mut said = String::new();
    connection.read_to_string(&mut said).unwrap();
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let said: serde_json::Value = serde_json::from_str(body).unwrap();
    said["connections"].as_u64().unwrap()
}

/// Whether some were told that their server will go away, and all of these have found another.
fn has_been_left(fleet: &GeneratedFleet) -> bool {
    let names = PERSPECTIVES.map(|code| format!("agent-{code}"));
    let others = ["audit", "coordinator-0", "coordinator-1"].map(str::to_owned);
    let outputs = names.iter().chain(&others).map(|name| fleet.output(name));
    let told: Vec<_> = outputs.filter(|said| said.contains(GOES_AWAY)).collect();
    let is_back = |said: &String| said.rfind("connected to the bus\"") > said.rfind(GOES_AWAY);
    !told.is_empty() && told.iter().all(is_back)
}

const GOES_AWAY: &str = "the server of the bus will go away";

/// Jobs, one after the other, until all perspectives are heard again.
async fn whole_again(ca: &CertificationAuthority) {
    let asking = async {
        loop {
            let decision = ca.decision(&dns_01(SITE)).await.decision;
            if decision.outcome == Outcome::Corroborate && decision.missing.is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("all are heard again");
}

/// Longer than clients take to find another server.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn of_three_servers_a_follower_the_leader_or_one_that_leaves_takes_nothing_with_it() {
    let mut fleet = fleet().await;
    let ca = fleet.ca().await;
    let led = leader(&fleet).await;
    let follower = SERVERS.into_iter().find(|server| *server != led).unwrap();
    fleet.kill(follower).await;
    // Who was connected to it is missed for a moment; the decision is recorded.
    ca.decision(&job(0)).await;
    fleet.start_server(follower).await;

    let led = leader(&fleet).await;
    fleet.kill(&led).await;
    ca.decision(&job(0)).await;
    fleet.start_server(&led).await;

    // As `nats-server --signal ldm` does.
    let progress = Progress::default();
    let leaving = async {
        progress.reaches(5).await;
        let most = SERVERS.into_iter().max_by_key(|server| connections(&fleet, server)).unwrap();
        fleet.signal(most, Signal::USR2);
        let have_left = || has_been_left(&fleet).then_some(());
        eventually("its clients are with other servers", have_left).await;
    };
    assert_eq!(decisions_under(&ca, &progress, leaving).await.len(), JOBS);
    whole_again(&ca).await;
    fleet.audited(&ca).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_two_of_three_servers_nothing_is_recorded_and_nothing_issued_until_one_is_back() {
    let mut fleet = fleet().await;
    let ca = fleet.ca().await;
    ca.decision(&dns_01(SITE)).await;
    for server in ["bus-0", "bus-1"] {
        fleet.kill(server).await;
    }
    // Clients come to the server that is left; until then there is no answer at all.
    let submission = loop {
        let submission = ca.submission(&job(0));
        if let Some(answer) = ca.try_once(&submission).await {
            assert_eq!(refused_with(&answer), Some(RefusalCode::Unrecorded));
            break submission;
        }
    };
    fleet.start_server("bus-0").await;
    assert!(ca.submit_octets(&submission).await.is_ok());
    whole_again(&ca).await;
    fleet.start_server("bus-1").await;
    fleet.audited(&ca).await;
}
