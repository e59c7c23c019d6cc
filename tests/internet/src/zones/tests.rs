//! Each test asks a small world: the signed zone `s.test`, the unsigned `u.test`, and its records.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::config::{Fault, FaultRcode, Record, View, Zone};

const EAST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 1));
const WEST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 2));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 1, 9));

struct World {
    zones: Zones,
    views: ViewTable,
}

fn world(records: Vec<Record>, faults: Vec<Fault>) -> World {
    let view = |name: &str, source| View {
        name: name.to_owned(),
        source,
        resolver: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let config = Config {
        views: vec![view("east", EAST), view("west", WEST)],
        zones: vec![
            Zone { name: "s.test".to_owned(), signed: true },
            Zone { name: "u.test".to_owned(), signed: false },
        ],
        records,
        faults,
        ..Config::default()
    };
    let views = ViewTable::new(&config.views).unwrap();
    World { zones: Zones::new(&config, &views).unwrap(), views }
}

impl World {
    fn ask(&self, source: IpAddr, name: &str, rtype: Rtype) -> Answer<'_> {
        let name = Name::bytes_from_str(name).unwrap();
        let question = Question { name, rtype, checking_disabled: false };
        self.zones.answer(self.views.viewer(source), &question)
    }

    /// The answer for east, in words: code, AD, owner and type of each record, apex of the SOA.
    fn east(&self, name: &str, rtype: Rtype) -> String {
        let answer = self.ask(EAST, name, rtype);
        let mut words = vec![answer.rcode.to_string()];
        words.extend(answer.secure.then(|| "AD".to_owned()));
        let records = answer.records.iter();
        words.extend(records.map(|(owner, record)| format!("{owner}/{}", record.rtype)));
        words.extend(answer.soa.map(|(apex, _)| format!("SOA:{apex}")));
        words.join(" ")
    }
}

fn cname(name: &str, target: &str) -> Record {
    Record::new(name, Rtype::CNAME, target)
}

fn fault(name: &str) -> Fault {
    Fault { name: name.to_owned(), rcode: Some(FaultRcode::ServFail), ..Fault::default() }
}

#[test]
fn a_record_is_found_whatever_the_case_of_its_name() {
    let world = world(vec![Record::txt("Www.s.test.", "x")], vec![]);
    assert_eq!(world.east("wWW.S.test", Rtype::TXT), "NOERROR AD wWW.S.test/TXT");
}

#[test]
fn a_name_without_the_type_is_nodata_and_a_missing_name_is_nxdomain_of_its_zone() {
    let world = world(vec![Record::txt("www.s.test", "x")], vec![]);
    assert_eq!(world.east("www.s.test", Rtype::CAA), "NOERROR AD SOA:s.test");
    assert_eq!(world.east("no.s.test", Rtype::CAA), "NXDOMAIN AD SOA:s.test");
    assert_eq!(world.east("no.u.test", Rtype::CAA), "NXDOMAIN SOA:u.test");
    assert_eq!(world.east("example.org", Rtype::A), "NXDOMAIN AD SOA:.");
}

#[test]
fn empty_non_terminals_and_the_parents_of_zones_exist() {
    let world = world(vec![Record::txt("a.b.s.test", "x")], vec![]);
    assert_eq!(world.east("b.s.test", Rtype::TXT), "NOERROR AD SOA:s.test");
    assert_eq!(world.east("test", Rtype::CAA), "NOERROR AD SOA:.");
    assert_eq!(world.east(".", Rtype::SOA), "NOERROR AD ./SOA");
    assert_eq!(world.east("u.test", Rtype::SOA), "NOERROR u.test/SOA");
}

#[test]
fn aliases_are_followed_across_zones_and_one_unsigned_zone_makes_the_answer_insecure() {
    let records = vec![
        cname("a.s.test", "b.s.test"),
        cname("b.s.test", "c.u.test"),
        cname("gone.s.test", "no.u.test"),
        Record::txt("c.u.test", "x"),
        Record::txt("b.s.test", "y").seen_by(["west"]),
    ];
    let world = world(records, vec![]);
    let chain = "NOERROR a.s.test/CNAME b.s.test/CNAME c.u.test/TXT";
    assert_eq!(world.east("a.s.test", Rtype::TXT), chain);
    assert_eq!(world.east("a.s.test", Rtype::CNAME), "NOERROR AD a.s.test/CNAME");
    assert_eq!(world.east("gone.s.test", Rtype::TXT), "NXDOMAIN gone.s.test/CNAME SOA:u.test");
}

#[test]
fn twelve_aliases_are_followed_and_thirteen_or_a_loop_are_a_servfail() {
    let link = |n: u32| cname(&format!("n{n}.s.test"), &format!("n{}.s.test", n + 1));
    let mut records: Vec<_> = (0..13).map(link).collect();
    records.push(Record::txt("n13.s.test", "x"));
    records.push(cname("loop.s.test", "loop.s.test"));
    let world = world(records, vec![]);
    assert_eq!(world.ask(EAST, "n1.s.test", Rtype::TXT).records.len(), 13);
    assert_eq!(world.east("n0.s.test", Rtype::TXT), "SERVFAIL");
    assert_eq!(world.east("loop.s.test", Rtype::TXT), "SERVFAIL");
}

#[test]
fn a_wildcard_answers_only_below_its_closest_encloser() {
    let records = vec![
        Record::txt("*.s.test", "wild"),
        Record::txt("a.there.s.test", "x"),
        cname("*.c.s.test", "a.there.s.test"),
    ];
    let world = world(records, vec![]);
    assert_eq!(world.east("any.s.test", Rtype::TXT), "NOERROR AD any.s.test/TXT");
    assert_eq!(world.east("b.any.s.test", Rtype::TXT), "NOERROR AD b.any.s.test/TXT");
    assert_eq!(world.east("any.s.test", Rtype::A), "NOERROR AD SOA:s.test");
    assert_eq!(world.east("*.s.test", Rtype::TXT), "NOERROR AD *.s.test/TXT");
    assert_eq!(world.east("b.there.s.test", Rtype::TXT), "NXDOMAIN AD SOA:s.test");
    let aliased = "NOERROR AD x.c.s.test/CNAME a.there.s.test/TXT";
    assert_eq!(world.east("x.c.s.test", Rtype::TXT), aliased);
}

#[test]
fn a_record_and_its_name_exist_only_for_the_views_that_see_it() {
    let records = vec![
        Record::txt("x.s.test", "for east").seen_by(["east"]),
        Record::txt("y.s.test", "for all"),
    ];
    let world = world(records, vec![]);
    let rcode = |source, name| world.ask(source, name, Rtype::TXT).rcode;
    assert_eq!(rcode(EAST, "x.s.test"), Rcode::NOERROR);
    assert_eq!(rcode(WEST, "x.s.test"), Rcode::NXDOMAIN);
    assert_eq!(rcode(STRANGER, "x.s.test"), Rcode::NXDOMAIN);
    assert_eq!(rcode(STRANGER, "y.s.test"), Rcode::NOERROR);
}

#[test]
fn a_fault_strikes_the_name_itself_and_whoever_is_led_to_it() {
    let records = vec![cname("a.s.test", "b.s.test"), Record::txt("b.s.test", "x")];
    let world = world(records, vec![fault("b.s.test")]);
    assert_eq!(world.east("a.s.test", Rtype::TXT), "SERVFAIL");
    assert_eq!(world.east("b.s.test", Rtype::CAA), "SERVFAIL");
    assert_eq!(world.east("a.s.test", Rtype::CNAME), "NOERROR AD a.s.test/CNAME");
}

#[test]
fn a_fault_below_a_name_spares_the_name() {
    let world = world(vec![Record::txt("b.s.test", "x")], vec![fault("*.b.s.test")]);
    assert_eq!(world.east("a.b.s.test", Rtype::TXT), "SERVFAIL");
    assert_eq!(world.east("b.s.test", Rtype::TXT), "NOERROR AD b.s.test/TXT");
}

#[test]
fn a_fault_of_everything_strikes_one_view_and_the_root_too() {
    let world = world(vec![], vec![Fault { views: Some(vec!["west".into()]), ..fault("*") }]);
    assert_eq!(world.ask(WEST, ".", Rtype::SOA).rcode, Rcode::SERVFAIL);
    assert_eq!(world.ask(WEST, "a.test", Rtype::A).rcode, Rcode::SERVFAIL);
    assert_eq!(world.ask(EAST, ".", Rtype::SOA).rcode, Rcode::NOERROR);
}

#[test]
fn a_fault_can_be_limited_to_a_type_and_to_questions_that_want_checking() {
    let aaaa_only = Fault { rtype: Some(config::RecordType(Rtype::AAAA)), ..fault("a.s.test") };
    let bogus = Fault { unless_cd: true, ..fault("b.s.test") };
    let world = world(vec![Record::txt("b.s.test", "x")], vec![aaaa_only, bogus]);
    assert_eq!(world.ask(EAST, "a.s.test", Rtype::AAAA).rcode, Rcode::SERVFAIL);
    assert_eq!(world.ask(EAST, "a.s.test", Rtype::A).rcode, Rcode::NXDOMAIN);
    let name = Name::bytes_from_str("b.s.test").unwrap();
    let mut question = Question { name, rtype: Rtype::TXT, checking_disabled: false };
    let viewer = world.views.viewer(EAST);
    assert_eq!(world.zones.answer(viewer, &question).rcode, Rcode::SERVFAIL);
    question.checking_disabled = true;
    assert_eq!(world.zones.answer(viewer, &question).rcode, Rcode::NOERROR);
}

#[test]
fn an_error_names_the_key_and_the_reason() {
    let config = Config { records: vec![Record::caa("a.test", "nonsense")], ..Config::default() };
    let error = Zones::new(&config, &ViewTable::new(&[]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "record[0].data: CAA is flags, tag and value");
}
