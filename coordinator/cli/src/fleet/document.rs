//! The directory document of a local fleet, signed by its own root.

use std::collections::BTreeMap;

use mpic_common::directory::{CaEntry, DirectoryDocument, KeyEntry, PerspectiveEntry, Role};
use mpic_common::limits::DIRECTORY_OCTETS_MAX;
use mpic_common::octets::{Fixed, Hash};
use mpic_common::policy::Policy;
use mpic_common::signature::PublicKey;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body, encode_body, envelope};

use super::keys::Keys;
use super::{ACCOUNT_URIS, CA, FleetError, ISSUER_DOMAIN, Member};

/// Private use (RFC 6996), since no local perspective has a network of its own.
const ASN_FIRST: u32 = 64_512;

/// The octets of the document to use: those that stand where nothing has changed, else a new
/// document with the next serial.
pub(super) fn renew<'a>(
    standing: Option<Vec<u8>>,
    members: impl Iterator<Item = &'a Member>,
    keys: &Keys,
    policy: &Policy,
    now: UnixMs,
) -> Result<Vec<u8>, FleetError> {
    let mut document = document(members, keys, policy, now)?;
    if let Some(octets) = standing {
        let old = read(&octets)?;
        keep_validity(&mut document, &old);
        (document.serial, document.issued_ms) = (old.serial, old.issued_ms);
        if document == old {
            return Ok(octets);
        }
        (document.serial, document.issued_ms) = (old.serial + 1, now);
    }
    let body = encode_body(Kind::Directory, &document);
    Ok(envelope::seal(Kind::Directory, &body, &keys.root, Some(Hash::ZERO)))
}

fn read(octets: &[u8]) -> Result<DirectoryDocument, Malformed> {
    let envelope = Envelope::parse(octets, DIRECTORY_OCTETS_MAX)?.of_kind(Kind::Directory)?;
    decode_body(Kind::Directory, envelope.body)
}

/// The first document of this fleet.
fn document<'a>(
    members: impl Iterator<Item = &'a Member>,
    keys: &Keys,
    policy: &Policy,
    now: UnixMs,
) -> Result<DirectoryDocument, FleetError> {
    let ca = CA.parse()?;
    let agents = keys.agents.iter().map(|(code, public)| KeyEntry {
        perspective: Some(code.clone()),
        ..key(public, Role::Agent, code.as_str(), now)
    });
    let coordinators = keys
        .coordinators
        .iter()
        .map(|(code, public)| key(public, Role::Coordinator, code.as_str(), now));
    Ok(DirectoryDocument {
        serial: 1,
        issued_ms: now,
        root: Fixed(keys.root.public().octets()),
        next_root: None,
        keys: agents.chain(coordinators).chain([key(&keys.ca, Role::Ca, CA, now)]).collect(),
        cas: vec![CaEntry {
            code: ca,
            issuer_domains: vec![ISSUER_DOMAIN.to_owned()],
            account_uris: vec![ACCOUNT_URIS.to_owned()],
            sign_jobs: false,
            primary: None,
        }],
        perspectives: (ASN_FIRST..)
            .zip(members)
            .map(|(asn, member)| perspective(member, asn, now))
            .collect(),
        policy: policy.clone(),
    })
}

fn key(public: &PublicKey, role: Role, name: &str, now: UnixMs) -> KeyEntry {
    KeyEntry {
        id: public.id(),
        public: Fixed(public.octets()),
        role,
        name: name.to_owned(),
        perspective: None,
        from_ms: now,
        until_ms: None,
        revoked_ms: None,
        reason: None,
    }
}

/// The resolver stands beside the perspective.
fn perspective(member: &Member, asn: u32, now: UnixMs) -> PerspectiveEntry {
    let site = member.site;
    PerspectiveEntry {
        code: member.code.clone(),
        registry: site.registry,
        region: site.region.to_owned(),
        asn,
        provider: None,
        latitude_udeg: site.latitude_udeg,
        longitude_udeg: site.longitude_udeg,
        resolver_registry: site.registry,
        resolver_latitude_udeg: site.latitude_udeg,
        resolver_longitude_udeg: site.longitude_udeg,
        from_ms: now,
        until_ms: None,
    }
}

/// What was in force stays in force since then.
fn keep_validity(document: &mut DirectoryDocument, old: &DirectoryDocument) {
    let keys: BTreeMap<_, _> = old.keys.iter().map(|key| (key.id, key.from_ms)).collect();
    for key in &mut document.keys {
        key.from_ms = keys.get(&key.id).copied().unwrap_or(key.from_ms);
    }
    let perspectives: BTreeMap<_, _> =
        old.perspectives.iter().map(|listed| (&listed.code, listed.from_ms)).collect();
    for listed in &mut document.perspectives {
        listed.from_ms = perspectives.get(&listed.code).copied().unwrap_or(listed.from_ms);
    }
}
