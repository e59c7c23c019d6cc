//! A name server whose every word a script may change.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use domain::base::iana::{OptRcode, Rtype};
use domain::base::{Message, MessageBuilder, ToName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::authority;
use super::zone::{Owner, Record, Zone, name};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Lower-case, without final dot.
    pub(crate) name: String,
    pub(crate) qtype: Rtype,
    pub(crate) tcp: bool,
    pub(crate) edns: bool,
    /// How often the same was asked before.
    pub(crate) nth: usize,
}

impl Asked {
    pub(crate) fn is(&self, name: &str, qtype: Rtype) -> bool {
        self.name == name && self.qtype == qtype
    }
}

/// What to say.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) rcode: OptRcode,
    pub(crate) aa: bool,
    pub(crate) answer: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// Changes the octets before they are sent; several make several messages, none silence.
    pub(crate) distort: fn(Vec<u8>) -> Vec<Vec<u8>>,
}

impl Say {
    /// NOERROR by an authority, and nothing else.
    pub(crate) fn empty() -> Self {
        Self {
            rcode: OptRcode::NOERROR,
            aa: true,
            answer: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            distort: |octets| vec![octets],
        }
    }

    pub(crate) fn rcode(rcode: OptRcode) -> Self {
        Self { rcode, aa: false, ..Self::empty() }
    }

    pub(crate) fn silence() -> Self {
        Self { distort: |_| Vec::new(), ..Self::empty() }
    }

    /// Without signatures and proofs, as from a server that does not know DNSSEC.
    pub(crate) fn stripped(mut self) -> Self {
        self.answer.retain(|record| !authority::is_proof(record));
        self.authority.retain(|record| !authority::is_proof(record));
        self
    }
}

/// What is said, given what would honestly be said and all that is honestly there.
pub(crate) type Script = Arc<dyn Fn(&Asked, Say, &Zones) -> Say + Send + Sync>;

pub(crate) fn honest() -> Script {
    Arc::new(|_, say, _| say)
}

/// Every zone of a world.
#[derive(Debug)]
pub(crate) struct Zones(pub(crate) Vec<Zone>);

impl Zones {
    pub(crate) fn zone(&self, origin: &str) -> &Zone {
        self.0.iter().find(|zone| zone.origin == name(origin)).unwrap()
    }

    /// What the server of `origin` would honestly say.
    pub(crate) fn honest(&self, origin: &str, qname: &str, qtype: Rtype) -> Say {
        authority::answer(self.zone(origin), &name(qname), qtype)
    }
}

/// One server, over UDP and TCP. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    desk: Desk,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves the zone of `index`; port 0 is a free one. None where the address is not ours.
    pub(crate) async fn start(
        address: SocketAddr,
        index: usize,
        zones: &Arc<Zones>,
        script: Script,
    ) -> Option<Self> {
        let (udp, tcp) = bind(address).await?;
        let address = udp.local_addr().unwrap();
        let desk = Desk { zones: Arc::clone(zones), index, script, asked: Arc::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, desk.clone()));
        tasks.spawn(serve_tcp(tcp, desk.clone()));
        Some(Self { address, desk, _tasks: tasks })
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.desk.asked.lock().unwrap().clone()
    }
}

/// A port that is free at `address`.
pub(crate) async fn free_port(address: IpAddr) -> u16 {
    let (udp, _) = bind((address, 0).into()).await.unwrap();
    udp.local_addr().unwrap().port()
}

/// One port for both. The first server finds a free one, below those that the system gives out, so
/// that it is free at the addresses of the others too.
async fn bind(address: SocketAddr) -> Option<(UdpSocket, TcpListener)> {
    let ports = match address.port() {
        0 => 20_000..30_000,
        port => port..port + 1,
    };
    for port in ports {
        let at = SocketAddr::new(address.ip(), port);
        if let (Ok(udp), Ok(tcp)) = (UdpSocket::bind(at).await, TcpListener::bind(at).await) {
            return Some((udp, tcp));
        }
    }
    None
}

#[derive(Clone)]
struct Desk {
    zones: Arc<Zones>,
    index: usize,
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Desk {
    fn answer(&self, query: &[u8], tcp: bool) -> Vec<Vec<u8>> {
        let query = Message::from_octets(query).unwrap();
        let question = query.sole_question().unwrap();
        let qname: Owner = question.qname().to_bytes();
        let asked = self.note(Asked {
            name: qname.to_string().to_lowercase(),
            qtype: question.qtype(),
            tcp,
            edns: query.opt().is_some(),
            nth: 0,
        });
        let honest = authority::answer(&self.zones.0[self.index], &qname, asked.qtype);
        let say = (self.script)(&asked, honest, &self.zones);
        let message = compose(&query, &say, tcp);
        (say.distort)(message)
    }

    fn note(&self, mut asked: Asked) -> Asked {
        let mut log = self.asked.lock().unwrap();
        let same = |seen: &&Asked| seen.is(&asked.name, asked.qtype) && seen.tcp == asked.tcp;
        asked.nth = log.iter().filter(same).count();
        log.push(asked.clone());
        asked
    }
}

/// With the question's case as it was, and TC=1 if it is more than UDP should carry.
pub(crate) fn compose(query: &Message<&[u8]>, say: &Say, tcp: bool) -> Vec<u8> {
    let whole = fill(query, say);
    if tcp || whole.len() <= UDP_OCTETS {
        return whole;
    }
    let empty =
        Say { answer: Vec::new(), authority: Vec::new(), additional: Vec::new(), ..say.clone() };
    let mut octets = fill(query, &empty);
    octets[2] |= 0x02;
    octets
}

fn fill(query: &Message<&[u8]>, say: &Say) -> Vec<u8> {
    let mut builder =
        MessageBuilder::new_vec().start_answer(query, say.rcode.to_parts().0).unwrap();
    builder.header_mut().set_aa(say.aa);
    for record in &say.answer {
        builder.push(record).unwrap();
    }
    let mut builder = builder.authority();
    for record in &say.authority {
        builder.push(record).unwrap();
    }
    let mut builder = builder.additional();
    for record in &say.additional {
        builder.push(record).unwrap();
    }
    if query.opt().is_some() {
        let extended = builder.opt(|opt| {
            opt.set_rcode(say.rcode);
            Ok(())
        });
        extended.unwrap();
    }
    builder.finish()
}

async fn serve_udp(socket: UdpSocket, desk: Desk) {
    let mut query = [0; 4_096];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        for message in desk.answer(&query[..length], false) {
            let _ = socket.send_to(&message, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_stream(stream, desk.clone()));
    }
}

/// A script that is silent over TCP closes the connection.
async fn serve_stream(mut stream: TcpStream, desk: Desk) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; length.into()];
        stream.read_exact(&mut query).await.unwrap();
        let messages = desk.answer(&query, true);
        if messages.is_empty() {
            return;
        }
        for message in messages {
            let length = u16::try_from(message.len()).unwrap();
            let _ = stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).await;
        }
    }
}

/// What the client takes over UDP.
const UDP_OCTETS: usize = 1_232;
