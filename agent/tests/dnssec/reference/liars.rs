//! Servers that lie, forge and fail.

use domain::base::iana::{OptRcode, Rtype, SecurityAlgorithm};

use super::{Case, compare};
use crate::forged::unsigned_soa;
use crate::world::{Asked, Ds, Plan, Say, Signing, World, Zones, record};

fn case(what: &'static str, name: &str, qtype: Rtype) -> Case {
    Case { what, name: name.to_owned(), qtype }
}

async fn compare_in(heading: &str, world: World, cases: &[Case]) {
    compare(heading, &world.unbound().await, world.engine(), cases).await;
}

fn denial(rcode: OptRcode, of: &str) -> Say {
    Say { rcode, authority: vec![unsigned_soa(of)], ..Say::empty() }
}

#[tokio::test]
async fn d11_d12_d13_neither_engine_takes_a_forgery_for_an_answer() {
    let records = "www TXT value\nwww CAA 0 issue \";\"\n*.wild TXT star\nother TXT value\n\
        alias TXT value\nno-data TXT value\nno-name TXT value\nchild TXT value\nno-soa TXT value";
    let plan = Plan::new()
        .unsigned("plain.com", records)
        .lying("plain.com", |asked, say, _| match asked.name.as_str() {
            "no-soa.plain.com" => Say { authority: Vec::new(), ..say },
            "beside.plain.com" => Say {
                answer: vec![
                    record("beside.plain.com. TXT beside"),
                    record("beside.plain.com. CNAME www.plain.com."),
                ],
                ..Say::empty()
            },
            _ => say,
        })
        .signed("victim.com", records)
        .lying("victim.com", |asked, say, all| match (asked.name.as_str(), asked.qtype) {
            ("alias.victim.com", Rtype::TXT) => Say {
                answer: vec![record("alias.victim.com. CNAME www.plain.com.")],
                ..Say::empty()
            },
            ("no-data.victim.com", Rtype::CAA) => denial(OptRcode::NOERROR, "plain.com"),
            ("no-name.victim.com", Rtype::CAA) => denial(OptRcode::NXDOMAIN, "plain.com"),
            ("child.victim.com", Rtype::CAA) => denial(OptRcode::NXDOMAIN, "child.victim.com"),
            ("no-soa.victim.com", Rtype::CAA) => Say::empty(),
            ("www.victim.com", Rtype::CAA) => {
                all.honest("victim.com", "other.victim.com", Rtype::CAA)
            }
            ("a.wild.victim.com", _) => Say { authority: Vec::new(), ..say },
            ("other.victim.com", _) => say.stripped(),
            _ => say,
        });
    let cases = [
        case("an unsigned alias", "alias.victim.com", Rtype::TXT),
        case("no data, says an unsigned zone", "no-data.victim.com", Rtype::CAA),
        case("no name, says an unsigned zone", "no-name.victim.com", Rtype::CAA),
        case("no name, says a zone that is none", "child.victim.com", Rtype::CAA),
        case("no data, says nobody", "no-soa.victim.com", Rtype::CAA),
        case("no data, says nobody, unsigned", "no-soa.plain.com", Rtype::CAA),
        case("a neighbour's denial", "www.victim.com", Rtype::CAA),
        case("a wildcard without proof", "a.wild.victim.com", Rtype::TXT),
        case("data without signatures", "other.victim.com", Rtype::TXT),
        case("no data without signatures", "other.victim.com", Rtype::CAA),
        case("data beside an alias", "beside.plain.com", Rtype::TXT),
    ];
    compare_in("Forgeries", plan.start().await, &cases).await;
}

fn no_edns(asked: &Asked, say: Say, _: &Zones) -> Say {
    if asked.edns { Say::rcode(OptRcode::FORMERR) } else { say.stripped() }
}

#[tokio::test]
async fn d14_d18_d19_d20_d23_the_engines_agree_on_servers_that_fail() {
    let records = "www TXT value\nwww.ent TXT value";
    // Flags alone; an empty tag; one of 20 octets, and one with a hyphen, each with its value.
    let caa = "flags TYPE257 \\# 1 00\ntagless TYPE257 \\# 2 0000\n\
        long TYPE257 \\# 23 0014616161616161616161616161616161616161616178\n\
        hyphen TYPE257 \\# 6 0003612d6278\n";
    let algorithms = [SecurityAlgorithm::ED25519, SecurityAlgorithm::ECDSAP256SHA256];
    let large: Vec<_> = (0..220).map(|n| format!("big TXT {n} {}", "x".repeat(250))).collect();
    let plan = Plan::new()
        .signed("caa.com", caa)
        .zone("both.com", records, Signing::with(&algorithms), Ds::Own)
        .unsigned("plain.com", &format!("{records}\n{}", large.join("\n")))
        .lying("plain.com", |asked, say, _| match asked.name.as_str() {
            "ent.plain.com" => Say { rcode: OptRcode::NXDOMAIN, ..say },
            "servfail.plain.com" => Say::rcode(OptRcode::SERVFAIL),
            "refused.plain.com" => Say::rcode(OptRcode::REFUSED),
            "notimp.plain.com" => Say::rcode(OptRcode::NOTIMP),
            _ => say,
        })
        .signed("keyless.com", records)
        .lying("keyless.com", |asked, say, _| match asked.qtype {
            Rtype::DNSKEY => Say::rcode(OptRcode::SERVFAIL),
            _ => say,
        })
        .unsigned("old.com", records)
        .lying("old.com", no_edns)
        .signed("old-signed.com", records)
        .lying("old-signed.com", no_edns);
    let cases = [
        case("13 beside 15", "www.both.com", Rtype::TXT),
        case("13 beside 15", "none.both.com", Rtype::CAA),
        case("CAA that ends too early", "flags.caa.com", Rtype::CAA),
        case("CAA without a tag", "tagless.caa.com", Rtype::CAA),
        case("CAA with a long tag", "long.caa.com", Rtype::CAA),
        case("CAA with a hyphen in its tag", "hyphen.caa.com", Rtype::CAA),
        case("220 records, over TCP", "big.plain.com", Rtype::TXT),
        case("no name, says a server above the name", "www.ent.plain.com", Rtype::TXT),
        case("SERVFAIL", "servfail.plain.com", Rtype::TXT),
        case("REFUSED", "refused.plain.com", Rtype::TXT),
        case("NOTIMP", "notimp.plain.com", Rtype::TXT),
        case("keys that cannot be fetched", "www.keyless.com", Rtype::TXT),
        case("no EDNS, unsigned", "www.old.com", Rtype::TXT),
        case("no EDNS, signed", "www.old-signed.com", Rtype::TXT),
    ];
    compare_in("Odd and failing servers", plan.start().await, &cases).await;
}
