//! Names that are never checked: outside the public DNS, or public suffixes (BR 3.2.2.6, 4.2.2).

use mpic_common::identifier::{DnsName, Identifier};
use mpic_common::octets::Hash;
use mpic_common::reason::Reason;
use publicsuffix::{IcannList, Psl};

use crate::egress::AddressPolicy;

/// The ICANN section of the Public Suffix List, and what the configuration allows beyond it.
///
/// The PRIVATE section says who shares a domain, not who may have it, and is not used.
#[derive(Debug, Clone)]
pub struct NamePolicy {
    list: IcannList,
    digest: Hash,
    allow_suffix: Vec<String>,
    allow_wildcard_suffix: Vec<String>,
}

/// Octets that are no Public Suffix List.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no Public Suffix List: {0}")]
pub struct SuffixListError(String);

impl NamePolicy {
    /// A policy with the list in `octets`; both allow lists hold names without leading dot.
    pub fn new(
        octets: &[u8],
        allow_suffix: Vec<String>,
        allow_wildcard_suffix: Vec<String>,
    ) -> Result<Self, SuffixListError> {
        let list =
            IcannList::from_bytes(octets).map_err(|error| SuffixListError(error.to_string()))?;
        Ok(Self { list, digest: Hash::of(octets), allow_suffix, allow_wildcard_suffix })
    }

    /// SHA-256 of the list.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Errs with the reason for which `identifier` is not checked at all.
    pub fn admit(&self, identifier: &Identifier, addresses: &AddressPolicy) -> Result<(), Reason> {
        let Some(name) = identifier.name() else {
            let Identifier::Ip(address) = identifier else { return Ok(()) };
            let permitted = addresses.permits(*address);
            return if permitted { Ok(()) } else { Err(Reason::IdentifierReservedIp) };
        };
        let text = name.as_str();
        if is_at_or_below(text, "onion") {
            return Err(Reason::IdentifierOnion);
        }
        if !self.is_public(text) {
            return Err(Reason::IdentifierReservedName);
        }
        let is_allowed = self.allow_wildcard_suffix.iter().any(|suffix| suffix == text);
        if identifier.is_wildcard() && self.is_suffix(text) && !is_allowed {
            return Err(Reason::IdentifierPublicSuffix);
        }
        Ok(())
    }

    /// Whether `name`, lower-case, lies under an explicit ICANN rule or an allowed suffix, and is
    /// neither an onion name nor a reverse name.
    pub fn is_public(&self, name: &str) -> bool {
        let never = ["onion", "in-addr.arpa", "ip6.arpa"];
        if never.iter().any(|suffix| is_at_or_below(name, suffix)) {
            return false;
        }
        let is_known = self.list.suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known());
        is_known || self.allow_suffix.iter().any(|suffix| is_at_or_below(name, suffix))
    }

    /// Whether an Authorization Domain Name is at or below the Base Domain Name, which is one
    /// label more than a suffix (BR 1.6.1).
    pub fn is_below_suffix(&self, name: &DnsName) -> bool {
        self.is_public(name.as_str()) && !self.is_suffix(name.as_str())
    }

    fn is_suffix(&self, name: &str) -> bool {
        let suffix = self.list.suffix(name.as_bytes());
        let is_icann = suffix.is_some_and(|suffix| suffix.is_known() && suffix == name);
        is_icann || self.allow_suffix.iter().any(|suffix| suffix == name)
    }
}

fn is_at_or_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SUFFIX_LIST;

    fn policy(allow_suffix: &[&str]) -> NamePolicy {
        let allow = allow_suffix.iter().map(ToString::to_string).collect();
        NamePolicy::new(SUFFIX_LIST.as_bytes(), allow, Vec::new()).unwrap()
    }

    fn admit(policy: &NamePolicy, text: &str) -> Result<(), Reason> {
        policy.admit(&Identifier::parse(text).unwrap(), &AddressPolicy::default())
    }

    #[test]
    fn names_outside_the_public_dns_are_refused() {
        let policy = policy(&[]);
        for name in [
            "a.local",
            "a.internal",
            "a.cpu",
            "a.test",
            "u@a.test",
            "8.8.8.8.in-addr.arpa",
            "1.0.ip6.arpa",
        ] {
            assert_eq!(admit(&policy, name), Err(Reason::IdentifierReservedName), "{name}");
        }
        assert_eq!(admit(&policy, "example.onion"), Err(Reason::IdentifierOnion));
        for name in ["example.com", "a.co.uk", "www.ck", "u@example.com", "a.xn--fiqs8s"] {
            assert_eq!(admit(&policy, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn an_allowed_suffix_is_as_public_as_any() {
        let policy = policy(&["test"]);
        assert_eq!(admit(&policy, "a.test"), Ok(()));
        assert_eq!(admit(&policy, "a.attest"), Err(Reason::IdentifierReservedName));
        assert!(policy.is_below_suffix(&DnsName::parse("a.test").unwrap()));
    }

    #[test]
    fn a_wildcard_needs_a_label_below_the_icann_suffix() {
        let policy = policy(&[]);
        for (name, expected) in [
            ("*.com", Err(Reason::IdentifierPublicSuffix)),
            ("*.local", Err(Reason::IdentifierReservedName)),
            ("*.co.uk", Err(Reason::IdentifierPublicSuffix)),
            ("co.uk", Ok(())),
            ("*.a.co.uk", Ok(())),
            ("*.github.io", Ok(())),
            ("*.a.ck", Err(Reason::IdentifierPublicSuffix)),
            ("*.www.ck", Ok(())),
        ] {
            assert_eq!(admit(&policy, name), expected, "{name}");
        }
        let list = SUFFIX_LIST.as_bytes();
        let allowed = NamePolicy::new(list, Vec::new(), vec!["co.uk".to_owned()]).unwrap();
        assert_eq!(admit(&allowed, "*.co.uk"), Ok(()));
    }

    #[test]
    fn an_authorization_domain_name_is_no_suffix() {
        let policy = policy(&[]);
        let below = |name| policy.is_below_suffix(&DnsName::parse(name).unwrap());
        assert!(below("example.com") && below("a.co.uk") && below("github.io"));
        assert!(!below("co.uk") && !below("a.ck"));
    }

    #[test]
    fn reserved_addresses_are_no_identifiers() {
        let policy = policy(&[]);
        for address in ["10.0.0.1", "192.0.2.7", "224.0.0.1", "::ffff:8.8.8.8", "2001:db8::1"] {
            assert_eq!(admit(&policy, address), Err(Reason::IdentifierReservedIp), "{address}");
        }
        assert_eq!(admit(&policy, "8.8.8.8"), Ok(()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(NamePolicy::new(b"", Vec::new(), Vec::new()).is_err());
    }
}
