//! What sites and name servers say.

use mpic_agent::foreign;
use mpic_common::challenge::{Contact, ContactKind};
use mpic_common::evaluator::caa::{CaaQuestion, CaaRules, CaaScope, evaluate, parse_property};
use mpic_common::evaluator::persist::{self, PersistQuestion, Reach};
use mpic_common::evaluator::{certificate, contact, mx, name, txt};
use mpic_common::evidence::{CaaDecision, CaaProperty};
use mpic_common::identifier::{Identifier, IdentifierFields};
use mpic_common::octets::Hash;
use mpic_common::time::UnixMs;

use super::Entry;

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const ISSUER: &str = "ca.example";
const ACCOUNT: &str = "https://ca.example/acct/1";

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// What people name.
pub(super) const IDENTIFIER: Entry = Entry {
    name: "identifier",
    seeds: || texts(&["*.b\u{fc}cher.example", "[2600::1]", "8.8.8.8", "u@example.com", "xn--a.b"]),
    run: identifier,
};

fn identifier(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(identifier) = Identifier::parse(text) {
        let fields = IdentifierFields::from(identifier.clone());
        assert_eq!(Identifier::try_from(fields), Ok(identifier), "its own form is canonical");
    }
}

/// A DNS reply.
pub(super) const DNS_MESSAGE: Entry = Entry {
    name: "dns_message",
    seeds: || {
        let head = b"\x12\x34\x81\xA0\0\x01\0\x02\0\0\0\0\x07example\x03com\0\0\x10\0\x01";
        let text = b"\xC0\x0C\0\x10\0\x01\0\0\0\x3C\0\x04\x03abc";
        let alias = b"\xC0\x0C\0\x05\0\x01\0\0\0\x3C\0\x06\x03www\xC0\x0C";
        vec![[&head[..], text, alias].concat()]
    },
    run: |octets| {
        let _ = foreign::is_dns_reply(octets);
    },
};

fn decision(properties: &[CaaProperty]) -> CaaDecision {
    let issuer_domains = [ISSUER.to_owned()];
    let question = CaaQuestion {
        scope: CaaScope::Name,
        issuer_domains: &issuer_domains,
        account_uris: &[],
        method_label: None,
        rules: CaaRules::default(),
    };
    evaluate(properties, &question).decision
}

/// CAA RDATA, beside a property that prohibits.
pub(super) const CAA_RDATA: Entry = Entry {
    name: "caa_rdata",
    seeds: || texts(&["\0\u{5}issueca.example", "\0\u{5}issue;", "\0\u{5}iodefmailto:a@b"]),
    run: caa_rdata,
};

fn caa_rdata(octets: &[u8]) {
    let Ok(property) = parse_property(octets) else { return };
    let nobody = parse_property(b"\0\x05issue;").unwrap();
    let permits = decision(&[property.clone(), nobody]) == CaaDecision::Permit;
    let names_us = property.tag.0.eq_ignore_ascii_case(b"issue")
        && holds(&property.value.0.to_ascii_lowercase(), ISSUER.as_bytes());
    assert!(!permits || names_us, "permitted by {property:?}");
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

/// The value of `issue`.
pub(super) const ISSUE_VALUE: Entry = Entry {
    name: "issue_value",
    seeds: || texts(&["ca.example; accounturi=x; foo=1", " ; ", "ca.example"]),
    run: issue_value,
};

fn issue_value(octets: &[u8]) {
    let property = CaaProperty { flags: 0, tag: b"issue"[..].into(), value: octets.into() };
    let permits = decision(&[property]) == CaaDecision::Permit;
    assert!(!permits || holds(&octets.to_ascii_lowercase(), ISSUER.as_bytes()));
    let is_visible = octets.iter().all(|octet| matches!(octet, b'\t' | 0x20..=0x7E));
    assert!(!permits || is_visible, "outside the grammar of RFC 8659 4.2");
}

fn txt_rdata(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A persistent record.
pub(super) const PERSISTENT_RECORD: Entry = Entry {
    name: "persistent_record",
    seeds: || {
        let record = format!("{ISSUER}; accounturi={ACCOUNT}; persistUntil=1900000000");
        vec![txt_rdata(&record), txt_rdata(&format!("{record}; policy=wildcard"))]
    },
    run: persistent_record,
};

fn persistent_record(octets: &[u8]) {
    let issuer_domains = [ISSUER.to_owned()];
    let account_uris = [ACCOUNT.to_owned().try_into().unwrap()];
    for reach in [Reach::Name, Reach::NamesBelow, Reach::Address] {
        let question = PersistQuestion {
            issuer_domains: &issuer_domains,
            account_uris: &account_uris,
            reach,
            now: NOW,
        };
        if persist::evaluate([octets], &question).is_ok() {
            let joined = txt::join(octets).unwrap().to_ascii_lowercase();
            assert!(holds(&joined, ISSUER.as_bytes()) && holds(&joined, b"accounturi"));
            assert!(reach != Reach::NamesBelow || holds(&joined, b"wildcard"));
        }
    }
}

/// TXT, contacts, names and mail exchangers.
pub(super) const TXT_AND_CONTACTS: Entry = Entry {
    name: "txt_and_contacts",
    seeds: || {
        let mail = b"\0\x0A\x02mx\x07example\x03com\0".to_vec();
        vec![txt_rdata("hostmaster@example.com"), txt_rdata("+1-555-123-4567"), mail]
    },
    run: txt_and_contacts,
};

fn txt_and_contacts(octets: &[u8]) {
    if let Some(joined) = txt::join(octets) {
        assert!(joined.len() <= octets.len());
    }
    for (kind, selected) in
        [(ContactKind::Email, "hostmaster@example.com"), (ContactKind::Phone, "+15551234567")]
    {
        let selected = Contact::parse(kind, selected.as_bytes()).unwrap();
        let _ = contact::find_txt([octets], kind, &selected);
        if let Ok(found) = Contact::parse(kind, octets) {
            let again = Contact::parse(kind, found.as_str().as_bytes());
            assert_eq!(again, Ok(found), "its own form is canonical");
        }
    }
    let _ = (name::presentation(octets), mx::find(&[octets], "mx.example.com"));
}

/// A certificate of `acme-tls/1`.
pub(super) const CERTIFICATE: Entry = Entry {
    name: "certificate",
    seeds: || {
        vec![
            include_bytes!("../../../common/src/evaluator/certificate/samples/ed25519.der")
                .to_vec(),
            include_bytes!("../../../common/src/evaluator/certificate/samples/ecdsa_p384.der")
                .to_vec(),
        ]
    },
    run: |octets| {
        let identifier = Identifier::parse("example.com").unwrap();
        let failed = certificate::failed_checks(octets, &identifier, &Hash::of(b""));
        let is_sample = (CERTIFICATE.seeds)().iter().any(|sample| sample == octets);
        // Neither sample signs anything else, and their keys are nowhere.
        assert!(is_sample || !failed.is_empty() || signature_is_malleable(octets));
        let _ = certificate::public_key(octets);
    },
};

/// Whether only the signature of an ECDSA sample differs: (r, s) and (r, n - s) are both right.
fn signature_is_malleable(octets: &[u8]) -> bool {
    (CERTIFICATE.seeds)().iter().any(|sample| {
        let signed = sample.len().saturating_sub(110);
        octets.get(..signed) == sample.get(..signed)
    })
}

/// The `Location` of a redirect.
pub(super) const REDIRECT_TARGET: Entry = Entry {
    name: "redirect_target",
    seeds: || {
        texts(&[
            "/x?q#f",
            "//www.example.com:443/y",
            "https://8.8.8.8/",
            "http://0x7f.1/",
            "http://a@b.com/",
        ])
    },
    run: redirect_target,
};

fn redirect_target(octets: &[u8]) {
    let Some(target) = foreign::redirect_target(octets) else { return };
    let rest = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
    let authority = rest.expect(&target).split(['/', '?']).next().unwrap().to_owned();
    assert!(!authority.contains('@') && !target.contains('#'), "{target}");
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => {
            assert!(matches!(port, "80" | "443"), "{target}");
            host
        }
        _ => authority.as_str(),
    };
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    match address {
        Ok(address) => assert!(!address.is_loopback() && !address.is_unspecified(), "{target}"),
        Err(_) => assert!(host.rsplit('.').next() == Some("com"), "{target}"),
    }
}
