//! A client of the gateway that writes exactly the octets that a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::cluster::Cluster;

/// A client with an API key.
#[derive(Debug, Clone)]
pub struct HttpClient {
    /// Where it asks.
    pub address: SocketAddr,
    /// Its key.
    pub key: String,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The fields by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body, null where it is no JSON.
    pub body: Value,
}

/// Longer than any request takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

impl HttpClient {
    /// A client of the gateway of `cluster`.
    pub fn of(cluster: &Cluster) -> Self {
        let (address, key) = cluster.gateway();
        Self { address, key }
    }

    /// Posts a request as a client does.
    pub async fn post(&self, body: &Value) -> Answered {
        self.post_octets(body.to_string().as_bytes()).await
    }

    /// Posts these octets as JSON.
    pub async fn post_octets(&self, body: &[u8]) -> Answered {
        let fields = format!("x-api-key: {}\r\ncontent-type: application/json", self.key);
        self.ask("POST", "/mpic", &fields, body).await
    }

    /// The octets of a request as a client sends it that keeps its connection.
    pub fn request(&self, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        let (key, length) = (&self.key, body.len());
        let head = format!(
            "POST /mpic HTTP/1.1\r\nhost: gateway\r\nx-api-key: {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        (head + &body).into_bytes()
    }

    /// Asks anything; `fields` are lines of a head.
    pub async fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Answered {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        let length = match method {
            "POST" => format!("content-length: {}\r\n", body.len()),
            _ => String::new(),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{fields}{length}\r\n"
        );
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends these octets and reads until the other side closes.
    pub async fn send(&self, octets: &[u8]) -> Answered {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that has heard enough may have closed already.
        let _ = stream.write_all(octets).await;
        let mut answer = Vec::new();
        let reading = tokio::time::timeout(ANSWER_WITHIN, stream.read_to_end(&mut answer)).await;
        let reset = reading.expect("an answer in time").is_err();
        assert!(!reset || !answer.is_empty(), "the connection was reset without an answer");
        Answered::parse(&answer)
    }
}

/// A connection on which one request follows another.
#[derive(Debug)]
pub struct KeptAlive(BufReader<TcpStream>);

impl KeptAlive {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends these octets, and reads one answer with a length.
    pub async fn ask(&mut self, octets: &[u8]) -> Answered {
        self.0.write_all(octets).await.unwrap();
        tokio::time::timeout(ANSWER_WITHIN, self.answer()).await.expect("an answer in time")
    }

    /// Reads one more answer.
    pub async fn answer(&mut self) -> Answered {
        let mut octets = Vec::new();
        while !octets.ends_with(b"\r\n\r\n") {
            let read = self.0.read_until(b'\n', &mut octets).await.unwrap();
            assert!(read > 0, "the other side has closed");
        }
        let length: usize = Answered::parse(&octets).header("content-length").parse().unwrap();
        let head = octets.len();
        octets.resize(head + length, 0);
        self.0.read_exact(&mut octets[head..]).await.unwrap();
        Answered::parse(&octets)
    }
}

impl Answered {
    /// Parses a whole answer.
    pub fn parse(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let body = serde_json::from_str(body).unwrap_or_default();
        Self { status: status.unwrap_or(0), headers, body }
    }

    /// A field; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The part of the body that `pointer` leads to.
    pub fn at(&self, pointer: &str) -> Value {
        self.body.pointer(pointer).cloned().unwrap_or_default()
    }
}
