//! The configuration of nats-server: mutual TLS, one user a party, its rights and no others.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mpic_common::code::PerspectiveId;

use super::party::{self, Party, Rights};

/// One server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) name: String,
    /// Address and port; the port -1 is a free one, which the server tells in a file.
    pub(super) listen: String,
    /// Where that file goes.
    pub(super) ports_dir: Option<PathBuf>,
    /// Where monitoring listens.
    pub(super) monitor: Option<String>,
    /// Nil for a leaf node, which keeps nothing.
    pub(super) streams: Option<Streams>,
    pub(super) tls: Tls,
    pub(super) cluster: Option<Cluster>,
    pub(super) leaves: Leaves,
    pub(super) release: Release,
}

/// The files of its channel.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) ca: PathBuf,
}

/// Its place among others.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) routes: Vec<String>,
}

/// Where streams lie.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) dir: PathBuf,
    /// Octets that all of them may take, as nats-server writes sizes.
    pub(super) max: String,
}

/// Its part among leaf nodes.
#[derive(Debug, Clone)]
pub(super) enum Leaves {
    /// There are none.
    None,
    /// It takes in these, which it knows by a name in their certificate.
    From {
        listen: String,
        leaves: Vec<(String, PerspectiveId)>,
        /// All that there are.
        perspectives: Vec<PerspectiveId>,
    },
    /// It is one, of the servers at these URLs.
    Of(Vec<String>),
}

/// What the server understands: it exits on keys that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 2.9, as Debian has it.
    V2_9,
    /// 2.11 and newer.
    V2_12,
}

/// A party and the public nkeys that it is known by: more than one while they are rotated.
pub(super) type User = (Party, Vec<String>);

/// The text of the configuration.
pub(super) fn config(server: &Server, users: &[User]) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write_config(&mut text, server, users);
    text
}

fn write_config(text: &mut String, server: &Server, users: &[User]) -> std::fmt::Result {
    let Server { name, listen, .. } = server;
    writeln!(text, "server_name: {}", quote(name))?;
    writeln!(text, "listen: {}", quote(listen))?;
    if let Some(dir) = &server.ports_dir {
        writeln!(text, "ports_file_dir: {}", quote_path(dir))?;
    }
    if let Some(monitor) = &server.monitor {
        writeln!(text, "http: {}", quote(monitor))?;
    }
    text.push_str(LIMITS);
    if let Some(streams) = &server.streams {
        write_streams(text, streams, server.release)?;
    }
    writeln!(text, "tls {}", tls(server))?;
    if let Some(Cluster { name, listen, routes }) = &server.cluster {
        let routes: Vec<_> = routes.iter().map(|route| quote(route)).collect();
        writeln!(text, "cluster {{")?;
        writeln!(text, "  name: {}", quote(name))?;
        writeln!(text, "  listen: {}", quote(listen))?;
        writeln!(text, "  routes: [ {} ]", routes.join(", "))?;
        writeln!(text, "  tls {}", tls(server))?;
        writeln!(text, "}}")?;
    }
    write_leaves(text, server)?;
    write_accounts(text, server, users)
}

fn write_streams(text: &mut String, streams: &Streams, release: Release) -> std::fmt::Result {
    let (note, sync) = match release {
        Release::V2_9 => (SYNC_UNKNOWN, ""),
        Release::V2_12 => (SYNC_KNOWN, ", sync_interval: always"),
    };
    let (dir, max) = (quote_path(&streams.dir), &streams.max);
    writeln!(text, "{note}")?;
    writeln!(text, "jetstream {{ store_dir: {dir}, max_mem: 64MB, max_file: {max}{sync} }}")
}

/// 2.10 and newer know `sync_interval`; older servers exit on it.
const SYNC_KNOWN: &str = "\
# Each record is on disk before it is acknowledged: sync_interval, which 2.9 exits on.";
const SYNC_UNKNOWN: &str = "\
# 2.9 has no `sync_interval: always`: an acknowledged record can be lost with the power of all hosts.
# A CA waits for a proof of the log before it issues.";

fn write_leaves(text: &mut String, server: &Server) -> std::fmt::Result {
    match &server.leaves {
        Leaves::None => Ok(()),
        Leaves::From { listen, .. } => {
            writeln!(text, "# A leaf node comes in as the user that its certificate names.")?;
            writeln!(text, "leafnodes {{")?;
            writeln!(text, "  listen: {}", quote(listen))?;
            // Leaves have every URL in their configuration.
            writeln!(text, "  no_advertise: true")?;
            writeln!(
                text,
                "  tls {}",
                tls(server).replace("verify: true", "verify_and_map: true")
            )?;
            writeln!(text, "}}")
        }
        Leaves::Of(servers) => {
            let urls: Vec<_> = servers.iter().map(|url| quote(url)).collect();
            writeln!(text, "leafnodes {{ remotes: [ {{")?;
            writeln!(text, "  urls: [ {} ]", urls.join(", "))?;
            writeln!(text, "  account: MPIC")?;
            writeln!(text, "  tls {}", tls(server).replace("verify: true, ", ""))?;
            writeln!(text, "}} ] }}")
        }
    }
}

/// A leaving server lets go within 35 s; a dead peer is seen within 15.
const LIMITS: &str = "\
max_payload: 262144
write_deadline: \"5s\"
ping_interval: \"5s\"
ping_max: 2
lame_duck_grace_period: \"5s\"
lame_duck_duration: \"30s\"
";

fn tls(server: &Server) -> String {
    let Tls { certificate, key, ca } = &server.tls;
    let version = match server.release {
        Release::V2_9 => "",
        Release::V2_12 => ", min_version: \"1.3\"",
    };
    format!(
        "{{ cert_file: {}, key_file: {}, ca_file: {}, verify: true, timeout: 3{version} }}",
        quote_path(certificate),
        quote_path(key),
        quote_path(ca)
    )
}

fn write_accounts(text: &mut String, server: &Server, users: &[User]) -> std::fmt::Result {
    let jetstream = if server.streams.is_some() { "jetstream: enabled, " } else { "" };
    writeln!(text, "accounts {{")?;
    writeln!(text, "  MPIC {{ {jetstream}users: [")?;
    for (party, nkeys) in users {
        let Some(rights) = party.rights() else { continue };
        for nkey in nkeys {
            writeln!(text, "    # {}", party.name())?;
            writeln!(text, "    {{ nkey: {nkey}, {} }}", permissions(&rights))?;
        }
    }
    if let Leaves::From { leaves, perspectives, .. } = &server.leaves {
        for (name, perspective) in leaves {
            let rights = match server.release {
                Release::V2_9 => party::leaf_with_wildcard(perspective, perspectives),
                Release::V2_12 => party::leaf(perspective),
            };
            // Without a password, thus by its certificate, which only the door of leaves asks.
            writeln!(text, "    # a leaf node of {perspective}")?;
            writeln!(text, "    {{ user: {},", quote(name))?;
            writeln!(text, "      allowed_connection_types: [ \"LEAFNODE\" ],")?;
            writeln!(text, "      {} }}", permissions(&rights))?;
        }
    }
    writeln!(text, "  ] }}")?;
    let system = users.iter().filter(|(party, _)| *party == Party::System);
    let system: Vec<_> =
        system.flat_map(|(_, nkeys)| nkeys).map(|nkey| format!("{{ nkey: {nkey} }}")).collect();
    writeln!(text, "  SYS {{ users: [ {} ] }}", system.join(", "))?;
    writeln!(text, "}}")?;
    writeln!(text, "system_account: SYS")
}

fn permissions(rights: &Rights) -> String {
    let publish = quoted(&rights.publish);
    let subscribe = match (quoted(&rights.subscribe), quoted(&rights.deny)) {
        (allow, deny) if deny.is_empty() => format!("[ {allow} ]"),
        (allow, deny) => format!("{{ allow: [ {allow} ], deny: [ {deny} ] }}"),
    };
    format!("permissions: {{\n      publish: [ {publish} ]\n      subscribe: {subscribe} }}")
}

fn quoted(subjects: &[String]) -> String {
    let subjects: Vec<_> = subjects.iter().map(|subject| quote(subject)).collect();
    subjects.join(", ")
}

fn quote_path(path: &Path) -> String {
    quote(&path.display().to_string())
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
