//! Many signatures at once, which costs a fraction of one by one.

mod equation;

use std::cell::RefCell;

use self::equation::Equation;
use super::{BadSignature, PublicKey, SignatureOctets, Signed};

/// Holds a signature against the key that is to have made it.
pub trait Verifier {
    /// Errs where the signature is known not to be that key's over that message.
    fn verify(
        &self,
        key: &PublicKey,
        signed: Signed<'_>,
        sig: &SignatureOctets,
    ) -> Result<(), BadSignature>;
}

/// Verifies at once and strictly, as [`PublicKey::verify`] does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strict;

impl Verifier for Strict {
    fn verify(
        &self,
        key: &PublicKey,
        signed: Signed<'_>,
        sig: &SignatureOctets,
    ) -> Result<(), BadSignature> {
        key.verify(signed, sig)
    }
}

/// Believes each signature, and verifies them all in the end: whatever was concluded until then
/// holds only if that succeeds.
///
/// What passes may differ from what passes strictly only where the holder of a key has crafted a
/// signature with a component of small order; it is his over that message all the same.
#[derive(Debug, Default)]
pub struct Batch(RefCell<Believed>);

#[derive(Debug, Default)]
struct Believed {
    equation: Equation,
    signatures: Vec<SignatureOctets>,
}

impl Verifier for Batch {
    fn verify(
        &self,
        key: &PublicKey,
        signed: Signed<'_>,
        sig: &SignatureOctets,
    ) -> Result<(), BadSignature> {
        let mut believed = self.0.borrow_mut();
        believed.equation.add(&key.0, signed, sig);
        believed.signatures.push(*sig);
        Ok(())
    }
}

impl Batch {
    /// How many signatures were believed.
    pub fn count(&self) -> usize {
        self.0.borrow().signatures.len()
    }

    /// Verifies all; does not say which one fails.
    pub fn settle(self) -> Result<(), BadSignature> {
        let Believed { equation, signatures } = self.0.into_inner();
        let holds = signatures.iter().all(|sig| is_strict_point(equation::halves(sig).0))
            && equation.holds(&signatures);
        if holds { Ok(()) } else { Err(BadSignature) }
    }
}

/// Whether these are not the octets of a point of small order, nor octets that no point is
/// encoded as: a batch would let both pass.
fn is_strict_point(mut octets: [u8; 32]) -> bool {
    octets.reverse();
    let [first, ..] = &mut octets;
    *first &= 0x7F; // the sign of x
    octets < P && !SMALL_ORDER.contains(&octets)
}

/// 2^255 - 19, the greatest octet first.
const P: [u8; 32] = {
    let mut octets = [0xFF; 32];
    octets[0] = 0x7F;
    octets[31] = 0xED;
    octets
};

/// The y of every point of order 1, 2, 4 and 8, the greatest octet first.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let (mut one, mut minus_one) = ([0; 32], P);
    one[31] = 1;
    minus_one[31] = 0xEC;
    [
        one,
        minus_one,
        [0; 32],
        *b"\x7a\x03\xac\x92\x77\xfd\xc7\x4e\xc6\xcc\x39\x2c\xfa\x53\x20\x2a\
           \x0f\x67\x10\x0d\x76\x0b\x3c\xba\x4f\xd8\x4d\x3d\x70\x6a\x17\xc7",
        *b"\x05\xfc\x53\x6d\x88\x02\x38\xb1\x39\x33\xc6\xd3\x05\xac\xdf\xd5\
           \xf0\x98\xef\xf2\x89\xf4\xc3\x45\xb0\x27\xb2\xc2\x8f\x95\xe8\x26",
    ]
};

#[cfg(test)]
mod tests {
    use ed25519_dalek::VerifyingKey;

    use super::super::SigningKey;
    use super::*;

    fn signed(body: &[u8]) -> Signed<'_> {
        Signed { context: "MPIC-job-v1", digest: None, body }
    }

    fn believe(batch: &Batch, body: &[u8], sig: &SignatureOctets) {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(batch.verify(&key.public(), signed(body), sig), Ok(()));
    }

    #[test]
    fn a_batch_fails_where_one_signature_does() {
        let key = SigningKey::from_seed(&[7; 32]);
        let sign = |body| key.sign(signed(body));
        let batch = Batch::default();
        believe(&batch, b"a", &sign(b"a"));
        believe(&batch, b"b", &sign(b"b"));
        assert_eq!((batch.count(), batch.settle()), (2, Ok(())));
        let batch = Batch::default();
        believe(&batch, b"a", &sign(b"a"));
        believe(&batch, b"b", &sign(b"c"));
        assert_eq!(batch.settle(), Err(BadSignature));
        assert_eq!(Batch::default().settle(), Ok(()));
    }

    #[test]
    fn octets_of_no_point_and_points_of_small_order_are_left_to_strict_verification() {
        let mut weak = 0;
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut octets = y;
                octets[0] |= sign;
                octets.reverse();
                assert!(!is_strict_point(octets), "{octets:?}");
                if let Ok(key) = VerifyingKey::from_bytes(&octets) {
                    assert!(key.is_weak(), "{octets:?}");
                    weak += 1;
                }
            }
        }
        // Eight points, and two of them with the sign of an x that is 0.
        assert_eq!(weak, 10);
        let mut unreduced = P;
        unreduced.reverse();
        assert!(!is_strict_point(unreduced));
        assert!(is_strict_point(SigningKey::from_seed(&[7; 32]).public().octets()));
        let mut sig = SigningKey::from_seed(&[7; 32]).sign(signed(b"a"));
        sig.0[..32].copy_from_slice(&[0; 32]);
        let batch = Batch::default();
        believe(&batch, b"a", &sig);
        assert_eq!(batch.settle(), Err(BadSignature));
    }
}
