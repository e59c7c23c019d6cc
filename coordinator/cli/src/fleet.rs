//! A whole system on one machine, from a few choices: keys, the signed directory document, the
//! configuration of each process, and how to start them.
//!
//! Ports are free ones of each start, so the files come in two steps: `write` before the bus and
//! the small Internet run, `connect` once it is known where they listen. Both may be repeated:
//! keys are made once, and the directory document changes only with what it lists.

mod agent;
pub mod atlas;
mod audit;
mod bus;
mod coordinator;
pub mod demo;
mod document;
mod files;
mod internet;
mod keys;
pub mod layout;
mod process;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};

use mpic_audit::note;
use mpic_common::code::{CaId, CodeError, CoordinatorId, PerspectiveId};
use mpic_common::limits::COHORT_MAX;
use mpic_common::policy::Policy;
use mpic_common::reply::PerspectiveRole;
use mpic_common::signature::PublicKey;
use mpic_common::time::UnixMs;
use mpic_common::wire::Malformed;
use mpic_runtime::config::BusConfig;
use mpic_runtime::keys::KeyFileError;

use crate::client::ClientConfig;
use atlas::Site;
use files::{create_dir, create_private_dir, read_if_there, write, write_toml};
use keys::Keys;
use layout::Layout;

pub use internet::InternetAddresses;
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

/// How the perspectives reach the Internet that they look at.
#[derive(Debug, Clone)]
pub enum Network {
    /// The small one, where it listens.
    Loopback(InternetAddresses),
    /// The public one, through the validating resolver at this address.
    Real(SocketAddr),
}

/// A local fleet: what it consists of and where it lies.
#[derive(Debug, Clone)]
pub struct Fleet {
    layout: Layout,
    options: Options,
    primary: Member,
    remotes: Vec<Member>,
    coordinators: Vec<CoordinatorId>,
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
        let remotes = (2..)
            .zip(atlas::REMOTES.iter().take(remotes))
            .map(|(number, site)| Member::new(*site, PerspectiveRole::Remote, number))
            .collect::<Result<_, _>>()?;
        let coordinators = (0..options.coordinators.get())
            .map(|number| format!("coordinator-{number}").parse())
            .collect::<Result<_, _>>()?;
        Ok(Self { layout, options, primary, remotes, coordinators })
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
        &self.coordinators
    }

    /// Writes keys, directory document, and the configuration of the bus and the small Internet.
    pub fn write(&self, now: UnixMs) -> Result<(), FleetError> {
        let layout = &self.layout;
        for dir in
            [layout.configs(), layout.log_data(), layout.streams(), layout.outputs(), layout.run()]
        {
            create_dir(&dir)?;
        }
        create_private_dir(&layout.keys())?;
        let keys = self.keys()?;
        let standing = read_if_there(&layout.directory_file())?;
        let document = document::renew(standing, self.members(), &keys, &self.options.policy, now)?;
        write(&layout.directory_file(), document)?;
        write(&layout.log_public_key(), format!("{}\n", keys.log))?;
        write(&layout.bus_config(), bus::config(layout, self.options.bus_port))?;
        if let Internet::Loopback(content) = &self.options.internet {
            write_toml(&layout.config("internet"), &internet::config(content, self.members()))?;
        }
        Ok(())
    }

    /// Writes the configuration of all others, who must know where bus and Internet are.
    ///
    /// `bus` is a URL such as `nats://127.0.0.1:4222`.
    pub fn connect(&self, bus: &str, network: &Network) -> Result<(), FleetError> {
        let layout = &self.layout;
        let shared = Shared {
            layout,
            root: self.keys()?.root.public(),
            bus: BusConfig::without_identity(vec![bus.to_owned()]),
        };
        write_toml(&layout.config("audit"), &audit::config(&shared))?;
        for member in self.members() {
            let config = agent::config(&shared, member, network);
            write_toml(&layout.config(&process::agent(&member.code)), &config)?;
        }
        for code in &self.coordinators {
            let config = coordinator::config(&shared, code, &self.primary.code, network);
            write_toml(&layout.config(code.as_str()), &config)?;
        }
        write_toml(&layout.client(), &self.client(shared)?)
    }

    fn client(&self, shared: Shared<'_>) -> Result<ClientConfig, FleetError> {
        let layout = &self.layout;
        Ok(ClientConfig {
            ca: CA.parse::<CaId>()?,
            issuer_domains: vec![ISSUER_DOMAIN.to_owned()],
            key_file: Some(layout.key(&keys::ca())),
            directory_file: layout.directory_file(),
            directory_root: shared.root.to_string(),
            log: Some(layout.log()),
            log_key_file: Some(layout.log_public_key()),
            bus: shared.bus,
        })
    }

    fn keys(&self) -> Result<Keys, FleetError> {
        let codes = self.members().map(|member| &member.code);
        Keys::load_or_create(&self.layout, codes, &self.coordinators)
    }
}

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
}

/// What the configurations of several processes say alike.
struct Shared<'a> {
    layout: &'a Layout,
    root: PublicKey,
    bus: BusConfig,
}

#[cfg(test)]
mod tests;
