//! Headers that a CA wants sent along with an HTTP check.

use std::collections::{BTreeMap, BTreeSet};

use super::ChallengeError;

/// Headers that a CA wants sent along: at most 16, together at most 4 KiB, none that steers the
/// connection, the framing, caching or credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHeaders(BTreeMap<String, String>);

impl RequestHeaders {
    /// Name to value.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for RequestHeaders {
    type Error = ChallengeError;

    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, ChallengeError> {
        let octets: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > 16 || octets > 4_096 {
            return Err(ChallengeError("at most 16 headers and 4096 octets are sent along"));
        }
        let lower: BTreeSet<_> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
        if lower.len() < headers.len() {
            return Err(ChallengeError("a header stands twice"));
        }
        if !headers.iter().all(|(name, value)| is_header(name, value)) {
            return Err(ChallengeError("not the syntax of a header"));
        }
        if lower.iter().any(|name| is_ours(name)) {
            return Err(ChallengeError("a header that a CA may not set"));
        }
        Ok(Self(headers))
    }
}

/// RFC 9110 5.1 and 5.5, ASCII alone.
fn is_header(name: &str, value: &str) -> bool {
    let tchar = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let vchar = |octet: &u8| (0x20..=0x7E).contains(octet) || *octet == b'\t';
    !name.is_empty() && name.as_bytes().iter().all(tchar) && value.as_bytes().iter().all(vchar)
}

/// Headers that the agent sets itself, or never sends.
fn is_ours(lower: &str) -> bool {
    const NAMES: [&str; 13] = [
        "accept-encoding",
        "authorization",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "upgrade",
        "via",
    ];
    const PREFIXES: [&str; 5] = ["content-", "if-", "proxy-", "transfer-encoding", "x-forwarded-"];
    NAMES.contains(&lower) || PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_sets_no_header_that_steers() {
        let headers = |name: &str, value: &str| {
            RequestHeaders::try_from(BTreeMap::from([(name.to_owned(), value.to_owned())]))
        };
        assert!(headers("X-Request", "1").is_ok());
        for bad in
            ["Host", "cookie", "Content-Length", "If-Match", "X-Forwarded-For", "TE", "a b", ""]
        {
            assert!(headers(bad, "1").is_err(), "{bad}");
        }
        assert!(headers("X-Request", "a\r\nb").is_err());
    }
}
