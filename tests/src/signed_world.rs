//! A signed root and a signed TLD of one's own on loopback, each at a server of Knot DNS, and a
//! resolver beside them: an Internet that is asked as the public one is.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::process::program;

/// The TLD, which the Public Suffix List has too.
pub const TLD: &str = "org";

/// The servers. They end with it.
#[derive(Debug)]
pub struct SignedWorld {
    /// The port of every server in it.
    pub port: u16,
    net: Net,
    dir: TempDir,
    _servers: Vec<Child>,
}

/// A validating resolver of the world. It ends with it.
#[derive(Debug)]
pub struct Unbound {
    /// Where it listens.
    pub at: SocketAddr,
    _process: Child,
}

/// Addresses that no other test uses at this time.
#[derive(Debug, Clone, Copy)]
struct Net(u8, u8);

static WORLDS: AtomicU8 = AtomicU8::new(0);

impl Net {
    fn own() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Self(192 + (high ^ WORLDS.fetch_add(1, Ordering::Relaxed)) % 32, low)
    }

    fn address(self, number: u8) -> IpAddr {
        Ipv4Addr::new(127, self.0, self.1, number).into()
    }

    fn root(self) -> IpAddr {
        self.address(1)
    }

    fn tld(self) -> IpAddr {
        self.address(2)
    }
}

impl SignedWorld {
    /// Serves `records`, lines of a zone file relative to the TLD, in a zone that `alter` changes
    /// after it was signed.
    pub async fn start(records: &str, alter: impl Fn(String) -> String) -> Self {
        let (net, dir) = (Net::own(), tempfile::tempdir().unwrap());
        for part in ["plain", "signed", "served", "keys"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        fs::write(dir.path().join("sign.conf"), signing(dir.path())).unwrap();
        let cut = format!("{TLD}. NS ns.{TLD}.\nns.{TLD}. A {}\n", net.tld());
        let tld = format!("$ORIGIN {TLD}.\n@ SOA ns . 1 3600 600 86400 60\n{cut}{records}");
        let ds = sign(dir.path(), TLD, &tld, alter).await;
        let own = format!(". NS a.root.\na.root. A {}\n", net.root());
        let root = format!("$ORIGIN .\n. SOA a.root. . 1 3600 600 86400 60\n{own}{cut}{ds}");
        let anchor = sign(dir.path(), "", &root, |text| text).await;
        fs::write(dir.path().join("root.hints"), own).unwrap();
        fs::write(dir.path().join("root.key"), anchor).unwrap();
        let port = free_port(net.root()).await;
        let mut servers = Vec::new();
        for (origin, address) in [("", net.root()), (TLD, net.tld())] {
            servers.push(serve(dir.path(), origin, SocketAddr::new(address, port)).await);
        }
        Self { port, net, dir, _servers: servers }
    }

    /// Where the root is, as a zone file.
    pub fn root_hints(&self) -> PathBuf {
        self.dir.path().join("root.hints")
    }

    /// The keys of the root, as a zone file.
    pub fn trust_anchor(&self) -> PathBuf {
        self.dir.path().join("root.key")
    }

    /// A resolver that validates from the world's root. It is told where the servers are, since it
    /// asks port 53 of those that it finds by itself.
    pub async fn unbound(&self) -> Unbound {
        let at = SocketAddr::new(self.net.address(3), self.port);
        let stub = |origin: &str, address: IpAddr| {
            format!("stub-zone:\n name: \"{origin}.\"\n stub-addr: {address}@{}\n", self.port)
        };
        let stubs = stub("", self.net.root()) + &stub(TLD, self.net.tld());
        let text = format!(
            "server:\n interface: {ip}@{port}\n directory: \"{dir}\"\n \
             trust-anchor-file: \"{anchor}\"\n{UNBOUND}{stubs}",
            ip = at.ip(),
            port = at.port(),
            dir = self.dir.path().display(),
            anchor = self.trust_anchor().display(),
        );
        let conf = self.dir.path().join("unbound.conf");
        fs::write(&conf, text).unwrap();
        let process = daemon("unbound", &["-d", "-c", text_of(&conf)], self.dir.path(), at).await;
        Unbound { at, _process: process }
    }
}

/// Those that `docs/ENGINES.md` asks of a forwarder, as far as a laboratory allows.
const UNBOUND: &str = "\
 module-config: \"validator iterator\"
 username: \"\"
 chroot: \"\"
 pidfile: \"\"
 use-syslog: no
 num-threads: 1
 do-ip6: no
 do-not-query-localhost: no
 access-control: 127.0.0.0/8 allow
 cache-max-ttl: 60
 cache-max-negative-ttl: 60
 ede: yes
remote-control:
 control-enable: no
";

/// Signs the zone, leaves it where it is served, and gives the DS lines for its parent.
async fn sign(
    dir: &Path,
    origin: &str,
    text: &str,
    alter: impl FnOnce(String) -> String,
) -> String {
    let (zone, file) = (format!("{origin}."), format!("{origin}.zone"));
    fs::write(dir.join("plain").join(&file), format!("$TTL 300\n{text}")).unwrap();
    let (conf, out) = (dir.join("sign.conf"), dir.join("signed"));
    output("kzonesign", &["-c", text_of(&conf), "-o", text_of(&out), &zone]).await;
    let signed = alter(fs::read_to_string(out.join(&file)).unwrap());
    fs::write(dir.join("served").join(&file), signed).unwrap();
    let printed = output("keymgr", &["-c", text_of(&conf), &zone, "ds"]).await;
    // Of each key one line a digest; SHA-256 is enough.
    let sha256 = printed.lines().filter(|line| line.split(' ').nth(4) == Some("2"));
    sha256.flat_map(|line| [line, "\n"]).collect()
}

fn signing(dir: &Path) -> String {
    let zone = |origin: &str| format!("  - domain: \"{origin}.\"\n    file: \"{origin}.zone\"\n");
    format!(
        "server:\n    rundir: \"{dir}\"\ndatabase:\n    storage: \"{dir}/keys\"\n\
         policy:\n  - id: lab\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n    \
         cds-cdnskey-publish: none\n\
         template:\n  - id: default\n    storage: \"{dir}/plain\"\n    dnssec-signing: on\n    \
         dnssec-policy: lab\n    semantic-checks: off\nzone:\n{root}{tld}",
        dir = dir.display(),
        root = zone(""),
        tld = zone(TLD),
    )
}

/// Serves the zone as it lies there, right or wrong.
async fn serve(dir: &Path, origin: &str, at: SocketAddr) -> Child {
    let run = dir.join(format!("run-{}", at.ip()));
    fs::create_dir(&run).unwrap();
    let text = format!(
        "server:\n    rundir: \"{run}\"\n    listen: {ip}@{port}\n    udp-workers: 1\n    \
         tcp-workers: 1\n    background-workers: 1\n\
         database:\n    storage: \"{run}\"\n\
         log:\n  - target: stderr\n    any: warning\n\
         template:\n  - id: default\n    storage: \"{dir}/served\"\n    semantic-checks: off\n    \
         zonefile-load: whole\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n  - domain: \"{origin}.\"\n    file: \"{origin}.zone\"\n",
        run = run.display(),
        ip = at.ip(),
        port = at.port(),
        dir = dir.display(),
    );
    let conf = run.join("knot.conf");
    fs::write(&conf, text).unwrap();
    daemon("knotd", &["-c", text_of(&conf)], &run, at).await
}

/// What `name` prints, if it ends well.
async fn output(name: &'static str, args: &[&str]) -> String {
    let output = Command::new(program(name)).args(args).stdin(Stdio::null()).output();
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts `name`, which dies with the test, and waits until `at` answers DNS queries.
async fn daemon(name: &'static str, args: &[&str], dir: &Path, at: SocketAddr) -> Child {
    let log = dir.join(format!("{name}.log"));
    let out = fs::File::create(&log).unwrap();
    let mut child = Command::new("/usr/bin/setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program(name))
        .args(args)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !answers(at).await {
        let ended = child.try_wait().unwrap();
        let gone = ended.is_some() || started.elapsed() > START_MAX;
        assert!(!gone, "{name}: {ended:?}\n{}", fs::read_to_string(&log).unwrap());
    }
    child
}

/// Whether anything at all comes back for (., SOA). A closed port is said at once, so that this
/// asks again some hundred times a second at most.
async fn answers(at: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    // Id 1, RD, one question: the root, SOA, IN.
    let query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
    let mut reply = [0; 512];
    let exchange = async {
        socket.send(&query).await?;
        socket.recv(&mut reply).await
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(_)) => true,
        Ok(Err(_)) => {
            sleep(Duration::from_millis(5)).await;
            false
        }
        Err(_) => false,
    }
}

/// A port that is free for UDP and TCP.
async fn free_port(ip: IpAddr) -> u16 {
    loop {
        let udp = UdpSocket::bind((ip, 0)).await.unwrap();
        let at = udp.local_addr().unwrap();
        if TcpListener::bind(at).await.is_ok() {
            return at.port();
        }
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

const PATIENCE: Duration = Duration::from_millis(500);
const START_MAX: Duration = Duration::from_secs(20);
