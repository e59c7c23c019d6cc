//! What further rows of the behaviour table look at: sites that differ in a record or a page.

use domain::base::Rtype;
use mpic_internet::config::{Data, Page, Record};
use mpic_tests::internet::{Content, WEB, challenge_name};

use crate::internet::{DIGEST, KEY_AUTHORIZATION, TOKEN_PATH, VALUE};

/// Sites with these CAA records.
const CAA: [(&str, &[&str]); 27] = [
    ("c2a.example", &["0 issue \"other.example\""]),
    ("c2b.example", &["0 ISSUE \"CA.EXAMPLE\""]),
    ("c2c.example", &["0 issue \"x.ca.example\""]),
    ("c4a.example", &["0 issue \" ca.example ; \""]),
    ("c4b.example", &["0 issue \"ca.example; foo=1\""]),
    ("c4c.example", &["0 issue \"; accounturi=x\""]),
    ("c5a.example", &["0 issue \"ca.example; foo=1;\""]),
    ("c5b.example", &["0 issue \"ca.example; a_b=1\""]),
    ("c6a.example", &["0 issue \"ca.example.\""]),
    ("c6b.example", &["0 issue \"<script>\"", "0 issue \"ca.example\""]),
    ("c7a.example", &["0 iodef \"mailto:a@c7a.example\""]),
    ("c7b.example", &["0 issuewild \"other.example\""]),
    ("c9.example", &["1 unknown \"x\"", "0 issue \"ca.example\""]),
    ("c10a.example", &["128 issue \"ca.example\""]),
    ("c10b.example", &["128 iodef \"mailto:a@c10b.example\""]),
    ("c11b.example", &["0 issue \"other.example\"", "0 issuewild \"ca.example\""]),
    ("c12.example", &["0 issue \"ca.example\"", "0 issuewild \";\""]),
    ("c13a.example", &["0 issue \";\""]),
    ("c13b.example", &["0 issue \";\"", "0 issuemail \"ca.example\""]),
    ("c13c.example", &["0 issuemail \"%%%\""]),
    ("c15a.example", &["0 issue \";\""]),
    ("www.c15a.example", &["0 issue \"ca.example\""]),
    ("c15b.example", &["0 issue \"ca.example\""]),
    ("www.c15b.example", &["0 issue \";\""]),
    ("c17b.example", &["0 issue \";\""]),
    ("k4b.example", &["0 contactemail \"a@k4b.example\""]),
    ("www.k4b.example", &["0 issue \"ca.example\""]),
];

/// Names with this text.
const TXT: [(&str, &str); 22] = [
    ("_acme-challenge.t4.example", DIGEST),
    ("t7.example", "x a-random-value-of-32-characters y"),
    (
        "_validation-persist.v1b.example",
        "CA.Example ;\tAccountURI = https://ca.example/acct/1; x=1; x=2",
    ),
    ("_validation-persist.v2a.example", "ca.example; accounturi=https://ca.example/acct/1;"),
    ("_validation-persist.v2b.example", "ca.example.; accounturi=https://ca.example/acct/1"),
    ("_validation-persist.v3b.example", "ca.example"),
    ("_validation-persist.v3c.example", "ca.example; accounturi="),
    ("_validation-persist.v4a.example", "ca.example; accounturi=https://ca.example/acct/1/"),
    (
        "_validation-persist.v4b.example",
        "ca.example; accounturi=https://ca.example/acct/1; accounturi=https://ca.example/acct/1",
    ),
    (
        "_validation-persist.v5b.example",
        "ca.example; accounturi=https://ca.example/acct/1; persistUntil=9999999999",
    ),
    (
        "_validation-persist.v6.example",
        "ca.example; accounturi=https://ca.example/acct/1; persistUntil=1e9",
    ),
    ("_validation-persist.v7.example", "ca.example; accounturi=https://ca.example/acct/1"),
    ("_validation-persist.v8.example", "ca.example; accounturi=https://ca.example/acct/1;"),
    ("_validation-persist.v8.example", "ca.example; accounturi=https://ca.example/acct/1"),
    ("_validation-contactemail.k1.example", "other@k1.example"),
    ("_validation-contactemail.k1.example", "user@k1.example"),
    ("_validation-contactemail.k2b.example", "<a@k2b.example>"),
    ("_validation-contactphone.k2c.example", "tel:+15551234567"),
    ("_validation-contactphone.k3a.example", "+1(555)123-4567"),
    ("_validation-contactphone.k3b.example", "+1 (555) 123-4567"),
    ("_validation-contactphone.k3c.example", "0015551234567"),
    ("_validation-contactphone.k3d.example", "+15551234567;ext=2"),
];

/// Aliases.
const CNAME: [(&str, &str); 5] = [
    ("www.c16.example", "c3.example"),
    ("two.c16.example", "www.c16.example"),
    ("www.c17a.example", "absent.c3.example"),
    ("www.c17b.example", "free.example"),
    ("alias.t10.example", "t10.example"),
];

/// Status, `Location` and body at the place of the token.
const PAGES: [(&str, u16, &str, &str); 20] = [
    ("h2b.example", 200, "", "honest-token.honest-thumbprint and more"),
    ("h2c.example", 200, "", "\u{feff}honest-token.honest-thumbprint"),
    ("h5a.example", 201, "", KEY_AUTHORIZATION),
    ("h5b.example", 203, "", KEY_AUTHORIZATION),
    ("h5c.example", 206, "", KEY_AUTHORIZATION),
    ("h6a.example", 404, "", KEY_AUTHORIZATION),
    ("h6b.example", 401, "", KEY_AUTHORIZATION),
    ("h11a.example", 307, "http://honest.example/.well-known/acme-challenge/honest-token", ""),
    ("h11b.example", 308, "http://honest.example/.well-known/acme-challenge/honest-token", ""),
    ("h11c.example", 303, "http://honest.example/.well-known/acme-challenge/honest-token", ""),
    ("h11d.example", 300, "http://honest.example/.well-known/acme-challenge/honest-token", ""),
    ("h13a.example", 302, "", ""),
    ("h13b.example", 302, "http://user@honest.example/", ""),
    ("h14a.example", 302, "/elsewhere#fragment", ""),
    ("h14b.example", 302, "//honest.example/.well-known/acme-challenge/honest-token", ""),
    ("h15b.example", 302, "javascript:alert(1)", ""),
    ("h19b.example", 302, "http://167772161/", ""),
    ("h19c.example", 302, "http://[::ffff:7f00:1]/", ""),
    ("h20.example", 302, "http://127.0.3.1/.well-known/acme-challenge/honest-token", ""),
    ("h22.example", 302, "http://localhost/", ""),
];

/// Adds all of it.
pub(crate) fn content(content: Content) -> Content {
    let content = CAA.iter().fold(content, |content, (name, properties)| {
        properties.iter().fold(content.site(name), |content, property| content.caa(name, property))
    });
    let content =
        TXT.iter().fold(content, |content, (name, text)| content.record(Record::txt(name, text)));
    let content = CNAME.iter().fold(content, |content, (name, target)| content.cname(name, target));
    let content = PAGES.iter().fold(content, |content, (host, status, location, body)| {
        let location = (!location.is_empty()).then(|| (*location).to_owned());
        let page = Page::new(host, TOKEN_PATH, body);
        content.site(host).page(Page { status: Some(*status), location, ..page })
    });
    let octets = Record {
        data: None,
        rdata_hex: Some("03ff0078".to_owned()),
        ..Record::txt(&challenge_name("t4.example"), "")
    };
    let (one, other) = PERSISTENT.split_at(20);
    let pieces = Record {
        data: Some(Data::Several(vec![one.to_owned(), other.to_owned()])),
        ..Record::txt("_validation-persist.v9.example", "")
    };
    content
        .page(Page::new("h14a.example", "/elsewhere", KEY_AUTHORIZATION))
        .site("xn--bcher-kva.example")
        .record(octets)
        .record(pieces)
        .record(Record::address("t10.example", WEB))
        .record(Record::new("t10.example", Rtype::CAA, format!("0 any \"{VALUE}\"")))
        .record(Record::address("www.t10.example", WEB))
        .site("h28.example")
        .redirect("h28.example", "/.well-known/pki-validation/file.txt", 302, &format!("/{VALUE}"))
}

/// A record of our account.
const PERSISTENT: &str = "ca.example; accounturi=https://ca.example/acct/1";
