//! One HTTP request: where it goes, who sent it, what it may cost, and its answer.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use mpic_common::octets::Hash;
use mpic_runtime::clock::Clock;
use mpic_runtime::trace;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::auth::{Credentials, Failures, Shown};
use crate::config::Limits;
use crate::directory::Directories;
use crate::figures::Figures;
use crate::handler::{Answer, CaSide, Handler};
use crate::limits::{NoPlace, Places};

/// Everything that requests are answered with.
#[derive(Debug)]
pub struct Service<C> {
    /// Below which paths.
    pub base_paths: Vec<String>,
    /// Who may ask.
    pub credentials: Credentials,
    /// Who has failed to say who it is.
    pub failures: Failures,
    /// In the order of the configuration.
    pub cas: Vec<CaSide>,
    /// Whom to believe.
    pub directories: Directories,
    /// What is taken.
    pub limits: Limits,
    /// How much of it.
    pub places: Places,
    /// What is counted.
    pub figures: Figures,
    /// `/openapi.json`.
    pub description: Bytes,
    /// The time of day.
    pub clock: C,
    /// No new POST is taken once it is cancelled.
    pub stop: CancellationToken,
}

/// What is known of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it comes from.
    pub address: IpAddr,
    /// SHA-256 of the public key of its verified certificate.
    pub certificate: Option<Hash>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Mpic,
    Healthz,
    Readyz,
    Description,
}

impl<C: Clock> Service<C> {
    /// Answers one request.
    pub async fn respond(
        self: Arc<Self>,
        peer: Peer,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let arrived = Instant::now();
        let (head, mut body) = request.into_parts();
        let response = self.answer(&peer, &head, &mut body, arrived).await;
        if head.version >= Version::HTTP_2 {
            self.discard(body, arrived).await;
        }
        response
    }

    async fn answer(
        &self,
        peer: &Peer,
        head: &Parts,
        body: &mut Incoming,
        arrived: Instant,
    ) -> Response<Full<Bytes>> {
        let is_head = head.method == Method::HEAD;
        if head_octets(head) > self.limits.head_octets_max {
            return self.finish(&Answer::error(431, "head-too-large"), None, arrived, true);
        }
        let route = route(head.uri.path(), &self.base_paths);
        match (route, &head.method) {
            (None, _) => self.finish(&Answer::error(404, "not-found"), None, arrived, false),
            (Some(Route::Mpic), &Method::POST) => self.post(peer, head, body, arrived).await,
            (Some(Route::Mpic), _) => self.not_allowed("POST", arrived),
            (Some(route), &Method::GET | &Method::HEAD) => self.get(route, is_head),
            (Some(_), _) => self.not_allowed("GET, HEAD", arrived),
        }
    }

    /// Takes what is left of a body, looks at none of it, and keeps none.
    ///
    /// Over HTTP/2 an answer that leaves before the body has come resets the stream, and there are
    /// clients that fail on that and never look at the answer. Within the limits of any body.
    async fn discard(&self, mut body: Incoming, arrived: Instant) {
        let mut left = self.limits.body_octets_max;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                let octets = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(octets) else { break };
                left = rest;
            }
        };
        // Who is too slow is reset all the same.
        let _ = timeout_at(arrived + self.limits.read(), reading).await;
    }

    fn not_allowed(&self, allow: &'static str, arrived: Instant) -> Response<Full<Bytes>> {
        let answer = Answer::error(405, "method-not-allowed");
        let answer = Answer { headers: vec![("allow", allow.to_owned())], ..answer };
        self.finish(&answer, None, arrived, false)
    }

    fn get(&self, route: Route, is_head: bool) -> Response<Full<Bytes>> {
        let (status, body) = match route {
            Route::Description => (200, self.description.clone()),
            Route::Readyz => self.readiness(),
            Route::Healthz | Route::Mpic => (200, Bytes::from_static(br#"{"status":"healthy"}"#)),
        };
        response(status, body, &[], is_head)
    }

    /// What keeps the gateway from answering, where anything does.
    pub fn unready(&self) -> Option<&'static str> {
        if self.stop.is_cancelled() {
            return Some("draining");
        }
        let is_connected = self.cas.iter().any(|ca| ca.client.is_connected());
        (!is_connected).then_some("no connection to the bus is up")
    }

    fn readiness(&self) -> (u16, Bytes) {
        match self.unready() {
            None => (200, Bytes::from_static(br#"{"status":"ready"}"#)),
            Some(why) => {
                let body = serde_json::json!({ "status": "not-ready", "reasons": [why] });
                (503, body.to_string().into())
            }
        }
    }

    async fn post(
        &self,
        peer: &Peer,
        head: &Parts,
        body: &mut Incoming,
        arrived: Instant,
    ) -> Response<Full<Bytes>> {
        let shown = Shown { keys: api_keys(&head.headers), certificate: peer.certificate };
        let Some(number) = self.credentials.ca(&shown, self.clock.now()) else {
            return self.unauthorized(peer, arrived);
        };
        let Some(ca) = self.cas.get(number) else {
            return self.finish(&Answer::internal(), None, arrived, true);
        };
        let (answer, is_unread) = match self.take(number, &head.headers, body, arrived).await {
            Ok((body, place)) => {
                let directory = self.directories.current();
                let (limits, directory, clock) = (&self.limits, &*directory, &self.clock);
                let handler = Handler { ca, limits, directory, clock, arrived };
                let span = tracing::info_span!("request", ca = %ca.code);
                follow_trace(&span, &head.headers);
                let answer = handler.answer(&body).instrument(span).await;
                drop(place);
                (answer, false)
            }
            Err(answer) => (answer, true),
        };
        self.finish(&answer, Some(ca), arrived, is_unread)
    }

    /// Always the same, before anything of the body is read.
    fn unauthorized(&self, peer: &Peer, arrived: Instant) -> Response<Full<Bytes>> {
        if self.failures.note(peer.address, arrived) {
            let answer = Answer::later(429, "too-many-requests", 60);
            return self.finish(&answer, None, arrived, true);
        }
        let answer = Answer::error(401, "unauthorized");
        let challenge = ("www-authenticate", "Bearer realm=\"mpic\"".to_owned());
        self.finish(&Answer { headers: vec![challenge], ..answer }, None, arrived, true)
    }

    /// A place for the POST, and its body.
    async fn take(
        &self,
        ca: usize,
        headers: &HeaderMap,
        body: &mut Incoming,
        arrived: Instant,
    ) -> Result<(Bytes, crate::limits::Place), Answer> {
        if self.stop.is_cancelled() {
            return Err(Answer::unavailable());
        }
        let place = self.places.take(ca, arrived).map_err(|none| match none {
            NoPlace::OfCa => Answer::later(429, "too-many-requests", 1),
            NoPlace::Any => Answer::later(503, "overloaded", 1),
        })?;
        if !is_json(headers) {
            return Err(Answer::error(415, "unsupported-media-type"));
        }
        let reading = read_body(body, self.limits.body_octets_max);
        let read = timeout_at(arrived + self.limits.read(), reading).await;
        match read {
            Ok(Ok(octets)) => Ok((octets, place)),
            Ok(Err(Unread::TooLarge)) => Err(Answer::error(413, "body-too-large")),
            Ok(Err(Unread::Broken)) | Err(_) => Err(Answer::error(408, "request-timeout")),
        }
    }

    fn finish(
        &self,
        answer: &Answer,
        ca: Option<&CaSide>,
        arrived: Instant,
        close: bool,
    ) -> Response<Full<Bytes>> {
        let took = arrived.elapsed();
        self.figures.count(ca.map(|ca| &ca.code), answer.check, answer.status, took);
        let code = ca.map(|ca| ca.code.as_str());
        let (check, status) = (answer.check, answer.status);
        let elapsed_ms = took.as_millis();
        tracing::info!(ca = code, check, status, elapsed_ms, "answered");
        let mut response =
            response(answer.status, answer.body.to_string().into(), &answer.headers, false);
        // HTTP/2 has no such field: there it is left out, and the stream alone ends.
        if close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Octets of the request line and its fields, as HTTP/1.1 writes them.
fn head_octets(head: &Parts) -> usize {
    let fields = head.headers.iter();
    let fields: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    head.method.as_str().len() + target + fields + 12
}

fn route(path: &str, base_paths: &[String]) -> Option<Route> {
    let segments = |path: &str| -> Vec<String> {
        path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    };
    let path = segments(path);
    let below = |base: &String| path.strip_prefix(segments(base).as_slice());
    base_paths.iter().filter_map(below).find_map(|rest| match rest {
        [one] => match one.as_str() {
            "mpic" => Some(Route::Mpic),
            "healthz" => Some(Route::Healthz),
            "readyz" => Some(Route::Readyz),
            "openapi.json" => Some(Route::Description),
            _ => None,
        },
        _ => None,
    })
}

/// The keys of both headers; they are one space.
fn api_keys(headers: &HeaderMap) -> Vec<&[u8]> {
    let plain = headers.get_all("x-api-key").iter().map(HeaderValue::as_bytes);
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7).unwrap_or((b"", b""));
        // Anything else in this header is a credential that is none.
        if scheme.eq_ignore_ascii_case(b"bearer ") { key } else { b"" }
    });
    plain.chain(bearer).map(<[u8]>::trim_ascii).collect()
}

/// Goes on with the trace of a client that traces, by the headers that coordinators and agents go on
/// with as well.
fn follow_trace(span: &tracing::Span, headers: &HeaderMap) {
    let mut parents = headers.get_all("traceparent").iter();
    let (Some(Ok(parent)), None) = (parents.next().map(HeaderValue::to_str), parents.next()) else {
        return;
    };
    let states: Result<Vec<_>, _> =
        headers.get_all("tracestate").iter().map(HeaderValue::to_str).collect();
    let states = states.ok().filter(|states| !states.is_empty()).map(|states| states.join(","));
    trace::follow_texts(span, parent, states.as_deref());
}

/// Nothing, or JSON in UTF-8, that is not encoded further.
fn is_json(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(first) = types.next() else { return true };
    let Some(text) = first.to_str().ok().filter(|_| types.next().is_none()) else { return false };
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json"
        || essence.split_once('/').is_some_and(|(_, subtype)| subtype.ends_with("+json"));
    is_json
        && parts.all(|parameter| match parameter.strip_prefix("charset=") {
            Some(charset) => charset.trim_matches('"') == "utf-8",
            None => true,
        })
}

enum Unread {
    TooLarge,
    Broken,
}

async fn read_body(body: &mut Incoming, octets_max: usize) -> Result<Bytes, Unread> {
    let most = u64::try_from(octets_max).unwrap_or(u64::MAX);
    if body.size_hint().lower() > most {
        return Err(Unread::TooLarge);
    }
    let mut octets = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        if octets.len() + data.len() > octets_max {
            return Err(Unread::TooLarge);
        }
        octets.extend_from_slice(&data);
    }
    Ok(octets.freeze())
}

fn response(
    status: u16,
    body: Bytes,
    headers: &[(&'static str, String)],
    is_head: bool,
) -> Response<Full<Bytes>> {
    let length = body.len();
    let mut response = Response::new(Full::new(if is_head { Bytes::new() } else { body }));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::CONTENT_LENGTH, length.into());
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_segments_and_a_final_slash_make_no_difference() {
        let bases = [String::new(), "/v1".to_owned(), "mpic-coordinator/".to_owned()];
        for (path, expected) in [
            ("/mpic", Some(Route::Mpic)),
            ("//mpic", Some(Route::Mpic)),
            ("/mpic/", Some(Route::Mpic)),
            ("/v1/mpic", Some(Route::Mpic)),
            ("/v1//mpic//", Some(Route::Mpic)),
            ("/mpic-coordinator/mpic", Some(Route::Mpic)),
            ("/healthz", Some(Route::Healthz)),
            ("/v1/readyz", Some(Route::Readyz)),
            ("/openapi.json", Some(Route::Description)),
            ("/", None),
            ("/v1", None),
            ("/v2/mpic", None),
            ("/mpic/x", None),
            ("/MPIC", None),
            ("/%6dpic", None),
            ("*", None),
        ] {
            assert_eq!(route(path, &bases), expected, "{path}");
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        for (fields, expected) in [
            (&[][..], true),
            (&[("content-type", "application/json")], true),
            (&[("content-type", "Application/JSON; charset=UTF-8")], true),
            (&[("content-type", "application/vnd.mpic+json")], true),
            (&[("content-type", "application/json; charset=latin-1")], false),
            (&[("content-type", "text/plain")], false),
            (&[("content-type", "application/x-www-form-urlencoded")], false),
            (&[("content-encoding", "gzip")], false),
        ] {
            assert_eq!(is_json(&headers(fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_key_stands_in_one_of_two_headers() {
        let keys = |fields| api_keys(&headers(fields)).concat();
        assert_eq!(keys(&[("x-api-key", "abc")]), b"abc");
        assert_eq!(keys(&[("authorization", "bearer abc")]), b"abc");
        assert_eq!(keys(&[("authorization", "Basic abc")]), b"");
        assert_eq!(api_keys(&headers(&[("authorization", "Basic abc")])).len(), 1);
        assert_eq!(api_keys(&headers(&[])).len(), 0);
    }
}
