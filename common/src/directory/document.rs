//! The directory document as it is encoded, and how it becomes a `Directory`.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::{Ca, Directory, DirectoryError, Key, Listed, Owner, Validity};
use crate::code::{CaId, PerspectiveId};
use crate::octets::{Fixed, Hash};
use crate::perspective::{Location, Perspective, Place, RegionalInternetRegistry};
use crate::policy::Policy;
use crate::signature::{KeyId, PublicKey};
use crate::time::UnixMs;

/// The body of a `directory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryDocument {
    /// Rises with every document.
    pub serial: u64,
    /// When it was issued.
    pub issued_ms: UnixMs,
    /// The key that signs it.
    pub root: Fixed<32>,
    /// A key that may sign the next one.
    pub next_root: Option<Fixed<32>>,
    /// Signing keys.
    pub keys: Vec<KeyEntry>,
    /// CAs.
    pub cas: Vec<CaEntry>,
    /// Perspectives.
    pub perspectives: Vec<PerspectiveEntry>,
    /// What `decide` follows.
    pub policy: Policy,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Signs replies.
    Agent,
    /// Signs assignments and records.
    Coordinator,
    /// Signs notes.
    Operator,
    /// Signs jobs.
    Ca,
}

/// One signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// Its id, which follows from `public`.
    pub id: KeyId,
    /// The key.
    pub public: Fixed<32>,
    /// What it is for.
    pub role: Role,
    /// The code of the coordinator or CA, the name of the operator, the perspective's code.
    pub name: String,
    /// The perspective of an agent key.
    pub perspective: Option<PerspectiveId>,
    /// In force from then.
    pub from_ms: UnixMs,
    /// In force until before then.
    pub until_ms: Option<UnixMs>,
    /// Not to be trusted from then.
    pub revoked_ms: Option<UnixMs>,
    /// Why it was revoked.
    pub reason: Option<String>,
}

/// One CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaEntry {
    /// Its code.
    pub code: CaId,
    /// The names that it may look for in CAA records.
    pub issuer_domains: Vec<String>,
    /// What its account URIs begin with.
    pub account_uris: Vec<String>,
    /// Whether its jobs must be signed.
    pub sign_jobs: bool,
    /// Where its own primary perspective is.
    pub primary: Option<PlaceEntry>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceEntry {
    /// The service region.
    pub registry: RegionalInternetRegistry,
    /// 10^-6 degrees.
    pub latitude_udeg: i32,
    /// 10^-6 degrees.
    pub longitude_udeg: i32,
}

/// One perspective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerspectiveEntry {
    /// Its code.
    pub code: PerspectiveId,
    /// The service region of its egress.
    pub registry: RegionalInternetRegistry,
    /// A name for people.
    pub region: String,
    /// The autonomous system of its egress.
    pub asn: u32,
    /// Who runs the network or the machines there; nil where the operator does not say.
    #[serde(default)]
    pub provider: Option<String>,
    /// 10^-6 degrees, of its egress.
    pub latitude_udeg: i32,
    /// 10^-6 degrees, of its egress.
    pub longitude_udeg: i32,
    /// The service region of its resolver.
    pub resolver_registry: RegionalInternetRegistry,
    /// 10^-6 degrees, of its resolver.
    pub resolver_latitude_udeg: i32,
    /// 10^-6 degrees, of its resolver.
    pub resolver_longitude_udeg: i32,
    /// In force from then.
    pub from_ms: UnixMs,
    /// In force until before then.
    pub until_ms: Option<UnixMs>,
}

fn wrong(field: &str, value: impl Display, reason: impl Display) -> DirectoryError {
    DirectoryError::Field {
        field: field.to_owned(),
        value: value.to_string(),
        reason: reason.to_string(),
    }
}

fn public_key(field: &str, octets: &Fixed<32>) -> Result<PublicKey, DirectoryError> {
    PublicKey::from_octets(&octets.0).map_err(|error| wrong(field, octets, error))
}

fn place(
    field: &str,
    registry: RegionalInternetRegistry,
    (latitude_udeg, longitude_udeg): (i32, i32),
) -> Result<Place, DirectoryError> {
    let location = Location::new(latitude_udeg, longitude_udeg)
        .map_err(|error| wrong(field, format!("{latitude_udeg}, {longitude_udeg}"), error))?;
    Ok(Place { registry, location })
}

impl Directory {
    /// Takes a document whose body has `hash`; its signature is the caller's to verify.
    pub(super) fn from_document(
        document: DirectoryDocument,
        hash: Hash,
    ) -> Result<Self, DirectoryError> {
        let root = public_key("root", &document.root)?;
        let next_root = document.next_root.map(|key| public_key("next_root", &key)).transpose()?;
        if document.policy.decide != crate::policy::DECIDE_VERSION {
            let reason = format!("this software has version {}", crate::policy::DECIDE_VERSION);
            return Err(wrong("policy.decide", document.policy.decide, reason));
        }
        let mut directory = Self {
            hash,
            serial: document.serial,
            issued_ms: document.issued_ms,
            root,
            next_root,
            keys: BTreeMap::new(),
            cas: BTreeMap::new(),
            perspectives: BTreeMap::new(),
            policy: document.policy,
        };
        document.keys.iter().try_for_each(|entry| directory.add_key(entry))?;
        document.cas.into_iter().try_for_each(|entry| directory.add_ca(entry))?;
        document.perspectives.into_iter().try_for_each(|entry| directory.add_perspective(entry))?;
        Ok(directory)
    }

    fn add_key(&mut self, entry: &KeyEntry) -> Result<(), DirectoryError> {
        let public = public_key("keys.public", &entry.public)?;
        if public.id() != entry.id {
            return Err(wrong("keys.id", entry.id, "not the id of its public key"));
        }
        let code = |error: crate::code::CodeError| wrong("keys.name", &entry.name, error);
        let owner = match (entry.role, &entry.perspective) {
            (Role::Agent, Some(perspective)) => Owner::Agent(perspective.clone()),
            (Role::Agent, None) => {
                return Err(wrong("keys.perspective", "nil", "an agent key has a perspective"));
            }
            (Role::Coordinator, _) => Owner::Coordinator(entry.name.parse().map_err(code)?),
            (Role::Ca, _) => Owner::Ca(entry.name.parse().map_err(code)?),
            (Role::Operator, _) => Owner::Operator(entry.name.clone()),
        };
        let validity = Validity { from_ms: entry.from_ms, until_ms: entry.until_ms };
        let key = Key { public, owner, validity, revoked_ms: entry.revoked_ms };
        match self.keys.insert(entry.id, key) {
            None => Ok(()),
            Some(_) => Err(wrong("keys.id", entry.id, "stands twice")),
        }
    }

    fn add_ca(&mut self, entry: CaEntry) -> Result<(), DirectoryError> {
        if entry.issuer_domains.is_empty() {
            let reason = format!("the CA `{}` needs a name to look for in CAA", entry.code);
            return Err(wrong("cas.issuer_domains", "[]", reason));
        }
        let primary = entry
            .primary
            .map(|at| place("cas.primary", at.registry, (at.latitude_udeg, at.longitude_udeg)))
            .transpose()?;
        let ca = Ca {
            issuer_domains: entry.issuer_domains,
            account_uris: entry.account_uris,
            sign_jobs: entry.sign_jobs,
            primary,
        };
        match self.cas.insert(entry.code.clone(), ca) {
            None => Ok(()),
            Some(_) => Err(wrong("cas.code", entry.code, "stands twice")),
        }
    }

    fn add_perspective(&mut self, entry: PerspectiveEntry) -> Result<(), DirectoryError> {
        // BR 3.2.2.9: a resolver lies in the same service region as its perspective.
        if entry.registry != entry.resolver_registry {
            let reason = format!("its perspective `{}` is in {}", entry.code, entry.registry);
            return Err(wrong("perspectives.resolver_registry", entry.resolver_registry, reason));
        }
        let egress = (entry.latitude_udeg, entry.longitude_udeg);
        let resolver = (entry.resolver_latitude_udeg, entry.resolver_longitude_udeg);
        let perspective = Perspective {
            code: entry.code.clone(),
            region: entry.region,
            asn: entry.asn,
            provider: entry.provider,
            egress: place("perspectives.latitude_udeg", entry.registry, egress)?,
            resolver: place("perspectives.resolver_latitude_udeg", entry.registry, resolver)?,
        };
        let validity = Validity { from_ms: entry.from_ms, until_ms: entry.until_ms };
        match self.perspectives.insert(entry.code.clone(), Listed { perspective, validity }) {
            None => Ok(()),
            Some(_) => Err(wrong("perspectives.code", entry.code, "stands twice")),
        }
    }
}
