//! Ed25519 keys and what they sign: `0xFF || context || 0x00 || digest || body`.
//!
//! `0xFF` occurs in no UTF-8 text, so neither a NATS nonce nor a signed note can be taken for a
//! signature input, nor the reverse.

mod batch;

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};

pub use self::batch::{Batch, Strict, Verifier};
use crate::octets::{Fixed, Hash};

/// The first 8 octets of SHA-256("mpic/key/v1" || 0x00 || public key).
pub type KeyId = Fixed<8>;

/// 64 octets.
pub type SignatureOctets = Fixed<64>;

/// A private key; it shows only its public half.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key that is not weak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Octets that are no usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No point of the curve.
    #[error("the octets are no Ed25519 public key")]
    NotAKey,
    /// Of small order: anybody could sign under it.
    #[error("the Ed25519 public key is weak")]
    Weak,
}

/// The signature is not that key's over that message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// What a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Names the kind of message and its version.
    pub context: &'static str,
    /// SHA-256 of the body that this one answers, zeros where there is none; nil for a job.
    pub digest: Option<Hash>,
    /// The exact octets.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// The octets that are signed.
    pub fn input(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// The same, piece by piece.
    fn parts(&self) -> [&[u8]; 5] {
        let digest = self.digest.as_ref().map_or(&[][..], |Hash(octets)| octets);
        [&[0xFF], self.context.as_bytes(), &[0x00], digest, self.body]
    }
}

impl SigningKey {
    /// A key from 32 random octets.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs.
    pub fn sign(&self, message: Signed<'_>) -> SignatureOctets {
        Fixed(self.0.sign(&message.input()).to_bytes())
    }
}

impl PublicKey {
    /// A key from its 32 octets.
    pub fn from_octets(octets: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(octets).map_err(|_| KeyError::NotAKey)?;
        if key.is_weak() { Err(KeyError::Weak) } else { Ok(Self(key)) }
    }

    /// Its 32 octets.
    pub fn octets(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// How messages name it.
    pub fn id(&self) -> KeyId {
        let hash =
            Sha256::new().chain_update(b"mpic/key/v1\0").chain_update(self.0.as_bytes()).finalize();
        let mut id = [0; 8];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Fixed(id)
    }

    /// Verifies strictly: one signature, one message, one key.
    pub fn verify(&self, signed: Signed<'_>, sig: &SignatureOctets) -> Result<(), BadSignature> {
        self.0
            .verify_strict(&signed.input(), &Signature::from_bytes(&sig.0))
            .map_err(|_| BadSignature)
    }
}

/// `ed25519:` and base64, never the text form of an nkey.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", BASE64.encode(self.0.as_bytes()))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let octets = text
            .strip_prefix("ed25519:")
            .and_then(|encoded| BASE64.decode(encoded.as_bytes()).ok())
            .and_then(|octets| <[u8; 32]>::try_from(octets).ok())
            .ok_or(KeyError::NotAKey)?;
        Self::from_octets(&octets)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "MPIC-job-v1";

    #[test]
    fn the_key_id_is_that_of_the_specification() {
        let operator = SigningKey::from_seed(&[2; 32]);
        assert_eq!(operator.public().id().to_string(), "df51c1d438c7bf06");
    }

    #[test]
    fn a_signature_holds_for_its_context_digest_and_body_alone() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signed = Signed { context: JOB, digest: Some(Hash::ZERO), body: b"body" };
        let sig = key.sign(signed);
        let verify = |signed| key.public().verify(signed, &sig);
        assert_eq!(verify(signed), Ok(()));
        assert_eq!(verify(Signed { context: "MPIC-reply-v1", ..signed }), Err(BadSignature));
        assert_eq!(verify(Signed { digest: Some(Hash::of(b"x")), ..signed }), Err(BadSignature));
        assert_eq!(verify(Signed { digest: None, ..signed }), Err(BadSignature));
        assert_eq!(verify(Signed { body: b"bodz", ..signed }), Err(BadSignature));
        let other = SigningKey::from_seed(&[8; 32]).public();
        assert_eq!(other.verify(signed, &sig), Err(BadSignature));
    }

    #[test]
    fn a_weak_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_octets(&identity), Err(KeyError::Weak));
    }

    #[test]
    fn a_public_key_is_read_as_it_is_shown() {
        let key = SigningKey::from_seed(&[7; 32]).public();
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}
