//! Metrics: what the code tells, its table of them and the documents are one.

use std::collections::BTreeSet;
use std::fs;

use mpic_runtime::metrics::METRICS;

use crate::{files, root};

/// The names in quotes that begin as metrics do.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('"').skip(1).step_by(2);
    quoted.filter(|name| {
        let rest = name.strip_prefix("mpic_");
        rest.is_some_and(|rest| {
            rest.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        })
    })
}

#[test]
fn the_code_tells_the_metrics_of_the_table_and_no_others() {
    let mut told = BTreeSet::new();
    for file in files(".rs") {
        let path = file.strip_prefix(root()).unwrap();
        let is_code = ["agent/src", "common/runtime/src", "coordinator"]
            .iter()
            .any(|directory| path.starts_with(directory));
        if is_code && !path.ends_with("metrics/table.rs") {
            let text = fs::read_to_string(&file).unwrap();
            let production = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            told.extend(named(production).map(str::to_owned));
        }
    }
    // A member of the Open MPIC API begins as metrics do.
    told.remove("mpic_completed");
    let table = METRICS.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(told, table);
}

#[test]
fn the_documents_show_the_table_of_metrics() {
    let row = |metric: &mpic_runtime::metrics::Definition| {
        let labels =
            if metric.labels.is_empty() { "-".to_owned() } else { metric.labels.join(", ") };
        let (name, kind, of, help) = (metric.name, metric.kind.as_str(), metric.of, metric.help);
        format!("| `{name}` | {kind} | {labels} | {of} | {} |", help.trim_end_matches('.'))
    };
    let table: Vec<_> = METRICS.iter().map(row).collect();
    let text = fs::read_to_string(root().join("docs/OPERATING.md")).unwrap();
    let shown: Vec<_> = text.lines().filter(|line| line.starts_with("| `mpic_")).collect();
    assert_eq!(shown, table, "the table is:\n{}", table.join("\n"));
}
