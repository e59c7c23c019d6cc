//! What the clients of the gateway ask about: the small Internet of `mpic up`, and sites with a
//! story of their own for rows of the behaviour table.

use domain::base::Rtype;
use mpic_internet::config::{Data, Fault, FaultRcode, Page, PageFault, Record};
use mpic_tests::internet::{Content, WEB, challenge_name};

/// What `methods.example` and `honest.example` show, and `methods.py` asks for.
pub(crate) const VALUE: &str = "a-random-value-of-32-characters";
pub(crate) const KEY_AUTHORIZATION: &str = "honest-token.honest-thumbprint";
pub(crate) const TOKEN_PATH: &str = "/.well-known/acme-challenge/honest-token";
const FILE_PATH: &str = "/.well-known/pki-validation/file.txt";
pub(crate) const DIGEST: &str = "6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM";
const DIGEST_HEX: &str = "eab96d4590381533c0da8ce96890856eeaa4c05a685b7ea85ca834cd294d4713";

/// All of it.
pub(crate) fn content() -> Content {
    crate::rows::content(caa_rows(dns_rows(web_rows(Content::demo()))))
}

fn web_rows(content: Content) -> Content {
    let page = |host: &str, body: &str| Page::new(host, TOKEN_PATH, body);
    let long = format!("<html>{}{VALUE}</html>", "x".repeat(200));
    let to = |host: &str, status: u16, location: &str| Page {
        status: Some(status),
        location: Some(location.to_owned()),
        ..page(host, "")
    };
    let fault =
        |host: &str, fault: PageFault| Page { fault: Some(fault), ..page(host, KEY_AUTHORIZATION) };
    let honest = format!("https://honest.example{TOKEN_PATH}");
    let pages = [
        to("redirect.example", 301, &honest),
        Page::new("long.example", FILE_PATH, &long),
        page("h1.example", &format!("{KEY_AUTHORIZATION}\r\n\t ")),
        page("h2.example", &format!(" {KEY_AUTHORIZATION}")),
        page("h3.example", &format!("{KEY_AUTHORIZATION}{}", " ".repeat(600))),
        Page { status: Some(500), ..page("h6.example", KEY_AUTHORIZATION) },
        fault("h7.example", PageFault::Short),
        to("h12.example", 302, TOKEN_PATH),
        to("h15.example", 302, "ftp://honest.example/"),
        to("h16.example", 302, "http://honest.example:8080/"),
        to("h19.example", 302, "http://169.254.169.254/latest/meta-data"),
        fault("h25.example", PageFault::Close),
        page("s5.example", "\u{1b}[31mred%n\n"),
    ];
    let content = pages.into_iter().fold(content, |content, page| {
        let host = page.host.clone();
        content.site(&host).page(page)
    });
    content
        .zone("s1.example", false)
        .record(Record::address("s1.example", "10.10.10.10".parse().unwrap()))
        .site("l2.example")
        .site("l12.example")
        .tls_alpn("l12.example", &DIGEST_HEX.replace('e', "f"))
        .site("l1.example")
        .tls_alpn("l1.example", DIGEST_HEX)
}

fn dns_rows(content: Content) -> Content {
    let text = |name: &str, text: &str| Record::txt(&challenge_name(name), text);
    let pieces = |name: &str, pieces: &[&str]| Record {
        data: Some(Data::Several(pieces.iter().map(|&piece| piece.to_owned()).collect())),
        ..Record::txt(name, "")
    };
    let octets = |name: &str, hex: &str| Record {
        data: None,
        rdata_hex: Some(hex.to_owned()),
        ..Record::txt(name, "")
    };
    let (one, other) = DIGEST.split_at(6);
    let failing = |name: &str, rcode, ede| Fault {
        name: name.to_owned(),
        rcode: Some(rcode),
        ede,
        ..Fault::default()
    };
    content
        .zone("alias.example", false)
        .cname(&challenge_name("alias.example"), "a.alias.example")
        .cname("a.alias.example", "b.alias.example")
        .record(Record::txt("b.alias.example", DIGEST))
        .zone("octets.example", false)
        .record(Record::txt("octets.example", VALUE))
        .record(Record::txt("octets.example", "naïve"))
        .record(octets("octets.example", "03ff0078"))
        .site("servfail.example")
        .fault(failing("servfail.example", FaultRcode::ServFail, None))
        .fault(failing("_acme-challenge.servfail.example", FaultRcode::ServFail, None))
        .record(pieces(&challenge_name("t2a.example"), &[one, other]))
        .record(text("t2b.example", one))
        .record(text("t2b.example", other))
        .record(text("t3.example", &format!("{DIGEST} ")))
        .site("t5b.example")
        .record(Record::address(&challenge_name("t5c.example"), WEB))
        .record(Record::txt("_validation-persist.v2.example", "ca.example; accounturi=a; a_b=1"))
        .record(Record::txt("_validation-persist.v3.example", "other.example; accounturi=a"))
        .record(Record::txt(
            "_validation-persist.v5.example",
            "ca.example; accounturi=https://ca.example/acct/1; persistUntil=1000000000",
        ))
        .record(Record::txt("_validation-contactemail.k2.example", "mailto:a@k2.example"))
        .caa("k4.example", "0 contactemail \"a@k4.example\"")
        .site("www.k4.example")
        .cname("_acme-challenge.d15.example", "a.d15.example")
        .cname("a.d15.example", "b.d15.example")
        .cname("b.d15.example", "a.d15.example")
        .fault(failing("_acme-challenge.d2.example", FaultRcode::ServFail, Some(6)))
        .fault(failing("_acme-challenge.d23.example", FaultRcode::Refused, None))
}

fn caa_rows(content: Content) -> Content {
    let malformed = Record { rdata_hex: Some("00".to_owned()), data: None, ..caa("c27.example") };
    content
        .site("free.example")
        .site("slow.example")
        .slow("slow.example", 1_500, None)
        .site("c3.example")
        .caa("c3.example", "0 issue \";\"")
        .site("c8.example")
        .caa("c8.example", "128 unknown \"x\"")
        .caa("c8.example", "0 issue \"ca.example\"")
        .site("c11.example")
        .caa("c11.example", "0 issue \"ca.example\"")
        .caa("c11.example", "0 issuewild \"other.example\"")
        .site("c13.example")
        .caa("c13.example", "0 issuemail \"other.example\"")
        .site("c19.example")
        .caa("c19.example", "0 issue \"ca.example\"")
        .site("www.c19.example")
        .caa_fails("www.c19.example", FaultRcode::ServFail)
        .site("c27.example")
        .record(malformed)
        .site("c30.example")
        .caa("c30.example", "0 issue \"ca.example; accounturi=https://ca.example/acct/9\"")
}

fn caa(name: &str) -> Record {
    Record::new(name, Rtype::CAA, "")
}
