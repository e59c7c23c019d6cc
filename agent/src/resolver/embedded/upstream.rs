//! One name server, as the recursor sees it: our own packets, judged before it gets anything.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use domain::base::Message;
use domain::base::iana::{OptRcode, Rtype};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::proto::op::{self, DnsRequest, DnsResponse, OpCode};
use hickory_resolver::proto::rr::{DNSClass, RecordType};
use hickory_resolver::proto::serialize::binary::BinEncodable;
use hickory_resolver::{ConnectionProvider, PoolContext};
use mpic_common::evidence::DnsOutcome;
use tokio::time::Instant;

use super::super::exchange::{Exchange, Spent};
use super::super::message::{Asking, Edns, Query, Reply, WireName};
use super::EmbeddedSettings;
use super::infrastructure::Visit;
use super::journal::{Heard, Journal};
use super::referral::Referral;
use crate::deadline::Deadline;

/// Name servers within one attempt.
#[derive(Clone)]
pub(super) struct Upstreams {
    pub(super) settings: Arc<EmbeddedSettings>,
    pub(super) spent: Arc<Spent>,
    pub(super) journal: Arc<Journal>,
    /// What outlives the job, if this attempt goes by it.
    pub(super) visit: Option<Arc<Visit>>,
    pub(super) until: Deadline,
    pub(super) runtime: TokioRuntimeProvider,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Upstream {
    address: IpAddr,
    servers: Upstreams,
}

impl ConnectionProvider for Upstreams {
    type Conn = Upstream;
    type FutureConn = BoxFuture<'static, Result<Upstream, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    /// Nothing is sent yet. The transport that the recursor asks for does not matter: each
    /// exchange goes from UDP to TCP by itself.
    fn new_connection(
        &self,
        address: IpAddr,
        _: &ConnectionConfig,
        _: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let upstream = Upstream { address, servers: self.clone() };
        Ok(Box::pin(std::future::ready(Ok(upstream))))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.runtime
    }
}

impl DnsHandle for Upstream {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let upstream = self.clone();
        Box::pin(stream::once(async move { upstream.answer(&request).await }))
    }
}

impl Upstream {
    /// What the recursor is told. Any failure is one of this server alone, so that it asks the
    /// next.
    async fn answer(&self, request: &DnsRequest) -> Result<DnsResponse, NetError> {
        let query = request.queries.first().ok_or(NetError::NoConnections)?;
        let octets = query.name().to_bytes()?;
        let name = WireName::from_octets(octets).map_err(|_| NetError::NoConnections)?;
        let qtype = Rtype::from_int(query.query_type().into());
        let Upstreams { journal, visit, .. } = &self.servers;
        if qtype == Rtype::NS
            && let Some(octets) = visit.as_ref().and_then(|visit| visit.read(&name, qtype))
        {
            return for_recursor(&octets, query);
        }
        let received = Instant::now();
        match self.ask(&name, qtype).await {
            Ok(heard) => {
                self.keep(&heard.octets, &name, qtype, received);
                let response = for_recursor(&heard.octets, query);
                if is_authoritative(&heard.octets) {
                    journal.reply(&name, qtype, heard);
                } else if qtype != Rtype::NS {
                    // A referral: the recursor may use it, but it is no answer.
                    journal.failure(&name, qtype, DnsOutcome::ServFail);
                }
                response.inspect_err(|_| journal.failure(&name, qtype, DnsOutcome::Malformed))
            }
            Err(outcome) => {
                journal.failure(&name, qtype, outcome);
                Err(io::Error::other(format!("{outcome:?}")).into())
            }
        }
    }

    /// Keeps a referral beyond the job, counted from when it was asked for.
    fn keep(&self, reply: &[u8], name: &WireName, qtype: Rtype, received: Instant) {
        let Upstreams { settings, visit, .. } = &self.servers;
        let visit =
            visit.as_ref().filter(|visit| qtype == Rtype::NS && visit.may_keep(name, qtype));
        if let Some(visit) = visit
            && let Some(referral) = Referral::of(reply, name, &settings.addresses)
        {
            visit.keep((name, qtype), &referral.octets, received, referral.ttl);
        }
    }

    /// A reply of this server with data, a denial or a referral.
    async fn ask(&self, name: &WireName, qtype: Rtype) -> Result<Heard, DnsOutcome> {
        let Upstreams { settings, spent, journal, until, .. } = &self.servers;
        if !settings.addresses.permits(self.address) {
            return Err(DnsOutcome::Unreachable);
        }
        journal.asking(self.address);
        let server = SocketAddr::new(self.address, settings.egress.port(DNS_PORT));
        let until = until.narrow(settings.attempt / SERVERS_SURVIVED);
        let exchange = Exchange { egress: &settings.egress, spent, until };
        let ask = async |edns| {
            let query = Query::new(name, qtype, Asking::Authority(edns));
            let query = query.ok_or(DnsOutcome::Unreachable)?;
            let (octets, transport) = exchange.ask(server, &query).await?;
            let rcode = rcode(&octets)?;
            Ok::<_, DnsOutcome>((Heard { octets, transport }, rcode))
        };
        let (heard, rcode) = match ask(Edns::With).await? {
            (_, OptRcode::FORMERR | OptRcode::NOTIMP | OptRcode::BADVERS) => {
                ask(Edns::Without).await?
            }
            replied => replied,
        };
        match rcode {
            OptRcode::NOERROR | OptRcode::NXDOMAIN | OptRcode::YXDOMAIN => usable(heard),
            OptRcode::SERVFAIL => Err(DnsOutcome::ServFail),
            OptRcode::REFUSED => Err(DnsOutcome::Refused),
            _ => Err(DnsOutcome::Malformed),
        }
    }
}

/// The extended rcode; the message must decode.
fn rcode(octets: &[u8]) -> Result<OptRcode, DnsOutcome> {
    Reply::parse(octets)
        .map(|reply| OptRcode::masked_from_int(reply.rcode))
        .map_err(|_| DnsOutcome::Malformed)
}

/// An authority speaks for itself; others may at most refer elsewhere.
fn usable(heard: Heard) -> Result<Heard, DnsOutcome> {
    if is_authoritative(&heard.octets) || is_referral(&heard.octets) {
        Ok(heard)
    } else {
        Err(DnsOutcome::ServFail)
    }
}

fn is_authoritative(octets: &[u8]) -> bool {
    Message::from_octets(octets).is_ok_and(|message| message.header().aa())
}

fn is_referral(octets: &[u8]) -> bool {
    let Ok(message) = Message::from_octets(octets) else { return false };
    message.iter().flatten().any(|(record, _)| record.rtype() == Rtype::NS)
}

/// What the recursor needs to go on: servers and their addresses. All else it gets as an empty
/// answer, and so follows no alias.
fn for_recursor(octets: &[u8], query: &op::Query) -> Result<DnsResponse, NetError> {
    let mut message = if LEADS_ON.contains(&query.query_type()) {
        op::Message::from_vec(octets)?
    } else {
        let mut message = op::Message::response(0, OpCode::Query);
        message.add_query(query.clone());
        message.metadata.authoritative = true;
        message
    };
    for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
        section.retain(|record| {
            record.dns_class == DNSClass::IN && record.record_type() != RecordType::CNAME
        });
    }
    Ok(DnsResponse::from_message(message)?)
}

/// The port of every name server.
const DNS_PORT: u16 = 53;

/// An attempt lasts for this many servers that do not answer, and part of one that does.
const SERVERS_SURVIVED: u32 = 3;

const LEADS_ON: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::NS];
