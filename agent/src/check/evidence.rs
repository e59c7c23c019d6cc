//! What a check has seen so far. It stays whatever becomes of the check.

use mpic_common::evidence::{CaaSeen, DnsSeen, Dnssec, HopSeen, TlsSeen};

/// Gathered by a method as it goes.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) dns: Vec<DnsSeen>,
    /// The worst state of the questions that the verdict rests on.
    pub(crate) dnssec: Dnssec,
    pub(crate) http: Vec<HopSeen>,
    pub(crate) tls: Option<TlsSeen>,
    pub(crate) caa: Option<CaaSeen>,
    /// Connections tried.
    pub(crate) connects: u8,
}

impl Evidence {
    /// Keeps a question that the verdict rests on.
    pub(crate) fn used(&mut self, seen: DnsSeen) {
        self.dnssec = self.dnssec.max(seen.dnssec);
        self.dns.push(seen);
    }

    /// Keeps a question that the verdict does not rest on.
    pub(crate) fn ignored(&mut self, seen: DnsSeen) {
        self.dns.push(seen);
    }
}
