//! Where the DNS begins: the root servers' addresses and the keys of the root.

use std::net::IpAddr;

use bytes::Bytes;
use domain::base::iana::{Class, Rtype};
use domain::base::{Name, ToName};
use domain::dnssec::validator::anchor::TrustAnchors;
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, ScannedRecord, Zonefile};
use mpic_common::octets::Hash;

/// Addresses of the root servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHints {
    addresses: Vec<IpAddr>,
    digest: Hash,
}

/// DS or DNSKEY records of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    zone_file: Vec<u8>,
    digest: Hash,
}

/// A file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Not in the form of a zone file.
    #[error("no zone file: {0}")]
    Syntax(String),
    /// Hints without a server.
    #[error("no address of a root server in it")]
    NoAddress,
    /// An anchor without a key.
    #[error("no DS or DNSKEY record of the root in it")]
    NoKey,
    /// An anchor that would make something else than the root trusted.
    #[error("a record that is no DS or DNSKEY of the root: {0}")]
    NotRoot(String),
}

impl RootHints {
    /// Hints out of a zone file such as Debian's `root.hints`.
    pub fn parse(zone_file: &[u8]) -> Result<Self, RootsError> {
        let address = |record: &ScannedRecord| match record.data() {
            ZoneRecordData::A(address) => Some(IpAddr::V4(address.addr())),
            ZoneRecordData::Aaaa(address) => Some(IpAddr::V6(address.addr())),
            _ => None,
        };
        let addresses: Vec<_> = records(zone_file)?.iter().filter_map(address).collect();
        if addresses.is_empty() {
            return Err(RootsError::NoAddress);
        }
        Ok(Self { addresses, digest: Hash::of(zone_file) })
    }

    /// At least one.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> Hash {
        self.digest
    }
}

impl TrustAnchor {
    /// An anchor out of a zone file such as Debian's `root.key`.
    pub fn parse(zone_file: &[u8]) -> Result<Self, RootsError> {
        let records = records(zone_file)?;
        for record in &records {
            let is_key = matches!(record.rtype(), Rtype::DS | Rtype::DNSKEY);
            if !is_key || !record.owner().name_eq(Name::root_slice()) {
                let text = format!("{} {}", record.owner().fmt_with_dot(), record.rtype());
                return Err(RootsError::NotRoot(text));
            }
        }
        if records.is_empty() {
            return Err(RootsError::NoKey);
        }
        Ok(Self { zone_file: complete(zone_file), digest: Hash::of(zone_file) })
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// In the validator's form. It was read once already; if it could not be read now, nothing
    /// would be trusted.
    pub(super) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_u8(&self.zone_file).unwrap_or_else(|_| TrustAnchors::empty())
    }
}

fn records(zone_file: &[u8]) -> Result<Vec<ScannedRecord>, RootsError> {
    let mut file = Zonefile::from(complete(zone_file).as_slice());
    file.set_origin(Name::<Bytes>::root());
    file.set_default_class(Class::IN);
    let mut records = Vec::new();
    while let Some(entry) =
        file.next_entry().map_err(|error| RootsError::Syntax(error.to_string()))?
    {
        if let Entry::Record(record) = entry {
            records.push(record);
        }
    }
    Ok(records)
}

/// Records need a TTL, which neither of Debian's anchors has, and a last line an end.
fn complete(zone_file: &[u8]) -> Vec<u8> {
    [b"$TTL 86400\n", zone_file, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

    #[test]
    fn hints_are_the_addresses_of_servers() {
        let hints = b". 3600000 NS A.ROOT.\nA.ROOT. 3600000 A 198.41.0.4\n\
            A.ROOT. 3600000 AAAA 2001:503:ba3e::2:30\n; end";
        let addresses = RootHints::parse(hints).unwrap().addresses;
        let expected: [IpAddr; 2] =
            ["198.41.0.4".parse().unwrap(), "2001:503:ba3e::2:30".parse().unwrap()];
        assert_eq!(addresses, expected);
        assert_eq!(RootHints::parse(b". 60 NS a."), Err(RootsError::NoAddress));
        assert!(matches!(RootHints::parse(b"no zone file ("), Err(RootsError::Syntax(_))));
    }

    #[test]
    fn an_anchor_is_of_the_root_and_nothing_else() {
        assert!(TrustAnchor::parse(KEY.as_bytes()).is_ok());
        assert_eq!(TrustAnchor::parse(b"; nothing"), Err(RootsError::NoKey));
        for other in [". 60 NS a.", "com. 60 DS 1 8 2 00"] {
            let both = format!("{KEY}\n{other}");
            assert!(matches!(TrustAnchor::parse(both.as_bytes()), Err(RootsError::NotRoot(_))));
        }
    }
}
