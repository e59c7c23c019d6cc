//! The private keys of a fleet: made once, read ever after.

use std::collections::BTreeMap;

use mpic_audit::note::{LogKey, LogPublicKey};
use mpic_common::code::{CaId, CoordinatorId, PerspectiveId};
use mpic_common::signature::{PublicKey, SigningKey};

use super::FleetError;
use super::layout::Layout;
use super::party::Party;
use super::plan::Plan;
use super::store::Store;

/// The keys that the directory document lists, and those that vouch for it and for the log.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) root: SigningKey,
    pub(super) agents: BTreeMap<PerspectiveId, PublicKey>,
    pub(super) coordinators: BTreeMap<CoordinatorId, PublicKey>,
    pub(super) cas: BTreeMap<CaId, PublicKey>,
    pub(super) operators: BTreeMap<CaId, PublicKey>,
    pub(super) log: LogPublicKey,
}

/// The name of the file with the secret that cohorts are selected with.
pub(super) const SEED: &str = "seed";
/// The name of the log's key file.
pub(super) const LOG: &str = "log";
/// The name of the key file that signs the directory document.
pub(super) const ROOT: &str = "root";

impl Keys {
    /// Reads every key, and makes those that are not there.
    pub(super) fn load_or_create(
        store: &mut Store,
        layout: &Layout,
        plan: &Plan,
    ) -> Result<Self, FleetError> {
        let mut seed = |name: &str| store.seed(&layout.key(name));
        seed(SEED)?;
        let log = LogKey::new(&plan.origin, &seed(LOG)?)?.public().clone();
        let mut key = |name: &str| seed(name).map(|seed| SigningKey::from_seed(&seed));
        let root = key(ROOT)?;
        let mut of = |party: Party| key(&party.name()).map(|key| key.public());
        let mut agents = BTreeMap::new();
        for listed in &plan.perspectives {
            agents.insert(listed.code.clone(), of(Party::Agent(listed.code.clone()))?);
        }
        let mut coordinators = BTreeMap::new();
        for code in &plan.coordinators {
            coordinators.insert(code.clone(), of(Party::Coordinator(code.clone()))?);
        }
        let mut cas = BTreeMap::new();
        for ca in &plan.cas {
            cas.insert(ca.code.clone(), of(Party::Ca(ca.code.clone()))?);
        }
        let mut operators = BTreeMap::new();
        for name in &plan.operators {
            operators.insert(name.clone(), of(Party::Operator(name.clone()))?);
        }
        Ok(Self { root, agents, coordinators, cas, operators, log })
    }
}
