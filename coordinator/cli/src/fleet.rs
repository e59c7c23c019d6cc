//! A whole system on one machine, from a few choices: keys, the signed directory document, the
//! configuration of each process, and how to start them.
//!
//! Ports are free ones of each start, so the files come in two steps: `write` before the bus and
//! the small Internet run, `connect` once it is known where they listen. Both may be repeated:
//! keys are made once, and the directory document changes only with what it lists.

mod agent;
pub mod atlas;
mod audit;
mod authority;
pub mod bus;
mod coordinator;
pub mod demo;
mod description;
mod document;
pub mod gateway;
pub mod generated;
mod internet;
mod keys;
pub mod layout;
mod network;
mod overlay;
pub mod party;
mod plan;
mod process;
pub mod rotation;
pub mod store;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};

use mpic_audit::note;
use mpic_common::code::{CaId, CodeError, CoordinatorId, PerspectiveId};
use mpic_common::directory::{CaEntry, DirectoryError, PerspectiveEntry};
use mpic_common::limits::COHORT_MAX;
use mpic_common::policy::{Looser, Policy};
use mpic_common::reply::PerspectiveRole;
use mpic_common::signature::PublicKey;
use mpic_common::time::UnixMs;
use mpic_common::wire::Malformed;
use mpic_runtime::config::{BusConfig, TracesConfig};
use mpic_runtime::keys::KeyFileError;

use crate::client::ClientConfig;
use crate::operator::OperatorConfig;
use atlas::Site;
use authority::{Authority, Holder};
use keys::Keys;
use layout::{Layout, ORIGIN};
use party::Party;
use plan::Plan;
use store::{Mode, Store};

pub use description::DescriptionError;
pub use internet::InternetAddresses;
pub use network::{Dns, Lab, Network, Roots};
pub use process::{Process, ReadyWhen};

/// The CA of a local fleet.
pub const CA: &str = "ca1";
/// The name that it looks for in CAA records.
pub const ISSUER_DOMAIN: &str = "ca.example";
/// What its account URIs begin with.
pub const ACCOUNT_URIS: &str = "https://ca.example/acct/";

/// What to choose of a local fleet.
#[derive(Debug, Clone)]
pub struct Options {
    /// Remote perspectives, at most 20; there is one primary besides.
    pub remotes: NonZeroUsize,
    /// Coordinators; one is enough for most.
    pub coordinators: NonZeroUsize,
    /// The Internet that the perspectives look at.
    pub internet: Internet,
    /// What `decide` follows.
    pub policy: Policy,
    /// The port of the bus on loopback; nil takes a free one at each start.
    pub bus_port: Option<NonZeroU16>,
    /// Where every process sends its traces.
    pub traces: Option<TracesConfig>,
    /// Where the gateway of the CA listens, on loopback; nil starts none.
    pub gateway: Option<SocketAddr>,
}

/// An Internet to look at.
#[derive(Debug, Clone)]
pub enum Internet {
    /// A small one on loopback with this content: zones, records, faults and pages as
    /// `mpic-internet` reads them, without its views.
    Loopback(toml::Table),
    /// The public one.
    Real,
}

/// A local fleet: what it consists of and where it lies.
#[derive(Debug, Clone)]
pub struct Fleet {
    layout: Layout,
    options: Options,
    plan: Plan,
    primary: Member,
    remotes: Vec<Member>,
}

/// One perspective of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its code.
    pub code: PerspectiveId,
    /// Whether it is the primary.
    pub role: PerspectiveRole,
    /// Where it is said to be.
    pub site: Site,
    /// Where its checks leave from on the small Internet, and so how that knows it.
    pub source: Ipv4Addr,
    /// Where its resolver listens on the small Internet.
    pub resolver: Ipv4Addr,
}

/// Why a fleet cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// More than one attempt may ask.
    #[error("{0} remotes: at most {COHORT_MAX} are asked")]
    Remotes(usize),
    /// A file or directory.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A private key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The key of the log.
    #[error("cannot use the log's key")]
    LogKey(#[from] note::KeyError),
    /// A code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The directory document that is there already.
    #[error("cannot read the directory document that is there")]
    Directory(#[from] Malformed),
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Issue(#[from] rcgen::Error),
    /// A certificate that is there cannot be read.
    #[error("{path} is no certificate in PEM")]
    Certificate {
        /// Where it is.
        path: PathBuf,
    },
    /// The authority's certificate is there and its key is not.
    #[error("{key} is missing: its authority must issue what is to be made")]
    AuthorityKey {
        /// Where it should be.
        key: PathBuf,
    },
    /// The description is none.
    #[error(transparent)]
    Description(#[from] DescriptionError),
    /// What it describes makes no directory document.
    #[error("the fleet makes no directory document")]
    Listed(#[from] DirectoryError),
    /// Its policy is looser than the Baseline Requirements.
    #[error(transparent)]
    Policy(#[from] Looser),
    /// A configuration that TOML cannot say.
    #[error("cannot write {path} as TOML")]
    Toml {
        /// Which.
        path: PathBuf,
        /// Why.
        source: toml::ser::Error,
    },
}

impl Fleet {
    /// Plans a fleet below `dir`; nothing is written yet.
    pub fn plan(dir: &Path, options: Options) -> Result<Self, FleetError> {
        let remotes = options.remotes.get();
        if remotes > atlas::REMOTES.len() {
            return Err(FleetError::Remotes(remotes));
        }
        let layout =
            Layout::new(dir).map_err(|source| FleetError::Io { path: dir.to_owned(), source })?;
        let primary = Member::new(atlas::PRIMARY, PerspectiveRole::Primary, 1)?;
        let remotes: Vec<_> = (2..)
            .zip(atlas::REMOTES.iter().take(remotes))
            .map(|(number, site)| Member::new(*site, PerspectiveRole::Remote, number))
            .collect::<Result<_, _>>()?;
        let coordinators = (0..options.coordinators.get())
            .map(|number| format!("coordinator-{number}").parse())
            .collect::<Result<Vec<CoordinatorId>, _>>()?;
        let members = std::iter::once(&primary).chain(&remotes);
        let plan = Plan {
            perspectives: (ASN_FIRST..).zip(members).map(|(asn, one)| one.listed(asn)).collect(),
            coordinators,
            cas: vec![ca()?],
            auditors: Vec::new(),
            operators: vec![OPERATOR.parse()?],
            origin: ORIGIN.to_owned(),
            policy: options.policy.clone(),
        };
        Ok(Self { layout, options, plan, primary, remotes })
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The primary perspective.
    pub fn primary(&self) -> &Member {
        &self.primary
    }

    /// The remote perspectives.
    pub fn remotes(&self) -> &[Member] {
        &self.remotes
    }

    /// The primary, then the remotes.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.primary).chain(&self.remotes)
    }

    /// The coordinators' codes.
    pub fn coordinators(&self) -> &[CoordinatorId] {
        &self.plan.coordinators
    }

    /// Writes keys, certificates, directory document, and the configuration of the bus and the
    /// small Internet.
    pub fn write(&self, now: UnixMs) -> Result<(), FleetError> {
        let (layout, plan) = (&self.layout, &self.plan);
        let mut store = Store::new(Mode::Write);
        for dir in
            [layout.configs(), layout.log_data(), layout.streams(), layout.outputs(), layout.run()]
        {
            store.dir(&dir)?;
        }
        let users = identify(&mut store, layout, plan, &[(SERVER, &loopback_names())], now)?;
        let keys = Keys::load_or_create(&mut store, layout, plan)?;
        let standing = Store::read(&layout.directory_file())?;
        let document = document::renew(standing, plan, &keys, now)?;
        store.derived(&layout.directory_file(), document)?;
        store.derived(&layout.log_public_key(), format!("{}\n", keys.log))?;
        store.derived(&layout.bus_config(), bus::config(&self.server(), &users))?;
        if let Internet::Loopback(content) = &self.options.internet {
            let config = internet::config(content, self.members());
            store.toml(&layout.config("internet"), &config)?;
        }
        Ok(())
    }

    /// The one server, on loopback; without a port it takes a free one and says which in a file.
    fn server(&self) -> bus::Server {
        let port = self.options.bus_port.map_or(-1, |port| i32::from(port.get()));
        bus::Server {
            name: SERVER.to_owned(),
            listen: format!("127.0.0.1:{port}"),
            ports_dir: Some(self.layout.run()),
            monitor: None,
            streams: Some(bus::Streams { dir: self.layout.streams(), max: "20GB".to_owned() }),
            tls: server_tls(&self.layout, SERVER),
            cluster: None,
            leaves: bus::Leaves::None,
            release: bus::Release::V2_9,
        }
    }

    /// Writes the configuration of all others, who must know where bus and Internet are.
    ///
    /// `bus` is a URL such as `tls://127.0.0.1:4222`.
    pub fn connect(&self, bus: &str, network: &Network) -> Result<(), FleetError> {
        let layout = &self.layout;
        let mut store = Store::new(Mode::Write);
        let root = Keys::load_or_create(&mut store, layout, &self.plan)?.root.public();
        let traces = self.options.traces.clone();
        let shared = Shared { layout, root, servers: vec![bus.to_owned()], traces };
        let audit = audit::config(&shared, &layout.log_data(), ORIGIN);
        store.toml(&layout.config("audit"), &audit)?;
        for member in self.members() {
            let path = layout.config(&process::agent(&member.code));
            let config = member.config(&shared, network);
            let config =
                config.map_err(|source| FleetError::Toml { path: path.clone(), source })?;
            store.toml(&path, &config)?;
        }
        for code in self.coordinators() {
            let path = layout.config(code.as_str());
            let relaxations = network.relaxations();
            let relaxations =
                relaxations.map_err(|source| FleetError::Toml { path: path.clone(), source })?;
            let config = coordinator::config(&shared, code, &self.primary.code, relaxations);
            store.toml(&path, &config)?;
        }
        if let Some(listen) = self.options.gateway {
            let key = gateway::api_key(&mut store, &layout.api_key())?;
            let config = gateway::config(&shared, listen, [(&ca()?.code, key)]);
            store.toml(&layout.config(process::GATEWAY), &config)?;
        }
        for name in &self.plan.operators {
            store.toml(&layout.operator(), &operator(&shared, name))?;
        }
        let logs = Some((layout.log(), layout.log_public_key()));
        store.toml(&layout.client(), &client(&shared, &ca()?, logs))
    }
}

/// The nkeys and certificates of everyone, and of these servers under their names.
fn identify(
    store: &mut Store,
    layout: &Layout,
    plan: &Plan,
    servers: &[(&str, &[String])],
    now: UnixMs,
) -> Result<Vec<bus::User>, FleetError> {
    store.private_dir(&layout.keys())?;
    store.private_dir(&layout.tls())?;
    let authority = Authority::load_or_create(store, layout, now)?;
    for (name, names) in servers {
        authority.issue(store, layout, name, &Holder::Server(names))?;
    }
    for party in plan.parties() {
        authority.issue(store, layout, &party.name(), &Holder::Client)?;
    }
    nkeys(store, layout, plan)
}

/// What the bus knows everyone by: while an nkey is rotated, the one before it too.
fn nkeys(store: &mut Store, layout: &Layout, plan: &Plan) -> Result<Vec<bus::User>, FleetError> {
    let mut users = Vec::new();
    for party in plan.parties() {
        let mut known = vec![store.nkey(&layout.nkey(&party.name()))?];
        let retiring = Store::read(&layout.retiring_nkey(&party.name()))?.unwrap_or_default();
        known.extend(String::from_utf8_lossy(&retiring).split_whitespace().map(str::to_owned));
        users.push((party, known));
    }
    Ok(users)
}

fn server_tls(layout: &Layout, name: &str) -> bus::Tls {
    bus::Tls {
        certificate: layout.tls_certificate(name),
        key: layout.tls_key(name),
        ca: layout.tls_certificate("ca"),
    }
}

/// How `ca` reaches the bus, and how people look at it; `log` is the log and the file of its key.
fn client(shared: &Shared<'_>, ca: &CaEntry, log: Option<(PathBuf, PathBuf)>) -> ClientConfig {
    let (layout, party) = (shared.layout, Party::Ca(ca.code.clone()));
    let (log, log_key_file) = log.unzip();
    ClientConfig {
        ca: ca.code.clone(),
        issuer_domains: ca.issuer_domains.clone(),
        key_file: Some(layout.key(&party.name())),
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        log,
        log_key_file,
        bus: shared.bus(&party),
        ops: Some(shared.bus(&Party::Ops)),
        traces: shared.traces.clone(),
    }
}

/// How an operator signs notes and reaches the bus.
fn operator(shared: &Shared<'_>, name: &CaId) -> OperatorConfig {
    let (layout, party) = (shared.layout, Party::Operator(name.clone()));
    OperatorConfig {
        operator: name.to_string(),
        key_file: Some(layout.key(&party.name())),
        directory_file: layout.directory_file(),
        directory_root: shared.root.to_string(),
        bus: Some(shared.bus(&party)),
    }
}

/// The operator of a local fleet.
const OPERATOR: &str = "local";

/// The CA of a local fleet.
fn ca() -> Result<CaEntry, CodeError> {
    Ok(CaEntry {
        code: CA.parse()?,
        issuer_domains: vec![ISSUER_DOMAIN.to_owned()],
        account_uris: vec![ACCOUNT_URIS.to_owned()],
        sign_jobs: false,
        primary: Some(atlas::PRIMARY.place()),
    })
}

/// The one server of a local fleet.
const SERVER: &str = "local";

fn loopback_names() -> [String; 2] {
    ["localhost".to_owned(), "127.0.0.1".to_owned()]
}

/// Private use (RFC 6996), since no local perspective has a network of its own.
const ASN_FIRST: u32 = 64_512;

impl Member {
    /// The perspective at `site`, the `number`th on the small Internet, from 1.
    fn new(site: Site, role: PerspectiveRole, number: u8) -> Result<Self, CodeError> {
        Ok(Self {
            code: site.code()?,
            role,
            site,
            source: Ipv4Addr::new(127, 0, 1, number),
            resolver: Ipv4Addr::new(127, 0, 2, number),
        })
    }

    /// How the directory document lists it; the resolver stands beside the perspective.
    fn listed(&self, asn: u32) -> PerspectiveEntry {
        let site = self.site;
        PerspectiveEntry {
            code: self.code.clone(),
            registry: site.registry,
            region: site.region.to_owned(),
            asn,
            provider: None,
            latitude_udeg: site.latitude_udeg,
            longitude_udeg: site.longitude_udeg,
            resolver_registry: site.registry,
            resolver_latitude_udeg: site.latitude_udeg,
            resolver_longitude_udeg: site.longitude_udeg,
            from_ms: UnixMs::default(),
            until_ms: None,
        }
    }

    /// The configuration of its agents.
    fn config(
        &self,
        shared: &Shared<'_>,
        network: &Network,
    ) -> Result<toml::Table, toml::ser::Error> {
        let beyond = match network {
            Network::Real { .. } => toml::Table::new(),
            Network::Loopback(_) => self.egress()?,
        };
        let reached = (&network.dns(self.code.as_str()), &network.lab());
        agent::config(shared, (&self.code, self.role), reached, beyond)
    }

    /// Where its checks leave from on the small Internet.
    fn egress(&self) -> Result<toml::Table, toml::ser::Error> {
        toml::Table::try_from(BTreeMap::from([(
            "egress",
            BTreeMap::from([("source_v4", self.source)]),
        )]))
    }
}

/// What the configurations of several processes say alike.
struct Shared<'a> {
    /// Where the files are that they name.
    layout: &'a Layout,
    root: PublicKey,
    servers: Vec<String>,
    traces: Option<TracesConfig>,
}

impl Shared<'_> {
    fn bus(&self, party: &Party) -> BusConfig {
        self.layout.bus(&party.name(), self.servers.clone())
    }
}

#[cfg(test)]
mod tests;
