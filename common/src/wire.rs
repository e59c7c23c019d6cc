//! The encoding of version 1: MessagePack, sign bytes and store those bytes.
//!
//! An envelope is the map `{v, type, key, body, sig}`; a body is a map whose first field `type`
//! repeats the envelope's, so that the signature covers it. Nothing signed is ever re-encoded.

pub mod envelope;
pub mod strict;

pub use envelope::{Envelope, Kind, Seal};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that this software speaks.
pub const VERSION: u64 = 1;

/// Octets that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No strict MessagePack map.
    #[error("at octet {at}: {what}")]
    Structure {
        /// Octets before the fault.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// Not the five fields of an envelope, in their order.
    #[error("an envelope is v, type, key, body, sig in this order: {0}")]
    Envelope(&'static str),
    /// Another version.
    #[error("v {0} is not supported, this process speaks v {VERSION}")]
    Version(u64),
    /// A type that has no business here.
    #[error("type `{0}` is not expected here")]
    Kind(String),
    /// Longer than allowed.
    #[error("{octets} octets, at most {max} are allowed")]
    TooLong {
        /// How many came.
        octets: usize,
        /// How many may.
        max: usize,
    },
    /// A body that does not fit its type.
    #[error("the body is no {kind}: {why}")]
    Body {
        /// The type.
        kind: Kind,
        /// What serde said.
        why: String,
    },
}

/// Encodes `fields`, a struct, as the body of a message of `kind`: a map with string keys,
/// `type` first.
pub fn encode_body<T: Serialize>(kind: Kind, fields: &T) -> Vec<u8> {
    let fields = rmp_serde::to_vec_named(fields).unwrap_or_default();
    let (count, rest) = split_map_header(&fields);
    let mut body = Vec::with_capacity(fields.len() + 24);
    // Writing to a Vec does not fail.
    let _ = rmp::encode::write_map_len(&mut body, count + 1);
    let _ = rmp::encode::write_str(&mut body, "type");
    let _ = rmp::encode::write_str(&mut body, kind.as_str());
    body.extend_from_slice(rest);
    body
}

/// Decodes the body of a message of `kind` strictly; unknown fields are allowed and ignored.
pub fn decode_body<T: DeserializeOwned>(kind: Kind, body: &[u8]) -> Result<T, Malformed> {
    match strict::check(body)? {
        Some(("type", text)) if text == kind.as_str() => {}
        _ => {
            let why = "its first field is not `type` with that value".to_owned();
            return Err(Malformed::Body { kind, why });
        }
    }
    rmp_serde::from_slice(body).map_err(|error| Malformed::Body { kind, why: error.to_string() })
}

/// The number of fields of a map that rmp-serde wrote, and what follows the header.
fn split_map_header(map: &[u8]) -> (u32, &[u8]) {
    let mut rest = map;
    let count = rmp::decode::read_map_len(&mut rest).unwrap_or(0);
    (count, rest)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        seq: u64,
    }

    #[test]
    fn a_body_names_its_type_first() {
        let body = encode_body(Kind::Note, &Sample { seq: 7 });
        assert_eq!(body, b"\x82\xa4type\xa4note\xa3seq\x07");
        assert_eq!(decode_body::<Sample>(Kind::Note, &body), Ok(Sample { seq: 7 }));
        assert!(decode_body::<Sample>(Kind::Late, &body).is_err());
    }

    #[test]
    fn a_body_with_trailing_octets_or_as_an_array_is_refused() {
        let mut body = encode_body(Kind::Note, &Sample { seq: 7 });
        body.push(0xC0);
        assert!(decode_body::<Sample>(Kind::Note, &body).is_err());
        assert!(decode_body::<Sample>(Kind::Note, &[0x91, 7]).is_err());
    }
}
