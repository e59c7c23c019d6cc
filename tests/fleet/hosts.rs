//! Seven perspectives on hosts of their own, started from the files that `mpic init` wrote: parts of
//! them are replaced, and cut off from the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use mpic_common::policy::Outcome;
use mpic_common::record::{DecisionRecord, Missing, RefusalCode};
use mpic_runtime::ca_client::Recorded;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, refused_with};
use mpic_tests::generated::{GeneratedFleet, HOSTS, Hosts, Shape};
use mpic_tests::internet::Content;
use mpic_tests::load::{JOBS, Progress, decisions_under, job};
use mpic_tests::network::on_network;

const SITE: &str = "honest.example";

async fn fleet(hosts: Hosts, servers: usize) -> GeneratedFleet {
    let internet = Content::new().honest_at(SITE, GeneratedFleet::web(&hosts));
    GeneratedFleet::start(
        hosts,
        Shape { servers, coordinators: 2, absent: &[], leaves: &[], internet },
    )
    .await
}

fn is_whole(recorded: &Recorded) -> bool {
    let DecisionRecord { outcome, missing, .. } = &recorded.decision;
    *outcome == Outcome::Corroborate && missing.is_empty()
}

#[test]
fn a_described_fleet_on_hosts_of_its_own_loses_no_job_while_its_parts_are_replaced() {
    on_network(&HOSTS, |network| async {
        let mut fleet = fleet(Hosts::Network(network), 3).await;
        let ca = fleet.ca().await;
        assert!(is_whole(&ca.decision(&dns_01(SITE)).await));
        let progress = Progress::default();
        let faults = async {
            progress.reaches(5).await;
            // An agent is replaced: the new one is there before the old one goes.
            fleet.start_another("agent-us-east", "agent-us-east-new").await;
            assert!(fleet.terminate("agent-us-east").await.success());
            progress.reaches(15).await;
            // One of three servers dies with its disk, and an empty one takes its place.
            fleet.kill("bus-1").await;
            std::fs::remove_dir_all(fleet.streams_of("bus-1")).unwrap();
            fleet.start_server("bus-1").await;
            progress.reaches(35).await;
            fleet.terminate("coordinator-0").await;
            fleet.start_process("coordinator-0").await;
        };
        assert_eq!(decisions_under(&ca, &progress, faults).await.len(), JOBS);
        decided(&ca, is_whole).await;
        fleet.audited(&ca).await;
    });
}

/// The perspectives without a reply that counts.
fn unheard(recorded: &Recorded) -> BTreeSet<&str> {
    recorded.decision.missing.iter().map(|missing| missing.perspective.as_str()).collect()
}

fn reasons(recorded: &Recorded) -> BTreeSet<Missing> {
    recorded.decision.missing.iter().map(|missing| missing.reason).collect()
}

/// Jobs, one after the other, until one is decided so.
async fn decided(ca: &CertificationAuthority, so: impl Fn(&Recorded) -> bool) -> Recorded {
    let asking = async {
        loop {
            let recorded = ca.decision(&job(0)).await;
            if so(&recorded) {
                return recorded;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("such a decision")
}

/// Longer than it takes to see that a peer is gone, or that it is back.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn perspectives_that_are_cut_off_are_missed_by_name_until_they_are_back() {
    on_network(&HOSTS, |network| async {
        let fleet = fleet(Hosts::Network(network), 1).await;
        let (ca, network) = (fleet.ca().await, fleet.network());
        // As OPERATING.md says: else a server that sends to a dead peer asks for no sign of life.
        network.set("bus-0", "net/ipv4/tcp_retries2", 5);
        assert!(is_whole(&ca.decision(&job(0)).await));
        let cut = ["agent-us-east", "agent-sa-east", "agent-af-south"];
        // Two of six may be missing.
        network.cut(cut[0]);
        network.cut(cut[1]);
        let recorded = ca.decision(&job(0)).await;
        assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
        assert_eq!(unheard(&recorded), ["sa-east", "us-east"].into());
        // Three may not: whoever asks learns at the deadline who was silent.
        network.cut(cut[2]);
        let recorded = ca.decision(&job(0)).await;
        assert_eq!(recorded.decision.outcome, Outcome::Refuse);
        assert_eq!(unheard(&recorded), ["af-south", "sa-east", "us-east"].into());
        assert_eq!(reasons(&recorded), [Missing::Timeout].into());
        // Once the bus has seen that they are gone, nobody waits for them any more.
        let gone = |recorded: &Recorded| reasons(recorded) == [Missing::NoResponders].into();
        assert_eq!(decided(&ca, gone).await.decision.outcome, Outcome::Refuse);
        for host in cut {
            network.heal(host);
        }
        decided(&ca, is_whole).await;
        fleet.audited(&ca).await;
    });
}

#[test]
fn while_the_disk_of_the_stream_is_full_nothing_is_decided_and_once_it_has_room_everything_is() {
    on_network(&HOSTS, |network| async {
        let mut fleet = fleet(Hosts::Network(network), 1).await;
        let ca = fleet.ca().await;
        ca.decision(&job(0)).await;
        fleet.kill("bus-0").await;
        let streams = fleet.streams_of("bus-0");
        fleet.network().small_disk("bus-0", &streams, 32 << 20);
        fleet.start_server("bus-0").await;
        ca.decision(&job(0)).await;

        // The disk is full now, whoever filled it.
        let filler = streams.join("filler").display().to_string();
        fleet.network().shell("bus-0", &format!("head -c 64M /dev/zero > {filler} || true"));
        let refused = async {
            loop {
                let submission = ca.submission(&job(0));
                let answer = ca.try_once(&submission).await;
                // Before, there may be room for a few in the last block of the stream. A server that
                // stands still for want of room answers nobody.
                let Some(answer) = answer else { return submission };
                if let Some(code) = refused_with(&answer) {
                    assert_eq!(code, RefusalCode::Unrecorded);
                    return submission;
                }
            }
        };
        let submission = tokio::time::timeout(PATIENCE, refused).await.expect("no decision");
        for _ in 0..2 {
            let answer = ca.try_once(&ca.submission(&job(0))).await;
            assert!(answer.is_none_or(|answer| refused_with(&answer).is_some()), "a decision");
        }

        fleet.network().shell("bus-0", &format!("rm {filler}"));
        // A server whose disk was full keeps its streams closed until it is started again.
        fleet.kill("bus-0").await;
        fleet.start_server("bus-0").await;
        assert!(ca.submit_octets(&submission).await.is_ok());
        decided(&ca, is_whole).await;
        fleet.audited(&ca).await;
    });
}

#[test]
fn coordinators_that_are_cut_off_answer_nothing_and_the_same_octets_are_decided_once_they_are_back()
{
    on_network(&HOSTS, |network| async {
        let fleet = fleet(Hosts::Network(network), 1).await;
        let (ca, network) = (fleet.ca().await, fleet.network());
        let coordinators = ["coordinator-0", "coordinator-1"];
        for host in coordinators {
            network.cut(host);
        }
        let submission = ca.submission(&job(0));
        assert!(ca.try_once(&submission).await.is_none(), "nobody can have decided");
        for host in coordinators {
            network.heal(host);
        }
        assert!(ca.submit_octets(&submission).await.is_ok());
        // One of them alone is enough.
        network.cut("coordinator-1");
        let job = job(0);
        assert_eq!(ca.decision(&job).await.decision.outcome, Outcome::Corroborate);
        network.heal("coordinator-1");
        fleet.audited(&ca).await;
    });
}
