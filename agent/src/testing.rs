//! Scripted servers on loopback and what the tests of several modules share.

pub(crate) mod fake_dns;

use std::sync::Arc;
use std::time::Duration;

use mpic_common::observation::ResolverIdentity;
use mpic_common::perspective::RegionalInternetRegistry;

use crate::deadline::Deadline;
use crate::egress::Egress;
use crate::resolver::forwarder::{Forwarder, ForwarderInquiry, ForwarderSettings, Validation};
use crate::resolver::{Budget, BudgetLimits, DnsEngine};
use fake_dns::FakeDns;

/// Longer than any test that does not wait for it.
pub(crate) const LONG: Duration = Duration::from_secs(25);

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
