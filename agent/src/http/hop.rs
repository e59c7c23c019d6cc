//! One request to one address.

use std::net::{IpAddr, SocketAddr};

use mpic_common::challenge::RequestHeaders;
use mpic_common::evidence::{HopSeen, Tried};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response};
use tokio::time::sleep_until;
use url::Url;

use super::progress::{Phase, Progress};
use super::{HttpClient, HttpLimits, failure, internal, request_headers};
use crate::check::Failure;
use crate::deadline::Deadline;

/// Why an attempt gave no response.
pub(super) struct AttemptFailure {
    pub(super) failure: Failure,
    /// Whether a TCP connection stood: then no other address is tried.
    pub(super) is_connected: bool,
}

/// Sends the request to `address` and waits for a complete response head.
pub(super) async fn attempt(
    client: &HttpClient,
    url: &Url,
    address: IpAddr,
    headers: &RequestHeaders,
    deadline: Deadline,
    hop: &mut HopSeen,
) -> Result<Response, AttemptFailure> {
    let progress = Progress::new(&client.tls);
    let sent = send(client, url, address, headers, &progress, deadline).await;
    let state = progress.state();
    hop.tls_version = state.tls_version.map(str::to_owned);
    hop.leaf_digest = state.leaf_digest;
    sent.map_err(|failure| {
        hop.tried.push(Tried { addr: address, error: failure.reason });
        AttemptFailure { failure, is_connected: state.phase != Phase::Connecting }
    })
}

async fn send(
    client: &HttpClient,
    url: &Url,
    address: IpAddr,
    headers: &RequestHeaders,
    progress: &Progress,
    deadline: Deadline,
) -> Result<Response, Failure> {
    let pinned = build(client, url, address, progress).map_err(|_| internal())?;
    let mut request = Request::new(reqwest::Method::GET, url_to_send(client, url));
    *request.headers_mut() =
        request_headers(url, &client.user_agent, headers).ok_or_else(internal)?;
    let response = in_time(pinned.execute(request), progress, deadline, &client.limits).await?;
    if response.remote_addr().map(|peer| peer.ip()) == Some(address) {
        Ok(response)
    } else {
        Err(internal())
    }
}

/// Each phase has its own end, fixed when it begins.
async fn in_time(
    execution: impl Future<Output = reqwest::Result<Response>>,
    progress: &Progress,
    deadline: Deadline,
    limits: &HttpLimits,
) -> Result<Response, Failure> {
    let mut states = progress.subscribe();
    let mut phase = Phase::Connecting;
    let mut until = deadline.narrow(limits.connect);
    let mut execution = std::pin::pin!(execution);
    loop {
        tokio::select! {
            biased;
            done = &mut execution => {
                return done.map_err(|error| failure::of(&error, progress.state().phase));
            }
            _ = states.changed() => {}
            () = sleep_until(until.instant()) => return Err(failure::timeout(phase)),
        }
        let now = states.borrow_and_update().phase;
        if now != phase {
            phase = now;
            until = deadline.narrow(match phase {
                Phase::Connecting => limits.connect,
                Phase::Handshaking => limits.handshake,
                Phase::Waiting => limits.head,
            });
        }
    }
}

fn build(
    client: &HttpClient,
    url: &Url,
    address: IpAddr,
    progress: &Progress,
) -> reqwest::Result<Client> {
    let tls = match url.scheme() {
        "https" => progress.watch_tls(&client.tls),
        _ => client.tls.clone(),
    };
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .referer(false)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .pool_max_idle_per_host(0)
        .local_address(client.egress.source(address))
        .dns_resolver(Pinned(address))
        .connector_layer(progress.clone())
        .build()
}

/// `url` with the port that is really connected to. `Host` keeps the port of `url`.
fn url_to_send(client: &HttpClient, url: &Url) -> Url {
    let mut sent = url.clone();
    if let Some(port) = url.port_or_known_default() {
        // A URL with a host takes a port.
        let _ = sent.set_port(Some(client.egress.port(port)));
    }
    sent
}

/// Resolves every name to the one address that was judged. Port 0 stands for that of the URL.
#[derive(Debug)]
struct Pinned(IpAddr);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::new(self.0, 0)));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}
