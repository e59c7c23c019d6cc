//! A fleet as people describe it: perspectives, coordinators, CAs, and the servers of the bus.

mod servers;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mpic_common::code::{CaId, CoordinatorId, PerspectiveId};
use mpic_common::directory::PerspectiveEntry;
use mpic_common::perspective::Location;
use mpic_common::policy::{Policy, Profile};
use mpic_common::time::UnixMs;
use serde::Deserialize;
use toml::Spanned;

use super::party::Party;
use super::plan::Plan;
use super::process::GATEWAY;
use crate::command::directory::written::{WrittenCa, WrittenPlace, udeg};

pub(super) use servers::{Leaf, Server};

/// One TOML file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// The perspective that makes the primary determination. Required.
    pub(super) primary: Spanned<PerspectiveId>,
    /// Where processes find their files. Default: where they are written.
    pub(super) install: Option<PathBuf>,
    /// What `decide` follows. Default the strict profile.
    #[serde(default = "strict")]
    policy: Policy,
    pub(super) log: LogPlace,
    pub(super) bus: Bus,
    #[serde(default)]
    server: Vec<Spanned<Server>>,
    #[serde(default)]
    leaf: Vec<Spanned<Leaf>>,
    #[serde(default)]
    pub(super) perspective: Vec<Spanned<WrittenPerspective>>,
    #[serde(default)]
    coordinator: Vec<Spanned<Coordinator>>,
    #[serde(default)]
    ca: Vec<Spanned<WrittenCa>>,
    /// The gateway for clients of the Open MPIC API. Default none.
    pub(super) gateway: Option<Gateway>,
    #[serde(default)]
    auditor: Vec<Spanned<Auditor>>,
    #[serde(default)]
    operator: Vec<Spanned<Operator>>,
    /// Settings of every process of a kind, beyond what is generated.
    #[serde(default)]
    pub(super) settings: Settings,
}

fn strict() -> Policy {
    Policy::of(Profile::Strict)
}

/// The log of the audit consumer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogPlace {
    /// Its name, such as `audit.ca.example/mpic/2026h2`. Required.
    pub(super) origin: String,
    /// Where it lies. Default `/var/lib/mpic-audit`.
    #[serde(default = "data_dir")]
    pub(super) data_dir: PathBuf,
}

fn data_dir() -> PathBuf {
    "/var/lib/mpic-audit".into()
}

/// What all servers have alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bus {
    /// The oldest release among them: `2.9`, or `2.12` for 2.11 and newer. Required.
    pub(super) release: Release,
    /// Who vouches for servers and clients. Default `private`.
    #[serde(default)]
    pub(super) certificates: Certificates,
    /// The stream is to hold six days of them. Default 10,000.
    #[serde(default = "decisions_per_day")]
    pub(super) decisions_per_day: u32,
    /// Where streams lie. Default `/var/lib/nats`.
    #[serde(default = "streams")]
    pub(super) streams: PathBuf,
    /// What they may take there. Default `80GB`.
    #[serde(default = "streams_max")]
    pub(super) streams_max: String,
}

fn decisions_per_day() -> u32 {
    10_000
}

fn streams() -> PathBuf {
    "/var/lib/nats".into()
}

fn streams_max() -> String {
    "80GB".to_owned()
}

/// What nats-server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Release {
    #[serde(rename = "2.9")]
    V2_9,
    #[serde(rename = "2.12")]
    V2_12,
}

/// Who vouches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Certificates {
    /// An authority that is made for this fleet alone.
    #[default]
    Private,
    /// The operator's own, who puts the files in place.
    Own,
}

/// A perspective and its agents, which share its files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenPerspective {
    pub(super) code: PerspectiveId,
    region: String,
    asn: u32,
    provider: Option<String>,
    egress: Spanned<WrittenPlace>,
    /// Where the egress is, if it is not said.
    resolver: Option<Spanned<WrittenPlace>>,
    /// The validating resolver that its agents ask. Default: they ask the authoritative servers.
    pub(super) forwarder: Option<SocketAddr>,
    /// Settings of its agents, beyond what is generated and what `settings.agent` says.
    #[serde(default)]
    pub(super) agent: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Coordinator {
    code: CoordinatorId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Auditor {
    code: CaId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operator {
    name: CaId,
}

/// Speaks for every CA, each with an API key of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    /// Where clients come. Default `127.0.0.1:8000`, for a proxy on the same host.
    #[serde(default = "listen_http")]
    pub(super) listen: SocketAddr,
    /// The host names and addresses that clients reach it by: it gets a certificate for them. Default
    /// none. Beyond loopback these or `settings.gateway.tls` are required.
    #[serde(default)]
    pub(super) names: Vec<String>,
}

fn listen_http() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8_000))
}

/// Settings beyond what is generated.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) agent: toml::Table,
    pub(super) coordinator: toml::Table,
    pub(super) audit: toml::Table,
    pub(super) gateway: toml::Table,
}

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no such TOML; the message names line and key.
    #[error("{path}: {message}")]
    Toml {
        /// Which.
        path: PathBuf,
        /// What is wrong where.
        message: String,
    },
    /// A value that cannot be.
    #[error("{path} line {line}: {field} `{value}`: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Which key.
        field: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A description together with its text, so that errors name lines.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
    pub(super) description: Description,
}

impl Source {
    /// Reads the file at `path`; whatever is wrong in itself is found here.
    pub(super) fn read(path: &Path) -> Result<Self, DescriptionError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DescriptionError::Read { path: path.to_owned(), source })?;
        let description = toml::from_str(&text).map_err(|error| DescriptionError::Toml {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        let source = Self { path: path.to_owned(), text, description };
        source.check_names()?;
        source.check_places()?;
        source.check_rest()?;
        source.check_leaves()?;
        Ok(source)
    }

    /// The error that `value` of `field`, which begins at the octet `at`, cannot be.
    fn wrong(
        &self,
        at: usize,
        field: &'static str,
        value: impl Display,
        reason: impl Display,
    ) -> DescriptionError {
        let before = self.text.get(..at).unwrap_or_default();
        DescriptionError::Value {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            field,
            value: value.to_string(),
            reason: reason.to_string(),
        }
    }

    /// No two parties or servers share the name of their files, and a code says what it is of.
    fn check_names(&self) -> Result<(), DescriptionError> {
        let all = &self.description;
        let mut seen: BTreeSet<_> =
            [Party::Audit, Party::Ops, Party::Provisioning, Party::System].map(|p| p.name()).into();
        seen.insert("ca".to_owned());
        seen.extend(all.gateway.iter().map(|_| GATEWAY.to_owned()));
        let mut take = |at: usize, field, name: String| {
            if seen.insert(name.clone()) {
                return Ok(());
            }
            Err(self.wrong(at, field, &name, "the name is taken"))
        };
        for server in &all.server {
            take(server.span().start, "server.name", server.get_ref().name.to_string())?;
        }
        for leaf in &all.leaf {
            take(leaf.span().start, "leaf.name", leaf.get_ref().name.to_string())?;
        }
        for listed in &all.perspective {
            let party = Party::Agent(listed.get_ref().code.clone());
            take(listed.span().start, "perspective.code", party.name())?;
        }
        for coordinator in &all.coordinator {
            take(
                coordinator.span().start,
                "coordinator.code",
                coordinator.get_ref().code.to_string(),
            )?;
        }
        for ca in &all.ca {
            let code = &ca.get_ref().code;
            if code.as_str().starts_with(AUDITOR) {
                let reason = "such a code is an auditor's";
                return Err(self.wrong(ca.span().start, "ca.code", code, reason));
            }
            take(ca.span().start, "ca.code", Party::Ca(code.clone()).name())?;
            // CAs and coordinators share one set of codes.
            take(ca.span().start, "ca.code", code.to_string())?;
        }
        for auditor in &all.auditor {
            let code = &auditor.get_ref().code;
            if !code.as_str().starts_with(AUDITOR) {
                let reason = "an auditor's code begins with auditor-";
                return Err(self.wrong(auditor.span().start, "auditor.code", code, reason));
            }
            take(auditor.span().start, "auditor.code", code.to_string())?;
        }
        for operator in &all.operator {
            let party = Party::Operator(operator.get_ref().name.clone());
            take(operator.span().start, "operator.name", party.name())?;
        }
        Ok(())
    }

    fn check_places(&self) -> Result<(), DescriptionError> {
        for listed in &self.description.perspective {
            let WrittenPerspective { egress, resolver, code, .. } = listed.get_ref();
            for place in [Some(egress), resolver.as_ref()].into_iter().flatten() {
                let (at, written) = (place.span().start, place.get_ref());
                let (latitude, longitude) = (udeg(written.latitude), udeg(written.longitude));
                if let Err(error) = Location::new(latitude, longitude) {
                    let value = format!("{}, {}", written.latitude, written.longitude);
                    return Err(self.wrong(at, "perspective.egress", value, error));
                }
                if written.registry != egress.get_ref().registry {
                    let reason = format!("its perspective {code} is in another region");
                    let field = "perspective.resolver.registry";
                    return Err(self.wrong(at, field, written.registry, reason));
                }
            }
        }
        Ok(())
    }

    fn check_rest(&self) -> Result<(), DescriptionError> {
        let all = &self.description;
        let (at, primary) = (all.primary.span().start, all.primary.get_ref());
        if !all.perspective.iter().any(|listed| listed.get_ref().code == *primary) {
            return Err(self.wrong(at, "primary", primary, "no such perspective is listed"));
        }
        for (field, is_empty) in [
            ("server", all.server.is_empty()),
            ("coordinator", all.coordinator.is_empty()),
            ("ca", all.ca.is_empty()),
        ] {
            if is_empty {
                return Err(self.wrong(0, field, "", "at least one is needed"));
            }
        }
        if let Some(Gateway { listen, names }) = &all.gateway {
            let is_secured = !names.is_empty() || all.settings.gateway.contains_key("tls");
            if !is_secured && !listen.ip().is_loopback() {
                let reason = "beyond loopback it needs TLS: gateway.names or settings.gateway.tls";
                return Err(self.wrong(0, "gateway.listen", listen, reason));
            }
        }
        for ca in all.ca.iter().filter(|_| all.gateway.is_some()) {
            if ca.get_ref().primary.is_none() {
                let reason = "the gateway needs the place of the CA's own primary perspective";
                return Err(self.wrong(ca.span().start, "ca.primary", "", reason));
            }
        }
        for server in &all.server {
            if server.get_ref().names.is_empty() {
                let reason = "by which name or address do others reach it?";
                return Err(self.wrong(server.span().start, "server.names", "[]", reason));
            }
        }
        Ok(())
    }

    /// The servers of the bus.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.description.server.iter().map(Spanned::get_ref)
    }

    /// The leaf nodes of the bus.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.description.leaf.iter().map(Spanned::get_ref)
    }

    /// The perspectives.
    pub(super) fn perspectives(&self) -> impl Iterator<Item = &WrittenPerspective> {
        self.description.perspective.iter().map(Spanned::get_ref)
    }

    /// What the directory document lists, and who connects.
    pub(super) fn plan(&self) -> Plan {
        let all = &self.description;
        let ca = |ca: &Spanned<WrittenCa>| ca.get_ref().clone().entry();
        Plan {
            perspectives: self.perspectives().map(WrittenPerspective::entry).collect(),
            coordinators: all.coordinator.iter().map(|one| one.get_ref().code.clone()).collect(),
            cas: all.ca.iter().map(ca).collect(),
            auditors: all.auditor.iter().map(|one| one.get_ref().code.clone()).collect(),
            operators: all.operator.iter().map(|one| one.get_ref().name.clone()).collect(),
            origin: all.log.origin.clone(),
            policy: all.policy.clone(),
        }
    }
}

/// What the code of an auditor begins with.
const AUDITOR: &str = "auditor-";

impl WrittenPerspective {
    fn entry(&self) -> PerspectiveEntry {
        let egress = self.egress.get_ref();
        let resolver = self.resolver.as_ref().map_or(egress, Spanned::get_ref);
        PerspectiveEntry {
            code: self.code.clone(),
            registry: egress.registry,
            region: self.region.clone(),
            asn: self.asn,
            provider: self.provider.clone(),
            latitude_udeg: udeg(egress.latitude),
            longitude_udeg: udeg(egress.longitude),
            resolver_registry: resolver.registry,
            resolver_latitude_udeg: udeg(resolver.latitude),
            resolver_longitude_udeg: udeg(resolver.longitude),
            from_ms: UnixMs::default(),
            until_ms: None,
        }
    }
}
