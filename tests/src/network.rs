//! Hosts on one machine: network namespaces with an address each, joined by a bridge whose ports
//! can be cut.
//!
//! A namespace lasts as long as a process is in it. Here that is one that is killed with the test,
//! so nothing is left behind however the test ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::Builder;
use tokio::time::Instant;

use crate::process::SETPRIV;

/// Some hosts.
#[derive(Debug)]
pub struct Network {
    /// Where the bridge is.
    hub: Namespace,
    hosts: BTreeMap<String, Host>,
}

#[derive(Debug)]
struct Host {
    namespace: Namespace,
    address: Ipv4Addr,
    /// The port of the bridge that it is plugged into.
    port: String,
}

/// All addresses of a network begin so.
pub const PREFIX: &str = "10.77.0.0/24";
/// The longest that the kernel takes.
const PATIENCE: Duration = Duration::from_secs(10);

impl Network {
    /// Hosts of these names; or why there can be none.
    fn new(names: &[String]) -> Result<Self, String> {
        let hub = Namespace::new()?;
        hub.ip("link add hub type bridge\nlink set hub up\n")?;
        let mut hosts = BTreeMap::new();
        for (number, name) in (1..).zip(names) {
            let (namespace, port) = (Namespace::new()?, format!("port{number}"));
            let address = Ipv4Addr::new(10, 77, 0, number);
            hub.ip(&format!(
                "link add {port} type veth peer name eth0 netns {}\n\
                 link set {port} master hub\nlink set {port} up\n",
                namespace.pid()
            ))?;
            namespace.ip(&format!(
                "link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n"
            ))?;
            hosts.insert(name.clone(), Host { namespace, address, port });
        }
        Ok(Self { hub, hosts })
    }

    /// The address of a host.
    pub fn address(&self, host: &str) -> Ipv4Addr {
        self.host(host).address
    }

    /// A process id whose network is the host's.
    pub fn inside(&self, host: &str) -> u32 {
        self.host(host).namespace.pid()
    }

    /// From now on nothing reaches the host and nothing leaves it.
    pub fn cut(&self, host: &str) {
        self.hub.ip(&format!("link set {} down\n", self.host(host).port)).unwrap();
    }

    /// Ends what `cut` began.
    pub fn heal(&self, host: &str) {
        self.hub.ip(&format!("link set {} up\n", self.host(host).port)).unwrap();
    }

    /// Sets a figure of the host's network, such as `net/ipv4/tcp_retries2`.
    pub fn set(&self, host: &str, figure: &str, value: u32) {
        let network = format!("--net={}", self.host(host).namespace.path());
        let write = format!("echo {value} > /proc/sys/{figure}");
        let status = Command::new("nsenter").args([&network, "sh", "-c", &write]).status();
        assert!(status.unwrap().success(), "{figure} of {host}");
    }

    /// Puts what lies in `dir` onto a file system of its own that holds so many octets, as the host
    /// sees it.
    pub fn small_disk(&self, host: &str, dir: &Path, octets: usize) {
        let dir = dir.display();
        self.shell(
            host,
            &format!(
                "mv {dir} {dir}.old && mkdir {dir} && mount -t tmpfs -o size={octets} tmpfs {dir} \
                 && cp -a {dir}.old/. {dir}/"
            ),
        );
    }

    /// Runs a line of shell that sees what the host sees.
    pub fn shell(&self, host: &str, line: &str) {
        let pid = self.inside(host);
        let mount = format!("--mount=/proc/{pid}/ns/mnt");
        let status = Command::new("nsenter").args([&mount, "sh", "-c", line]).status();
        assert!(status.unwrap().success(), "{line}");
    }

    fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or_else(|| panic!("there is a host {name}"))
    }
}

/// Runs `test` on the last of these hosts; where a user may not have namespaces, says so and does
/// nothing.
pub fn on_network<F: Future<Output = ()>>(hosts: &[&str], test: impl FnOnce(Network) -> F + Send) {
    let names: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
    // The namespace is the thread's, and everything that it starts is in it too.
    let on_thread = || match Network::new(&names) {
        Ok(network) => {
            network.host(names.last().unwrap()).namespace.enter();
            Builder::new_current_thread().enable_all().build().unwrap().block_on(test(network));
        }
        Err(why) => {
            #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know")]
            {
                eprintln!("skipped: no network of namespaces: {why}");
            }
        }
    };
    let ended = std::thread::scope(|scope| scope.spawn(on_thread).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// A namespace, held by a process.
#[derive(Debug)]
struct Namespace(Child);

impl Namespace {
    fn new() -> Result<Self, String> {
        let mut command = Command::new(SETPRIV);
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--net",
            "--mount",
            "--",
            "sleep",
            "infinity",
        ]);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut namespace = Self(child.map_err(|error| error.to_string())?);
        let own = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
        let (path, began) = (namespace.path(), Instant::now());
        // It is the namespace of the tests until the process has made its own.
        while std::fs::read_link(&path).is_ok_and(|link| link == own) {
            let ended = namespace.0.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                return Err("`unshare --net` is not allowed".to_owned());
            }
            std::thread::yield_now();
        }
        Ok(namespace)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.pid())
    }

    /// Moves this thread into it.
    fn enter(&self) {
        let namespace = File::open(self.path()).unwrap();
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).unwrap();
    }

    /// Runs lines of `ip -batch` in it.
    fn ip(&self, lines: &str) -> Result<(), String> {
        let mut child = Command::new("nsenter")
            .arg(format!("--net={}", self.path()))
            .args(["ip", "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("nsenter: {error}"))?;
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(lines.as_bytes()).map_err(|error| format!("ip: {error}"))?;
        drop(input);
        let output = child.wait_with_output().map_err(|error| format!("ip: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
