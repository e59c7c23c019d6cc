//! Where a redirect leads, or why it is not followed. Nothing is sent to a rejected target.

use std::net::IpAddr;

use mpic_common::reason::Reason;
use reqwest::header::{HeaderMap, LOCATION};
use url::{Host, Url};

use crate::check::Failure;
use crate::egress::AddressPolicy;
use crate::names::NamePolicy;

/// The target of the redirect in `headers`, seen from `current`, its fragment dropped. It is at the
/// address `only_at`, if that is given.
pub(crate) fn target(
    current: &Url,
    headers: &HeaderMap,
    only_at: Option<IpAddr>,
    names: &NamePolicy,
    addresses: &AddressPolicy,
) -> Result<Url, Failure> {
    let mut url = location(current, headers)?;
    let reject = |reason, why: &str| {
        let quoted = Failure::quote(url.as_str());
        Err(Failure::new(reason, format!("{why} in redirect target {quoted}")))
    };
    if !matches!(url.scheme(), "http" | "https") {
        return reject(Reason::RedirectScheme, "neither http nor https");
    }
    if !matches!(url.port_or_known_default(), Some(80 | 443)) {
        return reject(Reason::RedirectPort, "neither port 80 nor 443");
    }
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_owned();
            if name.ends_with(".well-known") {
                return reject(Reason::RedirectHost, "missing / ");
            }
            if !(is_host(&name) && names.is_public(&name)) {
                return reject(Reason::RedirectHost, "a host that is not checked");
            }
            if only_at.is_some() {
                return reject(Reason::RedirectOffsite, "a name");
            }
            if url.set_host(Some(&name)).is_err() {
                return Err(Failure::new(Reason::RedirectHost, ""));
            }
            url.set_fragment(None);
            return Ok(url);
        }
        None => return reject(Reason::RedirectLocation, "no host"),
    };
    if !addresses.permits(address) {
        return reject(Reason::AddrBlocked, "a blocked address");
    }
    if only_at.is_some_and(|only| only != address) {
        return reject(Reason::RedirectOffsite, "another address");
    }
    url.set_fragment(None);
    Ok(url)
}

/// Exactly one `Location`, visible ASCII, without user info.
fn location(current: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let reject = |why: &str| Failure::new(Reason::RedirectLocation, why);
    let mut values = headers.get_all(LOCATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(reject("not exactly one Location"));
    };
    let octets = value.as_bytes();
    let is_visible = octets.iter().all(|octet| (0x21..=0x7E).contains(octet));
    if !is_visible || !(1..=LOCATION_OCTETS_MAX).contains(&octets.len()) {
        return Err(reject("a Location that is empty, too long or not visible ASCII"));
    }
    let text = std::str::from_utf8(octets).map_err(|_| reject("a Location that is not ASCII"))?;
    let url = current.join(text).map_err(|error| {
        reject(&format!("Location {} does not parse: {error}", Failure::quote(text)))
    })?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(reject("user info in Location"))
    }
}

/// Labels of letters, digits, hyphens and underscores.
fn is_host(name: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(fits);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Of a `Location`, and so of a URL.
const LOCATION_OCTETS_MAX: usize = 4_096;
