//! Scripted servers on loopback and what the tests of several modules share.

pub(crate) mod draft_certificate;
pub(crate) mod fake_dns;
pub(crate) mod fake_site;
pub(crate) mod fake_tls;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mpic_common::evaluator::caa::CaaRules;
use mpic_common::job::Job;
use mpic_common::observation::{CheckKind, Observation, ResolverIdentity};
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::time::UnixMs;
use mpic_runtime::clock::Clock;

use crate::check::{Checker, MethodRules, Rules};
use crate::deadline::Deadline;
use crate::egress::{AddressPolicy, Egress};
use crate::http::{HttpClient, HttpLimits};
use crate::names::NamePolicy;
use crate::resolver::forwarder::{Forwarder, ForwarderInquiry, ForwarderSettings, Validation};
use crate::resolver::{Budget, BudgetLimits, DnsEngine};
use crate::tls_alpn::{TlsAlpnClient, TlsAlpnLimits};
use fake_dns::FakeDns;

/// Longer than any test that does not wait for it.
pub(crate) const LONG: Duration = Duration::from_secs(25);

/// A Public Suffix List with one rule of each kind.
pub(crate) const SUFFIX_LIST: &str = "\
// ===BEGIN ICANN DOMAINS===
com
net
org
io
uk
co.uk
*.ck
!www.ck
arpa
in-addr.arpa
中国
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
github.io
// ===END PRIVATE DOMAINS===
";

pub(crate) fn identity() -> ResolverIdentity {
    ResolverIdentity {
        backend: "forwarder".to_owned(),
        instance: "test".to_owned(),
        trust_anchor: None,
        root_hints: None,
        address: None,
        latitude_udeg: 0,
        longitude_udeg: 0,
        registry: RegionalInternetRegistry::Arin,
    }
}

pub(crate) fn forwarder(dns: &FakeDns) -> Forwarder {
    forwarder_with(dns, Validation::Required)
}

pub(crate) fn forwarder_with(dns: &FakeDns, validation: Validation) -> Forwarder {
    Forwarder::new(ForwarderSettings {
        server: dns.address,
        egress: Egress::default(),
        attempt: Duration::from_millis(300),
        pause: Duration::from_millis(10),
        validation,
        identity: identity(),
    })
}

pub(crate) fn budget() -> Arc<Budget> {
    Arc::new(Budget::new(BudgetLimits { packets: 500, octets: 4 * 1_024 * 1_024 }))
}

pub(crate) fn inquiry(dns: &FakeDns) -> ForwarderInquiry {
    forwarder(dns).open(Deadline::after(LONG), budget())
}

/// A clock that stands still in January 2027.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoppedClock(pub(crate) UnixMs);

impl Clock for StoppedClock {
    fn now(&self) -> UnixMs {
        self.0
    }
}

pub(crate) const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// Each wait of the HTTP client, so that a test that exhausts one stays short.
pub(crate) const HTTP_WAIT: Duration = Duration::from_millis(400);

/// Rules that let 127.0.0.2, 127.0.0.3 and `::1` through; ports 80 and 443 are as given.
pub(crate) fn rules(lab_ports: &[(u16, u16)]) -> Rules {
    let allow = ["127.0.0.2/31", "::1/128"].map(|net| net.parse().unwrap()).to_vec();
    let egress = Egress { lab_ports: lab_ports.iter().copied().collect(), ..Egress::default() };
    let limits = HttpLimits {
        connect: HTTP_WAIT,
        handshake: HTTP_WAIT,
        head: HTTP_WAIT,
        body: HTTP_WAIT,
        redirects_max: 20,
    };
    Rules {
        names: NamePolicy::new(SUFFIX_LIST.as_bytes(), Vec::new(), Vec::new()).unwrap(),
        addresses: AddressPolicy::new(Vec::new(), allow, Vec::new()),
        tls_alpn: TlsAlpnClient::new(
            egress.clone(),
            TlsAlpnLimits { connect: HTTP_WAIT, handshake: HTTP_WAIT },
        )
        .unwrap(),
        http: HttpClient::new(egress, limits, "mpic-perspective/test".to_owned()).unwrap(),
        caa: CaaRules::default(),
        caa_labels_max: 40,
        dns_budget: BudgetLimits { packets: 500, octets: 4 * 1_024 * 1_024 },
        methods: MethodRules::default(),
        observation_octets_max: 393_216,
    }
}

pub(crate) type TestChecker = Checker<Forwarder, StoppedClock>;

pub(crate) fn checker(dns: &FakeDns, lab_ports: &[(u16, u16)]) -> TestChecker {
    Checker::new(forwarder(dns), StoppedClock(NOW), rules(lab_ports))
}

/// The observations of `job`, within the longest time that a job has.
pub(crate) async fn perform(checker: &TestChecker, job: &Job) -> BTreeMap<CheckKind, Observation> {
    checker.perform(job, Deadline::after(LONG)).await
}
