//! The directory document: perspectives and their places, keys with their validity, CAs, policy.
//!
//! It is signed by the directory root, published into the log before anything that it lists is
//! used, and named by its hash in every record.

mod admission;
mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use admission::NotAdmitted;
pub use document::{CaEntry, DirectoryDocument, KeyEntry, PerspectiveEntry, PlaceEntry, Role};

use crate::code::{CaId, CoordinatorId, PerspectiveId};
use crate::limits::DIRECTORY_OCTETS_MAX;
use crate::octets::Hash;
use crate::perspective::{Perspective, Place};
use crate::policy::Policy;
use crate::signature::{KeyId, PublicKey};
use crate::time::UnixMs;
use crate::wire::{Envelope, Kind, Malformed, decode_body};

/// A directory document, loaded.
#[derive(Debug, Clone)]
pub struct Directory {
    hash: Hash,
    serial: u64,
    issued_ms: UnixMs,
    root: PublicKey,
    next_root: Option<PublicKey>,
    keys: BTreeMap<KeyId, Key>,
    cas: BTreeMap<CaId, Ca>,
    perspectives: BTreeMap<PerspectiveId, Listed>,
    policy: Policy,
}

/// A signing key and when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub public: PublicKey,
    /// Whose it is.
    pub owner: Owner,
    validity: Validity,
    revoked_ms: Option<UnixMs>,
}

impl Key {
    fn holds(&self, at: UnixMs) -> bool {
        self.validity.covers(at) && self.revoked_ms.is_none_or(|revoked| at < revoked)
    }
}

/// Whom a key speaks for. No key speaks for two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// All agents of one perspective.
    Agent(PerspectiveId),
    /// One coordinator.
    Coordinator(CoordinatorId),
    /// A person.
    Operator(String),
    /// One CA.
    Ca(CaId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(perspective) => write!(f, "perspective `{perspective}`"),
            Self::Coordinator(coordinator) => write!(f, "coordinator `{coordinator}`"),
            Self::Operator(operator) => write!(f, "operator `{operator}`"),
            Self::Ca(ca) => write!(f, "CA `{ca}`"),
        }
    }
}

/// A CA as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ca {
    /// The names that it may look for in CAA records.
    pub issuer_domains: Vec<String>,
    /// What its account URIs begin with; none where it names no accounts.
    pub account_uris: Vec<String>,
    /// Whether its jobs must be signed.
    pub sign_jobs: bool,
    /// Where its own primary perspective is, for jobs with `primary = "external"`.
    pub primary: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    perspective: Perspective,
    validity: Validity,
}

/// From a time, until before a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    from_ms: UnixMs,
    until_ms: Option<UnixMs>,
}

impl Validity {
    fn covers(self, at: UnixMs) -> bool {
        self.from_ms <= at && self.until_ms.is_none_or(|until| at < until)
    }

    fn ended_by(self, other: Self) -> Self {
        Self { until_ms: earliest(self.until_ms, other.until_ms), ..self }
    }
}

/// The earlier of two ends, where there is one.
fn earliest(one: Option<UnixMs>, other: Option<UnixMs>) -> Option<UnixMs> {
    one.into_iter().chain(other).min()
}

/// A document that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No envelope, or no directory in it.
    #[error("cannot decode the directory document")]
    Malformed(#[from] Malformed),
    /// Another root than the one that is pinned.
    #[error("the directory document is signed by {found}, not by the pinned root {pinned}")]
    Root {
        /// Who the document says it is.
        found: String,
        /// Who it was to be.
        pinned: String,
    },
    /// Not signed by the root it names.
    #[error("the signature of the directory document does not verify under its root {root}")]
    Signature {
        /// The root.
        root: String,
    },
    /// A field whose value cannot be.
    #[error("directory document, {field} `{value}`: {reason}")]
    Field {
        /// Which.
        field: String,
        /// What it says.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Directory {
    /// Opens a signed document. Its root is `pinned`, which comes from elsewhere.
    pub fn open(octets: &[u8], pinned: &PublicKey) -> Result<Self, DirectoryError> {
        let directory = Self::open_unpinned(octets)?;
        if directory.root == *pinned {
            Ok(directory)
        } else {
            let (found, pinned) = (directory.root.to_string(), pinned.to_string());
            Err(DirectoryError::Root { found, pinned })
        }
    }

    /// Opens a document that is signed by the root it names, whoever that is; for readers of a
    /// log, who print the root for comparison.
    pub fn open_unpinned(octets: &[u8]) -> Result<Self, DirectoryError> {
        let envelope = Envelope::parse(octets, DIRECTORY_OCTETS_MAX)?.of_kind(Kind::Directory)?;
        let document: DirectoryDocument = decode_body(Kind::Directory, envelope.body)?;
        let directory = Self::from_document(document, envelope.digest())?;
        let root = directory.root;
        envelope
            .verify(&root, Some(Hash::ZERO))
            .map_err(|_| DirectoryError::Signature { root: root.to_string() })?;
        Ok(directory)
    }

    /// SHA-256 of the body.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Rises with every document.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// When it was issued.
    pub fn issued_ms(&self) -> UnixMs {
        self.issued_ms
    }

    /// Who signed it.
    pub fn root(&self) -> PublicKey {
        self.root
    }

    /// Who may sign the next one beside the root.
    pub fn next_root(&self) -> Option<PublicKey> {
        self.next_root
    }

    /// The policy that `decide` follows.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The entry of a CA.
    pub fn ca(&self, code: &CaId) -> Option<&Ca> {
        self.cas.get(code)
    }

    /// Every CA.
    pub fn cas(&self) -> impl Iterator<Item = (&CaId, &Ca)> {
        self.cas.iter()
    }

    /// The entry of a perspective, if it is in force at `at`.
    pub fn perspective(&self, code: &PerspectiveId, at: UnixMs) -> Option<&Perspective> {
        self.perspectives
            .get(code)
            .filter(|listed| listed.validity.covers(at))
            .map(|listed| &listed.perspective)
    }

    /// The code of every perspective listed, whatever its validity.
    pub fn listed(&self) -> impl Iterator<Item = &PerspectiveId> {
        self.perspectives.keys()
    }

    /// Every perspective in force at `at`, sorted by code.
    pub fn perspectives(&self, at: UnixMs) -> impl Iterator<Item = &Perspective> {
        self.perspectives
            .values()
            .filter(move |listed| listed.validity.covers(at))
            .map(|listed| &listed.perspective)
    }

    /// Every perspective in force at `at` that can sign what it saw, sorted by code.
    pub fn able(&self, at: UnixMs) -> impl Iterator<Item = &Perspective> {
        let signers: BTreeSet<_> = self
            .keys
            .values()
            .filter(|key| key.holds(at))
            .filter_map(|key| match &key.owner {
                Owner::Agent(perspective) => Some(perspective),
                _ => None,
            })
            .collect();
        self.perspectives(at).filter(move |one| signers.contains(&one.code))
    }

    /// The key of this id, if it is in force at `at`: listed, in its validity, not revoked.
    pub fn key(&self, id: KeyId, at: UnixMs) -> Option<&Key> {
        self.keys.get(&id).filter(|key| key.holds(at))
    }

    /// This document less all that `newer` revokes, ends or leaves out. It keeps its hash: what is
    /// decided under it follows from it, only from fewer.
    #[must_use]
    pub fn restricted_by(&self, newer: &Self) -> Self {
        let mut restricted = self.clone();
        restricted.keys.retain(|id, key| {
            let listed = newer.keys.get(id).filter(|listed| listed.owner == key.owner);
            listed.is_some_and(|listed| {
                key.validity = key.validity.ended_by(listed.validity);
                key.revoked_ms = earliest(key.revoked_ms, listed.revoked_ms);
                true
            })
        });
        restricted.cas.retain(|code, ca| {
            newer.cas.get(code).is_some_and(|listed| {
                ca.issuer_domains.retain(|name| listed.issuer_domains.contains(name));
                ca.account_uris.retain(|uri| listed.account_uris.contains(uri));
                ca.primary = ca.primary.filter(|place| listed.primary == Some(*place));
                ca.sign_jobs |= listed.sign_jobs;
                true
            })
        });
        restricted.perspectives.retain(|code, one| {
            let listed = newer.perspectives.get(code);
            // One that moved is another one.
            let stays = listed.filter(|listed| {
                listed.perspective.egress == one.perspective.egress
                    && listed.perspective.resolver == one.perspective.resolver
            });
            stays.is_some_and(|listed| {
                one.validity = one.validity.ended_by(listed.validity);
                true
            })
        });
        restricted
    }

    /// Whose the key of this id is, in force or not.
    pub fn owner(&self, id: KeyId) -> Option<&Owner> {
        self.keys.get(&id).map(|key| &key.owner)
    }

    /// When the key of this id was revoked, be it known only later.
    pub fn revoked_ms(&self, id: KeyId) -> Option<UnixMs> {
        self.keys.get(&id).and_then(|key| key.revoked_ms)
    }
}

#[cfg(test)]
mod tests;
