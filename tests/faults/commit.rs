//! The audit consumer killed after each step of a commit, while decisions come in.

use std::process::ExitStatus;

use mpic_audit::log::Step;
use mpic_tests::certification_authority::CertificationAuthority;
use mpic_tests::cluster::{AUDIT, Cluster};
use mpic_tests::internet::Content;

use mpic_tests::load::job;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_after_any_step_of_a_commit_misses_nothing_and_doubles_nothing() {
    let mut cluster = Cluster::start(Content::new().honest("honest.example")).await;
    let ca = CertificationAuthority::of(&cluster).await;
    for step in Step::ALL {
        cluster.terminate(AUDIT).await;
        cluster.start_unready(AUDIT, &["--crash-at", &step.to_string()]);
        let status = submit_until_it_ends(&mut cluster, &ca).await;
        assert_eq!(status.code(), None, "{step}: killed by a signal, not {status}");
        cluster.start_process(AUDIT).await;
        ca.decision(&job(0)).await;
        cluster.verified().await;
    }
    cluster.audited(&ca).await;
}

/// Jobs, one after the other, until the audit consumer has ended.
async fn submit_until_it_ends(cluster: &mut Cluster, ca: &CertificationAuthority) -> ExitStatus {
    let jobs = async {
        loop {
            ca.decision(&job(0)).await;
        }
    };
    tokio::select! {
        status = cluster.ended(AUDIT) => status,
        () = jobs => unreachable!("there is always another job"),
    }
}
