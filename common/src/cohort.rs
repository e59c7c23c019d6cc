//! A cohort: the proof that the remotes of one attempt are distinct.

use std::collections::BTreeMap;

use crate::code::PerspectiveId;
use crate::limits::COHORT_MAX;
use crate::perspective::{Perspective, Place, RegionalInternetRegistry};

/// The distinct remotes asked in one attempt, each at least 500 km from each other and from the
/// primary, and so are their resolvers (BR 3.2.2.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    remotes: BTreeMap<PerspectiveId, RegionalInternetRegistry>,
}

/// Why perspectives are no cohort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CohortError {
    /// Two of them do not count as two.
    #[error("`{0}` and `{1}` are less than 500 km apart")]
    NotDistinct(PerspectiveId, PerspectiveId),
    /// A remote that counts as the primary.
    #[error("`{0}` is less than 500 km from the primary")]
    NotDistinctFromPrimary(PerspectiveId),
    /// More than one attempt may ask.
    #[error("{0} remotes, at most {COHORT_MAX} are asked")]
    TooMany(usize),
}

/// Where the primary is: a perspective of ours, or the CA's own place.
#[derive(Debug, Clone, Copy)]
pub enum PrimaryPlace<'a> {
    /// One of the directory's perspectives.
    Perspective(&'a Perspective),
    /// The CA's own, with its resolver at the same place.
    External(Place),
}

impl PrimaryPlace<'_> {
    /// Whether `remote` is distinct from the primary.
    pub fn is_distinct_from(&self, remote: &Perspective) -> bool {
        match self {
            Self::Perspective(primary) => {
                primary.code != remote.code && primary.is_distinct_from(remote)
            }
            Self::External(place) => {
                let primary = Perspective { egress: *place, resolver: *place, ..remote.clone() };
                primary.is_distinct_from(remote)
            }
        }
    }
}

impl Cohort {
    /// The cohort of `remotes`, which are of different codes.
    pub fn new(primary: PrimaryPlace<'_>, remotes: &[&Perspective]) -> Result<Self, CohortError> {
        if remotes.len() > COHORT_MAX {
            return Err(CohortError::TooMany(remotes.len()));
        }
        for (index, remote) in remotes.iter().enumerate() {
            if !primary.is_distinct_from(remote) {
                return Err(CohortError::NotDistinctFromPrimary(remote.code.clone()));
            }
            let mut before = remotes.iter().take(index);
            if let Some(close) = before.find(|other| !other.is_distinct_from(remote)) {
                return Err(CohortError::NotDistinct(close.code.clone(), remote.code.clone()));
            }
        }
        let registry = |remote: &&Perspective| (remote.code.clone(), remote.egress.registry);
        Ok(Self { remotes: remotes.iter().map(registry).collect() })
    }

    /// The remotes and the service region of each, sorted by code.
    pub fn remotes(&self) -> &BTreeMap<PerspectiveId, RegionalInternetRegistry> {
        &self.remotes
    }
}
