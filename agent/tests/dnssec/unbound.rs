//! A forwarder as a perspective has it: unbound, validating, beside a laboratory's servers.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use mpic_agent::egress::Egress;
use mpic_agent::resolver::forwarder::{Forwarder, ForwarderSettings, Validation};
use tempfile::TempDir;

use crate::process::Process;
use crate::world::identity;

/// Whether the resolver validates.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Modules {
    Validator,
    Iterator,
}

/// The resolver and the engine that asks it.
pub(crate) struct Unbound {
    pub(crate) engine: Forwarder,
    _process: Process,
    _dir: TempDir,
}

impl Unbound {
    /// Listens at `at` and trusts `anchor`, a zone file's lines. `zones` are the origins and
    /// servers of every zone: unbound asks port 53 of servers that it finds by itself, and those
    /// of a laboratory are elsewhere.
    pub(crate) async fn start(
        at: SocketAddr,
        anchor: &str,
        zones: impl IntoIterator<Item = (String, SocketAddr)>,
    ) -> Self {
        Self::start_with(at, anchor, zones, (Modules::Validator, Validation::Required)).await
    }

    /// The same with a resolver that may not validate, or an engine that does not mind.
    pub(crate) async fn start_with(
        at: SocketAddr,
        anchor: &str,
        zones: impl IntoIterator<Item = (String, SocketAddr)>,
        (modules, validation): (Modules, Validation),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
        fs::write(path("anchor"), anchor).unwrap();
        let stubs: Vec<_> = zones.into_iter().map(stub).collect();
        let text = format!(
            "server:\n interface: {ip}@{port}\n directory: \"{dir}\"\n \
             trust-anchor-file: \"{anchor}\"\n \
             module-config: \"{modules}\"\n{SETTINGS}{stubs}",
            ip = at.ip(),
            port = at.port(),
            dir = dir.path().display(),
            anchor = path("anchor"),
            modules = match modules {
                Modules::Validator => "validator iterator",
                Modules::Iterator => "iterator",
            },
            stubs = stubs.concat(),
        );
        fs::write(path("conf"), text).unwrap();
        let process = Process::start("unbound", &["-d", "-c", &path("conf")], dir.path(), at).await;
        let engine = Forwarder::new(ForwarderSettings {
            server: at,
            egress: Egress::default(),
            attempt: ATTEMPT,
            pause: Duration::from_millis(1),
            validation,
            identity: identity(),
        });
        Self { engine, _process: process, _dir: dir }
    }
}

fn stub((origin, server): (String, SocketAddr)) -> String {
    let (ip, port) = (server.ip(), server.port());
    format!("stub-zone:\n name: \"{origin}.\"\n stub-addr: {ip}@{port}\n")
}

/// Time for unbound to try a server that lies or fails several times over.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Those that `docs/ENGINES.md` asks of a forwarder, as far as a laboratory allows.
const SETTINGS: &str = "\
 username: \"\"
 chroot: \"\"
 pidfile: \"\"
 use-syslog: no
 num-threads: 1
 do-ip6: no
 do-not-query-localhost: no
 access-control: 127.0.0.0/8 allow
 val-nsec3-keysize-iterations: \"1024 500 2048 500 4096 500\"
 edns-buffer-size: 1232
 use-caps-for-id: yes
 qname-minimisation: yes
 aggressive-nsec: no
 cache-max-ttl: 60
 cache-max-negative-ttl: 60
 ede: yes
remote-control:
 control-enable: no
";
