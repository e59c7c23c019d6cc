//! A DNS of our own on loopback: a signed root, a signed `com`, and the zones that a test adds,
//! each with a server at its own address that may lie.

mod authority;
mod server;
mod zone;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use domain::base::iana::Rtype;
use mpic_agent::deadline::Deadline;
use mpic_agent::egress::{AddressPolicy, Egress};
use mpic_agent::resolver::embedded::{
    Embedded, EmbeddedSettings, RootHints, TrustAnchor, UnsupportedAlgorithm,
};
use mpic_agent::resolver::forwarder::Validation;
use mpic_agent::resolver::{Budget, BudgetLimits, DnsEngine, Inquiry, Question};
use mpic_common::evidence::{DnsSeen, Purpose};
use mpic_common::observation::ResolverIdentity;
use mpic_common::perspective::RegionalInternetRegistry;

pub(crate) use authority::answer;
pub(crate) use server::{Asked, Say, Zones, compose, free_port};
use server::{Script, Server, honest};
pub(crate) use zone::{Owner, Record, Signing, Zone, covers, name, now, record, renamed};

use crate::unbound::{Modules, Unbound};

/// What the test wants to be there.
pub(crate) struct Plan {
    delegations: Vec<Delegation>,
    /// Where servers are besides, though nobody need be there.
    more_addresses: Vec<(String, IpAddr)>,
}

struct Delegation {
    origin: String,
    /// Instead of an address of the world's own.
    address: Option<IpAddr>,
    records: String,
    signing: Signing,
    /// What the parent says of the keys.
    ds: Ds,
    script: Script,
}

/// What the parent says of a zone's keys.
#[derive(Clone)]
pub(crate) enum Ds {
    /// What the zone's own key gives; nothing, if it is not signed.
    Own,
    /// These lines.
    Lines(String),
}

/// The servers at work.
pub(crate) struct World {
    engine: Embedded,
    servers: Vec<(String, Server)>,
    /// The keys of the root, as lines of a zone file.
    anchor: String,
}

/// One after the other, so that worlds of one process do not meet.
static WORLDS: AtomicU8 = AtomicU8::new(0);

/// Addresses by number that no other test uses at this time, so that any port will do.
pub(crate) fn own_addresses() -> impl Fn(u8) -> IpAddr {
    let block = WORLDS.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    move |number| Ipv4Addr::new(127, 64 + (high ^ block) % 128, low, number).into()
}

/// An engine's usual settings in a world whose root is at `root`.
pub(crate) fn settings(root: IpAddr, port: u16, anchor: &str) -> EmbeddedSettings {
    let hints = format!(". NS a.root.\na.root. A {root}\n");
    EmbeddedSettings {
        root_hints: RootHints::parse(hints.as_bytes()).unwrap(),
        trust_anchor: TrustAnchor::parse(anchor.as_bytes()).unwrap(),
        unsupported: UnsupportedAlgorithm::Indeterminate,
        addresses: AddressPolicy::new(
            vec!["127.0.0.1/32".parse().unwrap()],
            vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            Vec::new(),
        ),
        egress: Egress { lab_ports: [(53, port)].into(), ..Egress::default() },
        attempt: ATTEMPT,
        pause: Duration::from_millis(1),
        kept: None,
        identity: identity(),
    }
}

impl Plan {
    /// A root and `com`, both signed.
    pub(crate) fn new() -> Self {
        let plan = Self { delegations: Vec::new(), more_addresses: Vec::new() };
        plan.signed("", "").signed("com", "")
    }

    /// A signed zone; `records` are lines of a zone file, relative to `origin`.
    pub(crate) fn signed(self, origin: &str, records: &str) -> Self {
        self.zone(origin, records, Signing::good(), Ds::Own)
    }

    /// A zone without signatures.
    pub(crate) fn unsigned(self, origin: &str, records: &str) -> Self {
        self.zone(origin, records, Signing::none(), Ds::Own)
    }

    pub(crate) fn zone(mut self, origin: &str, records: &str, signing: Signing, ds: Ds) -> Self {
        self.delegations.retain(|delegation| delegation.origin != origin);
        let (origin, records) = (origin.to_owned(), records.to_owned());
        let script = honest();
        self.delegations.push(Delegation { origin, address: None, records, signing, ds, script });
        self
    }

    /// Lets the server of `origin` change what it would honestly say.
    pub(crate) fn lying(
        mut self,
        origin: &str,
        script: impl Fn(&Asked, Say, &Zones) -> Say + Send + Sync + 'static,
    ) -> Self {
        let of = self.delegations.iter_mut().find(|delegation| delegation.origin == origin);
        of.unwrap().script = Arc::new(script);
        self
    }

    /// Another address of the server of `origin`, where nobody need be.
    pub(crate) fn and_at(mut self, origin: &str, address: &str) -> Self {
        self.more_addresses.push((origin.to_owned(), address.parse().unwrap()));
        self
    }

    /// The only address of the server of `origin`.
    pub(crate) fn only_at(mut self, origin: &str, address: IpAddr) -> Self {
        let of = self.delegations.iter_mut().find(|delegation| delegation.origin == origin);
        of.unwrap().address = Some(address);
        self
    }

    pub(crate) async fn start(self) -> World {
        self.start_with(|_| {}).await
    }

    /// The world, and an engine with other settings than the usual ones.
    pub(crate) async fn start_with(self, change: impl FnOnce(&mut EmbeddedSettings)) -> World {
        let address = self.addresses();
        let zones = self.zones(&address);
        let anchor = zones[0].ds_lines();
        let zones = Arc::new(Zones(zones));
        let (servers, port) = self.serve(&zones, &address).await;
        let mut settings = settings(address[0], port, &anchor);
        change(&mut settings);
        World { engine: Embedded::new(settings), servers, anchor }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let own = own_addresses();
        let planned = self.delegations.iter().map(|delegation| delegation.address);
        planned.zip(1..).map(|(address, number)| address.unwrap_or_else(|| own(number))).collect()
    }

    /// The zones, children first where a parent needs their keys, in the plan's order.
    fn zones(&self, address: &[IpAddr]) -> Vec<Zone> {
        let mut zones: Vec<Option<Zone>> = self.delegations.iter().map(|_| None).collect();
        let mut order: Vec<usize> = (0..zones.len()).collect();
        order.sort_by_key(|index| {
            std::cmp::Reverse(self.delegations[*index].origin.split_terminator('.').count())
        });
        for index in order {
            let plan = &self.delegations[index];
            let mut text = apex(plan, address[index], &self.more_addresses);
            for (child, zone) in zones.iter().enumerate() {
                if let Some(zone) = zone
                    && self.parent(child) == Some(index)
                {
                    let child_plan = &self.delegations[child];
                    text += &cut(child_plan, zone, address[child], &self.more_addresses);
                }
            }
            text += &plan.records;
            zones[index] = Some(Zone::new(&plan.origin, &text, &plan.signing));
        }
        zones.into_iter().flatten().collect()
    }

    fn parent(&self, child: usize) -> Option<usize> {
        let name = &self.delegations[child].origin;
        let is_above = |origin: &str| {
            name != origin && (origin.is_empty() || name.ends_with(&format!(".{origin}")))
        };
        let origins = self.delegations.iter().map(|plan| plan.origin.as_str()).enumerate();
        let above = origins.filter(|(_, origin)| is_above(origin));
        above.max_by_key(|(_, origin)| origin.len()).map(|(index, _)| index)
    }

    async fn serve(self, zones: &Arc<Zones>, address: &[IpAddr]) -> (Vec<(String, Server)>, u16) {
        let mut port = 0;
        let mut servers = Vec::new();
        for (index, plan) in self.delegations.into_iter().enumerate() {
            let at = (address[index], port).into();
            if let Some(server) = Server::start(at, index, zones, plan.script).await {
                port = server.address.port();
                servers.push((plan.origin, server));
            }
        }
        (servers, port)
    }
}

impl World {
    pub(crate) async fn ask(&self, name: &str, qtype: Rtype) -> DnsSeen {
        self.ask_within(name, qtype, usual_budget()).await.0
    }

    /// The answer, and packets and octets used.
    pub(crate) async fn ask_within(
        &self,
        name: &str,
        qtype: Rtype,
        budget: BudgetLimits,
    ) -> (DnsSeen, (u32, u32)) {
        let inquiry = self.engine.open(Deadline::after(LONG), Arc::new(Budget::new(budget)));
        let question = Question { name: name.to_owned(), qtype, purpose: Purpose::Challenge };
        let seen = inquiry.ask(&question).await;
        (seen, inquiry.used())
    }

    pub(crate) fn engine(&self) -> &Embedded {
        &self.engine
    }

    /// A forwarder's resolver in this world.
    pub(crate) async fn unbound(&self) -> Unbound {
        self.unbound_with(Modules::Validator, Validation::Required).await
    }

    pub(crate) async fn unbound_with(&self, modules: Modules, validation: Validation) -> Unbound {
        let stubs = self.servers.iter().map(|(origin, server)| (origin.clone(), server.address));
        let own = own_addresses();
        let at = SocketAddr::new(own(1), free_port(own(1)).await);
        Unbound::start_with(at, &self.anchor, stubs, (modules, validation)).await
    }

    /// What the server of `origin` was asked, in order.
    pub(crate) fn asked(&self, origin: &str) -> Vec<Asked> {
        let of = self.servers.iter().find(|(zone, _)| zone == origin);
        of.unwrap().1.asked()
    }
}

fn apex(plan: &Delegation, address: IpAddr, more: &[(String, IpAddr)]) -> String {
    let origin = dotted(&plan.origin);
    let server = server_name(&plan.origin);
    format!("{origin} SOA {server} . 1 3600 600 86400 60\n")
        + &servers(&plan.origin, &server, address, more)
}

/// What a parent has of a child: servers with glue, and keys.
fn cut(plan: &Delegation, zone: &Zone, address: IpAddr, more: &[(String, IpAddr)]) -> String {
    let server = server_name(&plan.origin);
    let ds = match &plan.ds {
        Ds::Own => zone.ds_lines(),
        Ds::Lines(lines) => lines.clone(),
    };
    servers(&plan.origin, &server, address, more) + &ds
}

fn servers(origin: &str, server: &str, address: IpAddr, more: &[(String, IpAddr)]) -> String {
    let more = more.iter().filter(|(zone, _)| zone == origin).map(|(_, address)| *address);
    let line = |address: IpAddr| {
        let rtype = if address.is_ipv4() { "A" } else { "AAAA" };
        format!("{server} {rtype} {address}\n")
    };
    let addresses: Vec<_> = std::iter::once(address).chain(more).map(line).collect();
    format!("{} NS {server}\n{}", dotted(origin), addresses.concat())
}

fn dotted(origin: &str) -> String {
    format!("{origin}.")
}

fn server_name(origin: &str) -> String {
    if origin.is_empty() { "a.root.".to_owned() } else { format!("ns.{origin}.") }
}

pub(crate) fn usual_budget() -> BudgetLimits {
    BudgetLimits { packets: 500, octets: 4 * 1_024 * 1_024 }
}

pub(crate) fn identity() -> ResolverIdentity {
    ResolverIdentity {
        backend: "embedded".to_owned(),
        instance: "test".to_owned(),
        trust_anchor: None,
        root_hints: None,
        address: None,
        latitude_udeg: 0,
        longitude_udeg: 0,
        registry: RegionalInternetRegistry::Arin,
    }
}

/// Two servers that do not answer cost two thirds of it.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_secs(25);
