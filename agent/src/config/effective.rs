//! The configuration as replies state it: its relaxations, and a digest of the whole.

use std::collections::BTreeMap;

use mpic_common::octets::Hash;
use mpic_runtime::config::{ConfigError, entries};

use super::Config;

/// What is in force, one entry a key: `section.key` to its canonical TOML value. It holds no
/// secrets, since the configuration has only their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective(BTreeMap<String, String>);

/// Keys that weaken a rule, each with the value that does not.
const RELAXING: [(&str, &str); 11] = [
    ("addr.allow", "[]"),
    ("dns.forwarder_remote", "false"),
    ("dns.root_hints", "\"/usr/share/dns/root.hints\""),
    ("dns.trust_anchor", "\"/usr/share/dns/root.key\""),
    ("dnssec.remote", "\"require\""),
    ("dnssec.unsupported_algorithm", "\"indeterminate\""),
    ("lab.ports", "{}"),
    ("methods.ip_address_optin", "false"),
    ("names.allow_suffix", "[]"),
    ("names.allow_wildcard_suffix", "[]"),
    ("persist.require_policy", "true"),
];

impl Effective {
    /// Of `config`, defaults included.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let table =
            toml::Table::try_from(config).map_err(|error| ConfigError::key("config", "", error))?;
        Ok(Self(entries(table)))
    }

    /// The settings that weaken a rule, as `key=value`, sorted.
    pub fn relaxations(&self) -> Vec<String> {
        let weakens = |(key, value): &(&String, &String)| {
            RELAXING.iter().any(|(name, harmless)| name == key && harmless != value)
        };
        self.0.iter().filter(weakens).map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// SHA-256 over a line `key=value` for each key, sorted, and the digest of the Public Suffix
    /// List.
    pub fn digest(&self, suffix_list: Hash) -> Hash {
        let lines = self.0.iter().map(|(key, value)| format!("{key}={value}\n"));
        Hash::of(lines.chain([suffix_list.to_string()]).collect::<String>().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        perspective = "us-east"
        directory_file = "directory"
        directory_root = "ed25519:x"
        key_file = "key"
        bus.servers = ["nats://127.0.0.1:4222"]
        dns.forwarder = "127.0.0.1:53"
    "#;

    fn effective(more: &str) -> Effective {
        let config: Config = toml::from_str(&format!("{MINIMAL}\n{more}")).unwrap();
        Effective::new(&config).unwrap()
    }

    #[test]
    fn the_defaults_relax_nothing() {
        assert_eq!(effective("").relaxations(), Vec::<String>::new());
    }

    #[test]
    fn every_relaxation_is_stated_in_canonical_form_and_sorted() {
        let more = r#"
            dns.forwarder_remote = true
            dns.root_hints = "/root.hints"
            dns.trust_anchor = "/root.key"
            dnssec.unsupported_algorithm = "insecure"
            names.allow_suffix = ["test", "example"]
            names.allow_wildcard_suffix = ["co.uk"]
            addr.allow = ["127.0.0.0/8"]
            lab.ports = { 80 = 40200, 443 = 40300 }
            dnssec.remote = "off"
            methods.ip_address_optin = true
            persist.require_policy = false
        "#;
        assert_eq!(
            effective(more).relaxations(),
            [
                "addr.allow=[\"127.0.0.0/8\"]",
                "dns.forwarder_remote=true",
                "dns.root_hints=\"/root.hints\"",
                "dns.trust_anchor=\"/root.key\"",
                "dnssec.remote=\"off\"",
                "dnssec.unsupported_algorithm=\"insecure\"",
                "lab.ports={ 443 = 40300, 80 = 40200 }",
                "methods.ip_address_optin=true",
                "names.allow_suffix=[\"test\", \"example\"]",
                "names.allow_wildcard_suffix=[\"co.uk\"]",
                "persist.require_policy=false",
            ]
        );
    }

    #[test]
    fn the_digest_is_of_what_is_in_force() {
        let list = Hash::of(b"list");
        let digest = effective("").digest(list);
        assert_eq!(effective("limits.job_ms = 25000").digest(list), digest, "the default");
        assert_ne!(effective("limits.job_ms = 24000").digest(list), digest);
        assert_ne!(effective("").digest(Hash::of(b"another list")), digest);
    }

    #[test]
    fn impossible_values_are_named() {
        for (more, key) in [
            ("limits.job_ms = 999", "limits.job_ms"),
            ("http.max_redirects = 51", "http.max_redirects"),
            ("limits.observation_octets = 16383", "limits.observation_octets"),
            ("role = \"primary\"\ndnssec.remote = \"off\"", "dnssec.remote"),
        ] {
            let config: Config = toml::from_str(&format!("{MINIMAL}\n{more}")).unwrap();
            assert!(config.check().unwrap_err().to_string().starts_with(key), "{key}");
        }
        let remote = MINIMAL.replace("127.0.0.1:53", "9.9.9.9:53");
        let config: Config = toml::from_str(&remote).unwrap();
        assert!(config.check().unwrap_err().to_string().contains("dns.forwarder_remote"));
        assert!(toml::from_str::<Config>(&format!("{MINIMAL}\nunknown = 1")).is_err());
        assert!(toml::from_str::<Config>(&format!("{MINIMAL}\nlab.ports = {{ x = 1 }}")).is_err());
    }
}
