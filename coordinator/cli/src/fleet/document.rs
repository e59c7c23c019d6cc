//! The directory document of a fleet, signed by its root.

use std::collections::BTreeMap;

use mpic_common::directory::{DirectoryDocument, KeyEntry, PerspectiveEntry, Role};
use mpic_common::limits::{DIRECTORY_OCTETS_MAX, REPLY_TIMES_SLACK};
use mpic_common::octets::{Fixed, Hash};
use mpic_common::signature::{PublicKey, SigningKey};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body, encode_body, envelope};

use super::FleetError;
use super::keys::Keys;
use super::plan::Plan;

/// The octets of the document to use: those that stand where nothing has changed, else a new
/// document with the next serial.
pub(super) fn renew(
    standing: Option<Vec<u8>>,
    plan: &Plan,
    keys: &Keys,
    now: UnixMs,
) -> Result<Vec<u8>, FleetError> {
    let mut document = document(plan, keys, now);
    if let Some(octets) = standing {
        let old = read(&octets)?;
        keep_validity(&mut document, &old, now);
        (document.serial, document.issued_ms) = (old.serial, old.issued_ms);
        if document == old {
            return Ok(octets);
        }
        (document.serial, document.issued_ms) = (old.serial + 1, now);
    }
    Ok(sign(&document, &keys.root))
}

/// The document under the signature of `root`.
pub(super) fn sign(document: &DirectoryDocument, root: &SigningKey) -> Vec<u8> {
    let body = encode_body(Kind::Directory, document);
    envelope::seal(Kind::Directory, &body, root, Some(Hash::ZERO))
}

pub(super) fn read(octets: &[u8]) -> Result<DirectoryDocument, Malformed> {
    let envelope = Envelope::parse(octets, DIRECTORY_OCTETS_MAX)?.of_kind(Kind::Directory)?;
    decode_body(Kind::Directory, envelope.body)
}

/// The first document of this fleet. What it lists is in force a moment ago: nobody has signed
/// anything with these keys, and hosts whose clocks are a little behind are not left out.
fn document(plan: &Plan, keys: &Keys, now: UnixMs) -> DirectoryDocument {
    let (issued_ms, now) = (now, now.minus(REPLY_TIMES_SLACK));
    let agents = keys.agents.iter().map(|(code, public)| KeyEntry {
        perspective: Some(code.clone()),
        ..key(public, Role::Agent, code.as_str(), now)
    });
    let coordinators = keys
        .coordinators
        .iter()
        .map(|(code, public)| key(public, Role::Coordinator, code.as_str(), now));
    let cas = keys.cas.iter().map(|(code, public)| key(public, Role::Ca, code.as_str(), now));
    let operators =
        keys.operators.iter().map(|(name, public)| key(public, Role::Operator, name.as_str(), now));
    let since = |listed: &PerspectiveEntry| PerspectiveEntry { from_ms: now, ..listed.clone() };
    DirectoryDocument {
        serial: 1,
        issued_ms,
        root: Fixed(keys.root.public().octets()),
        next_root: None,
        keys: agents.chain(coordinators).chain(cas).chain(operators).collect(),
        cas: plan.cas.clone(),
        perspectives: plan.perspectives.iter().map(since).collect(),
        policy: plan.policy.clone(),
    }
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

/// What was in force stays in force since then; a key that was rotated stays
/// until its end, and one that was revoked for good.
fn keep_validity(document: &mut DirectoryDocument, old: &DirectoryDocument, now: UnixMs) {
    let keys: BTreeMap<_, _> = old.keys.iter().map(|key| (key.id, key.from_ms)).collect();
    for key in &mut document.keys {
        key.from_ms = keys.get(&key.id).copied().unwrap_or(key.from_ms);
    }
    let is_listed = |key: &KeyEntry| document.keys.iter().any(|listed| listed.id == key.id);
    let matters =
        |key: &KeyEntry| key.revoked_ms.is_some() || key.until_ms.is_some_and(|until| until > now);
    let rotated = old.keys.iter().filter(|key| matters(key) && !is_listed(key)).cloned();
    let rotated: Vec<_> = rotated.collect();
    document.keys.extend(rotated);
    let perspectives: BTreeMap<_, _> =
        old.perspectives.iter().map(|listed| (&listed.code, listed.from_ms)).collect();
    for listed in &mut document.perspectives {
        listed.from_ms = perspectives.get(&listed.code).copied().unwrap_or(listed.from_ms);
    }
}
