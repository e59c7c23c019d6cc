//! The control plane alone: CAA of an IP address applies to nobody, so real agents answer, signed,
//! without asking the network. Beside it the same messages without signatures and parsing.

use std::sync::Arc;

use mpic_common::job::{Dispatch, Job};
use mpic_tests::certification_authority::{CertificationAuthority, caa};
use mpic_tests::cluster::Cluster;
use mpic_tests::internet::{Content, WEB, identifier};

use crate::load::{Load, Measured, print_head};
use crate::pure::Pure;
use crate::raw::{Raw, Sizes};

/// Jobs in flight.
const IN_FLIGHT: [usize; 3] = [1, 64, 512];

/// Prints everything.
pub(crate) async fn run() {
    let cluster = Cluster::start(Content::new()).await;
    let ca = Arc::new(CertificationAuthority::of(&cluster).await);
    let sizes = sizes(&ca).await;
    println!("\nThe control plane alone: signed, recorded, and no agent asks the network.");
    println!("`raw` are messages of the same sizes without signatures and parsing: a record is");
    println!("{} octets, a reply {}.", sizes.record, sizes.reply);
    print_head();
    let mut costs = Vec::new();
    for in_flight in IN_FLIGHT {
        let load = load(Dispatch::Together, in_flight);
        let measured = load.measure(&ca, &cluster.pids()).await;
        measured.print_load(load);
        costs.push(measured.system_ms());
    }
    let load = load(Dispatch::PrimaryFirst, 64);
    load.measure(&ca, &cluster.pids()).await.print_load(load);
    let raw = Raw::start(&cluster, sizes).await;
    let pids = raw.pids(&cluster);
    let pure = Pure::measure();
    let mut rows = Vec::new();
    for (in_flight, system) in IN_FLIGHT.into_iter().zip(costs) {
        let ask = Arc::new(raw.asker());
        let measured = Measured::of(in_flight, &pids, move || ask()).await;
        measured.print("raw", "together", in_flight);
        rows.push((in_flight, system, measured.system_ms()));
    }
    raw.stop().await;
    split(&rows, &pure);
}

fn split(rows: &[(usize, f64, f64)], pure: &Pure) {
    let (signatures, encoding) = (pure.signatures(1.0) / 1e3, pure.encoding() / 1e3);
    println!(
        "\nMilliseconds of CPU a corroboration, by what they are spent on; the ratio is to raw"
    );
    println!("messages and the signatures.\n");
    println!(
        "{:>6} {:>8} {:>12} {:>10} {:>14} {:>8} {:>7}",
        "flying", "system", "signatures", "encoding", "bus and rest", "raw", "ratio"
    );
    for (in_flight, system, raw) in rows {
        println!(
            "{in_flight:>6} {system:>8.2} {signatures:>12.2} {encoding:>10.2} {:>14.2} {raw:>8.2} {:>6.2}x",
            system - signatures - encoding,
            system / (raw + signatures)
        );
    }
}

fn load(dispatch: Dispatch, in_flight: usize) -> Load {
    Load { name: "no network", job, dispatch, in_flight }
}

/// CAA of an IP address.
pub(crate) fn job() -> Job {
    Job { identifier: identifier(&WEB.to_string()), ..caa("unused.example") }
}

/// Of the messages of one such job.
async fn sizes(ca: &CertificationAuthority) -> Sizes {
    let job = Job { dispatch: Dispatch::Together, ..job() };
    let recorded = ca.decision(&job).await;
    Sizes {
        job: ca.submission(&job).octets.len(),
        assignment: recorded.decision.assignments.first().unwrap().0.len(),
        reply: recorded.decision.replies.first().unwrap().reply.0.len(),
        record: recorded.octets.len(),
    }
}
