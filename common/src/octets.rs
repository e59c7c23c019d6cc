//! Octet strings: hashes and evidence, MessagePack `bin` on the wire and never an array.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 hash, shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands where a message answers no other (see `signature`).
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `octets`.
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }
}

/// Site octets or raw RDATA, kept exactly; shown escaped, never as text.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(pub Vec<u8>);

impl Octets {
    /// The octets with all but printable ASCII as `\xNN` and a backslash doubled.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }
}

/// `octets` with all but printable ASCII as `\xNN` and a backslash doubled: safe in messages and
/// logs.
pub fn escape(octets: &[u8]) -> String {
    use fmt::Write;
    octets.iter().fold(String::with_capacity(octets.len()), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = match octet {
            b'\\' => write!(text, "\\\\"),
            0x20..=0x7E => write!(text, "{}", char::from(*octet)),
            _ => write!(text, "\\x{octet:02X}"),
        };
        text
    })
}

/// A fixed number of octets, `bin` on the wire: ids of jobs, key ids, signatures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const N: usize>(pub [u8; N]);

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

/// Lower-case hex of `octets`.
pub fn hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(octets)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Octets({})", self.escaped())
    }
}

impl<const N: usize> fmt::Display for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl<const N: usize> fmt::Debug for Fixed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fixed({self})")
    }
}

/// How logs name an attempt: by the assignment that asks for it, the first 8 octets of the SHA-256
/// of its body in hex, so that lines of coordinator and agents are found together.
pub fn attempt(assignment: &Hash) -> String {
    assignment.to_string().chars().take(16).collect()
}

/// Accepts `bin` alone: neither `str` nor an array of integers.
struct BinVisitor;

impl Visitor<'_> for BinVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bin")
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Vec<u8>, E> {
        Ok(octets.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, octets: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(octets)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BinVisitor).map(Self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = deserializer.deserialize_byte_buf(BinVisitor)?;
        let length = octets.len();
        let wrong = |_| D::Error::custom(format!("a bin of {length} octets where {N} belong"));
        octets.try_into().map(Self).map_err(wrong)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fixed::<32>::deserialize(deserializer).map(|Fixed(octets)| Self(octets))
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_bin_and_nothing_else() {
        let bin = rmp_serde::to_vec(&Octets(vec![1, 2])).unwrap();
        assert_eq!(bin, [0xC4, 2, 1, 2]);
        assert_eq!(rmp_serde::from_slice::<Octets>(&bin).unwrap().0, [1, 2]);
        assert!(rmp_serde::from_slice::<Octets>(&[0x92, 1, 2]).is_err(), "an array");
        assert!(rmp_serde::from_slice::<Octets>(&[0xA2, b'a', b'b']).is_err(), "a str");
        assert!(rmp_serde::from_slice::<Hash>(&bin).is_err(), "another length");
    }

    #[test]
    fn site_octets_are_escaped() {
        assert_eq!(escape(b"a\\\x1b[1m\n\xff"), "a\\\\\\x1B[1m\\x0A\\xFF");
    }
}
