//! One query to one server and its reply: UDP, and TCP where UDP does not suffice.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mpic_common::evidence::{DnsOutcome, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout_at;

use super::Budget;
use super::message::{Fit, Query, UDP_OCTETS, is_truncated};
use crate::deadline::Deadline;
use crate::egress::Egress;

/// What one check has spent on DNS.
#[derive(Debug)]
pub(super) struct Spent {
    /// What its job has left.
    budget: Arc<Budget>,
    packets: AtomicU32,
    octets: AtomicU32,
}

impl Spent {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, packets: AtomicU32::new(0), octets: AtomicU32::new(0) }
    }

    /// Packets sent and octets received so far.
    pub(super) fn used(&self) -> (u32, u32) {
        (self.packets.load(Ordering::Relaxed), self.octets.load(Ordering::Relaxed))
    }

    fn packet(&self) -> Result<(), DnsOutcome> {
        self.budget.take_packet()?;
        self.packets.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn octets(&self, octets: usize) -> Result<(), DnsOutcome> {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.budget.take_octets(octets)
    }
}

/// Asks servers from one place, on one check's account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) egress: &'a Egress,
    pub(super) spent: &'a Spent,
    pub(super) until: Deadline,
}

/// A reply that UDP cannot give, and what it means that TCP cannot either.
struct NeedsTcp(DnsOutcome);

impl Exchange<'_> {
    /// Asks `server` once. The port is new each time, as are id and case of each query.
    pub(super) async fn ask(
        &self,
        server: SocketAddr,
        query: &Query,
    ) -> Result<(Vec<u8>, Transport), DnsOutcome> {
        match self.ask_udp(server, query).await? {
            Ok(octets) => Ok((octets, Transport::Udp)),
            Err(NeedsTcp(otherwise)) => match self.ask_tcp(server, query).await {
                Err(DnsOutcome::Unreachable) => Err(otherwise),
                octets => Ok((octets?, Transport::Tcp)),
            },
        }
    }

    async fn ask_udp(
        &self,
        server: SocketAddr,
        query: &Query,
    ) -> Result<Result<Vec<u8>, NeedsTcp>, DnsOutcome> {
        self.spent.packet()?;
        let mut octets = vec![0; UDP_OCTETS];
        let received = async {
            let socket = UdpSocket::bind(self.egress.bind(server.ip())).await?;
            // Connected, so that the system drops what comes from elsewhere.
            socket.connect(server).await?;
            socket.send(query.octets()).await?;
            loop {
                let length = socket.recv(&mut octets).await?;
                match query.fit(octets.get(..length).unwrap_or_default()) {
                    Fit::Foreign => {}
                    fit => return io::Result::Ok((length, fit)),
                }
            }
        };
        let (length, fit) = self.in_time(received).await?;
        octets.truncate(length);
        self.spent.octets(length)?;
        if fit == Fit::OtherCase {
            return Ok(Err(NeedsTcp(DnsOutcome::Timeout)));
        }
        Ok(if is_truncated(&octets) { Err(NeedsTcp(DnsOutcome::Truncated)) } else { Ok(octets) })
    }

    async fn ask_tcp(&self, server: SocketAddr, query: &Query) -> Result<Vec<u8>, DnsOutcome> {
        self.spent.packet()?;
        let octets = self.in_time(async {
            let mut stream = self.connect(server).await?;
            let length = u16::try_from(query.octets().len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes(), query.octets()].concat()).await?;
            let mut octets = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut octets).await?;
            Ok(octets)
        });
        let octets = octets.await?;
        self.spent.octets(octets.len())?;
        match query.fit(&octets) {
            Fit::Foreign => Err(DnsOutcome::Malformed),
            // A part of a set might lack the record that prohibits.
            _ if is_truncated(&octets) => Err(DnsOutcome::Truncated),
            Fit::Reply | Fit::OtherCase => Ok(octets),
        }
    }

    async fn connect(&self, server: SocketAddr) -> io::Result<TcpStream> {
        let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(source) = self.egress.source(server.ip()) {
            socket.bind((source, 0).into())?;
        }
        socket.connect(server).await
    }

    async fn in_time<T>(
        &self,
        exchange: impl Future<Output = io::Result<T>>,
    ) -> Result<T, DnsOutcome> {
        match timeout_at(self.until.instant(), exchange).await {
            Err(_) => Err(DnsOutcome::Timeout),
            Ok(Err(_)) => Err(DnsOutcome::Unreachable),
            Ok(Ok(received)) => Ok(received),
        }
    }
}
