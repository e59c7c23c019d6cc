//! Starts the real binary, and asks it as a perspective would.

use std::{
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    time::Duration,
};

use domain::base::{
    Message, MessageBuilder, Name, Rtype, iana::Rcode, message_builder::AdditionalBuilder,
};
use mpic_internet::{
    Config, Ready,
    config::{View, Zone},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UdpSocket},
    time::timeout,
};

pub(crate) const EAST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1));
pub(crate) const WEST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 2));
pub(crate) const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 9));
pub(crate) const WEB: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 3, 1)), IpAddr::V4(Ipv4Addr::new(127, 0, 3, 66))];

/// Longer than anything here takes unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two views, two web addresses, and the signed zone `s.test`.
pub(crate) fn two_views() -> Config {
    let view = |name: &str, source, resolver: [u8; 4]| View {
        name: name.to_owned(),
        source,
        resolver: SocketAddr::from((resolver, 0)),
    };
    let mut config = Config {
        views: vec![view("east", EAST, [127, 0, 2, 1]), view("west", WEST, [127, 0, 2, 2])],
        zones: vec![Zone { name: "s.test".to_owned(), signed: true }],
        ..Config::default()
    };
    config.web.addresses = WEB.to_vec();
    config
}

/// The running binary. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    directory: TempDir,
    pub(crate) ready: Ready,
}

impl Process {
    pub(crate) fn start(config: &Config) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("internet.toml");
        std::fs::write(&path, toml::to_string(config).unwrap()).unwrap();
        let mut child = command(&path).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap();
        Self { child, stderr, directory, ready }
    }

    pub(crate) fn rewrite(&self, text: &str) {
        std::fs::write(self.directory.path().join("internet.toml"), text).unwrap();
        self.signal("HUP");
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for a line on stderr that holds this text.
    pub(crate) fn complains_of(&mut self, text: &str) -> bool {
        self.stderr.by_ref().lines().map(Result::unwrap).any(|line| line.contains(text))
    }

    pub(crate) fn exit(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the binary says on stderr about a configuration that it refuses, and its exit code.
pub(crate) fn refusal(text: &str) -> (String, Option<i32>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("internet.toml");
    std::fs::write(&path, text).unwrap();
    let mut child = command(&path).spawn().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    (complaint, child.wait().unwrap().code())
}

fn command(config: &PathBuf) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpic-internet"));
    command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A question with DO=1 and this much room for the answer, in octets.
pub(crate) fn question(name: &str, rtype: Rtype, payload: u16) -> AdditionalBuilder<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(4711);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((Name::vec_from_str(name).unwrap(), rtype)).unwrap();
    let mut additional = question.additional();
    let opt = additional.opt(|opt| {
        opt.set_udp_payload_size(payload);
        opt.set_dnssec_ok(true);
        Ok(())
    });
    opt.unwrap();
    additional
}

pub(crate) async fn exchange_udp(from: IpAddr, to: SocketAddr, query: &[u8]) -> Message<Vec<u8>> {
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    socket.send_to(query, to).await.unwrap();
    receive(&socket).await
}

pub(crate) async fn receive(socket: &UdpSocket) -> Message<Vec<u8>> {
    let mut reply = Vec::with_capacity(65_535);
    timeout(PATIENCE, socket.recv_buf(&mut reply)).await.expect("a reply in time").unwrap();
    Message::from_octets(reply).unwrap()
}

pub(crate) async fn exchange_tcp(from: IpAddr, to: SocketAddr, query: &[u8]) -> Message<Vec<u8>> {
    let mut stream = connect(from, to).await;
    stream.write_u16(u16::try_from(query.len()).unwrap()).await.unwrap();
    stream.write_all(query).await.unwrap();
    let length = timeout(PATIENCE, stream.read_u16()).await.expect("a reply in time").unwrap();
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await.unwrap();
    Message::from_octets(reply).unwrap()
}

pub(crate) async fn ask(from: IpAddr, to: SocketAddr, name: &str, rtype: Rtype) -> (Rcode, String) {
    let reply = exchange_udp(from, to, question(name, rtype, 1232).as_slice()).await;
    (reply.header().rcode(), text(&reply))
}

/// The octets of the last record's data, as text.
pub(crate) fn text(message: &Message<Vec<u8>>) -> String {
    let records = message.answer().unwrap();
    let last = records.map(Result::unwrap).last();
    let data = last.map(|record| {
        let record = record.into_record::<domain::base::UnknownRecordData<_>>();
        record.unwrap().unwrap().data().data().to_vec()
    });
    String::from_utf8_lossy(&data.unwrap_or_default()).into_owned()
}

pub(crate) async fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Sends a GET request on a new connection.
pub(crate) async fn open(from: IpAddr, to: SocketAddr, host: &str, path: &str) -> TcpStream {
    let mut stream = connect(from, to).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything that the server sends until it closes.
pub(crate) async fn get(from: IpAddr, to: SocketAddr, host: &str, path: &str) -> String {
    let mut response = String::new();
    let mut stream = open(from, to, host, path).await;
    timeout(PATIENCE, stream.read_to_string(&mut response)).await.expect("an end").unwrap();
    response
}
