//! The private keys of a local fleet: made once, read ever after.

use std::collections::BTreeMap;

use mpic_audit::note::{LogKey, LogPublicKey};
use mpic_common::code::{CoordinatorId, PerspectiveId};
use mpic_common::signature::{PublicKey, SigningKey};
use mpic_runtime::keys::{self, KeyFileError};

use super::layout::{Layout, ORIGIN};
use super::{CA, FleetError};

/// The keys that the directory document lists, and those that vouch for it and for the log.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) root: SigningKey,
    pub(super) agents: BTreeMap<PerspectiveId, PublicKey>,
    pub(super) coordinators: BTreeMap<CoordinatorId, PublicKey>,
    pub(super) ca: PublicKey,
    pub(super) log: LogPublicKey,
}

/// The name of the key file of a perspective's agents.
pub(super) fn agent(code: &PerspectiveId) -> String {
    format!("agent-{code}")
}

/// The name of a coordinator's key file.
pub(super) fn coordinator(code: &CoordinatorId) -> String {
    code.to_string()
}

/// The name of the CA's key file.
pub(super) fn ca() -> String {
    format!("ca-{CA}")
}

/// The name of the file with the secret that cohorts are selected with.
pub(super) const SEED: &str = "seed";
/// The name of the log's key file.
pub(super) const LOG: &str = "log";
const ROOT: &str = "root";

impl Keys {
    /// Reads every key, and makes those that are not there.
    pub(super) fn load_or_create<'a>(
        layout: &Layout,
        perspectives: impl IntoIterator<Item = &'a PerspectiveId>,
        coordinators: &[CoordinatorId],
    ) -> Result<Self, FleetError> {
        let key = |name: &str| seed(layout, name).map(|seed| SigningKey::from_seed(&seed));
        seed(layout, SEED)?;
        let log = LogKey::new(ORIGIN, &seed(layout, LOG)?)?;
        Ok(Self {
            root: key(ROOT)?,
            agents: perspectives
                .into_iter()
                .map(|code| Ok((code.clone(), key(&agent(code))?.public())))
                .collect::<Result<_, KeyFileError>>()?,
            coordinators: coordinators
                .iter()
                .map(|code| Ok((code.clone(), key(&coordinator(code))?.public())))
                .collect::<Result<_, KeyFileError>>()?,
            ca: key(&ca())?.public(),
            log: log.public().clone(),
        })
    }
}

/// The 32 octets of this name.
fn seed(layout: &Layout, name: &str) -> Result<[u8; 32], KeyFileError> {
    let path = layout.key(name);
    if path.exists() { keys::load_seed(&path) } else { keys::create_seed(&path) }
}
