//! Zones that Knot DNS has signed, each level of them at a server of Knot's own.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use mpic_agent::resolver::embedded::Embedded;
use tempfile::TempDir;

use crate::process::{Process, output};
use crate::unbound::Unbound;
use crate::world::{free_port, now, own_addresses, settings};

/// A zone to be signed and served.
#[derive(Clone)]
pub(crate) struct KnotZone {
    origin: &'static str,
    records: String,
    policy: Option<Policy>,
    ds: Ds,
    /// The clock of the signer, seconds from now.
    signed_at: i64,
    /// What becomes of the signed zone file.
    alter: fn(&str) -> String,
}

/// How it is signed, in Knot's words.
#[derive(Clone, Copy)]
struct Policy {
    algorithm: &'static str,
    denial: Denial,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    Nsec,
    Nsec3 { iterations: u16, opt_out: bool },
}

#[derive(Clone)]
enum Ds {
    /// What the zone's own key gives; none if it is not signed.
    Own,
    /// What the parent says instead.
    Line(&'static str),
    /// The parent does not know that the zone is signed.
    Unsaid,
}

/// The servers, and both engines.
pub(crate) struct KnotLab {
    pub(crate) embedded: Embedded,
    pub(crate) unbound: Unbound,
    /// Where the servers of second-level zones should be, and where they are.
    pub(crate) zones_behind: (SocketAddr, SocketAddr),
    _servers: Vec<Process>,
    _dir: TempDir,
}

impl KnotZone {
    pub(crate) fn unsigned(origin: &'static str, records: &str) -> Self {
        Self {
            origin,
            records: records.to_owned(),
            policy: None,
            ds: Ds::Own,
            signed_at: 0,
            alter: str::to_owned,
        }
    }

    /// With ECDSA P-256 and NSEC.
    pub(crate) fn signed(origin: &'static str, records: &str) -> Self {
        Self::with(origin, records, "ecdsap256sha256", Denial::Nsec)
    }

    pub(crate) fn with(
        origin: &'static str,
        records: &str,
        algorithm: &'static str,
        denial: Denial,
    ) -> Self {
        let policy = Some(Policy { algorithm, denial });
        Self { policy, ..Self::unsigned(origin, records) }
    }

    pub(crate) fn ds(self, line: &'static str) -> Self {
        Self { ds: Ds::Line(line), ..self }
    }

    pub(crate) fn without_ds(self) -> Self {
        Self { ds: Ds::Unsaid, ..self }
    }

    pub(crate) fn signed_at(self, signed_at: i64) -> Self {
        Self { signed_at, ..self }
    }

    pub(crate) fn altered(self, alter: fn(&str) -> String) -> Self {
        Self { alter, ..self }
    }

    fn level(&self) -> usize {
        self.origin.split_terminator('.').count()
    }

    fn dotted(&self) -> String {
        format!("{}.", self.origin)
    }

    /// Servers at `address`, with glue.
    fn servers(&self, address: IpAddr) -> String {
        let origin = self.dotted();
        let server = if self.origin.is_empty() { "a.root." } else { &format!("ns.{origin}") };
        format!("{origin} NS {server}\n{server} A {address}\n")
    }

    fn is_parent_of(&self, child: &Self) -> bool {
        let is_below =
            self.origin.is_empty() || child.origin.ends_with(&format!(".{}", self.origin));
        is_below && child.level() == self.level() + 1
    }
}

impl KnotLab {
    /// `zones` below the root, which is signed, with their parents among them.
    pub(crate) async fn start(zones: Vec<KnotZone>) -> Self {
        Self::start_at(zones, |own, level| own(level + 1)).await
    }

    /// The same, but nobody is at the address of the second-level zones yet: their server is at
    /// another.
    pub(crate) async fn start_behind(zones: Vec<KnotZone>) -> Self {
        Self::start_at(zones, |own, level| own(if level == 2 { 200 } else { level + 1 })).await
    }

    async fn start_at(
        mut zones: Vec<KnotZone>,
        server: impl Fn(&dyn Fn(u8) -> IpAddr, u8) -> IpAddr,
    ) -> Self {
        zones.push(KnotZone::signed("", ""));
        let own = own_addresses();
        let address = |zone: &KnotZone| own(u8::try_from(zone.level() + 1).unwrap());
        let port = free_port(own(1)).await;
        let dir = tempfile::tempdir().unwrap();
        let anchor = sign(&zones, dir.path(), address);
        let mut servers = Vec::new();
        for level in 0..=zones.iter().map(KnotZone::level).max().unwrap() {
            let of_level: Vec<_> = zones.iter().filter(|zone| zone.level() == level).collect();
            let at = SocketAddr::new(server(&own, u8::try_from(level).unwrap()), port);
            servers.push(serve(&of_level, at, dir.path()).await);
        }
        let stubs =
            zones.iter().map(|zone| (zone.origin.to_owned(), SocketAddr::new(address(zone), port)));
        let unbound = Unbound::start(SocketAddr::new(own(250), port), &anchor, stubs).await;
        let embedded = Embedded::new(settings(own(1), port, &anchor));
        let zones_behind = (SocketAddr::new(own(3), port), SocketAddr::new(server(&own, 2), port));
        Self { embedded, unbound, zones_behind, _servers: servers, _dir: dir }
    }
}

/// Signs every zone, children before the parents that speak of their keys, and gives the DS lines
/// of the root.
fn sign(zones: &[KnotZone], dir: &Path, address: impl Fn(&KnotZone) -> IpAddr) -> String {
    for part in ["plain", "signed", "served", "keys"] {
        fs::create_dir(dir.join(part)).unwrap();
    }
    let conf = dir.join("sign.conf");
    fs::write(&conf, signing(zones, dir)).unwrap();
    let mut order: Vec<_> = zones.iter().collect();
    order.sort_by_key(|zone| std::cmp::Reverse(zone.level()));
    let mut ds_lines: Vec<(&KnotZone, String)> = Vec::new();
    for zone in order {
        let origin = zone.dotted();
        let mut text =
            format!("$TTL 300\n$ORIGIN {origin}\n{origin} SOA ns . 1 3600 600 86400 60\n");
        text += &zone.servers(address(zone));
        for (child, ds) in ds_lines.iter().filter(|(child, _)| zone.is_parent_of(child)) {
            text += &(child.servers(address(child)) + ds);
        }
        text += &zone.records;
        text += "\n";
        let ds = write(zone, &text, &conf, dir);
        ds_lines.push((zone, ds));
    }
    ds_lines.pop().unwrap().1
}

/// Writes the zone as it is served, and gives its parent's DS lines.
fn write(zone: &KnotZone, text: &str, conf: &Path, dir: &Path) -> String {
    let file = format!("{}zone", zone.dotted());
    let conf = conf.to_str().unwrap();
    let mut ds = String::new();
    let mut text = text.to_owned();
    if zone.policy.is_some() {
        fs::write(dir.join("plain").join(&file), &text).unwrap();
        let out = dir.join("signed");
        let time = (now() + zone.signed_at).to_string();
        let args = ["-c", conf, "-o", out.to_str().unwrap(), "-t", &time, &zone.dotted()];
        output("kzonesign", &args);
        text = fs::read_to_string(out.join(&file)).unwrap();
        let printed = output("keymgr", &["-c", conf, &zone.dotted(), "ds"]);
        // Of each key one line a digest; SHA-256 is enough.
        for line in printed.lines().filter(|line| line.split(' ').nth(4) == Some("2")) {
            writeln!(ds, "{line}").unwrap();
        }
    }
    fs::write(dir.join("served").join(&file), (zone.alter)(&text)).unwrap();
    match &zone.ds {
        Ds::Own => ds,
        Ds::Unsaid => String::new(),
        Ds::Line(line) => format!("{} {line}\n", zone.dotted()),
    }
}

/// A policy a zone.
fn signing(zones: &[KnotZone], dir: &Path) -> String {
    let mut policies = String::new();
    let mut signed = String::new();
    for (zone, policy) in zones.iter().filter_map(|zone| Some((zone, zone.policy?))) {
        let origin = zone.dotted();
        let denial = match policy.denial {
            Denial::Nsec => String::new(),
            Denial::Nsec3 { iterations, opt_out } => format!(
                "    nsec3: on\n    nsec3-iterations: {iterations}\n    nsec3-opt-out: {}\n",
                if opt_out { "on" } else { "off" }
            ),
        };
        let algorithm = policy.algorithm;
        write!(
            policies,
            "  - id: \"{origin}\"\n    algorithm: {algorithm}\n    single-type-signing: on\n    \
             cds-cdnskey-publish: none\n{denial}"
        )
        .unwrap();
        write!(
            signed,
            "  - domain: \"{origin}\"\n    file: \"{origin}zone\"\n    \
             dnssec-policy: \"{origin}\"\n"
        )
        .unwrap();
    }
    let dir = dir.display();
    format!(
        "server:\n    rundir: \"{dir}\"\ndatabase:\n    storage: \"{dir}/keys\"\n\
         policy:\n{policies}\
         template:\n  - id: default\n    storage: \"{dir}/plain\"\n    \
         semantic-checks: off\n    dnssec-signing: on\nzone:\n{signed}"
    )
}

/// Serves the zones as they lie there, right or wrong.
async fn serve(zones: &[&KnotZone], at: SocketAddr, dir: &Path) -> Process {
    let run = dir.join(at.ip().to_string());
    fs::create_dir(&run).unwrap();
    let mut listed = String::new();
    for zone in zones {
        let origin = zone.dotted();
        write!(listed, "  - domain: \"{origin}\"\n    file: \"{origin}zone\"\n").unwrap();
    }
    let text = format!(
        "server:\n    rundir: \"{run}\"\n    listen: {ip}@{port}\n    udp-workers: 1\n    \
         tcp-workers: 1\n    background-workers: 1\n\
         database:\n    storage: \"{run}\"\n\
         log:\n  - target: stderr\n    any: warning\n\
         template:\n  - id: default\n    storage: \"{dir}/served\"\n    semantic-checks: off\n    \
         zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n{listed}",
        run = run.display(),
        ip = at.ip(),
        port = at.port(),
        dir = dir.display(),
    );
    let conf = run.join("knot.conf");
    fs::write(&conf, text).unwrap();
    Process::start("knotd", &["-c", conf.to_str().unwrap()], dir, at).await
}
