//! The one equation that stands for those of many signatures: the sum of all, each with a factor of
//! its own that nobody can foresee.
//!
//! A signature (R, s) of the key A holds where `s B - h A - R` is nil, `h` being SHA-512(R, A,
//! message). Of the sum's points those of one key are one, multiplied once: a log has thousands of
//! signatures by a dozen keys, and what is left of each is its R with a factor of 128 bits.

use std::collections::BTreeMap;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha512};

use super::super::{SignatureOctets, Signed};

/// What is known of the signatures but for themselves.
#[derive(Debug, Default)]
pub(super) struct Equation {
    /// Each key, and its place among them.
    places: BTreeMap<[u8; 32], usize>,
    keys: Vec<VerifyingKey>,
    /// Of each signature: the place of its key, and SHA-512 of R, key and message.
    terms: Vec<(usize, [u8; 64])>,
}

impl Equation {
    /// One signature more.
    pub(super) fn add(&mut self, key: &VerifyingKey, signed: Signed<'_>, sig: &SignatureOctets) {
        let keys = &mut self.keys;
        let place = *self.places.entry(key.to_bytes()).or_insert_with(|| {
            keys.push(*key);
            keys.len() - 1
        });
        let hash = Sha512::new().chain_update(halves(sig).0).chain_update(key.as_bytes());
        let hash = signed.parts().iter().fold(hash, Digest::chain_update);
        self.terms.push((place, hash.finalize().into()));
    }

    /// Whether all of these, in the order in which they were added, hold.
    pub(super) fn holds(&self, signatures: &[SignatureOctets]) -> bool {
        let seed = self.seed(signatures);
        let mut of_base = Scalar::ZERO;
        let mut of_keys = vec![Scalar::ZERO; self.keys.len()];
        let mut factors = Vec::with_capacity(signatures.len());
        for (number, ((place, hash), sig)) in (0..).zip(self.terms.iter().zip(signatures)) {
            let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(halves(sig).1))
            else {
                return false;
            };
            let factor = factor(&seed, number);
            of_base -= factor * s;
            if let Some(of_key) = of_keys.get_mut(*place) {
                *of_key += factor * Scalar::from_bytes_mod_order_wide(hash);
            }
            factors.push(factor);
        }
        let keys = self.keys.iter().map(|key| Some(key.to_edwards()));
        let points = signatures.iter().map(|sig| CompressedEdwardsY(halves(sig).0).decompress());
        let sum = EdwardsPoint::optional_multiscalar_mul(
            std::iter::once(of_base).chain(of_keys).chain(factors),
            std::iter::once(Some(ED25519_BASEPOINT_POINT)).chain(keys).chain(points),
        );
        sum.is_some_and(|sum| sum.is_identity())
    }

    /// Depends on every octet of every key, message and signature, so that none of them can be
    /// chosen to fit the factors; and on nothing else, so that two auditors find the same.
    fn seed(&self, signatures: &[SignatureOctets]) -> [u8; 64] {
        let mut seed = Sha512::new().chain_update(b"mpic/batch/v1\0");
        for ((_, hash), sig) in self.terms.iter().zip(signatures) {
            seed.update(hash);
            seed.update(halves(sig).1);
        }
        seed.finalize().into()
    }
}

/// 128 bits for the signature of this number.
fn factor(seed: &[u8; 64], number: u64) -> Scalar {
    let hash = Sha512::new().chain_update(seed).chain_update(number.to_le_bytes()).finalize();
    let mut octets = [0; 16];
    octets.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    Scalar::from(u128::from_le_bytes(octets))
}

/// R and s.
pub(super) fn halves(sig: &SignatureOctets) -> ([u8; 32], [u8; 32]) {
    let (mut point, mut scalar) = ([0; 32], [0; 32]);
    let (first, second) = sig.0.split_at(32);
    point.copy_from_slice(first);
    scalar.copy_from_slice(second);
    (point, scalar)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signature;
    use proptest::prelude::*;

    use super::super::super::SigningKey;
    use super::*;

    fn key(number: u8) -> SigningKey {
        SigningKey::from_seed(&[number; 32])
    }

    fn message(body: &[u8]) -> Signed<'_> {
        Signed { context: "MPIC-job-v1", digest: None, body }
    }

    /// What the equation says of signatures by these keys over these messages.
    fn holds(signed: &[(u8, Vec<u8>, SignatureOctets)]) -> bool {
        let mut equation = Equation::default();
        for (signer, body, sig) in signed {
            equation.add(&key(*signer).public().0, message(body), sig);
        }
        equation.holds(&signed.iter().map(|(_, _, sig)| *sig).collect::<Vec<_>>())
    }

    fn sign(number: u8) -> (u8, Vec<u8>, SignatureOctets) {
        let (signer, body) = (number % 3, vec![number; usize::from(number)]);
        let sig = key(signer).sign(message(&body));
        (signer, body, sig)
    }

    #[test]
    fn signatures_of_few_keys_hold_together_in_any_number() {
        for count in [0, 1, 2, 3, 64, 250] {
            assert!(holds(&(0..count).map(sign).collect::<Vec<_>>()), "{count}");
        }
    }

    /// Where it held for a false signature, a log would be believed that nobody signed.
    #[test]
    fn two_wrong_signatures_do_not_make_up_for_each_other() {
        let (one, two) = (sign(1), sign(4));
        let swapped = [(one.0, one.1.clone(), two.2), (two.0, two.1.clone(), one.2)];
        assert!(!holds(&swapped));
        let scalar = |sig: SignatureOctets| {
            Option::<Scalar>::from(Scalar::from_canonical_bytes(halves(&sig).1)).unwrap()
        };
        let with = |of: &(u8, Vec<u8>, SignatureOctets), s: Scalar| {
            let mut sig = of.2;
            sig.0[32..].copy_from_slice(&s.to_bytes());
            (of.0, of.1.clone(), sig)
        };
        // Without factors the sum of these two would still be nil.
        let shifted =
            [with(&one, scalar(one.2) + Scalar::ONE), with(&two, scalar(two.2) - Scalar::ONE)];
        assert!(!holds(&shifted));
    }

    #[test]
    fn a_scalar_that_is_not_reduced_and_octets_of_no_point_do_not_hold() {
        let mut signed = sign(5);
        signed.2.0[63] |= 0xE0;
        assert!(!holds(&[signed]));
        let no_point = (0..=255)
            .map(|octet| [octet; 32])
            .find(|octets| CompressedEdwardsY(*octets).decompress().is_none())
            .unwrap();
        let mut signed = sign(5);
        signed.2.0[..32].copy_from_slice(&no_point);
        assert!(!holds(&[signed]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// The same answer as of ed25519-dalek's own batch, whatever one octet is changed.
        #[test]
        fn a_changed_octet_is_found_as_ed25519_dalek_finds_it(
            count in 1_u8..20,
            at in any::<prop::sample::Index>(),
            change in 0_u8..3,
            octet in 0_usize..64,
            bit in 0_u32..8,
        ) {
            let mut signed: Vec<_> = (0..count).map(sign).collect();
            let place = at.index(signed.len());
            match change {
                0 => {}
                1 => signed[place].2.0[octet] ^= 1 << bit,
                _ => signed[place].1.push(u8::try_from(octet).unwrap()),
            }
            let inputs: Vec<_> =
                signed.iter().map(|(_, body, _)| message(body).input()).collect();
            let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
            let sigs = signed.iter().map(|(_, _, sig)| Signature::from_bytes(&sig.0));
            let sigs: Vec<_> = sigs.collect();
            let keys: Vec<_> = signed.iter().map(|(signer, ..)| key(*signer).public().0).collect();
            let expected = ed25519_dalek::verify_batch(&inputs, &sigs, &keys).is_ok();
            prop_assert_eq!(holds(&signed), expected);
            prop_assert_eq!(expected, change == 0);
        }
    }
}
