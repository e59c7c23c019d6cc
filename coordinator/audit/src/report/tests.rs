use mpic_common::reason::Reason;
use mpic_common::testing::Seen as Saw;

use super::*;
use crate::replay::tests::builder::{
    decision, fleet, genesis, job, key, late, sign_decision, unanimous, write,
};

const ORIGIN: &str = "log.example/1";

type Failed = Box<dyn std::error::Error>;

/// A log of three decisions: all corroborate; one errs and one is late; forged.
fn reported(filter: &Filter) -> Vec<Attempt> {
    let fleet = fleet();
    let (one, two, three) = (job(0), job(1), job(2));
    let mixed = decision(&fleet, &two, |code| match code.as_str() {
        "r1" => Some(Saw::Reason(Reason::DnsTimeout)),
        "r2" => None,
        _ => Some(Saw::Expected),
    });
    let mixed = sign_decision(&mixed, &two);
    let mut forged = sign_decision(&unanimous(&fleet, &three), &three);
    *forged.last_mut().expect("a signature") ^= 1;
    let entries = [
        genesis(ORIGIN, None),
        fleet.document(),
        mixed.clone(),
        sign_decision(&unanimous(&fleet, &one), &one),
        late(&mixed, &two, &["r2"]),
        mixed,
        forged,
    ];
    let log = tempfile::tempdir().expect("a directory");
    write(log.path(), ORIGIN, &entries);
    let reader = LogReader::open(log.path(), key(ORIGIN).public()).expect("opened");
    attempts::<Failed>(&reader, &[], filter).expect("readable")
}

#[test]
fn each_perspective_and_each_quorum_is_reported_and_late_replies_are_marked() {
    let attempts = reported(&Filter::default());
    let requests: Vec<_> = attempts.iter().filter_map(|a| a.ca_request.as_deref()).collect();
    assert_eq!(requests, ["order-0", "order-1", "order-2"]);
    assert_eq!(attempts.iter().map(Attempt::has_failed).collect::<Vec<_>>(), [false, false, true]);
    let told = attempts[1].to_string();
    let lines: Vec<Vec<_>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines[1].starts_with(&["dcv", "acme-dns-01", "4/6", "corroborate"]), "{told}");
    let of = |code: &str| lines.iter().find(|line| line[0] == code).expect("a line");
    assert_eq!(of("r0")[3..5], ["pass", "corroborate"], "{told}");
    assert_eq!(
        of("r1")[2..7],
        ["RIPE", "NCC", "error", Reason::DnsTimeout.as_str(), "unavailable"],
        "{told}"
    );
    assert_eq!(of("r2")[3..5], ["pass", "unavailable"], "{told}");
    assert_eq!(of("r2").last(), Some(&"late"), "{told}");
    assert_eq!(attempts[1].perspectives.iter().filter(|line| line.late).count(), 1);
}

#[test]
fn csv_has_a_row_a_perspective_and_check() {
    let wanted = Filter { ca_request: Some("order-1".to_owned()), ..Filter::default() };
    let attempts = reported(&wanted);
    assert_eq!(attempts.len(), 1);
    let csv = csv(&attempts);
    let rows: Vec<Vec<_>> = csv.lines().map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 7 * attempts[0].checks.len());
    assert!(rows.iter().all(|row| row.len() == 20), "{csv}");
    assert_eq!(rows[0][12..15], ["perspective", "role", "registry"]);
    assert_eq!(rows[1][13], "primary");
}

#[test]
fn a_cell_that_holds_a_comma_or_quotes_is_quoted() {
    let mut attempts = reported(&Filter::default());
    attempts[0].ca_request = Some("a,\"b\"".to_owned());
    assert!(csv(&attempts).contains(",\"a,\"\"b\"\"\","));
}
