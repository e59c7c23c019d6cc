//! A reply as JSON for whoever wants to derive its verdict again: what was signed, and beside the
//! octets of sites the same as text.

use mpic_common::evaluator::caa::parse_property;
use mpic_common::evaluator::{name, txt};
use mpic_common::evidence::{CaaProperty, CaaSeen, DnsSeen, HopSeen};
use mpic_common::observation::Observation;
use mpic_common::octets::{Octets, escape, hex};
use mpic_common::reply::Reply;
use serde_json::{Value, json};

/// The decoded `octets` of a reply, of which `reply` was verified.
pub(super) fn reply(octets: &[u8], reply: &Reply) -> Value {
    let message = mpic_audit::show::message(octets).unwrap_or_default();
    let mut body = message.get("body").cloned().unwrap_or_default();
    for (check, seen) in &reply.observations {
        let path = format!("/observations/{}", check.as_str());
        if let Some(shown) = body.pointer_mut(&path) {
            add_texts(shown, seen);
        }
    }
    body
}

fn add_texts(shown: &mut Value, seen: &Observation) {
    for (index, question) in seen.dns.iter().enumerate() {
        set(shown, &format!("/dns/{index}"), "records", json!(records(question)));
    }
    for (index, hop) in seen.http.iter().enumerate() {
        add_hop(shown, &format!("/http/{index}"), hop);
    }
    if let Some(alpn) = seen.tls.as_ref().and_then(|tls| tls.alpn.as_ref()) {
        set(shown, "/tls", "alpn_text", json!(alpn.escaped()));
    }
    let properties = seen.caa.iter().flat_map(|CaaSeen { records, .. }| records);
    for (index, record) in properties.enumerate() {
        set(shown, &format!("/caa/records/{index}"), "text", json!(property(record)));
    }
}

fn add_hop(shown: &mut Value, path: &str, hop: &HopSeen) {
    let mut add = |path: &str, key, octets: Option<&Octets>| {
        if let Some(octets) = octets {
            set(shown, path, key, json!(octets.escaped()));
        }
    };
    add(path, "location_text", hop.location.as_ref());
    add(path, "body_head_text", hop.body_head.as_ref());
    let found = hop.body_match.as_ref().map(|found| &found.octets);
    add(&format!("{path}/body_match"), "text", found);
}

fn set(shown: &mut Value, path: &str, key: &str, text: Value) {
    if let Some(Value::Object(fields)) = shown.pointer_mut(path) {
        fields.insert(key.to_owned(), text);
    }
}

/// The records of an answer as people write them.
fn records(seen: &DnsSeen) -> Vec<String> {
    let shown = |Octets(rdata): &Octets| record(&seen.qtype, rdata).unwrap_or_else(|| hex(rdata));
    seen.rrset.iter().map(shown).collect()
}

/// One record; none where it does not decode, or was cut.
fn record(qtype: &str, rdata: &[u8]) -> Option<String> {
    match qtype {
        "TXT" => txt::join(rdata).map(|joined| format!("\"{}\"", escape(&joined))),
        "CAA" => parse_property(rdata).ok().as_ref().map(property),
        "CNAME" | "PTR" => name::presentation(rdata),
        "MX" => {
            let (preference, host) = rdata.split_first_chunk::<2>()?;
            Some(format!("{} {}", u16::from_be_bytes(*preference), name::presentation(host)?))
        }
        "A" => {
            <[u8; 4]>::try_from(rdata).ok().map(|octets| std::net::IpAddr::from(octets).to_string())
        }
        "AAAA" => <[u8; 16]>::try_from(rdata)
            .ok()
            .map(|octets| std::net::IpAddr::from(octets).to_string()),
        _ => None,
    }
}

/// In the presentation form of RFC 8659 4.1.1, site octets escaped.
pub(super) fn property(property: &CaaProperty) -> String {
    let CaaProperty { flags, tag, value } = property;
    format!("{flags} {} \"{}\"", tag.escaped(), value.escaped())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_as_people_write_them() {
        for (qtype, rdata, expected) in [
            ("TXT", &b"\x02a\"\x02\xFF\n"[..], Some("\"a\"\\xFF\\x0A\"")),
            ("TXT", b"\x09cut", None),
            ("CAA", b"\x80\x05issueca.example", Some("128 issue \"ca.example\"")),
            ("PTR", b"\x01A\x03com\x00", Some("a.com.")),
            ("MX", b"\x00\x0A\x01a\x03com\x00", Some("10 a.com.")),
            ("A", &[192, 0, 2, 1], Some("192.0.2.1")),
            ("AAAA", &[0; 16], Some("::")),
            ("A", &[192, 0, 2], None),
        ] {
            assert_eq!(record(qtype, rdata).as_deref(), expected, "{qtype} {rdata:?}");
        }
    }
}
