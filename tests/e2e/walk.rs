//! The walk of one job: the jobs of the quickstart, and what a CA may choose.

use mpic_common::job::{Dispatch, PrimaryMode};
use mpic_common::observation::CheckKind;
use mpic_common::policy::Outcome;
use mpic_tests::certification_authority::{CertificationAuthority, dns_01, unanimous};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_job_is_corroborated() {
    let cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    let recorded = ca.decision(&unanimous(dns_01("honest.example"), 6)).await;
    assert_eq!(recorded.decision.outcome, Outcome::Corroborate);
    cluster.audited(&ca).await;
    let _ = (Dispatch::Together, PrimaryMode::Ask, CheckKind::Caa);
}
