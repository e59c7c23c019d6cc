//! The files of deploy/: read by whoever can read them here.

use mpic_runtime::metrics::METRICS;
use serde_json::json;

use crate::{python, run};

/// Names, types and labels, as the checks of rules and dashboard want them.
fn metrics() -> String {
    let described = METRICS.iter().map(|metric| {
        let value = json!({ "kind": metric.kind.as_str(), "labels": metric.labels });
        (metric.name.to_owned(), value)
    });
    serde_json::Value::Object(described.collect()).to_string()
}

fn check(what: &str) {
    let (code, said, errors) =
        run(python("tests/deploy/check.py").arg(what).env("METRICS", metrics()));
    assert_eq!(code, Some(0), "{said}{errors}");
}

#[test]
fn kubernetes_would_take_every_manifest_and_none_asks_for_more_than_it_needs() {
    check("kubernetes");
}

#[test]
fn rules_and_dashboard_name_metrics_and_labels_that_processes_tell() {
    check("metrics");
}

#[test]
fn images_hold_the_programs_and_compose_starts_them_as_they_want_it() {
    check("images");
}

#[test]
fn units_are_units_and_expose_little() {
    check("units");
}
