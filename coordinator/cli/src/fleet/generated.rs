//! Everything that a described fleet needs, written below one directory: keys, certificates, the
//! servers' configuration with everyone's rights, streams, a configuration for each process, and
//! the signed directory document.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::directory::{CaEntry, Directory};
use mpic_common::reply::PerspectiveRole;
use mpic_common::time::UnixMs;
use mpic_runtime::stream;
use serde::Serialize;

use super::description::{Certificates, Leaf, Release, Server, Source};
use super::keys::Keys;
use super::layout::Layout;
use super::network::{Dns, Lab};
use super::overlay;
use super::party::Party;
use super::plan::Plan;
use super::store::{Change, Mode, Store};
use super::{
    FleetError, Shared, agent, audit, bus, client, coordinator, document, gateway, identify, nkeys,
    operator, process, server_tls,
};
use crate::client::ProvisionConfig;

/// A described fleet, and where its files are written.
#[derive(Debug)]
pub struct Generated {
    source: Source,
    plan: Plan,
    layout: Layout,
    /// Where processes will find the files.
    installed: Layout,
}

/// Copies of each record, where there are as many servers.
const REPLICAS_MAX: usize = 3;
/// The name of the servers' cluster.
const CLUSTER: &str = "mpic";

impl Generated {
    /// Reads the description at `path`, for files below `out`.
    pub fn read(path: &Path, out: &Path) -> Result<Self, FleetError> {
        let source = Source::read(path)?;
        let layout = |dir: &Path| {
            Layout::new(dir).map_err(|source| FleetError::Io { path: dir.to_owned(), source })
        };
        let installed = layout(source.description.install.as_deref().unwrap_or(out))?;
        Ok(Self { plan: source.plan(), layout: layout(out)?, source, installed })
    }

    /// Writes what is missing or different and gives what that was; in `Mode::Check` it only tells.
    pub fn apply(&self, mode: Mode, now: UnixMs) -> Result<Vec<Change>, FleetError> {
        let (layout, plan) = (&self.layout, &self.plan);
        plan.policy.check(now.date())?;
        let mut store = Store::new(mode);
        for dir in [layout.dir().to_owned(), layout.configs(), self.streams()] {
            store.dir(&dir)?;
        }
        let users = self.identify(&mut store, now)?;
        let keys = Keys::load_or_create(&mut store, layout, plan)?;
        let standing = Store::read(&layout.directory_file())?;
        let document = document::renew(standing, plan, &keys, now)?;
        let root = keys.root.public();
        Directory::open(&document, &root)?;
        store.derived(&layout.directory_file(), document)?;
        store.derived(&layout.log_public_key(), format!("{}\n", keys.log))?;
        self.write_servers(&mut store, &users)?;
        // Collectors are settings of the description.
        let (servers, traces) = (self.urls(), None);
        let shared = Shared { layout: &self.installed, root, servers, traces };
        self.write_configs(&mut store, &shared)?;
        self.write_streams(&mut store)?;
        store.derived(&layout.dir().join("FILES"), self.manifest())?;
        Ok(store.into_changes())
    }

    fn identify(&self, store: &mut Store, now: UnixMs) -> Result<Vec<bus::User>, FleetError> {
        let servers = self.source.servers().map(|one| (one.name.as_str(), one.names.as_slice()));
        let leaves = self.source.leaves().map(|one| (one.name.as_str(), one.names.as_slice()));
        let gateway = self.secured_gateway().map(|names| (process::GATEWAY, names));
        let names: Vec<_> = servers.chain(leaves).chain(gateway).collect();
        match self.source.description.bus.certificates {
            Certificates::Private => identify(store, &self.layout, &self.plan, &names, now),
            Certificates::Own => {
                store.private_dir(&self.layout.keys())?;
                store.private_dir(&self.layout.tls())?;
                let parties = self.plan.parties().into_iter().map(|party| party.name());
                let servers = names.iter().map(|(name, _)| (*name).to_owned());
                for name in servers.chain(parties) {
                    store.expected(&self.layout.tls_certificate(&name));
                    store.expected(&self.layout.tls_key(&name));
                }
                store.expected(&self.layout.tls_certificate("ca"));
                nkeys(store, &self.layout, &self.plan)
            }
        }
    }

    /// The names that the gateway has a certificate for, where it has one.
    fn secured_gateway(&self) -> Option<&[String]> {
        let names = &self.source.description.gateway.as_ref()?.names;
        (!names.is_empty()).then_some(names)
    }

    /// Where clients reach the servers.
    fn urls(&self) -> Vec<String> {
        let url = |server: &Server| url(&server.names, server.listen.port());
        self.source.servers().map(url).collect()
    }

    /// The leaf nodes that the agents of `perspective` are behind.
    fn leaves_of<'a>(&'a self, perspective: &'a PerspectiveId) -> impl Iterator<Item = &'a Leaf> {
        self.source.leaves().filter(move |leaf| leaf.perspective == *perspective)
    }

    /// Writes the configuration of each server and leaf node.
    ///
    /// An agent that is behind a leaf is known there and nowhere else.
    fn write_servers(&self, store: &mut Store, users: &[bus::User]) -> Result<(), FleetError> {
        let is_behind = |(party, _): &&bus::User| match party {
            Party::Agent(code) => self.leaves_of(code).next().is_some(),
            _ => false,
        };
        let direct: Vec<_> = users.iter().filter(|user| !is_behind(user)).cloned().collect();
        for server in self.source.servers() {
            let config = bus::config(&self.server(server), &direct);
            store.derived(&self.server_config(&server.name), config)?;
        }
        for leaf in self.source.leaves() {
            let party = Party::Agent(leaf.perspective.clone());
            let own = |(other, _): &&bus::User| *other == party || *other == Party::System;
            let own: Vec<_> = users.iter().filter(own).cloned().collect();
            store.derived(&self.server_config(&leaf.name), bus::config(&self.leaf(leaf), &own))?;
        }
        Ok(())
    }

    fn server(&self, server: &Server) -> bus::Server {
        let shared = &self.source.description.bus;
        let name = server.name.as_str();
        let others = || self.source.servers().filter(|other| other.name != server.name);
        let route = |other: &Server| url(&other.names, other.cluster.port());
        let cluster = others().next().is_some().then(|| bus::Cluster {
            name: CLUSTER.to_owned(),
            listen: server.cluster.to_string(),
            routes: others().map(route).collect(),
        });
        let known = |leaf: &Leaf| Some((leaf.host_name()?.to_owned(), leaf.perspective.clone()));
        let leaves: Vec<_> = self.source.leaves().filter_map(known).collect();
        let (dir, max) = (shared.streams.join(name), shared.streams_max.clone());
        bus::Server {
            name: name.to_owned(),
            listen: server.listen.to_string(),
            ports_dir: None,
            monitor: Some(server.monitor.to_string()),
            streams: Some(bus::Streams { dir, max }),
            tls: server_tls(&self.installed, name),
            cluster,
            leaves: if leaves.is_empty() {
                bus::Leaves::None
            } else {
                let perspectives = self.plan.perspectives.iter();
                let perspectives = perspectives.map(|listed| listed.code.clone()).collect();
                bus::Leaves::From { listen: server.leaves.to_string(), leaves, perspectives }
            },
            release: self.release(),
        }
    }

    fn leaf(&self, leaf: &Leaf) -> bus::Server {
        let name = leaf.name.as_str();
        let url = |server: &Server| url(&server.names, server.leaves.port());
        bus::Server {
            name: name.to_owned(),
            listen: leaf.listen.to_string(),
            ports_dir: None,
            monitor: Some(leaf.monitor.to_string()),
            streams: None,
            tls: server_tls(&self.installed, name),
            cluster: None,
            leaves: bus::Leaves::Of(self.source.servers().map(url).collect()),
            release: self.release(),
        }
    }

    fn release(&self) -> bus::Release {
        match self.source.description.bus.release {
            Release::V2_9 => bus::Release::V2_9,
            Release::V2_12 => bus::Release::V2_12,
        }
    }

    fn server_config(&self, name: &CaId) -> PathBuf {
        self.layout.configs().join(format!("{name}.conf"))
    }

    fn write_configs(&self, store: &mut Store, shared: &Shared<'_>) -> Result<(), FleetError> {
        let (layout, all) = (&self.layout, &self.source.description);
        let primary = all.primary.get_ref();
        for listed in self.source.perspectives() {
            let role = if listed.code == *primary {
                PerspectiveRole::Primary
            } else {
                PerspectiveRole::Remote
            };
            let mut beyond = all.settings.agent.clone();
            overlay::merge(&mut beyond, listed.agent.clone());
            let path = layout.config(&Party::Agent(listed.code.clone()).name());
            let dns = listed.forwarder.map_or_else(Dns::default, Dns::Forwarder);
            let reached = (&dns, &Lab::default());
            let behind: Vec<_> = self.leaves_of(&listed.code).collect();
            let leaf = |leaf: &&Leaf| url(&leaf.names, leaf.listen.port());
            let servers = if behind.is_empty() {
                shared.servers.clone()
            } else {
                behind.iter().map(leaf).collect()
            };
            let shared = &Shared { servers, traces: None, ..*shared };
            let config = agent::config(shared, (&listed.code, role), reached, beyond);
            put(store, &path, config)?;
        }
        for code in &self.plan.coordinators {
            let config = coordinator::config(shared, code, primary, Vec::new());
            let config = overlay::merged(&config, all.settings.coordinator.clone());
            put(store, &layout.config(code.as_str()), config)?;
        }
        let config = audit::config(shared, &all.log.data_dir, &all.log.origin);
        let config = overlay::merged(&config, all.settings.audit.clone());
        put(store, &layout.config(&Party::Audit.name()), config)?;
        self.write_gateway(store, shared)?;
        for ca in &self.plan.cas {
            store
                .toml(&layout.config(&format!("client-{}", ca.code)), &client(shared, ca, None))?;
        }
        let here =
            Shared { layout, root: shared.root, servers: shared.servers.clone(), traces: None };
        if let Some(ca) = self.plan.cas.first() {
            store.toml(&layout.client(), &client(&here, ca, None))?;
        }
        for name in &self.plan.operators {
            let party = Party::Operator(name.clone());
            store.toml(&layout.config(&party.name()), &operator(shared, name))?;
        }
        if let Some(name) = self.plan.operators.first() {
            store.toml(&layout.operator(), &operator(&here, name))?;
        }
        let provision = ProvisionConfig {
            decisions_per_day: all.bus.decisions_per_day,
            replicas: self.replicas(),
            bus: here.bus(&Party::Provisioning),
        };
        store.toml(&layout.config(&Party::Provisioning.name()), &provision)
    }

    /// The gateway's, where there is one, with an API key for each CA.
    fn write_gateway(&self, store: &mut Store, shared: &Shared<'_>) -> Result<(), FleetError> {
        let all = &self.source.description;
        let Some(described) = &all.gateway else { return Ok(()) };
        let mut cas = Vec::new();
        for ca in &self.plan.cas {
            let path = self.layout.key(&gateway::api_key_name(&ca.code));
            cas.push((&ca.code, gateway::api_key(store, &path)?));
        }
        let mut config = gateway::config(shared, described.listen, cas);
        config.tls = self.secured_gateway().map(|_| gateway::Tls::of(shared.layout));
        let config = overlay::merged(&config, all.settings.gateway.clone());
        put(store, &self.layout.config(process::GATEWAY), config)
    }

    fn replicas(&self) -> usize {
        match self.source.servers().count() {
            servers if servers >= REPLICAS_MAX => REPLICAS_MAX,
            _ => 1,
        }
    }

    fn streams(&self) -> PathBuf {
        self.layout.dir().join("streams")
    }

    /// What provisioning makes, for who makes it with other tools.
    fn write_streams(&self, store: &mut Store) -> Result<(), FleetError> {
        let octets_max = stream::octets_for(self.source.description.bus.decisions_per_day);
        let audit = stream::audit_config(octets_max, self.replicas());
        let head = stream::head_config(self.replicas());
        let consumer = stream::consumer_config();
        for (name, json) in [
            (audit.name.clone(), json(&audit)),
            (head.name.clone(), json(&head)),
            (format!("{}.consumer", audit.name), json(&consumer)),
        ] {
            store.derived(&self.streams().join(format!("{name}.json")), json)?;
        }
        Ok(())
    }

    /// Which files go where, and which stay.
    fn manifest(&self) -> String {
        let mut text = String::from(MANIFEST);
        let servers = self.source.servers().map(|server| &server.name);
        for name in servers.chain(self.source.leaves().map(|leaf| &leaf.name)) {
            let _ = writeln!(text, "{name}: config/{name}.conf {}", tls_files(name.as_str()));
        }
        if self.source.description.gateway.is_some() {
            let of_ca = |ca: &CaEntry| {
                let name = Party::Ca(ca.code.clone()).name();
                format!("keys/{name}.nk keys/{name}.key {}", tls_files(&name))
            };
            let own: Vec<_> = self.plan.cas.iter().map(of_ca).collect();
            let own = own.join(" ");
            let files = format!("config/gateway.toml directory.mpic {own}");
            // Clients believe the authority that its certificate comes from.
            let (tls, authority) = match self.secured_gateway() {
                Some(_) => (" tls/gateway.pem tls/gateway.key", " tls/ca.pem"),
                None => ("", ""),
            };
            let _ = writeln!(text, "gateway: {files}{tls}");
            for ca in &self.plan.cas {
                let (code, key) = (&ca.code, gateway::api_key_name(&ca.code));
                let _ = writeln!(text, "clients of {code}: keys/{key}.key{authority}");
            }
        }
        for party in self.plan.parties() {
            let name = party.name();
            let own = format!("keys/{name}.nk {}", tls_files(&name));
            let config = format!("config/{name}.toml");
            let more = match &party {
                Party::Agent(_) | Party::Operator(_) => {
                    format!("{config} keys/{name}.key directory.mpic")
                }
                Party::Coordinator(_) => {
                    format!("{config} keys/{name}.key keys/seed.key directory.mpic")
                }
                Party::Audit => format!("{config} keys/log.key"),
                Party::Ca(code) => {
                    format!("config/client-{code}.toml keys/{name}.key directory.mpic")
                }
                Party::Provisioning => config,
                Party::Auditor(_) | Party::Ops | Party::System => String::new(),
            };
            let _ = writeln!(text, "{}", format!("{name}: {own} {more}").trim_end());
        }
        text
    }
}

const MANIFEST: &str = "\
# Which files each process needs. keys/root.key and tls/ca.key belong to none of them: keep them
# offline.
";

fn tls_files(name: &str) -> String {
    format!("tls/{name}.pem tls/{name}.key tls/ca.pem")
}

/// Where others reach a server: at the first of its names.
fn url(names: &[String], port: u16) -> String {
    let name = names.first().map_or("", String::as_str);
    if name.contains(':') {
        format!("tls://[{name}]:{port}")
    } else {
        format!("tls://{name}:{port}")
    }
}

fn put(
    store: &mut Store,
    path: &Path,
    config: Result<toml::Table, toml::ser::Error>,
) -> Result<(), FleetError> {
    let config = config.map_err(|source| FleetError::Toml { path: path.to_owned(), source })?;
    store.toml(path, &config)
}

fn json(value: &impl Serialize) -> String {
    // Settings of streams are numbers and text.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests;
