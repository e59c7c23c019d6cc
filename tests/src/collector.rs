//! A small OpenTelemetry collector: takes spans by OTLP over HTTP, and remembers where each stands
//! in its trace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A span as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The process that sent it.
    pub service: String,
    /// What it is called.
    pub name: String,
    /// Its trace.
    pub trace: String,
    /// Its id in the trace.
    pub id: String,
    /// The span that it is a part of; empty where there is none.
    pub parent: String,
}

/// The collector. It ends with its value.
#[derive(Debug)]
pub struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    endpoint: String,
    _serving: JoinSet<()>,
}

impl Collector {
    /// Listens on loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&spans);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, Arc::clone(&received)));
            }
        });
        Self { spans, endpoint, _serving: serving }
    }

    /// Where it takes spans.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

async fn serve(connection: TcpStream, spans: Arc<Mutex<Vec<Span>>>) {
    let mut connection = BufReader::new(connection);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            // Whoever sends may leave at any time.
            let Ok(1..) = connection.read_line(&mut line).await else { return };
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await.unwrap();
        spans.lock().unwrap().extend(read(&body));
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        connection.get_mut().write_all(answer).await.unwrap();
    }
}

/// The spans of an `ExportTraceServiceRequest`.
fn read(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in fields(body).remove(&1).unwrap_or_default() {
        let parts = fields(of_resource);
        let service = service(parts[&1][0]);
        for of_scope in parts.get(&2).into_iter().flatten() {
            for span in fields(of_scope).remove(&2).unwrap_or_default() {
                let span = fields(span);
                let octets = |field: u64| span.get(&field).map_or(&[][..], |found| found[0]);
                spans.push(Span {
                    service: service.clone(),
                    name: String::from_utf8(octets(5).to_vec()).unwrap(),
                    trace: HEXLOWER.encode(octets(1)),
                    id: HEXLOWER.encode(octets(2)),
                    parent: HEXLOWER.encode(octets(4)),
                });
            }
        }
    }
    spans
}

/// The value of the attribute `service.name` of a `Resource`.
fn service(resource: &[u8]) -> String {
    let attributes = fields(resource).remove(&1).unwrap_or_default();
    let named = attributes.into_iter().map(fields).find(|one| one[&1][0] == b"service.name");
    let value = named.unwrap();
    String::from_utf8(fields(value[&2][0])[&1][0].to_vec()).unwrap()
}

/// The fields of a message of Protocol Buffers that have a length, by number.
fn fields(mut message: &[u8]) -> BTreeMap<u64, Vec<&[u8]>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        match tag & 7 {
            0 => drop(varint(&mut message)),
            1 => message = &message[8..],
            5 => message = &message[4..],
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                let (value, rest) = message.split_at(length);
                found.entry(tag >> 3).or_default().push(value);
                message = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let octet = message[0];
        *message = &message[1..];
        value |= u64::from(octet & 0x7F) << shift;
        if octet < 0x80 {
            break;
        }
    }
    value
}
