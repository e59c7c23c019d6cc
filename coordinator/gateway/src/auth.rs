//! Who a client is: the CA that its API key or its certificate belongs to. Only hashes of keys are
//! known here, and each is compared in constant time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mpic_common::octets::Hash;
use mpic_common::time::UnixMs;
use tokio::time::Instant;

use crate::config::{CaConfig, Require};

/// What a client shows.
#[derive(Clone, Default)]
pub struct Shown<'a> {
    /// The API keys of its headers: one at most counts, several only if they are the same.
    pub keys: Vec<&'a [u8]>,
    /// SHA-256 of the public key of its certificate, where the channel has verified one.
    pub certificate: Option<Hash>,
}

impl std::fmt::Debug for Shown<'_> {
    /// Keys are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// The credentials of all CAs. A CA is named by its place in the configuration.
#[derive(Debug, Clone)]
pub struct Credentials {
    keys: Vec<Key>,
    certificates: BTreeMap<Hash, usize>,
    require: Vec<Require>,
}

#[derive(Debug, Clone)]
struct Key {
    hash: Hash,
    ca: usize,
    from: Option<UnixMs>,
    until: Option<UnixMs>,
}

impl Credentials {
    /// Those of `cas`.
    pub fn new(cas: &[CaConfig]) -> Self {
        let keys = cas.iter().enumerate().flat_map(|(ca, config)| {
            config.key.iter().map(move |key| Key {
                hash: key.key_sha256.0,
                ca,
                from: key.not_before.as_ref().map(|when| when.at),
                until: key.not_after.as_ref().map(|when| when.at),
            })
        });
        let certificates = cas
            .iter()
            .enumerate()
            .flat_map(|(ca, config)| config.spki_sha256.iter().map(move |digest| (digest.0, ca)));
        Self {
            keys: keys.collect(),
            certificates: certificates.collect(),
            require: cas.iter().map(|ca| ca.require).collect(),
        }
    }

    /// The CA that a client is; none where it shows too little, something that is no credential, or
    /// credentials of two CAs.
    pub fn ca(&self, shown: &Shown<'_>, now: UnixMs) -> Option<usize> {
        let by_key = match shown.keys.as_slice() {
            [] => None,
            [first, rest @ ..] if rest.iter().all(|other| other == first) => {
                Some(self.key(first, now)?)
            }
            _ => return None,
        };
        let by_certificate = match shown.certificate {
            Some(hash) => Some(*self.certificates.get(&hash)?),
            None => None,
        };
        let ca = match (by_key, by_certificate) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other)?,
        };
        let is_enough = match self.require.get(ca)? {
            Require::Key => by_key.is_some(),
            Require::Certificate => by_certificate.is_some(),
            Require::Either => true,
            Require::Both => by_key.is_some() && by_certificate.is_some(),
        };
        is_enough.then_some(ca)
    }

    /// Every hash is compared to its end, whichever fits.
    fn key(&self, key: &[u8], now: UnixMs) -> Option<usize> {
        let shown = Hash::of(key);
        let mut found = None;
        for known in &self.keys {
            let in_force = known.from.is_none_or(|from| from <= now)
                && known.until.is_none_or(|until| now < until);
            if is_same(&shown, &known.hash) && in_force {
                found = Some(known.ca);
            }
        }
        found
    }
}

/// Compares all octets whatever the first ones are.
fn is_same(one: &Hash, other: &Hash) -> bool {
    let differing = one.0.iter().zip(&other.0).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

/// Failures by address: who fails too often is told so for a while, and asked for nothing.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Addresses>);

#[derive(Debug, Default)]
struct Addresses {
    failed: BTreeMap<IpAddr, Failed>,
    /// When those whose time is over were last forgotten.
    pruned: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    since: Instant,
    count: u32,
}

/// Failures in `WINDOW` after which an address is turned away.
const FAILURES_MAX: u32 = 10;
/// How long failures count.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;
/// To look through all of them costs more than a failure should.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

impl Failures {
    /// Notes a failure; whether the address has failed too often.
    pub fn note(&self, address: IpAddr, now: Instant) -> bool {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if !addresses.has_place_for(address, now) {
            // Who is there keeps its place; a newcomer is counted once there is one.
            return false;
        }
        let failed = addresses.failed.entry(address).or_insert(Failed { since: now, count: 0 });
        if now.duration_since(failed.since) >= WINDOW {
            *failed = Failed { since: now, count: 0 };
        }
        failed.count = failed.count.saturating_add(1);
        if failed.count == FAILURES_MAX + 1 {
            // For a minute from now.
            failed.since = now;
        }
        failed.count > FAILURES_MAX
    }
}

impl Addresses {
    fn has_place_for(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.failed.len() < ADDRESSES_MAX || self.failed.contains_key(&address) {
            return true;
        }
        if self.pruned.is_none_or(|pruned| now.duration_since(pruned) >= PRUNE_EVERY) {
            self.pruned = Some(now);
            self.failed.retain(|_, failed| now.duration_since(failed.since) < WINDOW);
        }
        self.failed.len() < ADDRESSES_MAX
    }
}

/// An IPv6 client has a /64 of its own.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn ca(code: &str, require: &str, key: &str, certificate: u8) -> String {
        format!(
            "[[ca]]\ncode = \"{code}\"\nrequire = \"{require}\"\nspki_sha256 = [\"{}\"]\n\
             bus = {{ servers = [] }}\nkey = [{{ key_sha256 = \"{}\" }}, \
             {{ key_sha256 = \"{}\", not_after = \"2026-01-01T00:00:00Z\" }}, \
             {{ key_sha256 = \"{}\", not_before = \"2030-01-01T00:00:00Z\" }}]\n",
            Hash([certificate; 32]),
            Hash::of(key.as_bytes()),
            Hash::of(format!("{key}-old").as_bytes()),
            Hash::of(format!("{key}-new").as_bytes()),
        )
    }

    fn credentials(require: &str) -> Credentials {
        #[derive(serde::Deserialize)]
        struct Cas {
            ca: Vec<CaConfig>,
        }
        let text = ca("ca1", require, "one", 1) + &ca("ca2", require, "two", 2);
        Credentials::new(&toml::from_str::<Cas>(&text).unwrap().ca)
    }

    fn shown(keys: &[&'static str], certificate: Option<u8>) -> Shown<'static> {
        Shown {
            keys: keys.iter().map(|key| key.as_bytes()).collect(),
            certificate: certificate.map(|octet| Hash([octet; 32])),
        }
    }

    #[test]
    fn a_client_is_the_ca_of_its_credential() {
        let credentials = credentials("either");
        for (keys, certificate, expected) in [
            (&[][..], None, None),
            (&["one"], None, Some(0)),
            (&["two"], None, Some(1)),
            (&["two", "two"], None, Some(1)),
            (&["one", "two"], None, None),
            (&["three"], None, None),
            (&[""], None, None),
            (&["one-old"], None, None),
            (&["one-new"], None, None),
            (&[], Some(2), Some(1)),
            (&[], Some(3), None),
            (&["one"], Some(1), Some(0)),
            (&["one"], Some(2), None),
            (&["three"], Some(1), None),
            (&["one"], Some(3), None),
        ] {
            assert_eq!(credentials.ca(&shown(keys, certificate), NOW), expected, "{keys:?}");
        }
    }

    #[test]
    fn a_ca_says_what_its_clients_must_show() {
        let found = |require, keys, certificate| {
            credentials(require).ca(&shown(keys, certificate), NOW).is_some()
        };
        for (require, key, certificate, both) in [
            ("key", true, false, true),
            ("certificate", false, true, true),
            ("both", false, false, true),
        ] {
            assert_eq!(found(require, &["one"], None), key);
            assert_eq!(found(require, &[], Some(1)), certificate);
            assert_eq!(found(require, &["one"], Some(1)), both);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_ten_failures_an_address_is_turned_away_for_a_minute() {
        let failures = Failures::default();
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..10 {
            assert!(!failures.note(address, Instant::now()));
        }
        assert!(failures.note(address, Instant::now()));
        assert!(!failures.note("192.0.2.2".parse().unwrap(), Instant::now()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(failures.note(address, Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!failures.note(address, Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_addresses_take_bounded_memory() {
        let failures = Failures::default();
        for number in 0..20_000_u32 {
            failures.note(IpAddr::from(number.to_be_bytes()), Instant::now());
        }
        assert_eq!(failures.0.lock().unwrap().failed.len(), ADDRESSES_MAX);
        tokio::time::advance(WINDOW).await;
        failures.note("192.0.2.1".parse().unwrap(), Instant::now());
        assert_eq!(failures.0.lock().unwrap().failed.len(), 1);
    }
}
