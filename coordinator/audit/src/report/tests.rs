use mpic_common::observation::CheckKind;
use mpic_common::reason::Reason;
use mpic_common::testing::Seen as Saw;

use super::*;
use crate::testing::{decision, fleet, genesis, job, key, late, sign_decision, unanimous, write};

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
    assert!(rows.iter().all(|row| row.len() == 21), "{csv}");
    assert_eq!(rows[0][12..15], ["perspective", "role", "registry"]);
    assert_eq!(rows[1][13], "primary");
    assert!(rows[1..].iter().all(|row| row[20] == ORIGIN), "{csv}");
}

#[test]
fn of_one_check_alone_nothing_is_said_of_the_other() {
    let wanted = Filter { check: Some(CheckKind::Caa), ..Filter::default() };
    let attempts = reported(&wanted);
    assert_eq!(attempts.len(), 3);
    for row in csv(&attempts).lines().skip(1) {
        assert_eq!(row.split(',').nth(8), Some("caa"), "{row}");
    }
    assert!(!attempts[0].to_string().contains("acme-dns-01"), "{}", attempts[0]);
}

#[test]
fn a_cell_that_holds_a_comma_or_quotes_is_quoted() {
    let mut attempts = reported(&Filter::default());
    attempts[0].ca_request = Some("a,\"b\"".to_owned());
    assert!(csv(&attempts).contains(",\"a,\"\"b\"\"\","));
}

#[test]
fn the_rate_of_a_perspective_counts_errors_and_silence_and_nothing_forged() {
    let attempts = reported(&Filter::default());
    let rates = Rates::of(&attempts);
    let of = |code: &str| {
        let rows = rates.rows.iter().filter(|rate| rate.perspective.as_str() == code);
        rows.map(|rate| (rate.asked, rate.not_corroborating)).collect::<Vec<_>>()
    };
    // Two attempts, CAA and validation each; the forged one proves nothing.
    assert_eq!(of("r0"), [(2, 0), (2, 0)]);
    assert_eq!(of("r1"), [(2, 1), (2, 1)]);
    assert_eq!(of("r2"), [(2, 1), (2, 1)], "late is not counted");
    assert_eq!(of("p0"), [], "the primary corroborates nothing");
    assert_eq!(rates_csv(&rates).lines().count(), 1 + rates.rows.len());
    assert!(rates.rows[0].to_string().ends_with("r0  dcv  0 of 2  0.0 %"), "{}", rates.rows[0]);
}

#[test]
fn periods_grow_until_a_chart_has_room_for_them() {
    let template = reported(&Filter::default()).remove(0);
    let span = |days: u64| {
        let later =
            Attempt { at: mpic_common::time::UnixMs(days * 86_400_000), ..template.clone() };
        let first = Attempt { at: mpic_common::time::UnixMs(0), ..template.clone() };
        Rates::of(&[first, later]).period_ms / 3_600_000
    };
    assert_eq!([span(0), span(2), span(50), span(300), span(1_000)], [1, 1, 24, 168, 720]);
}

#[test]
fn the_page_holds_every_attempt_and_nothing_from_elsewhere() {
    let mut attempts = reported(&Filter::default());
    attempts[0].identifier = "<script>alert('x')</script>".to_owned();
    let page = html(&attempts, &["log.example/1: 7 entries".to_owned()]);
    assert_eq!(page.matches("<pre class=").count(), attempts.len());
    assert_eq!(page.matches("<svg").count(), 6 * 2);
    assert_eq!(page.matches("class=\"failed\"").count(), 1);
    for foreign in ["<script", "http://", "https://", " src=", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("&lt;script&gt;"));
}
