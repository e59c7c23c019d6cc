//! Builders that tests share.
#![expect(clippy::unwrap_used, reason = "a broken builder should panic")]

mod examples;
mod fleet;

use std::collections::BTreeMap;

pub use examples::examples;
pub use fleet::{Fleet, Seen};

use crate::challenge::{Challenge, RequestHeaders};
use crate::code::PerspectiveId;
use crate::identifier::Identifier;
use crate::job::{Caa, Dcv, Dispatch, Job, JobId, PrimaryMode};
use crate::perspective::RegionalInternetRegistry;
use crate::policy::{CertificateType, Stricter};
use crate::time::UnixMs;

/// The id of the job made `ms` after some moment in January 2027.
pub fn job_id(ms: u64) -> JobId {
    JobId::new(UnixMs(1_800_000_000_000 + ms), &[7; 10])
}

/// A CAA and dns-01 job for `name`, issuer `ca.example`, digest `digest-of-the-day`.
pub fn dns_01_job(name: &str) -> Job {
    let challenge =
        Challenge::AcmeDns01 { digest: "digest-of-the-day".to_owned().try_into().unwrap() };
    job(name, challenge, "dns-01")
}

/// A CAA and http-01 job for `name`, issuer `ca.example`, token `token-1`.
pub fn http_01_job(name: &str) -> Job {
    let challenge = Challenge::AcmeHttp01 {
        token: "token-1".to_owned().try_into().unwrap(),
        key_authorization: "token-1.thumbprint".to_owned().try_into().unwrap(),
        headers: RequestHeaders::default(),
    };
    job(name, challenge, "http-01")
}

fn job(name: &str, challenge: Challenge, label: &str) -> Job {
    Job {
        ca: "ca1".parse().unwrap(),
        id: job_id(0),
        ca_request: None,
        certificate_type: CertificateType::TlsServer,
        identifier: Identifier::parse(name).unwrap(),
        dcv: Some(Dcv { adn: None, challenge }),
        caa: Some(Caa { account_uris: vec![], method_label: Some(label.to_owned()) }),
        issuer_domains: vec!["ca.example".to_owned()],
        primary: PrimaryMode::Ask,
        primary_claim: None,
        dispatch: Dispatch::PrimaryFirst,
        stricter: Stricter::default(),
        straggler_wait: None,
        budget: None,
        deadline_ms: None,
    }
}

/// `count` remotes `r0`, `r1`, ... spread over the five registries in turn.
pub fn remotes(count: usize) -> BTreeMap<PerspectiveId, RegionalInternetRegistry> {
    use RegionalInternetRegistry::{Afrinic, Apnic, Arin, Lacnic, RipeNcc};
    let registries = [Arin, RipeNcc, Apnic, Lacnic, Afrinic].into_iter().cycle();
    (0..count).map(|index| format!("r{index}").parse().unwrap()).zip(registries).collect()
}
