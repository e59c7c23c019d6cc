//! The DNS engine that the configuration describes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mpic_common::observation::ResolverIdentity;
use mpic_common::perspective::Perspective;
use mpic_runtime::config::{ConfigError, read};

use super::Config;
use super::dns::{RemoteDnssec, UnsupportedAlgorithm};
use crate::egress::AddressPolicy;
use crate::resolver::backend::Backend;
use crate::resolver::embedded::{
    Embedded, EmbeddedSettings, RootHints, RootsError, Suffixes, TrustAnchor,
    UnsupportedAlgorithm as Unsupported,
};
use crate::resolver::forwarder::{Forwarder, ForwarderSettings, Validation};

impl Config {
    /// The DNS engine of the perspective that the directory describes as `own`; `embedded` reads
    /// the root hints, the trust anchor and the Public Suffix List.
    pub fn engine(&self, own: &Perspective) -> Result<Backend, ConfigError> {
        Ok(match self.dns.resolver()? {
            Some(server) => Backend::Forwarder(self.forwarder(server, own)),
            None => Backend::Embedded(self.embedded(own)?),
        })
    }

    fn forwarder(&self, server: SocketAddr, own: &Perspective) -> Forwarder {
        Forwarder::new(ForwarderSettings {
            server,
            egress: self.egress(),
            attempt: Duration::from_millis(self.dns.attempt_ms),
            pause: Duration::from_millis(self.dns.pause_ms),
            validation: match self.dnssec.remote {
                RemoteDnssec::Require => Validation::Required,
                RemoteDnssec::Off => Validation::NotRequired,
            },
            identity: ResolverIdentity {
                address: Some(server.ip()),
                ..self.identity("forwarder", &server.to_string(), own)
            },
        })
    }

    fn embedded(&self, own: &Perspective) -> Result<Embedded, ConfigError> {
        let dns = &self.dns;
        let root_hints = zone_file("dns.root_hints", &dns.root_hints, RootHints::parse)?;
        let addresses = self.addresses();
        reachable(&root_hints, &addresses)
            .map_err(|why| ConfigError::key("dns.root_hints", dns.root_hints.display(), why))?;
        let trust_anchor = zone_file("dns.trust_anchor", &dns.trust_anchor, TrustAnchor::parse)?;
        let kept = if dns.infrastructure_cache {
            Some(Suffixes::parse(&self.suffix_list()?))
        } else {
            None
        };
        Ok(Embedded::new(EmbeddedSettings {
            kept,
            identity: ResolverIdentity {
                root_hints: Some(root_hints.digest()),
                trust_anchor: Some(trust_anchor.digest()),
                ..self.identity("embedded", "embedded", own)
            },
            root_hints,
            trust_anchor,
            unsupported: match self.dnssec.unsupported_algorithm {
                UnsupportedAlgorithm::Indeterminate => Unsupported::Indeterminate,
                UnsupportedAlgorithm::Insecure => Unsupported::Insecure,
            },
            addresses,
            egress: self.egress(),
            attempt: Duration::from_millis(dns.attempt_ms),
            pause: Duration::from_millis(dns.pause_ms),
        }))
    }

    fn identity(&self, backend: &str, instance: &str, own: &Perspective) -> ResolverIdentity {
        let default = || format!("{}/{instance}", self.perspective);
        ResolverIdentity {
            backend: backend.to_owned(),
            instance: self.dns.instance.clone().unwrap_or_else(default),
            trust_anchor: None,
            root_hints: None,
            address: None,
            latitude_udeg: own.resolver.location.latitude_udeg(),
            longitude_udeg: own.resolver.location.longitude_udeg(),
            registry: own.resolver.registry,
        }
    }
}

/// A root that the policy would never let anybody ask is a laboratory's, and must be meant.
fn reachable(hints: &RootHints, addresses: &AddressPolicy) -> Result<(), String> {
    if hints.addresses().iter().any(|address| addresses.permits(*address)) {
        return Ok(());
    }
    let refused: Vec<_> = hints.addresses().iter().map(ToString::to_string).collect();
    let refused = refused.join(", ");
    Err(format!(
        "no server in it may be asked ({refused}); a prefix in addr.allow would permit one"
    ))
}

fn zone_file<T>(
    key: &'static str,
    path: &Path,
    parse: fn(&[u8]) -> Result<T, RootsError>,
) -> Result<T, ConfigError> {
    let wrong = |why: &dyn std::fmt::Display| ConfigError::key(key, path.display(), why);
    let octets = read(path)
        .map_err(|error| wrong(&format!("{error}; the package `dns-root-data` has it")))?;
    parse(&octets).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dns: &str) -> Config {
        let minimal = r#"
            perspective = "us-east"
            directory_file = "directory"
            directory_root = "ed25519:x"
            key_file = "key"
            bus.servers = ["nats://127.0.0.1:4222"]
        "#;
        toml::from_str(&format!("{minimal}\n[dns]\n{dns}")).unwrap()
    }

    #[test]
    fn the_forwarder_needs_a_resolver_and_embedded_has_none() {
        for (dns, key) in [
            ("", "dns.forwarder"),
            ("backend = \"forwarder\"", "dns.forwarder"),
            ("backend = \"embedded\"\nforwarder = \"127.0.0.1:53\"", "dns.forwarder"),
        ] {
            let error = config(dns).dns.resolver().unwrap_err().to_string();
            assert!(error.starts_with(key), "{dns}: {error}");
        }
        assert!(config("backend = \"embedded\"").dns.resolver().unwrap().is_none());
        assert!(config("forwarder = \"127.0.0.1:53\"").dns.resolver().unwrap().is_some());
    }

    #[test]
    fn a_root_that_no_policy_permits_names_the_key_that_would() {
        let hints = RootHints::parse(b". 60 NS a.\na. 60 A 127.0.0.2\na. 60 AAAA ::1").unwrap();
        let refused = reachable(&hints, &AddressPolicy::default()).unwrap_err();
        assert!(refused.contains("127.0.0.2, ::1") && refused.contains("addr.allow"), "{refused}");
        let allow = vec!["127.0.0.0/8".parse().unwrap()];
        let policy = AddressPolicy::new(Vec::new(), allow, Vec::new());
        assert_eq!(reachable(&hints, &policy), Ok(()));
    }

    #[test]
    fn missing_roots_name_the_package_that_has_them() {
        let missing = zone_file("dns.root_hints", Path::new("/nowhere"), RootHints::parse);
        let error = missing.unwrap_err().to_string();
        assert!(error.starts_with("dns.root_hints"), "{error}");
        assert!(error.contains("`dns-root-data`"), "{error}");
    }
}
