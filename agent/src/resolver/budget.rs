//! What one job may spend on DNS: hostile delegations and floods end here.

use std::sync::atomic::{AtomicU32, Ordering};

use mpic_common::evidence::DnsOutcome;

/// The most that one job may spend.
#[derive(Debug, Clone, Copy)]
pub struct BudgetLimits {
    /// Packets sent, attempts and TCP included.
    pub packets: u32,
    /// Octets received.
    pub octets: u32,
}

/// What a job has left.
#[derive(Debug)]
pub struct Budget {
    packets_left: AtomicU32,
    octets_left: AtomicU32,
}

impl Budget {
    /// All of it.
    pub fn new(limits: BudgetLimits) -> Self {
        Self {
            packets_left: AtomicU32::new(limits.packets),
            octets_left: AtomicU32::new(limits.octets),
        }
    }

    /// Takes one packet.
    pub(super) fn take_packet(&self) -> Result<(), DnsOutcome> {
        take(&self.packets_left, 1)
    }

    /// Takes `octets`, which have arrived.
    pub(super) fn take_octets(&self, octets: u32) -> Result<(), DnsOutcome> {
        take(&self.octets_left, octets)
    }
}

fn take(left: &AtomicU32, amount: u32) -> Result<(), DnsOutcome> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(amount))
        .map(|_| ())
        .map_err(|_| DnsOutcome::Budget)
}
