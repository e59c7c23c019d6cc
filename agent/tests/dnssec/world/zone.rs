//! A zone: its records, and the signatures and denials that go with them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use domain::base::iana::{Class, DigestAlgorithm, Rtype, SecurityAlgorithm};
use domain::base::name::{FlattenInto, ToLabelIter};
use domain::base::{Name, RecordData, Ttl};
use domain::dnssec::validator::base::{DnskeyExt, RrsigExt};
use domain::rdata::dnssec::{RtypeBitmap, Timestamp};
use domain::rdata::{Dnskey, Nsec, Rrsig, ZoneRecordData};
use domain::zonefile::inplace::{Entry, Zonefile};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

pub(crate) type Owner = Name<Bytes>;
pub(crate) type Record = domain::base::Record<Owner, ZoneRecordData<Bytes, Owner>>;

/// How a zone is signed.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    algorithms: Vec<SecurityAlgorithm>,
    /// Valid from and until so many seconds from now.
    window: (i64, i64),
}

impl Signing {
    pub(crate) fn none() -> Self {
        Self::with(&[])
    }

    /// With ECDSA P-256.
    pub(crate) fn good() -> Self {
        Self::with(&[SecurityAlgorithm::ECDSAP256SHA256])
    }

    /// With a key of each, of ECDSA P-256 and Ed25519.
    pub(crate) fn with(algorithms: &[SecurityAlgorithm]) -> Self {
        Self { algorithms: algorithms.to_vec(), window: (-3_600, 3_600) }
    }

    pub(crate) fn valid(from: i64, until: i64) -> Self {
        Self { window: (from, until), ..Self::good() }
    }
}

/// A zone as its server has it.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) origin: Owner,
    /// Signatures and denials included.
    pub(crate) records: Vec<Record>,
    keys: Vec<Key>,
    window: (i64, i64),
}

/// A key that signs everything in its zone.
#[derive(Debug)]
struct Key {
    pair: Pair,
    dnskey: Dnskey<Bytes>,
}

#[derive(Debug)]
enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Zone {
    pub(crate) fn new(origin: &str, text: &str, signing: &Signing) -> Self {
        let origin: Owner = name(origin);
        let mut records = parse(&origin, text);
        let keys: Vec<_> =
            signing.algorithms.iter().map(|algorithm| Key::new(*algorithm)).collect();
        let mut zone = Self { origin, records: Vec::new(), keys, window: signing.window };
        for key in &zone.keys {
            let dnskey = ZoneRecordData::Dnskey(key.dnskey.clone());
            records.push(Record::new(zone.origin.clone(), Class::IN, TTL, dnskey));
        }
        if !zone.keys.is_empty() {
            records.extend(denials(&zone.origin, &records));
            let signatures: Vec<_> =
                signed_sets(&zone.origin, &records).iter().flat_map(|set| zone.sign(set)).collect();
            records.extend(signatures);
        }
        zone.records = records;
        zone
    }

    /// DS records of its keys, with SHA-256; none for an unsigned zone.
    pub(crate) fn ds_lines(&self) -> String {
        let line = |key: &Key| {
            let digest = key.dnskey.digest(&self.origin, DigestAlgorithm::SHA256).unwrap();
            let hex = HEXLOWER.encode(digest.as_ref());
            let (tag, algorithm) = (key.dnskey.key_tag(), key.dnskey.algorithm().to_int());
            format!("{} DS {tag} {algorithm} 2 {hex}\n", self.origin.fmt_with_dot())
        };
        self.keys.iter().map(line).collect()
    }

    /// Signatures over `set`, as the zone makes them.
    pub(crate) fn sign(&self, set: &[Record]) -> Vec<Record> {
        self.keys.iter().map(|key| signature(&self.origin, set, key, self.window)).collect()
    }

    /// The records at `owner` of `rtype`, and the signatures over them.
    pub(crate) fn set(&self, owner: &Owner, rtype: Rtype) -> Vec<Record> {
        let is_of = |record: &&Record| record.owner() == owner && covers(record) == rtype;
        self.records.iter().filter(is_of).cloned().collect()
    }

    pub(crate) fn has(&self, owner: &Owner, rtype: Rtype) -> bool {
        self.records.iter().any(|record| record.owner() == owner && record.rtype() == rtype)
    }

    /// The NSEC record that matches or covers `target`, and its signature.
    pub(crate) fn denial(&self, target: &Owner) -> Vec<Record> {
        let nsec = |record: &&Record| record.rtype() == Rtype::NSEC && record.owner() <= target;
        match self.records.iter().filter(nsec).map(Record::owner).max() {
            Some(owner) => self.set(owner, Rtype::NSEC),
            None => Vec::new(),
        }
    }

    pub(crate) fn exists(&self, target: &Owner) -> bool {
        self.records.iter().any(|record| record.owner().ends_with(target))
    }
}

impl Key {
    fn new(algorithm: SecurityAlgorithm) -> Self {
        let random = SystemRandom::new();
        let (pair, public) = if algorithm == SecurityAlgorithm::ED25519 {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
            let public = Bytes::copy_from_slice(pair.public_key().as_ref());
            (Pair::Ed25519(pair), public)
        } else {
            let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref(), &random).unwrap();
            // Without the octet that says that the point is not compressed.
            let public = Bytes::copy_from_slice(&pair.public_key().as_ref()[1..]);
            (Pair::Ecdsa(pair), public)
        };
        Self { pair, dnskey: Dnskey::new(257, 3, algorithm, public).unwrap() }
    }

    fn sign(&self, octets: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), octets).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(octets).as_ref().to_vec(),
        }
    }
}

/// The type that a signature covers, or the record's own.
pub(crate) fn covers(record: &Record) -> Rtype {
    match record.data() {
        ZoneRecordData::Rrsig(signature) => signature.type_covered(),
        data => data.rtype(),
    }
}

pub(crate) fn name(text: &str) -> Owner {
    if text.is_empty() { Name::root_bytes() } else { Name::bytes_from_str(text).unwrap() }
}

/// One record out of a line of a zone file.
pub(crate) fn record(line: &str) -> Record {
    parse(&Name::root_bytes(), line).remove(0)
}

/// The same record under another name.
pub(crate) fn renamed(record: &Record, owner: &Owner) -> Record {
    Record::new(owner.clone(), record.class(), record.ttl(), record.data().clone())
}

fn parse(origin: &Owner, text: &str) -> Vec<Record> {
    let mut file = Zonefile::from(format!("$TTL 300\n{text}\n").as_bytes());
    file.set_origin(origin.clone());
    file.set_default_class(Class::IN);
    let entries = std::iter::from_fn(|| file.next_entry().unwrap());
    let record = |entry| match entry {
        Entry::Record(record) => Some(record.flatten_into()),
        Entry::Include { .. } => None,
    };
    entries.filter_map(record).collect()
}

/// One NSEC record for each name that the zone has authority for.
fn denials(origin: &Owner, records: &[Record]) -> Vec<Record> {
    let owners: BTreeSet<&Owner> = records
        .iter()
        .map(Record::owner)
        .filter(|owner| !is_below_cut(origin, owner, records))
        .collect();
    let next = owners.iter().skip(1).chain(&owners).map(|next| (*next).clone());
    owners
        .iter()
        .zip(next)
        .map(|(owner, next)| {
            let mut types = RtypeBitmap::<Bytes>::builder();
            for record in records.iter().filter(|record| record.owner() == *owner) {
                types.add(record.rtype()).unwrap();
            }
            types.add(Rtype::NSEC).unwrap();
            types.add(Rtype::RRSIG).unwrap();
            let nsec = ZoneRecordData::Nsec(Nsec::new(next, types.finalize()));
            Record::new((*owner).clone(), Class::IN, TTL, nsec)
        })
        .collect()
}

/// What a zone signs: neither delegations nor what lies below them.
fn signed_sets(origin: &Owner, records: &[Record]) -> Vec<Vec<Record>> {
    let mut sets: BTreeMap<(Owner, Rtype), Vec<Record>> = BTreeMap::new();
    for record in records {
        let owner = record.owner();
        let at_cut = owner != origin && is_cut(owner, records);
        let is_signed = !is_below_cut(origin, owner, records)
            && (!at_cut || matches!(record.rtype(), Rtype::DS | Rtype::NSEC));
        if is_signed {
            let set = sets.entry((owner.clone(), record.rtype())).or_default();
            set.push(record.clone());
        }
    }
    sets.into_values().collect()
}

fn is_cut(owner: &Owner, records: &[Record]) -> bool {
    records.iter().any(|record| record.owner() == owner && record.rtype() == Rtype::NS)
}

fn is_below_cut(origin: &Owner, owner: &Owner, records: &[Record]) -> bool {
    let above = std::iter::successors(owner.parent(), Name::parent);
    above.take_while(|name| name != origin && name.ends_with(origin)).any(|n| is_cut(&n, records))
}

fn signature(origin: &Owner, set: &[Record], key: &Key, window: (i64, i64)) -> Record {
    let owner = set[0].owner();
    // Neither the root nor a wildcard counts.
    let labels = owner.iter_labels().filter(|label| !label.is_root() && !label.is_wildcard());
    let at = |offset| Timestamp::from(u32::try_from(now() + offset).unwrap());
    let rrsig = |signature: Vec<u8>| {
        Rrsig::new(
            set[0].rtype(),
            key.dnskey.algorithm(),
            u8::try_from(labels.clone().count()).unwrap(),
            TTL,
            at(window.1),
            at(window.0),
            key.dnskey.key_tag(),
            origin.clone(),
            Bytes::from(signature),
        )
        .unwrap()
    };
    let mut signed = Vec::new();
    rrsig(Vec::new()).signed_data(&mut signed, &mut set.to_vec()).unwrap();
    let data = ZoneRecordData::Rrsig(rrsig(key.sign(&signed)));
    Record::new(owner.clone(), Class::IN, TTL, data)
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().into_int().into()
}

const TTL: Ttl = Ttl::from_secs(300);
