//! The sample description, for the hosts at hand and the small Internet.

use std::net::SocketAddr;
use std::path::Path;

use mpic_cli::fleet::InternetAddresses;
use toml::{Table, Value, toml};

use super::{Hosts, PERSPECTIVES, Shape};
use crate::internet::Content;
use crate::network;

/// The last element of the log's name in the sample.
pub(super) const SHARD: &str = "2026h2";

/// What the small Internet reads: the content, and who looks at it from where.
pub(super) fn internet(hosts: &Hosts, content: &Content) -> Table {
    let web = hosts.address("internet");
    let mut table = content.clone().into_table();
    let view = |(number, code): (u8, &&str)| {
        let source = hosts.address(&format!("agent-{code}")).to_string();
        let resolver = match hosts {
            Hosts::Loopback => format!("127.0.2.{number}:0"),
            Hosts::Network(_) => format!("{web}:0"),
        };
        Value::Table(toml! {
            name = (code.to_string())
            source = source
            resolver = resolver
        })
    };
    table.insert("view".to_owned(), (1..).zip(&PERSPECTIVES).map(view).collect::<Vec<_>>().into());
    let (web, listen) = (web.to_string(), SocketAddr::from((web, 0)).to_string());
    table.insert("web".to_owned(), toml! { addresses = [web] }.into());
    table.insert("authoritative".to_owned(), toml! { listen = listen }.into());
    table
}

/// What `mpic init` reads. Everything below `dir` stays where it is written.
pub(super) fn fleet(
    hosts: &Hosts,
    addresses: &InternetAddresses,
    shape: &Shape,
    dir: &Path,
) -> Table {
    let mut table: Table = toml::from_str(SAMPLE).unwrap();
    table.remove("install").expect("the sample is installed elsewhere");
    let below = |name: &str| Value::from(dir.join(name).display().to_string());
    table["log"].as_table_mut().unwrap().insert("data_dir".to_owned(), below("log"));
    let bus = table["bus"].as_table_mut().unwrap();
    bus.insert("release".to_owned(), "2.9".into());
    bus.insert("streams".to_owned(), below("streams"));
    bus.insert("streams_max".to_owned(), "1GB".into());
    bus.insert("decisions_per_day".to_owned(), 1_000.into());
    let servers = list(&mut table, "server");
    servers.truncate(shape.servers);
    for server in servers {
        place_server(hosts, server);
    }
    let leaf = |code: &&str| place_leaf(hosts, code);
    *list(&mut table, "leaf") = shape.leaves.iter().map(leaf).collect();
    let coordinator = |number| Value::Table(toml! { code = (format!("coordinator-{number}")) });
    *list(&mut table, "coordinator") = (0..shape.coordinators).map(coordinator).collect();
    for (listed, code) in list(&mut table, "perspective").iter_mut().zip(PERSPECTIVES) {
        assert_eq!(listed["code"].as_str(), Some(code));
        place_agent(hosts, addresses, listed, code);
    }
    let coordinator = table["settings"]["coordinator"].as_table_mut().unwrap();
    coordinator.insert("relaxations".to_owned(), relaxations(hosts, addresses).into());
    table
}

fn list<'a>(table: &'a mut Table, key: &str) -> &'a mut Vec<Value> {
    table[key].as_array_mut().unwrap()
}

fn place_server(hosts: &Hosts, server: &mut Value) {
    let server = server.as_table_mut().unwrap();
    let address = hosts.address(server["name"].as_str().unwrap()).to_string();
    server.insert("names".to_owned(), vec![address.clone()].into());
    for (key, usual) in
        [("listen", 4_222), ("cluster", 6_222), ("leaves", 7_422), ("monitor", 8_222)]
    {
        server.insert(key.to_owned(), format!("{address}:{}", hosts.port(usual)).into());
    }
}

fn place_leaf(hosts: &Hosts, code: &str) -> Value {
    let name = format!("leaf-{code}");
    let address = hosts.address(&name).to_string();
    let listen = |usual| format!("{address}:{}", hosts.port(usual));
    let (listen, monitor) = (listen(4_222), listen(8_222));
    let names = vec![address.clone(), name.clone()];
    Value::Table(toml! {
        name = name
        perspective = code
        names = names
        listen = listen
        monitor = monitor
    })
}

fn place_agent(hosts: &Hosts, addresses: &InternetAddresses, listed: &mut Value, code: &str) {
    let listed = listed.as_table_mut().unwrap();
    listed.insert("forwarder".to_owned(), addresses.resolvers[code].to_string().into());
    let source = hosts.address(&format!("agent-{code}")).to_string();
    let (http, https) = (i64::from(addresses.http), i64::from(addresses.https));
    let prefix = prefix(hosts);
    let agent = toml! {
        names = { allow_suffix = ["example"] }
        addr = { allow = [prefix] }
        egress = { source_v4 = source }
        lab = { ports = { "80" = http, "443" = https } }
    };
    listed.insert("agent".to_owned(), agent.into());
}

/// What such agents state in each reply.
fn relaxations(hosts: &Hosts, addresses: &InternetAddresses) -> Vec<String> {
    let InternetAddresses { http, https, .. } = addresses;
    let remote = match hosts {
        Hosts::Loopback => None,
        Hosts::Network(_) => Some("dns.forwarder_remote=true".to_owned()),
    };
    let others = [
        format!("addr.allow=[\"{}\"]", prefix(hosts)),
        format!("lab.ports={{ 443 = {https}, 80 = {http} }}"),
        "names.allow_suffix=[\"example\"]".to_owned(),
    ];
    others.into_iter().chain(remote).collect()
}

fn prefix(hosts: &Hosts) -> &'static str {
    match hosts {
        Hosts::Loopback => "127.0.0.0/8",
        Hosts::Network(_) => network::PREFIX,
    }
}

/// What people are shown as an example.
const SAMPLE: &str = include_str!("../../../deploy/config/fleet.toml");
