//! What a fleet consists of, wherever it runs: what the directory document lists, and who connects
//! to the bus.

use mpic_common::code::{CaId, CoordinatorId};
use mpic_common::directory::{CaEntry, PerspectiveEntry};
use mpic_common::policy::Policy;

use super::party::Party;

/// Everyone who has a part.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The primary's first.
    pub(super) perspectives: Vec<PerspectiveEntry>,
    pub(super) coordinators: Vec<CoordinatorId>,
    pub(super) cas: Vec<CaEntry>,
    pub(super) auditors: Vec<CaId>,
    pub(super) operators: Vec<CaId>,
    /// The name of the log.
    pub(super) origin: String,
    pub(super) policy: Policy,
}

impl Plan {
    /// Everyone who connects to the bus.
    pub(super) fn parties(&self) -> Vec<Party> {
        let agents = self.perspectives.iter().map(|listed| Party::Agent(listed.code.clone()));
        let coordinators = self.coordinators.iter().cloned().map(Party::Coordinator);
        let cas = self.cas.iter().map(|ca| Party::Ca(ca.code.clone()));
        let auditors = self.auditors.iter().cloned().map(Party::Auditor);
        let operators = self.operators.iter().cloned().map(Party::Operator);
        let others = [Party::Audit, Party::Ops, Party::Provisioning, Party::System];
        let askers = cas.chain(auditors).chain(operators);
        coordinators.chain(agents).chain(askers).chain(others).collect()
    }
}
