//! HTTP as a validation asks for it: one hop at a time, each to an address that was judged first.

mod failure;
mod hop;
mod progress;
pub(crate) mod redirect;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use mpic_common::challenge::{RandomValue, RequestHeaders};
use mpic_common::evidence::HopSeen;
use mpic_common::octets::{Hash, Octets};
use mpic_common::reason::Reason;
use reqwest::Response;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::check::{Bench, CANDIDATES_MAX, Evidence, Failure, Rules, candidates, micros};
use crate::egress::Egress;
use crate::resolver::Inquiry;

pub(crate) use progress::tls_config;

/// How long each part of a hop may take, and how many hops there may be.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Until a TCP connection stands.
    pub connect: Duration,
    /// Until the TLS handshake is done.
    pub handshake: Duration,
    /// Until the response head is complete.
    pub head: Duration,
    /// Until the body is complete.
    pub body: Duration,
    /// Redirects that are followed.
    pub redirects_max: usize,
}

/// Makes the requests of every check; it keeps nothing between them.
#[derive(Debug, Clone)]
pub struct HttpClient {
    egress: Egress,
    limits: HttpLimits,
    user_agent: String,
    tls: rustls::ClientConfig,
}

/// What to fetch.
#[derive(Debug)]
pub(crate) struct Fetch<'a> {
    pub(crate) url: Url,
    /// The job's own headers, which replace ours of the same name.
    pub(crate) headers: &'a RequestHeaders,
    /// Reading the body stops here.
    pub(crate) body_octets_max: usize,
    /// What no URL may hold, if it is long enough to be a Random Value.
    pub(crate) secret: Option<&'a RandomValue>,
    /// The only host that redirects may lead to.
    pub(crate) only_at: Option<IpAddr>,
}

impl HttpClient {
    /// A client. Errs if the TLS provider has no TLS 1.2 or 1.3.
    pub fn new(
        egress: Egress,
        limits: HttpLimits,
        user_agent: String,
    ) -> Result<Self, rustls::Error> {
        Ok(Self { egress, limits, user_agent, tls: tls_config()? })
    }

    /// Follows redirects from `fetch.url` to a body with a status of success; gives at most the
    /// first `body_octets_max` octets of it.
    ///
    /// 206 was not asked for and is not the file; every other 2xx is success (BR 3.2.2.4.19).
    pub(crate) async fn fetch<I: Inquiry>(
        &self,
        fetch: Fetch<'_>,
        bench: &Bench<'_, I>,
        evidence: &mut Evidence,
    ) -> Result<Vec<u8>, Failure> {
        let mut url = fetch.url;
        let mut visited = BTreeSet::from([url.to_string()]);
        loop {
            if fetch.secret.is_some_and(|secret| shows(&url, secret)) {
                let reason = Reason::HttpChallengeInRequest;
                return Err(Failure::new(reason, "the URL holds the challenge"));
            }
            let response = self.hop(&url, fetch.headers, bench, evidence).await?;
            let status = response.status().as_u16();
            match status {
                200..=205 | 207..=299 => {
                    let until = bench.deadline.narrow(self.limits.body);
                    let Some(hop) = evidence.http.last_mut() else { return Err(internal()) };
                    return body(response, fetch.body_octets_max, until.instant(), hop).await;
                }
                301 | 302 | 307 | 308 => {
                    if visited.len() > self.limits.redirects_max {
                        let max = self.limits.redirects_max;
                        let detail = format!("more than {max} redirects");
                        return Err(Failure::new(Reason::RedirectLimit, detail));
                    }
                    let Rules { names, addresses, .. } = bench.rules;
                    let (headers, only_at) = (response.headers(), fetch.only_at);
                    url = redirect::target(&url, headers, only_at, names, addresses)?;
                }
                _ => {
                    let reason =
                        if status == 303 { Reason::RedirectStatus } else { Reason::HttpStatus };
                    let detail = format!("status {status} of {}", Failure::quote(url.as_str()));
                    return Err(Failure::new(reason, detail));
                }
            }
            if !visited.insert(url.to_string()) {
                let detail = format!("redirected again to {}", Failure::quote(url.as_str()));
                return Err(Failure::new(Reason::RedirectLoop, detail));
            }
        }
    }

    /// One request: the second address is tried only if no TCP connection to the first stands.
    async fn hop<I: Inquiry>(
        &self,
        url: &Url,
        headers: &RequestHeaders,
        bench: &Bench<'_, I>,
        evidence: &mut Evidence,
    ) -> Result<Response, Failure> {
        let started = Instant::now();
        let addresses = match url.host() {
            Some(host) => candidates(host, bench, evidence).await,
            None => Err(Reason::Internal),
        };
        evidence.http.push(HopSeen {
            url: url.to_string(),
            addresses: addresses.clone().unwrap_or_default(),
            port: url.port_or_known_default().unwrap_or_default(),
            ..HopSeen::default()
        });
        let addresses = addresses.map_err(|reason| {
            Failure::new(reason, format!("no address of {}", Failure::quote(url.as_str())))
        })?;
        let Some(hop) = evidence.http.last_mut() else { return Err(internal()) };
        let mut outcome = Err(internal());
        for address in addresses.into_iter().take(CANDIDATES_MAX) {
            evidence.connects = evidence.connects.saturating_add(1);
            match hop::attempt(self, url, address, headers, bench.deadline, hop).await {
                Ok(response) => {
                    note_head(&response, address, micros(started), hop);
                    return Ok(response);
                }
                Err(attempt) => {
                    outcome = Err(attempt.failure);
                    if attempt.is_connected {
                        break;
                    }
                }
            }
        }
        outcome
    }
}

fn note_head(response: &Response, address: IpAddr, head_us: u64, hop: &mut HopSeen) {
    let headers = response.headers();
    let first = |name| headers.get(name).map(|value| value.as_bytes().to_vec());
    hop.addr_used = Some(address);
    hop.status = Some(response.status().as_u16());
    hop.http_version = Some(format!("{:?}", response.version()));
    hop.header_count = u16::try_from(headers.len()).unwrap_or(u16::MAX);
    hop.location = first(reqwest::header::LOCATION).map(Octets);
    hop.content_encoding = first(reqwest::header::CONTENT_ENCODING).map(Failure::quote);
    hop.head_us = head_us;
}

/// Whether a site asked for `url` would be told what it is to show (BR 3.2.2.4.18).
fn shows(url: &Url, secret: &RandomValue) -> bool {
    secret.is_random_value() && secret.occurs_in(url.as_str())
}

/// Reads until `until`, the end, or as soon as there are `octets_max` octets.
async fn body(
    mut response: Response,
    octets_max: usize,
    until: Instant,
    hop: &mut HopSeen,
) -> Result<Vec<u8>, Failure> {
    let started = Instant::now();
    let mut octets = Vec::new();
    let ended = loop {
        match timeout_at(until, response.chunk()).await {
            Err(_) => break Err(Failure::new(Reason::HttpBodyTimeout, "the body came too slowly")),
            Ok(Err(_)) => {
                break Err(Failure::new(Reason::HttpBodyIncomplete, "the body ended early"));
            }
            Ok(Ok(None)) => break Ok(true),
            Ok(Ok(Some(chunk))) => {
                octets.extend_from_slice(&chunk);
                if octets.len() >= octets_max {
                    break Ok(false);
                }
            }
        }
    };
    hop.body_us = micros(started);
    hop.body_octets = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    hop.body_complete = matches!(ended, Ok(true));
    hop.body_digest = Some(Hash::of(&octets));
    hop.body_head = octets.get(..HEAD_OCTETS.min(octets.len())).map(Octets::from);
    ended?;
    octets.truncate(octets_max);
    Ok(octets)
}

/// The name and port of `url` as `Host` has them: the port only if it is not the scheme's.
fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// All headers of a request: ours, and the job's in their stead where both have one.
fn request_headers(url: &Url, user_agent: &str, job: &RequestHeaders) -> Option<HeaderMap> {
    use reqwest::header::{
        ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT,
    };
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::try_from(host_header(url)).ok()?);
    headers.insert(USER_AGENT, HeaderValue::try_from(user_agent).ok()?);
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for (name, value) in job.as_map() {
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    Some(headers)
}

fn internal() -> Failure {
    Failure::new(Reason::Internal, "")
}

/// Octets of the body that are kept whatever they are.
const HEAD_OCTETS: usize = 256;

#[cfg(test)]
mod tests;
