//! Parsers of foreign octets that are private otherwise, for tests that feed them noise.

use std::str::FromStr;

use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use url::Url;

use crate::egress::AddressPolicy;
use crate::http::redirect;
use crate::names::NamePolicy;
use crate::resolver::message::Reply;

/// A Public Suffix List with one suffix.
const SUFFIX_LIST: &str = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";

/// Whether these octets are a DNS message, taken apart as a reply is.
pub fn is_dns_reply(octets: &[u8]) -> bool {
    Reply::parse(octets).is_ok()
}

/// Where a redirect from `http://example.com/` with this `Location` leads, if it is followed.
pub fn redirect_target(location: &[u8]) -> Option<String> {
    let current = Url::from_str("http://example.com/a/b").ok()?;
    let names = NamePolicy::new(SUFFIX_LIST.as_bytes(), Vec::new(), Vec::new()).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, HeaderValue::from_bytes(location).ok()?);
    let target =
        redirect::target(&current, &headers, None, &names, &AddressPolicy::default()).ok()?;
    Some(target.into())
}
