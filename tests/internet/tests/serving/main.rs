//! The binary, asked over loopback by raw DNS queries and HTTP requests.

#![cfg(test)]

mod harness;
mod https;

use std::time::Duration;

use domain::base::{
    Rtype,
    iana::{ExtendedErrorCode, Rcode},
    opt::ExtendedError,
};
use harness::*;
use mpic_internet::{
    Config,
    config::{Data, Fault, FaultRcode, Page, PageFault, Record},
};
use tokio::{io::AsyncReadExt, net::UdpSocket, time::timeout};

fn with_records(records: impl Into<Vec<Record>>) -> Config {
    Config { records: records.into(), ..two_views() }
}

#[tokio::test]
async fn each_resolver_answers_as_its_view_sees_it_over_udp_and_tcp() {
    let process = Process::start(&with_records([
        Record::txt("x.s.test", "true").seen_by(["east"]),
        Record::txt("x.s.test", "hijacked").seen_by(["west"]),
    ]));
    let query = question("X.s.test", Rtype::TXT, 1232);
    for (view, expected) in [("east", "\u{4}true"), ("west", "\u{8}hijacked")] {
        let resolver = process.ready.resolvers[view];
        let by_udp = exchange_udp(EAST, resolver, query.as_slice()).await;
        let by_tcp = exchange_tcp(EAST, resolver, query.as_slice()).await;
        assert_eq!(by_udp.as_slice(), by_tcp.as_slice());
        assert_eq!(text(&by_udp), expected);
        let header = by_udp.header();
        assert!(header.qr() && header.rd() && header.ra() && header.ad() && !header.aa());
        assert_eq!(header.id(), 4711);
        assert_eq!(by_udp.sole_question().unwrap().qname().to_string(), "X.s.test");
    }
}

#[tokio::test]
async fn the_authoritative_server_tells_views_by_their_source_address() {
    let process = Process::start(&with_records([
        Record::txt("x.s.test", "e").seen_by(["east"]),
        Record::txt("x.s.test", "w").seen_by(["west"]),
    ]));
    let server = process.ready.authoritative;
    assert_eq!(ask(EAST, server, "x.s.test", Rtype::TXT).await.1, "\u{1}e");
    assert_eq!(ask(WEST, server, "x.s.test", Rtype::TXT).await.1, "\u{1}w");
    assert_eq!(ask(STRANGER, server, "x.s.test", Rtype::TXT).await.0, Rcode::NXDOMAIN);
    let query = question("x.s.test", Rtype::TXT, 1232);
    let header = exchange_udp(EAST, server, query.as_slice()).await.header();
    assert!(header.aa() && !header.ra() && !header.ad());
}

#[tokio::test]
async fn ad_is_given_only_to_those_who_ask_for_it_and_want_checking() {
    let process = Process::start(&with_records([Record::txt("x.s.test", "")]));
    let resolver = process.ready.resolvers["east"];
    let mut unchecked = question("x.s.test", Rtype::TXT, 1232);
    unchecked.header_mut().set_cd(true);
    let reply = exchange_udp(EAST, resolver, unchecked.as_slice()).await;
    assert!(!reply.header().ad() && reply.header().cd());
    let mut plain = question("x.s.test", Rtype::TXT, 1232);
    plain.rewind();
    let reply = exchange_udp(EAST, resolver, plain.as_slice()).await;
    assert!(!reply.header().ad() && reply.opt().is_none());
    plain.header_mut().set_ad(true);
    assert!(exchange_udp(EAST, resolver, plain.as_slice()).await.header().ad());
}

#[tokio::test]
async fn a_reply_that_does_not_fit_is_truncated_over_udp_and_whole_over_tcp() {
    let long = Data::Several(vec!["a".repeat(255); 4]);
    let record = Record { data: Some(long), ..Record::txt("x.s.test", "") };
    let process = Process::start(&with_records([record]));
    let resolver = process.ready.resolvers["east"];
    let small = question("x.s.test", Rtype::TXT, 512);
    let reply = exchange_udp(EAST, resolver, small.as_slice()).await;
    assert!(reply.header().tc() && text(&reply).is_empty() && reply.opt().is_some());
    let reply = exchange_tcp(EAST, resolver, small.as_slice()).await;
    assert!(!reply.header().tc());
    assert_eq!(text(&reply).matches(&"a".repeat(255)).count(), 4);
    let large = question("x.s.test", Rtype::TXT, 1232);
    assert!(!exchange_udp(EAST, resolver, large.as_slice()).await.header().tc());
}

#[tokio::test]
async fn a_fault_gives_its_code_and_its_extended_error() {
    let fault = Fault {
        name: "x.s.test".to_owned(),
        rcode: Some(FaultRcode::ServFail),
        ede: Some(ExtendedErrorCode::DNSSEC_BOGUS.to_int()),
        ra: Some(false),
        ..Fault::default()
    };
    let process = Process::start(&Config { faults: vec![fault], ..two_views() });
    let query = question("x.s.test", Rtype::TXT, 1232);
    let reply = exchange_udp(EAST, process.ready.resolvers["east"], query.as_slice()).await;
    assert_eq!(reply.header().rcode(), Rcode::SERVFAIL);
    assert!(!reply.header().ra());
    let error = reply.opt().unwrap().opt().first::<ExtendedError<_>>().unwrap();
    assert_eq!(error.code(), ExtendedErrorCode::DNSSEC_BOGUS);
}

#[tokio::test]
async fn a_fault_can_truncate_or_turn_the_ad_bit_and_leave_the_records() {
    let fault = |name: &str| Fault { name: name.to_owned(), ..Fault::default() };
    let process = Process::start(&Config {
        faults: vec![
            Fault { truncate: true, ..fault("cut.s.test") },
            Fault { ad: Some(false), ..fault("plain.s.test") },
        ],
        ..with_records([Record::txt("cut.s.test", "x"), Record::txt("plain.s.test", "x")])
    });
    let resolver = process.ready.resolvers["east"];
    let query = question("cut.s.test", Rtype::TXT, 1232);
    let reply = exchange_udp(EAST, resolver, query.as_slice()).await;
    assert!(reply.header().tc() && text(&reply).is_empty());
    let reply = exchange_tcp(EAST, resolver, query.as_slice()).await;
    assert!(!reply.header().tc() && text(&reply) == "\u{1}x");
    let query = question("plain.s.test", Rtype::TXT, 1232);
    let reply = exchange_udp(EAST, resolver, query.as_slice()).await;
    assert!(!reply.header().ad() && text(&reply) == "\u{1}x");
}

#[tokio::test]
async fn a_delayed_reply_holds_up_no_other_and_a_dropped_one_never_comes() {
    let fault = |name: &str| Fault { name: name.to_owned(), ..Fault::default() };
    let process = Process::start(&Config {
        faults: vec![
            Fault { delay_ms: 300, ..fault("late.s.test") },
            Fault { drop: true, ..fault("lost.s.test") },
        ],
        ..two_views()
    });
    let socket = UdpSocket::bind((EAST, 0)).await.unwrap();
    let resolver = process.ready.resolvers["east"];
    for name in ["lost.s.test", "late.s.test", "soon.s.test"] {
        socket.send_to(question(name, Rtype::A, 1232).as_slice(), resolver).await.unwrap();
    }
    for name in ["soon.s.test", "late.s.test"] {
        let reply = receive(&socket).await;
        assert_eq!(reply.sole_question().unwrap().qname().to_string(), name);
    }
}

#[tokio::test]
async fn what_is_no_proper_query_gets_an_error_and_the_next_one_its_answer() {
    let process = Process::start(&two_views());
    let resolver = process.ready.resolvers["east"];
    let header_only = [0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let reply = exchange_udp(EAST, resolver, &header_only).await;
    assert_eq!((reply.header().id(), reply.header().rcode()), (7, Rcode::FORMERR));
    let mut update = question("s.test", Rtype::SOA, 1232);
    update.header_mut().set_opcode(domain::base::iana::Opcode::UPDATE);
    let reply = exchange_udp(EAST, resolver, update.as_slice()).await;
    assert_eq!(reply.header().rcode(), Rcode::NOTIMP);
    assert_eq!(ask(EAST, resolver, "s.test", Rtype::SOA).await.0, Rcode::NOERROR);
}

#[tokio::test]
async fn pages_differ_by_source_address_on_every_web_address() {
    let pages = vec![
        Page::new("s.test", "/a", "true").seen_by(["east"]),
        Page::new("s.test", "/a", "other"),
        Page { location: Some("http://t.test/b".to_owned()), ..Page::new("s.test", "/r", "") },
    ];
    let process = Process::start(&Config { pages, ..two_views() });
    for address in WEB {
        let to = (address, process.ready.http).into();
        assert!(get(EAST, to, "S.test:80", "/a?x").await.ends_with("\r\n\r\ntrue"));
        assert!(get(WEST, to, "s.test", "/a").await.ends_with("\r\n\r\nother"));
        assert!(get(EAST, to, "s.test", "/b").await.starts_with("HTTP/1.1 404 "));
        let redirect = get(STRANGER, to, "s.test", "/r").await;
        assert!(redirect.starts_with("HTTP/1.1 302 "));
        assert!(redirect.contains("\r\nLocation: http://t.test/b\r\n"));
    }
}

#[tokio::test]
async fn https_shows_the_same_pages() {
    let pages = vec![
        Page::new("s.test", "/a", "true").seen_by(["east"]),
        Page::new("s.test", "/a", "other"),
    ];
    let process = Process::start(&Config { pages, ..two_views() });
    for address in WEB {
        let to = (address, process.ready.https).into();
        assert!(https::get(EAST, to, "s.test", "/a").await.ends_with("\r\n\r\ntrue"));
        assert!(https::get(WEST, to, "s.test", "/a").await.ends_with("\r\n\r\nother"));
    }
}

#[tokio::test]
async fn a_page_can_close_fall_short_drip_never_end_or_never_begin() {
    let faulty = |path: &str, fault| Page { fault: Some(fault), ..Page::new("s.test", path, "ab") };
    let pages = vec![
        faulty("/close", PageFault::Close),
        faulty("/short", PageFault::Short),
        faulty("/drip", PageFault::Drip),
        faulty("/endless", PageFault::Endless),
        faulty("/hang", PageFault::Hang),
    ];
    let process = Process::start(&Config { pages, ..two_views() });
    let to = (WEB[0], process.ready.http).into();
    assert_eq!(get(EAST, to, "s.test", "/close").await, "");
    let short = get(EAST, to, "s.test", "/short").await;
    assert!(short.contains("Content-Length: 3\r\n") && short.ends_with("\r\n\r\nab"));
    assert!(get(EAST, to, "s.test", "/drip").await.ends_with("\r\n\r\nab"));
    let mut much = vec![0; 1 << 20];
    open(EAST, to, "s.test", "/endless").await.read_exact(&mut much).await.unwrap();
    assert!(much.ends_with(b"baba") || much.ends_with(b"abab"));
    let mut hanging = open(EAST, to, "s.test", "/hang").await;
    let waited = timeout(Duration::from_millis(200), hanging.read_u8()).await;
    assert!(waited.is_err(), "the server said {waited:?}");
}

#[tokio::test]
async fn a_hangup_signal_reads_records_again_and_a_bad_file_changes_nothing() {
    let mut process = Process::start(&with_records([Record::txt("x.s.test", "old")]));
    let resolver = process.ready.resolvers["east"];
    process.rewrite("nonsense = 1");
    assert!(process.complains_of("nonsense"));
    assert_eq!(ask(EAST, resolver, "x.s.test", Rtype::TXT).await.1, "\u{3}old");
    let renewed = with_records([Record::txt("x.s.test", "new")]);
    process.rewrite(&toml::to_string(&renewed).unwrap());
    while ask(EAST, resolver, "x.s.test", Rtype::TXT).await.1 != "\u{3}new" {}
    process.rewrite(&toml::to_string(&Config::default()).unwrap());
    assert!(process.complains_of("views cannot change"));
}

#[tokio::test]
async fn a_termination_signal_ends_it_well() {
    let process = Process::start(&two_views());
    process.signal("TERM");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn a_bad_configuration_exits_78_and_names_key_and_reason() {
    let (complaint, code) = refusal("[web]\naddress = []");
    assert!(complaint.contains("unknown field `address`"), "{complaint}");
    assert_eq!(code, Some(78));
    let record = Record::txt("x.s.test", "").seen_by(["mars"]);
    let (complaint, code) = refusal(&toml::to_string(&with_records([record])).unwrap());
    assert!(complaint.contains("record[0].views: there is no view \"mars\""), "{complaint}");
    assert_eq!(code, Some(78));
    let (complaint, code) = refusal("[[fault]]\ndrop = true");
    assert!(complaint.contains("fault[0].name"), "{complaint}");
    assert_eq!(code, Some(78));
}

#[test]
fn a_configuration_survives_being_written_and_read() {
    let mut config = with_records([
        Record::caa("s.test", r#"0 issue "ca.test""#).seen_by(["east"]),
        Record { data: None, rdata_hex: Some("00ff".into()), ..Record::caa("m.s.test", "") },
    ]);
    config.faults = vec![Fault { name: "*".to_owned(), ad: Some(false), ..Fault::default() }];
    let mut page = Page::new("s.test", "/", "");
    page.headers.insert("Retry-After".to_owned(), "1".to_owned());
    page.fault = Some(PageFault::Hang);
    config.pages = vec![page];
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
}
