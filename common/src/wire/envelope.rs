//! The envelope that every message travels in.

use std::fmt;

use super::strict::{self, Value};
use super::{Malformed, VERSION};
use crate::octets::{Fixed, Hash};
use crate::signature::{
    BadSignature, KeyId, PublicKey, SignatureOctets, Signed, SigningKey, Strict, Verifier,
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal $context:expr,)*) => {
        /// The types of message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// As in the envelope and in the body.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The context that its signature covers; none for what is never signed.
            pub fn context(self) -> Option<&'static str> {
                match self { $(Self::$name => $context,)* }
            }

            /// The type of this name.
            pub fn named(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// What a CA asks.
    Job "job" Some("MPIC-job-v1"),
    /// What perspectives are asked.
    Assignment "assignment" Some("MPIC-assignment-v1"),
    /// What a perspective answers.
    Reply "reply" Some("MPIC-reply-v1"),
    /// What was decided, and on what.
    Decision "decision" Some("MPIC-decision-v1"),
    /// No decision was due.
    Refusal "refusal" Some("MPIC-decision-v1"),
    /// Replies that came after the decision.
    Late "late" Some("MPIC-decision-v1"),
    /// A second coordinator's decision, which lost.
    Superseded "superseded" Some("MPIC-decision-v1"),
    /// The directory document.
    Directory "directory" Some("MPIC-directory-v1"),
    /// An operator's note.
    Note "note" Some("MPIC-operator-v1"),
    /// What a CA is told; what it carries is signed.
    Answer "answer" None,
    /// Asks for an inclusion proof.
    ProofRequest "proof-request" None,
    /// An inclusion proof.
    Proof "proof" None,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A strictly parsed envelope; its body is not looked at yet.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The type.
    pub kind: Kind,
    /// Who signed it; nil where nobody did.
    pub seal: Option<Seal>,
    /// The exact body.
    pub body: &'a [u8],
}

/// A signature and the key that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The key's id.
    pub key: KeyId,
    /// The signature.
    pub sig: SignatureOctets,
}

impl<'a> Envelope<'a> {
    /// Parses at most `octets_max` octets.
    pub fn parse(octets: &'a [u8], octets_max: usize) -> Result<Self, Malformed> {
        if octets.len() > octets_max {
            return Err(Malformed::TooLong { octets: octets.len(), max: octets_max });
        }
        let value = strict::parse(octets)?;
        let Some([("v", v), ("type", kind), ("key", key), ("body", body), ("sig", sig)]) =
            value.as_map()
        else {
            return Err(match value.as_map().and_then(<[_]>::first) {
                Some(("v", Value::Uint(v))) if *v != VERSION => Malformed::Version(*v),
                _ => Malformed::Envelope("other fields"),
            });
        };
        match (v, kind, key, body, sig) {
            (Value::Uint(v), ..) if *v != VERSION => Err(Malformed::Version(*v)),
            (
                Value::Uint(_),
                Value::Str(kind),
                Value::Bin(key),
                Value::Bin(body),
                Value::Bin(sig),
            ) => Ok(Self {
                kind: Kind::named(kind).ok_or_else(|| Malformed::Kind((*kind).to_owned()))?,
                seal: parse_seal(key, sig)?,
                body,
            }),
            _ => Err(Malformed::Envelope("a field of another type")),
        }
    }

    /// This envelope, where it is of `kind`.
    pub fn of_kind(self, kind: Kind) -> Result<Self, Malformed> {
        if self.kind == kind { Ok(self) } else { Err(Malformed::Kind(self.kind.to_string())) }
    }

    /// SHA-256 of the body: what an answer to this message signs.
    pub fn digest(&self) -> Hash {
        Hash::of(self.body)
    }

    /// Verifies the signature under `key`, which is to be the one that the envelope names.
    pub fn verify(&self, key: &PublicKey, digest: Option<Hash>) -> Result<(), BadSignature> {
        self.verify_with(&Strict, key, digest)
    }

    /// The same, with what holds the signature against the key.
    pub fn verify_with(
        &self,
        verifier: &dyn Verifier,
        key: &PublicKey,
        digest: Option<Hash>,
    ) -> Result<(), BadSignature> {
        let (Some(seal), Some(context)) = (self.seal, self.kind.context()) else {
            return Err(BadSignature);
        };
        verifier.verify(key, Signed { context, digest, body: self.body }, &seal.sig)
    }
}

fn parse_seal(key: &[u8], sig: &[u8]) -> Result<Option<Seal>, Malformed> {
    match (<[u8; 8]>::try_from(key), <[u8; 64]>::try_from(sig)) {
        (Ok(key), Ok(sig)) => Ok(Some(Seal { key: Fixed(key), sig: Fixed(sig) })),
        _ if key.is_empty() && sig.is_empty() => Ok(None),
        _ => Err(Malformed::Envelope("key has 8 octets and sig 64, or both none")),
    }
}

/// Puts `body` into an envelope, signed by `key` over `digest`.
pub fn seal(kind: Kind, body: &[u8], key: &SigningKey, digest: Option<Hash>) -> Vec<u8> {
    let seal = kind.context().map(|context| Seal {
        key: key.public().id(),
        sig: key.sign(Signed { context, digest, body }),
    });
    write(kind, body, seal)
}

/// Puts `body` into an envelope that nobody signs.
pub fn unsigned(kind: Kind, body: &[u8]) -> Vec<u8> {
    write(kind, body, None)
}

fn write(kind: Kind, body: &[u8], seal: Option<Seal>) -> Vec<u8> {
    use rmp::encode::{write_bin, write_map_len, write_str, write_uint};
    let (key, sig) = seal.as_ref().map_or((&[][..], &[][..]), |seal| (&seal.key.0, &seal.sig.0));
    let mut octets = Vec::with_capacity(body.len() + 128);
    // Writing to a Vec does not fail.
    let _ = write_map_len(&mut octets, 5);
    let _ = write_str(&mut octets, "v").and_then(|()| write_uint(&mut octets, VERSION));
    let _ = write_str(&mut octets, "type").and_then(|()| write_str(&mut octets, kind.as_str()));
    let _ = write_str(&mut octets, "key").and_then(|()| write_bin(&mut octets, key));
    let _ = write_str(&mut octets, "body").and_then(|()| write_bin(&mut octets, body));
    let _ = write_str(&mut octets, "sig").and_then(|()| write_bin(&mut octets, sig));
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 65_536;

    #[test]
    fn what_is_sealed_opens_again() {
        let key = SigningKey::from_seed(&[3; 32]);
        let octets = seal(Kind::Reply, b"body", &key, Some(Hash::ZERO));
        let envelope = Envelope::parse(&octets, MAX).unwrap();
        assert_eq!((envelope.kind, envelope.body), (Kind::Reply, &b"body"[..]));
        assert_eq!(envelope.seal.unwrap().key, key.public().id());
        assert_eq!(envelope.verify(&key.public(), Some(Hash::ZERO)), Ok(()));
        assert_eq!(envelope.verify(&key.public(), None), Err(BadSignature));
    }

    #[test]
    fn an_unsigned_envelope_verifies_under_no_key() {
        let octets = unsigned(Kind::Job, b"body");
        let envelope = Envelope::parse(&octets, MAX).unwrap();
        assert!(envelope.seal.is_none());
        assert!(envelope.verify(&SigningKey::from_seed(&[3; 32]).public(), None).is_err());
    }

    #[test]
    fn another_version_is_named() {
        let mut octets = unsigned(Kind::Job, b"");
        octets[3] = 2;
        let error = Envelope::parse(&octets, MAX).unwrap_err();
        assert_eq!(error.to_string(), "v 2 is not supported, this process speaks v 1");
        assert_eq!(
            Envelope::parse(b"\x82\xa1v\x02\xa3new\x01", MAX).unwrap_err(),
            Malformed::Version(2)
        );
    }

    #[test]
    fn an_envelope_has_its_five_fields_and_no_other() {
        for bad in [
            &b"\x80"[..],
            b"\x81\xa1v\x01",
            b"\x86\xa1v\x01\xa4type\xa3job\xa3key\xc4\0\xa4body\xc4\0\xa3sig\xc4\0\xa1x\x01",
            b"\x85\xa4type\xa3job\xa1v\x01\xa3key\xc4\0\xa4body\xc4\0\xa3sig\xc4\0",
        ] {
            assert!(matches!(Envelope::parse(bad, MAX), Err(Malformed::Envelope(_))), "{bad:x?}");
        }
        let unknown = b"\x85\xa1v\x01\xa4type\xa3xyz\xa3key\xc4\0\xa4body\xc4\0\xa3sig\xc4\0";
        assert_eq!(Envelope::parse(unknown, MAX).unwrap_err(), Malformed::Kind("xyz".to_owned()));
        let half = b"\x85\xa1v\x01\xa4type\xa3job\xa3key\xc4\x01a\xa4body\xc4\0\xa3sig\xc4\0";
        assert!(matches!(Envelope::parse(half, MAX), Err(Malformed::Envelope(_))));
    }

    #[test]
    fn the_size_is_looked_at_first() {
        let octets = unsigned(Kind::Job, &[0; 100]);
        let max = octets.len();
        assert!(Envelope::parse(&octets, max).is_ok());
        assert!(matches!(Envelope::parse(&octets, max - 1), Err(Malformed::TooLong { .. })));
    }
}
