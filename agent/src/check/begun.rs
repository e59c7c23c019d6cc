//! From the beginning of a check to its observation.

use std::time::Duration;

use mpic_common::evidence::{CaaDecision, CaaSeen, Used};
use mpic_common::identifier::IdentifierKind;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Observation};
use mpic_common::policy::CertificateType;
use mpic_common::reason::{Reason, Verdict};
use mpic_common::time::UnixMs;
use mpic_runtime::clock::Clock;
use tokio::time::Instant;

use super::{Evidence, Failure, Passed, dcv, micros};
use crate::evidence_cut;

/// A check that has begun.
pub(super) struct Begun<'a> {
    pub(super) check: CheckKind,
    pub(super) job: &'a Job,
    pub(super) started_ms: UnixMs,
    pub(super) started: Instant,
    /// Of the encoded observation.
    pub(super) octets_max: usize,
}

impl Begun<'_> {
    /// The observation of a check that ends now.
    pub(super) fn end(
        self,
        verdict: Result<Passed, Failure>,
        evidence: Evidence,
        (dns_packets, dns_octets): (u32, u32),
        clock: &impl Clock,
    ) -> Observation {
        let dcv = self.job.dcv.as_ref().filter(|_| self.check == CheckKind::Dcv);
        let row = self.job.method().filter(|_| dcv.is_some());
        let (passed, reason, detail) = match verdict {
            Ok(passed) => (passed, None, String::new()),
            Err(failure) => (Passed::default(), Some(failure.reason), failure.detail),
        };
        let (clause, br_version) = rule(self.check, self.job);
        let ended_ms = self.started_ms.max(clock.now());
        let mut observation = Observation {
            check: self.check,
            method: dcv.map(|dcv| dcv.challenge.method_id().to_owned()),
            clause: clause.to_owned(),
            br_version: br_version.to_owned(),
            discouraged: row.is_some_and(|row| row.is_discouraged(self.started_ms.date())),
            adn: dcv.and_then(|dcv| dcv::adn(self.job, dcv)).map(ToString::to_string),
            started_ms: self.started_ms,
            ended_ms,
            elapsed_us: micros(self.started),
            verdict: reason.map_or(Verdict::Pass, Reason::verdict),
            reason,
            detail,
            observed: passed.observed,
            matched: passed.matched,
            dnssec: evidence.dnssec,
            dns: evidence.dns,
            used: Used {
                dns_packets,
                dns_octets,
                http_octets: evidence.http.iter().map(|hop| hop.body_octets).sum(),
                connects: evidence.connects,
            },
            http: evidence.http,
            tls: evidence.tls,
            caa: evidence.caa.map(|caa| with_issue_by(caa, ended_ms)),
            truncated: false,
        };
        evidence_cut::cut(&mut observation, self.octets_max);
        observation
    }
}

/// Issuance rests on a permission for the TTL of its records, at least 8 hours (BR 3.2.2.8).
fn with_issue_by(mut caa: CaaSeen, ended: UnixMs) -> CaaSeen {
    let ttl = Duration::from_secs(caa.min_ttl_s.unwrap_or_default().into());
    let permits = caa.decision == CaaDecision::Permit;
    caa.issue_by = permits.then(|| ended.plus(ttl.max(ISSUE_BY_MIN)).0);
    caa
}

/// The clause that a check follows, and the document that has it.
fn rule(check: CheckKind, job: &Job) -> (&'static str, &'static str) {
    match (check, job.certificate_type, job.method()) {
        (CheckKind::Caa, CertificateType::SMime, _) => ("4.2.2.1", SMIME_BR),
        (CheckKind::Caa, CertificateType::TlsServer, _) => ("3.2.2.8", TLS_BR),
        (CheckKind::Dcv, _, Some(row)) if row.kind == IdentifierKind::Email => {
            (row.clause, SMIME_BR)
        }
        (CheckKind::Dcv, _, Some(row)) => (row.clause, TLS_BR),
        (CheckKind::Dcv, _, None) => ("3.2.2.4", TLS_BR),
    }
}

const ISSUE_BY_MIN: Duration = Duration::from_secs(8 * 60 * 60);
const TLS_BR: &str = "TLS-BR 2.2.6";
const SMIME_BR: &str = "SMIME-BR 1.0.10";
