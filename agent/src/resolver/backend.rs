//! Either engine, as the configuration chooses.

use std::sync::Arc;

use mpic_common::evidence::DnsSeen;
use mpic_common::observation::ResolverIdentity;
use mpic_common::reason::Reason;

use super::embedded::{Embedded, EmbeddedInquiry};
use super::forwarder::{Forwarder, ForwarderInquiry};
use super::{Budget, DnsEngine, Inquiry, Question};
use crate::deadline::Deadline;

/// The engine of one agent.
#[derive(Debug, Clone)]
pub enum Backend {
    /// Asks a validating resolver.
    Forwarder(Forwarder),
    /// Asks the authoritative servers.
    Embedded(Embedded),
}

/// The questions of one check.
#[derive(Debug)]
pub enum BackendInquiry {
    /// To a validating resolver.
    Forwarder(ForwarderInquiry),
    /// To the authoritative servers.
    Embedded(EmbeddedInquiry),
}

impl Backend {
    /// Forgets what it keeps between jobs; a resolver has its own ways.
    pub fn forget(&self) {
        match self {
            Self::Forwarder(_) => {}
            Self::Embedded(engine) => engine.forget(),
        }
    }
}

impl DnsEngine for Backend {
    type Inquiry = BackendInquiry;

    fn identity(&self) -> &ResolverIdentity {
        match self {
            Self::Forwarder(engine) => engine.identity(),
            Self::Embedded(engine) => engine.identity(),
        }
    }

    async fn self_test(&self) -> Result<(), Reason> {
        match self {
            Self::Forwarder(engine) => engine.self_test().await,
            Self::Embedded(engine) => engine.self_test().await,
        }
    }

    fn open(&self, deadline: Deadline, budget: Arc<Budget>) -> BackendInquiry {
        match self {
            Self::Forwarder(engine) => BackendInquiry::Forwarder(engine.open(deadline, budget)),
            Self::Embedded(engine) => BackendInquiry::Embedded(engine.open(deadline, budget)),
        }
    }
}

impl Inquiry for BackendInquiry {
    /// Boxed: a question in flight takes many KiB, which every check would hold for as long as it
    /// lasts, and most of that it waits for a site.
    async fn ask(&self, question: &Question) -> DnsSeen {
        match self {
            Self::Forwarder(inquiry) => Box::pin(inquiry.ask(question)).await,
            Self::Embedded(inquiry) => Box::pin(inquiry.ask(question)).await,
        }
    }

    fn used(&self) -> (u32, u32) {
        match self {
            Self::Forwarder(inquiry) => inquiry.used(),
            Self::Embedded(inquiry) => inquiry.used(),
        }
    }
}
