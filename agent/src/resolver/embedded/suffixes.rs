//! The names whose delegations and keys may outlive a job: the root and public suffixes.

use std::collections::BTreeSet;

use domain::base::Name;
use domain::base::name::ToName;
use mpic_common::identifier::Identifier;

use super::super::message::WireName;

/// The root, and the names that are literally a rule of the ICANN section of the Public Suffix
/// List. No applicant has one of them, so that what is known of them serves every job alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suffixes(BTreeSet<Vec<u8>>);

impl Suffixes {
    /// Those of the list in `octets`: wildcards and exceptions name no suffix, and what is no name
    /// is passed over.
    pub fn parse(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let section = text.split(BEGIN).nth(1).and_then(|rest| rest.split(END).next());
        let rules = section.unwrap_or_default().lines().map(str::trim);
        let is_literal = |rule: &&str| !(rule.starts_with("//") || rule.contains(['*', '!']));
        let names = rules.filter(is_literal).filter_map(|rule| {
            // A suffix may have one label only, which is a name where it stands below a wildcard.
            let identifier = Identifier::parse(&format!("*.{rule}")).ok()?;
            Name::<Vec<u8>>::vec_from_str(identifier.name()?.as_str()).ok().map(|name| key(&name))
        });
        Self(names.chain([key(&WireName::root_vec())]).collect())
    }

    pub(super) fn contains(&self, name: &WireName) -> bool {
        self.0.contains(&key(name))
    }
}

/// The name in lower case.
fn key(name: &WireName) -> Vec<u8> {
    name.to_canonical_name::<Vec<u8>>().into_octets()
}

const BEGIN: &str = "===BEGIN ICANN DOMAINS===";
const END: &str = "===END ICANN DOMAINS===";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SUFFIX_LIST;

    #[test]
    fn only_literal_rules_of_the_icann_section_are_suffixes() {
        let suffixes = Suffixes::parse(SUFFIX_LIST.as_bytes());
        let contains = |name: &str| suffixes.contains(&Name::vec_from_str(name).unwrap());
        for suffix in [".", "com", "COM", "co.uk", "xn--fiqs8s"] {
            assert!(contains(suffix), "{suffix}");
        }
        for other in ["ck", "a.ck", "www.ck", "example.com", "github.io", "none"] {
            assert!(!contains(other), "{other}");
        }
        assert!(Suffixes::parse(b"com").0.len() == 1, "no section, only the root");
    }
}
