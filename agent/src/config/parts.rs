//! From configuration to what the agent is made of.

use std::net::IpAddr;
use std::time::Duration;

use mpic_common::evaluator::caa::{CaaRules, CriticalBits, Unevaluated};
use mpic_runtime::config::{ConfigError, read};
use url::{Host, Url};

use super::{CaaConfig, Config};
use crate::check::{EndedMethod, MethodRules, Rules, WildcardPolicy};
use crate::egress::{AddressPolicy, Egress};
use crate::http::{HttpClient, HttpLimits};
use crate::names::NamePolicy;
use crate::resolver::BudgetLimits;
use crate::tls_alpn::{TlsAlpnClient, TlsAlpnLimits};

impl Config {
    /// What every check goes by; reads the Public Suffix List.
    pub fn rules(&self) -> Result<Rules, ConfigError> {
        let http = &self.http;
        let client = HttpClient::new(self.egress(), self.http_limits(), http.user_agent.clone());
        let tls_alpn = TlsAlpnClient::new(self.egress(), self.tls_alpn_limits());
        Ok(Rules {
            names: self.name_policy()?,
            addresses: self.addresses(),
            http: client.map_err(|error| ConfigError::key("http", "", error))?,
            tls_alpn: tls_alpn.map_err(|error| ConfigError::key("http", "", error))?,
            caa: self.caa.rules(),
            caa_labels_max: self.caa.max_labels,
            dns_budget: BudgetLimits {
                packets: self.dns.packets_per_job,
                octets: self.dns.octets_per_job,
            },
            methods: self.method_rules(),
            observation_octets_max: self.limits.observation_octets,
        })
    }

    fn method_rules(&self) -> MethodRules {
        let challenge_octets_min = self.dcv.challenge_min_octets;
        let mut rules = MethodRules { challenge_octets_min, ..MethodRules::default() };
        if self.methods.ip_address_optin {
            rules.ip_address = EndedMethod::Performed;
        }
        if !self.persist.require_policy {
            rules.wildcard_policy = WildcardPolicy::NotRequired;
        }
        rules
    }

    fn name_policy(&self) -> Result<NamePolicy, ConfigError> {
        let names = &self.names;
        let allow = (names.allow_suffix.clone(), names.allow_wildcard_suffix.clone());
        NamePolicy::new(&self.suffix_list()?, allow.0, allow.1)
            .map_err(|error| ConfigError::key("names.psl_file", names.psl_file.display(), error))
    }

    /// The octets of the Public Suffix List.
    pub(super) fn suffix_list(&self) -> Result<Vec<u8>, ConfigError> {
        let file = &self.names.psl_file;
        read(file).map_err(|error| {
            let reason = format!("{error}; the package `publicsuffix` has it");
            ConfigError::key("names.psl_file", file.display(), reason)
        })
    }

    pub(super) fn addresses(&self) -> AddressPolicy {
        let (deny, allow) = (self.addr.deny.clone(), self.addr.allow.clone());
        AddressPolicy::new(deny, allow, self.own_addresses())
    }

    pub(super) fn egress(&self) -> Egress {
        Egress {
            source_v4: self.egress.source_v4,
            source_v6: self.egress.source_v6,
            lab_ports: self.lab.ports.iter().map(|(from, to)| (from.0, *to)).collect(),
        }
    }

    fn http_limits(&self) -> HttpLimits {
        let http = &self.http;
        HttpLimits {
            connect: Duration::from_millis(http.connect_ms),
            handshake: Duration::from_millis(http.tls_ms),
            head: Duration::from_millis(http.head_ms),
            body: Duration::from_millis(http.body_ms),
            redirects_max: http.max_redirects,
        }
    }

    fn tls_alpn_limits(&self) -> TlsAlpnLimits {
        TlsAlpnLimits {
            connect: Duration::from_millis(self.http.connect_ms),
            handshake: Duration::from_millis(self.http.tls_ms),
        }
    }

    /// What no applicant can be: the agent itself, and message servers that are configured by
    /// address.
    fn own_addresses(&self) -> Vec<IpAddr> {
        let server = |server: &String| match Url::parse(server).ok()?.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            // The parser takes hosts for addresses only in the schemes of the web.
            Host::Domain(name) => name.parse().ok(),
        };
        let sources =
            [self.egress.source_v4.map(IpAddr::V4), self.egress.source_v6.map(IpAddr::V6)];
        sources.into_iter().flatten().chain(self.bus.servers.iter().filter_map(server)).collect()
    }
}

impl CaaConfig {
    fn rules(&self) -> CaaRules {
        let mut rules = CaaRules::default();
        if self.flag1_is_critical {
            rules.critical = CriticalBits::Bit7Too;
        }
        if self.require_rfc8657_inputs {
            rules.unevaluated = Unevaluated::Prohibit;
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let minimal = r#"
            perspective = "us-east"
            directory_file = "directory"
            directory_root = "ed25519:x"
            key_file = "key"
            bus.servers = ["nats://8.8.4.4:4222", "nats://bus.example.com"]
            dns.forwarder = "127.0.0.1:53"
        "#;
        toml::from_str(&format!("{minimal}\n{more}")).unwrap()
    }

    #[test]
    fn a_missing_suffix_list_names_the_package_that_has_it() {
        let error = config("names.psl_file = \"/nowhere/list.dat\"").rules().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("names.psl_file") && text.contains("`publicsuffix`"), "{text}");
    }

    #[test]
    fn the_agent_and_its_message_servers_are_never_checked() {
        let config = config("egress.source_v4 = \"8.8.8.8\"");
        let own = config.own_addresses();
        assert_eq!(own.iter().map(ToString::to_string).collect::<Vec<_>>(), ["8.8.8.8", "8.8.4.4"]);
    }
}
