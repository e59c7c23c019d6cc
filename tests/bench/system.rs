//! The whole system under jobs of the main kinds; then its own log, as an auditor reads it.

use std::sync::Arc;

use mpic_common::job::{Dispatch, Job};
use mpic_common::subject;
use mpic_tests::certification_authority::{CertificationAuthority, caa, http_01};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::Content;
use tokio::time::Instant;

use crate::load::{Load, print_head};

const SITE: &str = "honest.example";

/// Prints everything.
pub(crate) async fn run() {
    let cluster = Cluster::start(Content::new().honest(SITE)).await;
    let ca = Arc::new(CertificationAuthority::of(&cluster).await);
    print_head();
    for load in loads() {
        load.measure(&ca, &cluster.pids()).await.print_load(load);
    }
    audit(&cluster).await;
}

fn loads() -> Vec<Load> {
    let of = |name, job: fn() -> Job, dispatch, in_flight| Load { name, job, dispatch, in_flight };
    let caa = |dispatch, in_flight| of("caa", || caa(SITE), dispatch, in_flight);
    let http = |dispatch, in_flight| of("http-01 + caa", || http_01(SITE), dispatch, in_flight);
    vec![
        caa(Dispatch::Together, 1),
        caa(Dispatch::PrimaryFirst, 1),
        caa(Dispatch::PrimaryFirst, 16),
        caa(Dispatch::PrimaryFirst, 64),
        caa(Dispatch::Together, 64),
        http(Dispatch::PrimaryFirst, 1),
        http(Dispatch::PrimaryFirst, 16),
        http(Dispatch::PrimaryFirst, 64),
    ]
}

/// How fast the decisions just made are replayed, and how large they are.
async fn audit(cluster: &Cluster) {
    let log = cluster.verified().await;
    let decisions: Vec<usize> = log.entries.iter().map(Vec::len).filter(|len| *len > 0).collect();
    let count = u32::try_from(decisions.len()).unwrap();
    let octets = u32::try_from(decisions.iter().sum::<usize>()).unwrap();
    let began = (Instant::now(), crate::cpu::seconds("self"));
    let report = cluster.replay(&[]);
    let (wall, cpu) = (began.0.elapsed().as_secs_f64(), crate::cpu::seconds("self") - began.1);
    println!(
        "\nThe log of {}, {count} entries of {:.0} octets: replayed with every signature at {:.0}",
        subject::AUDIT_STREAM,
        f64::from(octets) / f64::from(count),
        f64::from(count) / wall
    );
    println!(
        "entries a second, {:.0} a second of CPU time; errors: {}",
        f64::from(count) / cpu,
        report.errors
    );
}
