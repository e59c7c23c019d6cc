//! Four coordinators that decide one job at the same time, with one copy of each record and with
//! three.

use std::time::Duration;

use futures_util::future::join_all;
use mpic_runtime::ca_client::Submitted;
use mpic_tests::certification_authority::{CertificationAuthority, carried, dns_01};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::generated::{GeneratedFleet, Hosts, Shape};
use mpic_tests::internet::Content;
use mpic_tests::log::Log;

const SITE: &str = "slow.example";
const COORDINATORS: usize = 4;
/// The server deals them out at random: that one coordinator gets none happens once in 2,000 times.
const COPIES: usize = 36;
/// Longer than the records of those who lost take.
const PATIENCE: Duration = Duration::from_secs(30);

fn internet() -> Content {
    Content::new().honest(SITE).slow(SITE, 400, None)
}

/// One decision stands, everybody is told it, and those who lost record what they would have said.
async fn one_decision_stands(ca: &CertificationAuthority, log: impl AsyncFn() -> Log) {
    let submission = ca.submission(&dns_01(SITE));
    let answers = join_all((0..COPIES).map(|_| ca.ask_once(&submission))).await;
    let told: Vec<_> = answers.iter().map(|answer| carried(answer)).collect();
    assert!(told.iter().all(|octets| *octets == told[0]), "all are told the same");
    let recorded = ca.submit_octets(&submission).await.unwrap();
    let Submitted::Decided(recorded) = recorded else { panic!("{recorded:?}") };
    assert_eq!(recorded.octets, told[0]);
    let whole = async {
        loop {
            let log = log().await;
            if log.superseded(submission.job).len() == COORDINATORS - 1 {
                return log;
            }
        }
    };
    let log = tokio::time::timeout(PATIENCE, whole).await.expect("what the losers have to say");
    assert_eq!(log.decisions(submission.job).len(), 1);
    for superseded in log.superseded(submission.job) {
        assert_eq!(superseded.lost_to, recorded.seq);
        assert_ne!(superseded.coordinator, recorded.decision.coordinator);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_coordinators_with_one_job_one_decides_where_records_have_one_copy() {
    let choices = Choices { coordinators: COORDINATORS, ..Choices::of(internet()) };
    let cluster = Cluster::start_with(choices).await;
    let ca = CertificationAuthority::of(&cluster).await;
    one_decision_stands(&ca, async || cluster.audited(&ca).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_coordinators_with_one_job_one_decides_where_records_have_three_copies() {
    let internet = internet();
    let shape =
        Shape { servers: 3, coordinators: COORDINATORS, absent: &[], leaves: &[], internet };
    let fleet = GeneratedFleet::start(Hosts::Loopback, shape).await;
    let ca = fleet.ca().await;
    one_decision_stands(&ca, async || fleet.audited(&ca).await).await;
}
