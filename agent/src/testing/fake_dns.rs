//! A validating resolver that says what a test tells it to.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use domain::base::iana::{Class, ExtendedErrorCode, OptRcode, Rtype};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder, Name, Record, Ttl, UnknownRecordData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Lower-case, without final dot.
    pub(crate) name: String,
    pub(crate) qtype: Rtype,
    pub(crate) tcp: bool,
    /// The CD bit.
    pub(crate) checking_disabled: bool,
    /// How often the same was asked before.
    pub(crate) nth: usize,
}

/// What to say.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    pub(crate) rcode: OptRcode,
    pub(crate) ad: bool,
    pub(crate) ra: bool,
    pub(crate) tc: bool,
    pub(crate) records: Vec<FakeRecord>,
    /// Owner of the SOA; none leaves it out.
    pub(crate) soa: Option<String>,
    pub(crate) ede: Vec<u16>,
    /// Changes the octets before they are sent; several make several messages, none silence.
    pub(crate) distort: fn(Vec<u8>) -> Vec<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub(crate) struct FakeRecord {
    owner: String,
    rtype: Rtype,
    rdata: Vec<u8>,
}

impl Say {
    pub(crate) fn records(records: Vec<FakeRecord>) -> Self {
        Self {
            rcode: OptRcode::NOERROR,
            ad: true,
            ra: true,
            tc: false,
            records,
            soa: None,
            ede: Vec::new(),
            distort: |octets| vec![octets],
        }
    }

    pub(crate) fn no_data() -> Self {
        Self { soa: Some(String::new()), ..Self::records(Vec::new()) }
    }

    pub(crate) fn nx_domain() -> Self {
        Self { rcode: OptRcode::NXDOMAIN, ..Self::no_data() }
    }

    pub(crate) fn rcode(rcode: OptRcode) -> Self {
        Self { rcode, ad: false, ..Self::records(Vec::new()) }
    }

    pub(crate) fn serv_fail(ede: &[u16]) -> Self {
        Self { ede: ede.to_vec(), ..Self::rcode(OptRcode::SERVFAIL) }
    }

    pub(crate) fn silence() -> Self {
        Self { distort: |_| Vec::new(), ..Self::records(Vec::new()) }
    }
}

pub(crate) fn txt(owner: &str, strings: &[&[u8]]) -> FakeRecord {
    let string = |string: &&[u8]| [&[u8::try_from(string.len()).unwrap()], *string].concat();
    record(owner, Rtype::TXT, strings.iter().flat_map(string).collect())
}

pub(crate) fn caa(owner: &str, flags: u8, tag: &str, value: &str) -> FakeRecord {
    let length = u8::try_from(tag.len()).unwrap();
    record(owner, Rtype::CAA, [&[flags, length], tag.as_bytes(), value.as_bytes()].concat())
}

pub(crate) fn address(owner: &str, address: IpAddr) -> FakeRecord {
    match address {
        IpAddr::V4(address) => record(owner, Rtype::A, address.octets().to_vec()),
        IpAddr::V6(address) => record(owner, Rtype::AAAA, address.octets().to_vec()),
    }
}

pub(crate) fn cname(owner: &str, target: &str) -> FakeRecord {
    record(owner, Rtype::CNAME, wire(target).into_octets())
}

pub(crate) fn dname(owner: &str, target: &str) -> FakeRecord {
    record(owner, Rtype::DNAME, wire(target).into_octets())
}

pub(crate) fn record(owner: &str, rtype: Rtype, rdata: Vec<u8>) -> FakeRecord {
    FakeRecord { owner: owner.to_owned(), rtype, rdata }
}

/// Every name has these addresses, and nothing else.
pub(crate) fn everything_at(addresses: &'static [&'static str]) -> impl Fn(&Asked) -> Say + Clone {
    move |asked| {
        let records: Vec<FakeRecord> = addresses
            .iter()
            .map(|text| text.parse().unwrap())
            .filter(|found: &IpAddr| {
                let qtype = if found.is_ipv4() { Rtype::A } else { Rtype::AAAA };
                qtype == asked.qtype
            })
            .map(|found| address(&asked.name, found))
            .collect();
        if records.is_empty() { Say::no_data() } else { Say::records(records) }
    }
}

fn wire(name: &str) -> Name<Vec<u8>> {
    Name::vec_from_str(if name.is_empty() { "." } else { name }).unwrap()
}

/// The server, on a free port of UDP and TCP. It ends when it is dropped.
pub(crate) struct FakeDns {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

type Script = Arc<dyn Fn(&Asked) -> Say + Send + Sync>;

impl FakeDns {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let (udp, tcp) = bind().await;
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Server { script: Arc::new(script), asked: Arc::clone(&asked) };
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, server.clone()));
        tasks.spawn(serve_tcp(tcp, server));
        Self { address, asked, _tasks: tasks }
    }

    /// Everything that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.name).collect()
    }
}

/// One free port for both.
async fn bind() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

/// What the client takes over UDP.
const UDP_OCTETS: usize = 1_232;

#[derive(Clone)]
struct Server {
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn answer(&self, query: &[u8], tcp: bool) -> Vec<Vec<u8>> {
        let query = Message::from_octets(query).unwrap();
        let question = query.sole_question().unwrap();
        let mut asked = Asked {
            name: question.qname().to_string().to_lowercase(),
            qtype: question.qtype(),
            tcp,
            checking_disabled: query.header().cd(),
            nth: 0,
        };
        let mut log = self.asked.lock().unwrap();
        asked.nth = log
            .iter()
            .filter(|seen| {
                let same = |seen: &Asked| (seen.name.clone(), seen.qtype, seen.tcp);
                same(seen) == same(&asked)
            })
            .count();
        log.push(asked.clone());
        drop(log);
        let say = (self.script)(&asked);
        let message = compose(&query, &say);
        if tcp || message.len() <= UDP_OCTETS {
            return (say.distort)(message);
        }
        (say.distort)(compose(&query, &Say { tc: true, records: Vec::new(), ..say }))
    }
}

fn compose(query: &Message<&[u8]>, say: &Say) -> Vec<u8> {
    let mut builder =
        MessageBuilder::new_vec().start_answer(query, say.rcode.to_parts().0).unwrap();
    builder.header_mut().set_ra(say.ra);
    builder.header_mut().set_ad(say.ad);
    builder.header_mut().set_tc(say.tc);
    let composed = |owner: &str, rtype, rdata| {
        let data = UnknownRecordData::from_octets(rtype, rdata).unwrap();
        Record::new(wire(owner), Class::IN, Ttl::from_secs(300), data)
    };
    for record in &say.records {
        builder.push(composed(&record.owner, record.rtype, record.rdata.clone())).unwrap();
    }
    let mut builder = builder.authority();
    if let Some(owner) = &say.soa {
        let rdata = [&[0, 0][..], &[0; 20]].concat();
        builder.push(composed(owner, Rtype::SOA, rdata)).unwrap();
    }
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_rcode(say.rcode);
            say.ede.iter().try_for_each(|code| {
                let code = ExtendedErrorCode::from_int(*code);
                opt.push(&ExtendedError::<Vec<u8>>::new(code, None).unwrap())
            })
        })
        .unwrap();
    builder.finish()
}

async fn serve_udp(socket: UdpSocket, server: Server) {
    let mut query = [0; 4_096];
    while let Ok((length, from)) = socket.recv_from(&mut query).await {
        for message in server.answer(&query[..length], false) {
            let _ = socket.send_to(&message, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, server: Server) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_stream(stream, server.clone()));
    }
}

/// A script that is silent over TCP closes the connection.
async fn serve_stream(mut stream: TcpStream, server: Server) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; length.into()];
        stream.read_exact(&mut query).await.unwrap();
        let messages = server.answer(&query, true);
        if messages.is_empty() {
            return;
        }
        for message in messages {
            let length = u16::try_from(message.len()).unwrap();
            let _ = stream.write_all(&[&length.to_be_bytes(), message.as_slice()].concat()).await;
        }
    }
}
