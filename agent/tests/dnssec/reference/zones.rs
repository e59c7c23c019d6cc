//! Zones that Knot DNS has signed.

use domain::base::iana::Rtype;

use super::{Case, ask_both, compare};
use crate::knot::{Denial, KnotLab, KnotZone};

/// What most zones have.
const RECORDS: &str = "www TXT value\nwww CAA 0 issue \"ca.example\"\n*.wild TXT star\n\
    real.wild TXT real\ndeep.ent TXT value\n";

const NSEC3: Denial = Denial::Nsec3 { iterations: 0, opt_out: false };
const OPT_OUT: Denial = Denial::Nsec3 { iterations: 0, opt_out: true };

fn ecdsa(origin: &'static str, denial: Denial) -> KnotZone {
    KnotZone::with(origin, RECORDS, "ecdsap256sha256", denial)
}

fn signed(origin: &'static str) -> KnotZone {
    ecdsa(origin, Denial::Nsec)
}

fn plain(origin: &'static str) -> KnotZone {
    KnotZone::unsigned(origin, RECORDS)
}

fn case(what: &'static str, name: &str, qtype: Rtype) -> Case {
    Case { what, name: name.to_owned(), qtype }
}

/// Both top-level domains are signed as such are: `com` with RSA, NSEC3 and opt-out.
async fn lab(zones: Vec<KnotZone>) -> KnotLab {
    let parents = [
        KnotZone::with("com", "", "rsasha256", OPT_OUT),
        KnotZone::with("org", "", "ecdsap256sha256", Denial::Nsec),
    ];
    KnotLab::start(parents.into_iter().chain(zones).collect()).await
}

async fn compare_over(heading: &str, zones: Vec<KnotZone>, cases: Vec<Case>) {
    let lab = lab(zones).await;
    compare(heading, &lab.unbound, &lab.embedded, &cases).await;
}

#[tokio::test]
async fn the_engines_agree_on_every_name_and_type_of_a_zone_however_it_is_signed() {
    let records = "@ TXT apex\n@ MX 10 mail\nmail A 192.0.2.1\nmail AAAA 2001:db8::1\nwww A 192.0.2.2\n\
        www CAA 0 issue \"ca.example\"\n*.wild TXT star\n*.wild MX 10 mail\nreal.wild TXT real\n\
        deep.ent TXT deep\nc CNAME www\ncc CNAME c\ncn CNAME none\ncw CNAME a.wild\n\
        *.cs CNAME www\nd DNAME ent\ndw DNAME wild\nlab NS ns.lab\nns.lab A 192.0.2.3\n\
        under.wild TXT under\n* TXT any\n";
    let zones: Vec<_> =
        [("nsec.org", Denial::Nsec), ("nsec3.org", NSEC3), ("opt-out.org", OPT_OUT)]
            .map(|(origin, denial)| KnotZone::with(origin, records, "ecdsap256sha256", denial))
            .into();
    let unsigned = KnotZone::unsigned("plain.org", records);
    let origins: Vec<_> = ["nsec.org", "nsec3.org", "opt-out.org", "plain.org"].into();
    let lab = lab([zones, vec![unsigned]].concat()).await;
    let names = [
        "",
        "mail.",
        "www.",
        "none.",
        "below.www.",
        "wild.",
        "a.wild.",
        "a.b.wild.",
        "real.wild.",
        "below.real.wild.",
        "ent.",
        "deep.ent.",
        "none.ent.",
        "c.",
        "cc.",
        "cn.",
        "cw.",
        "a.cs.",
        "cs.",
        "d.",
        "deep.d.",
        "none.d.",
        "dw.",
        "a.dw.",
        "real.dw.",
        "a.none.",
        "*.",
        "*.wild.",
    ];
    for origin in origins {
        for name in names {
            for qtype in [Rtype::TXT, Rtype::CAA, Rtype::A, Rtype::MX] {
                let case = case("", &format!("{name}{origin}"), qtype);
                let (_, _, why) = ask_both(&lab.unbound, &lab.embedded, &case).await;
                assert_eq!(why, "same", "{} {qtype}", case.name);
            }
        }
    }
}

#[tokio::test]
async fn d3_d4_the_engines_agree_on_every_algorithm_that_both_know() {
    let zone = |origin, algorithm| KnotZone::with(origin, RECORDS, algorithm, Denial::Nsec);
    let zones = vec![
        zone("rsa-256.org", "rsasha256"),
        zone("rsa-512.org", "rsasha512"),
        zone("p-256.org", "ecdsap256sha256"),
        zone("p-384.org", "ecdsap384sha384"),
        zone("ed25519.org", "ed25519"),
        zone("ed448.org", "ed448"),
        plain("private.org").ds("DS 1 253 2 00"),
        plain("unassigned.org").ds("DS 1 200 2 00"),
        signed("digest.org").ds("DS 1 13 99 00"),
    ];
    let cases = vec![
        case("8, RSA with SHA-256", "www.rsa-256.org", Rtype::TXT),
        case("8, RSA with SHA-256", "none.rsa-256.org", Rtype::CAA),
        case("10, RSA with SHA-512", "www.rsa-512.org", Rtype::TXT),
        case("13, ECDSA P-256", "www.p-256.org", Rtype::TXT),
        case("13, ECDSA P-256", "none.p-256.org", Rtype::CAA),
        case("14, ECDSA P-384", "www.p-384.org", Rtype::TXT),
        case("15, Ed25519", "www.ed25519.org", Rtype::TXT),
        case("15, Ed25519", "none.ed25519.org", Rtype::CAA),
        case("16, Ed448", "www.ed448.org", Rtype::TXT),
        case("a private algorithm", "www.private.org", Rtype::TXT),
        case("an unassigned algorithm", "www.unassigned.org", Rtype::TXT),
        case("an unassigned digest", "www.digest.org", Rtype::TXT),
    ];
    compare_over("Algorithms", zones, cases).await;
}

/// Another value than what was signed.
fn other_value(zone: &str) -> String {
    zone.replace("\"value\"", "\"other\"")
}

#[tokio::test]
async fn d5_sha_1_is_validated_and_what_it_does_not_fit_is_bogus() {
    let (rsa, rsa_nsec3) = ("rsasha1", "rsasha1-nsec3-sha1");
    let zones = vec![
        KnotZone::with("sha1.org", RECORDS, rsa, Denial::Nsec),
        KnotZone::with("sha1-nsec3.org", RECORDS, rsa_nsec3, NSEC3),
        KnotZone::with("altered.org", RECORDS, rsa, Denial::Nsec).altered(other_value),
        KnotZone::with("altered-nsec3.org", RECORDS, rsa_nsec3, NSEC3).altered(other_value),
    ];
    let cases = vec![
        case("5, RSA with SHA-1", "www.sha1.org", Rtype::TXT),
        case("5, RSA with SHA-1", "none.sha1.org", Rtype::CAA),
        case("7, RSA with SHA-1 and NSEC3", "www.sha1-nsec3.org", Rtype::TXT),
        case("7, RSA with SHA-1 and NSEC3", "none.sha1-nsec3.org", Rtype::CAA),
        case("5, altered", "www.altered.org", Rtype::TXT),
        case("7, altered", "www.altered-nsec3.org", Rtype::TXT),
    ];
    compare_over("SHA-1", zones, cases).await;
}

#[tokio::test]
async fn d6_d7_the_engines_agree_on_denials_and_wildcards() {
    let zones = vec![
        ecdsa("nsec.org", Denial::Nsec),
        ecdsa("nsec3.org", NSEC3),
        ecdsa("opt-out.org", OPT_OUT),
        plain("lab.opt-out.org"),
        plain("plain.com"),
        signed("signed.com"),
    ];
    let mut cases = Vec::new();
    for (what, origin) in
        [("NSEC", "nsec.org"), ("NSEC3", "nsec3.org"), ("NSEC3 with opt-out", "opt-out.org")]
    {
        let below = |name, qtype| case(what, &format!("{name}.{origin}"), qtype);
        cases.extend([
            below("www", Rtype::TXT),
            below("www", Rtype::A),
            case(what, origin, Rtype::CAA),
            below("none", Rtype::CAA),
            below("below.www", Rtype::CAA),
            below("ent", Rtype::TXT),
            below("none.ent", Rtype::TXT),
            below("a.wild", Rtype::TXT),
            below("a.b.wild", Rtype::TXT),
            below("a.wild", Rtype::CAA),
            below("a.real.wild", Rtype::TXT),
        ]);
    }
    cases.extend([
        case("unsigned below opt-out", "www.lab.opt-out.org", Rtype::TXT),
        case("unsigned below opt-out", "none.lab.opt-out.org", Rtype::CAA),
        case("unsigned below an opt-out TLD", "www.plain.com", Rtype::TXT),
        case("unsigned below an opt-out TLD", "www.plain.com", Rtype::A),
        case("signed below an opt-out TLD", "www.signed.com", Rtype::CAA),
        case("signed below an opt-out TLD", "none.signed.com", Rtype::CAA),
        case("nothing below an opt-out TLD", "none.com", Rtype::CAA),
        case("an opt-out TLD itself", "com", Rtype::CAA),
        case("an NSEC TLD itself", "org", Rtype::CAA),
        case("no TLD", "none", Rtype::CAA),
    ]);
    compare_over("Denials and wildcards", zones, cases).await;
}

#[tokio::test]
async fn d8_nsec3_iterations_are_computed_up_to_500_and_prove_nothing_beyond() {
    let zone = |origin, iterations| ecdsa(origin, Denial::Nsec3 { iterations, opt_out: false });
    let zones = vec![zone("n100.org", 100), zone("n150.org", 150), zone("n600.org", 600)];
    let hidden = zone("hidden.org", 150).altered(|zone| without(zone, &["\tCAA\t", "RRSIG\tCAA "]));
    let zones = [zones, vec![hidden]].concat();
    let mut cases = vec![case("150 iterations, a set hidden", "www.hidden.org", Rtype::CAA)];
    for (what, origin) in [
        ("100 iterations", "n100.org"),
        ("150 iterations", "n150.org"),
        ("600 iterations", "n600.org"),
    ] {
        let below = |name, qtype| case(what, &format!("{name}.{origin}"), qtype);
        cases.extend([
            below("www", Rtype::TXT),
            below("www", Rtype::A),
            below("none", Rtype::CAA),
            below("a.wild", Rtype::TXT),
        ]);
    }
    compare_over("NSEC3 iterations", zones, cases).await;
}

/// The lines of a signed zone without any of `marks` in them.
fn without(zone: &str, marks: &[&str]) -> String {
    let kept = |line: &&str| !marks.iter().any(|mark| line.contains(mark));
    zone.lines().filter(kept).collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn d1_d2_the_engines_agree_on_unsigned_and_badly_signed_zones() {
    let zones = vec![
        signed("good.org"),
        plain("plain.org"),
        signed("island.plain.org").without_ds(),
        signed("expired.org").signed_at(-60 * DAY),
        signed("early.org").signed_at(60 * DAY),
        signed("stripped.org").altered(|zone| without(zone, &["RRSIG"])),
        signed("altered.org").altered(other_value),
        signed("unproven.org").altered(|zone| without(zone, &["\tNSEC\t", "RRSIG\tNSEC "])),
        signed("keyless.org").altered(|zone| without(zone, &["DNSKEY"])),
        signed("wrong-ds.org").ds(WRONG_DS),
        plain("bare.org").ds(WRONG_DS),
    ];
    let cases = vec![
        case("signed", "www.good.org", Rtype::TXT),
        case("unsigned", "www.plain.org", Rtype::TXT),
        case("unsigned", "none.plain.org", Rtype::CAA),
        case("a signed island", "www.island.plain.org", Rtype::TXT),
        case("a signed island", "none.island.plain.org", Rtype::CAA),
        case("expired", "www.expired.org", Rtype::TXT),
        case("expired", "none.expired.org", Rtype::CAA),
        case("not yet valid", "www.early.org", Rtype::TXT),
        case("stripped of signatures", "www.stripped.org", Rtype::CAA),
        case("stripped of signatures", "none.stripped.org", Rtype::CAA),
        case("altered", "www.altered.org", Rtype::TXT),
        case("altered elsewhere", "www.altered.org", Rtype::CAA),
        case("without NSEC records", "none.unproven.org", Rtype::CAA),
        case("without NSEC records", "www.unproven.org", Rtype::A),
        case("without NSEC records", "a.wild.unproven.org", Rtype::TXT),
        case("without keys", "www.keyless.org", Rtype::TXT),
        case("a DS of another key", "www.wrong-ds.org", Rtype::TXT),
        case("unsigned under a DS", "www.bare.org", Rtype::TXT),
        case("unsigned under a DS", "none.bare.org", Rtype::CAA),
    ];
    compare_over("Unsigned and badly signed zones", zones, cases).await;
}

#[tokio::test]
async fn d9_d10_d15_the_engines_agree_along_aliases() {
    let label = "a".repeat(60);
    let hops: Vec<_> = (0..12).map(|hop| format!("c{hop} CNAME c{}", hop + 1)).collect();
    let hops = hops.join("\n");
    let aliases = format!(
        "to-plain CNAME www.plain.org.\nto-here CNAME www\nto-none CNAME none\n\
         to-empty CNAME ent\nto-bad CNAME www.expired.org.\nto-wild CNAME a.wild\n\
         d DNAME data.plain.org.\ns DNAME data\nwww.data TXT value\nto-s CNAME www.s\n\
         bad DNAME expired.org.\nl DNAME {label}.{label}.{label}.{label}.org.\n\
         *.star CNAME www\n{hops}\nc12 TXT end\nloop CNAME pool\npool CNAME loop\nself CNAME self\n"
    );
    let from_plain = "to-signed CNAME www.signed.org.\nd DNAME signed.org.\nwww.data TXT value\n";
    let zones = vec![
        KnotZone::signed("signed.org", &[RECORDS, &aliases].concat()),
        KnotZone::unsigned("plain.org", &[RECORDS, from_plain].concat()),
        signed("expired.org").signed_at(-60 * DAY),
    ];
    let cases = vec![
        case("signed to unsigned", "to-plain.signed.org", Rtype::TXT),
        case("signed to unsigned", "to-plain.signed.org", Rtype::A),
        case("unsigned to signed", "to-signed.plain.org", Rtype::TXT),
        case("signed to signed", "to-here.signed.org", Rtype::TXT),
        case("to no data", "to-here.signed.org", Rtype::A),
        case("to an empty name", "to-empty.signed.org", Rtype::TXT),
        case("to no name", "to-none.signed.org", Rtype::TXT),
        case("to bogus data", "to-bad.signed.org", Rtype::TXT),
        case("to a wildcard", "to-wild.signed.org", Rtype::TXT),
        case("from a wildcard", "a.star.signed.org", Rtype::TXT),
        case("the alias itself", "to-here.signed.org", Rtype::CNAME),
        case("DNAME to signed", "www.s.signed.org", Rtype::TXT),
        case("DNAME to no name", "none.s.signed.org", Rtype::TXT),
        case("DNAME to no data", "www.s.signed.org", Rtype::CAA),
        case("DNAME to unsigned", "www.d.signed.org", Rtype::TXT),
        case("DNAME to bogus data", "www.bad.signed.org", Rtype::TXT),
        case("DNAME from unsigned", "www.d.plain.org", Rtype::TXT),
        case("CNAME to a DNAME", "to-s.signed.org", Rtype::TXT),
        case("the CNAME of a DNAME", "www.s.signed.org", Rtype::CNAME),
        case("the owner of a DNAME", "s.signed.org", Rtype::TXT),
        case("DNAME to too long a name", "too-long.l.signed.org", Rtype::TXT),
        case("eleven aliases", "c1.signed.org", Rtype::TXT),
        case("twelve aliases", "c0.signed.org", Rtype::TXT),
        case("a loop of two", "loop.signed.org", Rtype::TXT),
        case("a loop of one", "self.signed.org", Rtype::TXT),
    ];
    compare_over("Aliases", zones, cases).await;
}

const DAY: i64 = 24 * 60 * 60;
const WRONG_DS: &str = "DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000";
