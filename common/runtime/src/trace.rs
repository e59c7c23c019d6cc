//! Carries a trace from message to message: W3C Trace Context in NATS headers, whose names are
//! lower case. They lie outside every signature and are never recorded; what is not well formed is
//! as if it were not there.

use async_nats::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// Octets of a `tracestate` that every system must carry (W3C Trace Context 3.3.1.5).
const STATE_MAX: usize = 512;

/// Adds the trace of the current span to `headers`; nothing where there is none.
pub fn inject(headers: &mut HeaderMap) {
    if telemetry::is_tracing() {
        let context = Span::current().context();
        TraceContextPropagator::new().inject_context(&context, &mut Outbound(headers));
    }
}

/// The headers of a message that has no others; none where there is no trace.
pub fn headers() -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    inject(&mut headers);
    (!headers.is_empty()).then_some(headers)
}

/// Lets `span` go on with the trace that a message came with, if it came with one.
pub fn follow(span: &Span, headers: Option<&HeaderMap>) {
    let Some(headers) = headers.filter(|_| telemetry::is_tracing()) else { return };
    if Inbound(headers).get(PARENT).is_some() {
        let context = TraceContextPropagator::new().extract(&Inbound(headers));
        // A span that nobody listens to has no parent either.
        let _ = span.set_parent(context);
    }
}

/// Lets `span` go on with the trace that a request of another protocol came with: its `traceparent`
/// and `tracestate`.
pub fn follow_texts(span: &Span, parent: &str, state: Option<&str>) {
    let mut headers = HeaderMap::new();
    // What a header of NATS cannot hold is not well formed either.
    let fields = [(PARENT, Some(parent)), (STATE, state)];
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if is_well_formed(name, value) && value.bytes().all(|octet| (b' '..=b'~').contains(&octet))
        {
            headers.insert(name, value);
        }
    }
    follow(span, Some(&headers));
}

struct Outbound<'a>(&'a mut HeaderMap);

impl Injector for Outbound<'_> {
    fn set(&mut self, key: &str, value: String) {
        if is_well_formed(key, &value) {
            self.0.insert(key, value);
        }
    }
}

struct Inbound<'a>(&'a HeaderMap);

impl Extractor for Inbound<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.as_str();
        is_well_formed(key, value).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

fn is_well_formed(key: &str, value: &str) -> bool {
    match key {
        PARENT => is_parent(value),
        STATE => (1..=STATE_MAX).contains(&value.len()),
        _ => false,
    }
}

/// `00-` trace id `-` parent id `-` flags, in lower-case hex; ids of zeros are none.
fn is_parent(value: &str) -> bool {
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|octet| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet))
    };
    let is_id =
        |text: &str, length| is_hex(text, length) && text.bytes().any(|octet| octet != b'0');
    let parts: Vec<_> = value.split('-').collect();
    matches!(parts.as_slice(), ["00", trace, parent, flags]
        if is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_parent_is_well_formed_or_none() {
        assert!(is_parent(GOOD));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(!is_parent(bad), "{bad}");
        }
    }

    #[test]
    fn a_state_that_is_too_long_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert(STATE, "a=1");
        headers.insert(PARENT, GOOD);
        assert_eq!(Inbound(&headers).get(STATE), Some("a=1"));
        headers.insert(STATE, "a".repeat(513));
        assert_eq!(Inbound(&headers).get(STATE), None);
        assert_eq!(Inbound(&headers).get(PARENT), Some(GOOD));
        assert_eq!(Inbound(&headers).get("Nats-Msg-Id"), None);
    }

    #[test]
    fn without_a_collector_no_header_is_sent() {
        assert!(headers().is_none());
    }
}
