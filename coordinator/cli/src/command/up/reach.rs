//! How the perspectives of `mpic up` reach an Internet that is not the small one.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;

use crate::fleet::{Dns, Lab, Network, Roots};
use crate::resolver::{self, ResolverError};
use crate::system::SystemError;

/// What the flags say.
#[derive(Debug, Default, Args)]
pub(super) struct Reach {
    /// Who answers the perspectives' questions: `embedded`, each agent by itself, or
    /// `forwarder:ADDR`, a validating resolver such as forwarder:127.0.0.1:53 [default: the
    /// resolver at 127.0.0.1:53 if there is one that validates, else `embedded`]
    #[arg(long, value_name = "ENGINE")]
    dns: Option<Engine>,
    /// The root servers that `embedded` begins with, as a zone file (`dns.root_hints`)
    #[arg(long, value_name = "FILE", help_heading = RELAXATIONS)]
    root_hints: Option<PathBuf>,
    /// The DS or DNSKEY records of the root that `embedded` trusts, as a zone file
    /// (`dns.trust_anchor`)
    #[arg(long, value_name = "FILE", help_heading = RELAXATIONS)]
    trust_anchor: Option<PathBuf>,
    /// A reserved prefix that may be connected to, such as 127.0.0.0/8 (`addr.allow`)
    #[arg(long, value_name = "PREFIX", help_heading = RELAXATIONS)]
    allow_address: Vec<IpNet>,
    /// Connects to the port TO where a URL says FROM, or for FROM 53 a name server listens
    /// (`lab.ports`)
    #[arg(long, value_name = "FROM=TO", value_parser = ports, help_heading = RELAXATIONS)]
    map_port: Vec<(u16, u16)>,
    /// A suffix that counts as a public one, such as `test` (`names.allow_suffix`)
    #[arg(long, value_name = "SUFFIX", help_heading = RELAXATIONS)]
    allow_suffix: Vec<String>,
}

const RELAXATIONS: &str =
    "For an Internet of your own (each weakens a rule, and every reply says so)";

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Embedded,
    Forwarder(SocketAddr),
}

/// What the flags cannot mean.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReachError {
    /// A backend that there is not.
    #[error("it is `embedded` or `forwarder:ADDR`, such as forwarder:127.0.0.1:53")]
    Engine,
    /// A resolver without a port, or by name.
    #[error("`{0}` is no address with a port, such as 127.0.0.1:53 or [::1]:53")]
    Address(String),
    /// A mapping that is none.
    #[error("it is two ports, such as 53=5300")]
    Ports,
    /// The small Internet brings its own.
    #[error(
        "--internet loopback: the small Internet has a resolver for each perspective; with {0} it \
         is `--internet real`"
    )]
    Small(&'static str),
    /// Something that only `embedded` reads.
    #[error(
        "{flag} `{file}`: only `--dns embedded` reads it; the resolver at {forwarder} has its own"
    )]
    NotEmbedded { flag: &'static str, file: PathBuf, forwarder: SocketAddr },
    /// A file that is not there.
    #[error("{flag} `{file}`: it cannot be read")]
    Read { flag: &'static str, file: PathBuf, source: std::io::Error },
    /// A resolver that cannot be used.
    #[error("--dns forwarder:{address}")]
    Resolver { address: SocketAddr, source: ResolverError },
    /// What an agent says of its configuration, in the words of the flags.
    #[error("{0}")]
    Refused(String),
}

impl FromStr for Engine {
    type Err = ReachError;

    fn from_str(text: &str) -> Result<Self, ReachError> {
        match text.split_once(':') {
            None if text == "embedded" => Ok(Self::Embedded),
            Some(("forwarder", address)) => {
                let parsed = address.parse().map(Self::Forwarder);
                parsed.map_err(|_| ReachError::Address(address.to_owned()))
            }
            _ => Err(ReachError::Engine),
        }
    }
}

fn ports(text: &str) -> Result<(u16, u16), ReachError> {
    let (from, to) = text.split_once('=').ok_or(ReachError::Ports)?;
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    port(from).zip(port(to)).ok_or(ReachError::Ports)
}

impl Reach {
    /// The first flag that is given; with any of them the Internet is not the small one.
    pub(super) fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--dns", self.dns.is_some()),
            ("--root-hints", self.root_hints.is_some()),
            ("--trust-anchor", self.trust_anchor.is_some()),
            ("--allow-address", !self.allow_address.is_empty()),
            ("--map-port", !self.map_port.is_empty()),
            ("--allow-suffix", !self.allow_suffix.is_empty()),
        ];
        flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// What the flags come to on this machine; `out` is told what was found where they leave it
    /// open.
    pub(super) async fn network(
        &self,
        out: &mut dyn Write,
    ) -> Result<Network, Box<dyn Error + Send + Sync>> {
        let roots = self.roots()?;
        let is_own_root = roots != Roots::default();
        let dns = match self.dns {
            Some(Engine::Forwarder(address)) => {
                self.unread(address)?;
                let probed = resolver::probe(address).await;
                probed.map_err(|source| ReachError::Resolver { address, source })?;
                Dns::Forwarder(address)
            }
            Some(Engine::Embedded) => Dns::Embedded(roots),
            // Whoever names roots means the engine that reads them.
            None if is_own_root => Dns::Embedded(roots),
            None => match resolver::probe(resolver::LOCAL).await {
                Ok(()) => {
                    writeln!(out, "dns forwarder:{}", resolver::LOCAL)?;
                    Dns::Forwarder(resolver::LOCAL)
                }
                Err(error) => {
                    writeln!(out, "dns embedded, as {}", error.found())?;
                    Dns::Embedded(roots)
                }
            },
        };
        let lab = Lab {
            addresses: self.allow_address.clone(),
            ports: self.map_port.iter().copied().collect(),
            suffixes: self.allow_suffix.clone(),
        };
        Ok(Network::Real { dns, lab })
    }

    fn files(&self) -> [(&'static str, Option<&PathBuf>); 2] {
        [("--root-hints", self.root_hints.as_ref()), ("--trust-anchor", self.trust_anchor.as_ref())]
    }

    /// Agents work elsewhere, so their paths are whole.
    fn roots(&self) -> Result<Roots, ReachError> {
        let [root_hints, trust_anchor] = self.files().map(|(flag, file)| {
            file.map(|file| {
                let read = |source| ReachError::Read { flag, file: file.clone(), source };
                readable(file).map_err(read)
            })
            .transpose()
        });
        Ok(Roots { root_hints: root_hints?, trust_anchor: trust_anchor? })
    }

    fn unread(&self, forwarder: SocketAddr) -> Result<(), ReachError> {
        match self.files().into_iter().find_map(|(flag, file)| Some((flag, file?.clone()))) {
            Some((flag, file)) => Err(ReachError::NotEmbedded { flag, file, forwarder }),
            None => Ok(()),
        }
    }
}

fn readable(file: &Path) -> std::io::Result<PathBuf> {
    std::fs::read(file)?;
    std::path::absolute(file)
}

/// What an agent that checked its configuration says of it, in the words of the flags.
pub(super) fn refused(error: SystemError) -> Result<ReachError, SystemError> {
    let SystemError::Ended { tail, .. } = &error else { return Err(error) };
    let Some(said) = tail.lines().last().filter(|line| !line.trim().is_empty()) else {
        return Err(error);
    };
    let in_flags = |text: String, (key, flag): &(&str, &str)| text.replace(key, flag);
    Ok(ReachError::Refused(KEYS.iter().fold(said.trim().to_owned(), in_flags)))
}

/// The keys behind the flags.
const KEYS: [(&str, &str); 5] = [
    ("dns.root_hints", "--root-hints"),
    ("dns.trust_anchor", "--trust-anchor"),
    ("addr.allow", "--allow-address"),
    ("lab.ports", "--map-port"),
    ("names.allow_suffix", "--allow-suffix"),
];

#[cfg(test)]
mod tests {
    use super::*;

    async fn network(reach: Reach) -> Result<Network, String> {
        let network = reach.network(&mut Vec::new()).await;
        network.map_err(|error| mpic_runtime::process::chain(error.as_ref()))
    }

    #[test]
    fn an_engine_is_embedded_or_a_forwarder_with_address_and_port() {
        assert_eq!("embedded".parse::<Engine>().unwrap(), Engine::Embedded);
        for address in ["127.0.0.1:53", "[::1]:5300"] {
            let engine: Engine = format!("forwarder:{address}").parse().unwrap();
            assert_eq!(engine, Engine::Forwarder(address.parse().unwrap()));
        }
        for (text, why) in [
            ("unbound", "it is `embedded` or `forwarder:ADDR`"),
            ("", "it is `embedded`"),
            ("forwarder", "it is `embedded`"),
            ("embedded:127.0.0.1:53", "it is `embedded`"),
            ("127.0.0.1:53", "it is `embedded`"),
            ("forwarder:127.0.0.1", "`127.0.0.1` is no address with a port"),
            ("forwarder:::1", "`::1` is no address with a port"),
            ("forwarder:localhost:53", "`localhost:53` is no address with a port"),
            ("forwarder:", "`` is no address with a port"),
        ] {
            let error = text.parse::<Engine>().unwrap_err().to_string();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_mapping_is_two_ports() {
        assert_eq!(ports("53=5300").unwrap(), (53, 5_300));
        for text in ["53", "=", "53=", "53=65536", "0=53", "53=0", "53:5300"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn roots_are_files_that_only_embedded_reads() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root.hints");
        let reach = |dns| Reach { dns, root_hints: Some(file.clone()), ..Reach::default() };
        let error = network(reach(Some(Engine::Embedded))).await.unwrap_err();
        assert!(error.starts_with("--root-hints `/") && error.contains("No such file"), "{error}");
        std::fs::write(&file, "").unwrap();
        for dns in [None, Some(Engine::Embedded)] {
            let Network::Real { dns: Dns::Embedded(roots), .. } =
                network(reach(dns)).await.unwrap()
            else {
                panic!("roots are for `embedded`");
            };
            assert_eq!(roots, Roots { root_hints: Some(file.clone()), trust_anchor: None });
        }
        let forwarder = Engine::Forwarder(([127, 0, 0, 1], 1).into());
        let error = network(reach(Some(forwarder))).await.unwrap_err();
        assert!(
            error.starts_with("--root-hints `/") && error.contains("--dns embedded"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_forwarder_that_is_named_and_does_not_answer_is_an_error() {
        let forwarder = Engine::Forwarder(([127, 0, 0, 1], 1).into());
        let error = network(Reach { dns: Some(forwarder), ..Reach::default() }).await.unwrap_err();
        assert!(error.starts_with("--dns forwarder:127.0.0.1:1: no resolver answers"), "{error}");
    }

    #[test]
    fn what_an_agent_says_of_a_key_is_said_of_the_flag() {
        let ended = |tail: &str| SystemError::Ended {
            name: "agent-check".to_owned(),
            status: "exit status: 78".to_owned(),
            output: PathBuf::from("x"),
            tail: tail.to_owned(),
        };
        let error = refused(ended("\n  dns.root_hints `x`: name addr.allow")).unwrap();
        assert_eq!(error.to_string(), "--root-hints `x`: name --allow-address");
        assert!(refused(ended("")).is_err());
    }
}
