//! Rows L1 to L15 of the behaviour table, against servers on loopback.

mod certificates;
mod peers;

use mpic_common::challenge::Challenge;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::testing::http_01_job;
use rcgen::KeyPair;

use super::*;
use crate::testing::draft_certificate::{Draft, dns};
use crate::testing::fake_dns::{Asked, FakeDns, Say, everything_at};
use crate::testing::fake_tls::{FakeTls, Serving};
use crate::testing::{checker, perform};

const SITE: ([u8; 4], u16) = ([127, 0, 0, 2], 0);
const DIGEST: Hash = Hash([0xA5; 32]);

/// The right certificate for `example.com`.
fn right() -> Draft {
    Draft::new(&[dns("example.com")], &DIGEST)
}

fn job(identifier: &str) -> Job {
    let mut job = http_01_job(identifier);
    job.caa = None;
    job.dcv.as_mut().unwrap().challenge = Challenge::AcmeTlsAlpn01 { digest: DIGEST };
    job
}

/// Validates `identifier` where `resolver` says, port 443 being `port`.
async fn validate_at(
    resolver: impl Fn(&Asked) -> Say + Send + Sync + 'static,
    port: u16,
    identifier: &str,
) -> Observation {
    let dns = FakeDns::start(resolver).await;
    let checker = checker(&dns, &[(443, port)]);
    perform(&checker, &job(identifier)).await.remove(&CheckKind::Dcv).unwrap()
}

/// Validates `example.com` at `peer`.
async fn validate(peer: &FakeTls) -> Observation {
    validate_at(everything_at(&["127.0.0.2"]), peer.address.port(), "example.com").await
}

async fn validate_serving(serving: Serving) -> Observation {
    let peer = FakeTls::start(SITE, serving).await;
    validate(&peer).await
}

/// The reason for which the certificate that `draft` makes does not validate `identifier`.
async fn reason_for(draft: &Draft, identifier: &str) -> Option<Reason> {
    let key = KeyPair::generate().unwrap();
    let peer = FakeTls::start(SITE, Serving::new(draft.sign(&key), &key)).await;
    let at = everything_at(&["127.0.0.2"]);
    validate_at(at, peer.address.port(), identifier).await.reason
}
