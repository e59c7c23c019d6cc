//! One query and its reply: UDP, and TCP where UDP does not suffice.

use std::io;
use std::sync::atomic::Ordering;

use domain::base::iana::Rtype;
use mpic_common::evidence::{DnsOutcome, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout_at;

use super::super::message::{Checking, Fit, Query, Reply, UDP_OCTETS, WireName, is_truncated};
use super::ForwarderInquiry;
use crate::deadline::Deadline;

/// A reply that UDP cannot give, and what TCP's failure then means.
struct NeedsTcp(DnsOutcome);

impl ForwarderInquiry {
    /// Asks once. Id, case of the question and port are new each time.
    pub(super) async fn exchange(
        &self,
        name: &WireName,
        qtype: Rtype,
        checking: Checking,
        until: Deadline,
    ) -> Result<(Reply, Transport), DnsOutcome> {
        let query = Query::new(name, qtype, checking).ok_or(DnsOutcome::Unreachable)?;
        let (octets, transport) = match self.ask_udp(&query, until).await? {
            Ok(octets) => (octets, Transport::Udp),
            Err(NeedsTcp(otherwise)) => match self.ask_tcp(&query, until).await {
                Err(DnsOutcome::Unreachable | DnsOutcome::Timeout) => return Err(otherwise),
                octets => (octets?, Transport::Tcp),
            },
        };
        let reply = Reply::parse(&octets).map_err(|_| DnsOutcome::Malformed)?;
        Ok((reply, transport))
    }

    async fn ask_udp(
        &self,
        query: &Query,
        until: Deadline,
    ) -> Result<Result<Vec<u8>, NeedsTcp>, DnsOutcome> {
        self.count_packet()?;
        let mut octets = vec![0; UDP_OCTETS];
        let received = async {
            let server = self.settings.server;
            let socket = UdpSocket::bind(self.settings.egress.bind(server.ip())).await?;
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
        let (length, fit) = in_time(until, received).await?;
        octets.truncate(length);
        self.count_octets(length)?;
        if fit == Fit::OtherCase {
            return Ok(Err(NeedsTcp(DnsOutcome::Timeout)));
        }
        Ok(if is_truncated(&octets) { Err(NeedsTcp(DnsOutcome::Truncated)) } else { Ok(octets) })
    }

    async fn ask_tcp(&self, query: &Query, until: Deadline) -> Result<Vec<u8>, DnsOutcome> {
        self.count_packet()?;
        let octets = in_time(until, async {
            let mut stream = self.connect().await?;
            let length = u16::try_from(query.octets().len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes(), query.octets()].concat()).await?;
            let mut octets = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut octets).await?;
            Ok(octets)
        });
        let octets = octets.await?;
        self.count_octets(octets.len())?;
        match query.fit(&octets) {
            Fit::Foreign => Err(DnsOutcome::Malformed),
            Fit::Reply | Fit::OtherCase => Ok(octets),
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let server = self.settings.server;
        let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(source) = self.settings.egress.source(server.ip()) {
            socket.bind((source, 0).into())?;
        }
        socket.connect(server).await
    }

    fn count_packet(&self) -> Result<(), DnsOutcome> {
        self.packets.fetch_add(1, Ordering::Relaxed);
        self.budget.take_packet()
    }

    fn count_octets(&self, octets: usize) -> Result<(), DnsOutcome> {
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        self.octets.fetch_add(octets, Ordering::Relaxed);
        self.budget.take_octets(octets)
    }
}

async fn in_time<T>(
    until: Deadline,
    exchange: impl Future<Output = io::Result<T>>,
) -> Result<T, DnsOutcome> {
    match timeout_at(until.instant(), exchange).await {
        Err(_) => Err(DnsOutcome::Timeout),
        Ok(Err(_)) => Err(DnsOutcome::Unreachable),
        Ok(Ok(received)) => Ok(received),
    }
}
