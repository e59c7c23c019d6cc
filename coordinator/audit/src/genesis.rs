//! The two entries that the writer makes itself, unsigned: genesis, and the stand-in for a loss.
//!
//! Their octets follow from the configuration, the stream and the shard before.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The body of entry 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The name of this log.
    pub origin: String,
    /// The JetStream stream whose messages are the entries.
    pub stream: String,
    /// When that stream was created, in nanoseconds since the Unix epoch.
    pub stream_created_ns: u64,
    /// The stream sequence of entry 1.
    pub base_seq: u64,
    /// The shard that this one goes on from.
    pub previous: Option<Previous>,
}

impl Genesis {
    /// The stream sequence that an entry comes from; none of the genesis entry.
    pub fn seq(&self, index: u64) -> Option<u64> {
        index.checked_sub(1).and_then(|after_genesis| self.base_seq.checked_add(after_genesis))
    }
}

/// The final head of a shard, named by the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    /// Its name.
    pub origin: String,
    /// Its number of entries.
    pub size: u64,
    /// Its root.
    #[serde(with = "serde_bytes")]
    pub root: [u8; 32],
}

/// The body of an entry for a stream sequence that the stream has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The sequence.
    pub seq: u64,
}

/// What the writer itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnEntry {
    /// Entry 0.
    Genesis(Genesis),
    /// Instead of a lost message.
    Gap(Gap),
}

/// The octets are not those that the writer makes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not an entry that the writer makes itself")]
pub struct NotOwn;

impl OwnEntry {
    /// The entry's octets.
    pub fn encode(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        let (type_, body) = match self {
            Self::Genesis(genesis) => (TYPE_GENESIS, rmp_serde::to_vec_named(genesis)?),
            Self::Gap(gap) => (TYPE_GAP, rmp_serde::to_vec_named(gap)?),
        };
        rmp_serde::to_vec_named(&Envelope { v: 1, type_, body: &body })
    }

    /// Reads octets that are exactly those of [`OwnEntry::encode`].
    pub fn decode(entry: &[u8]) -> Result<Self, NotOwn> {
        let envelope: Envelope<'_> = rmp_serde::from_slice(entry).map_err(|_| NotOwn)?;
        let body = envelope.body;
        let own = match envelope.type_ {
            TYPE_GENESIS => rmp_serde::from_slice(body).map(Self::Genesis),
            TYPE_GAP => rmp_serde::from_slice(body).map(Self::Gap),
            _ => return Err(NotOwn),
        };
        let own = own.map_err(|_| NotOwn)?;
        if own.encode().is_ok_and(|octets| octets == entry) { Ok(own) } else { Err(NotOwn) }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    v: u8,
    #[serde(rename = "type")]
    type_: &'a str,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
}

const TYPE_GENESIS: &str = "genesis";
const TYPE_GAP: &str = "gap";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf_hash;

    fn genesis() -> Genesis {
        Genesis {
            origin: "audit.example/mpic/2026h2".to_owned(),
            stream: "MPIC_AUDIT".to_owned(),
            stream_created_ns: 1_796_083_200_000_000_000,
            base_seq: 1,
            previous: None,
        }
    }

    fn hex(octets: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(octets)
    }

    #[test]
    fn genesis_has_the_octets_of_the_test_vector() {
        let octets = OwnEntry::Genesis(genesis()).encode().expect("encoded");
        assert_eq!(octets.len(), 123);
        assert!(hex(&octets).starts_with("83a17601a474797065a767656e65736973a4626f6479c463"));
        let leaf = "eb2be962a2f258c6b7230e072fe3646b1765841d47411f68db1c98ffdf8e5c6e";
        assert_eq!(leaf_hash(&octets).to_string(), leaf);
    }

    #[test]
    fn a_gap_has_the_octets_of_the_test_vector() {
        let octets = OwnEntry::Gap(Gap { seq: 7 }).encode().expect("encoded");
        assert_eq!(hex(&octets), "83a17601a474797065a3676170a4626f6479c40681a373657107");
    }

    #[test]
    fn own_entries_are_read_back_and_nothing_else_is() {
        let previous = Previous { origin: "o".to_owned(), size: 9, root: [3; 32] };
        let own = [
            OwnEntry::Genesis(genesis()),
            OwnEntry::Genesis(Genesis { previous: Some(previous), ..genesis() }),
            OwnEntry::Gap(Gap { seq: u64::MAX }),
        ];
        for own in own {
            let octets = own.encode().expect("encoded");
            assert_eq!(OwnEntry::decode(&octets), Ok(own));
            for end in 0..octets.len() {
                assert_eq!(OwnEntry::decode(&octets[..end]), Err(NotOwn));
            }
            assert_eq!(OwnEntry::decode(&[octets, vec![0]].concat()), Err(NotOwn));
        }
        let as_array = rmp_serde::to_vec(&(1, "gap", serde_bytes::Bytes::new(b"\x81\xa3seq\x07")));
        assert_eq!(OwnEntry::decode(&as_array.expect("encoded")), Err(NotOwn));
    }
}
