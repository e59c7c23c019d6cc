//! The configuration of nats-server: mutual TLS, one user a party, its rights and no others.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::party::Party;

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
    pub(super) streams: PathBuf,
    /// Octets that all streams may take, as nats-server writes sizes.
    pub(super) streams_max: String,
    pub(super) tls: Tls,
    pub(super) cluster: Option<Cluster>,
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

/// What the server understands: it exits on keys that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 2.9, as Debian has it.
    V2_9,
    /// 2.12 and newer.
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
    let Server { name, listen, streams_max, .. } = server;
    writeln!(text, "server_name: {}", quote(name))?;
    writeln!(text, "listen: {}", quote(listen))?;
    if let Some(dir) = &server.ports_dir {
        writeln!(text, "ports_file_dir: {}", quote_path(dir))?;
    }
    if let Some(monitor) = &server.monitor {
        writeln!(text, "http: {}", quote(monitor))?;
    }
    text.push_str(LIMITS);
    let sync = match server.release {
        Release::V2_9 => "",
        Release::V2_12 => ", sync_interval: always",
    };
    let streams = quote_path(&server.streams);
    writeln!(
        text,
        "jetstream {{ store_dir: {streams}, max_mem: 64MB, max_file: {streams_max}{sync} }}"
    )?;
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
    write_accounts(text, users)
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

fn write_accounts(text: &mut String, users: &[User]) -> std::fmt::Result {
    writeln!(text, "accounts {{")?;
    writeln!(text, "  MPIC {{ jetstream: enabled, users: [")?;
    for (party, nkeys) in users {
        let Some(rights) = party.rights() else { continue };
        for nkey in nkeys {
            writeln!(text, "    # {}", party.name())?;
            writeln!(text, "    {{ nkey: {nkey}, permissions: {{")?;
            writeln!(text, "      publish: [ {} ]", quoted(&rights.publish))?;
            writeln!(text, "      subscribe: [ {} ] }} }}", quoted(&rights.subscribe))?;
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
