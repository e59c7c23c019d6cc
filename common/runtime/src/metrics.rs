//! What a process counts, and how that reads as the text format of Prometheus.

mod table;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use table::{Definition, Kind, METRICS, definition};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// `mpic_` and more; a counter's ends in `_total`.
    pub name: &'static str,
    /// What tells it from others of its name.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: Value,
}

/// What a figure is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A count or a level.
    Number(f64),
    /// How long things took.
    Durations(Histogram),
}

/// How long things took: a count for each bound, of what took no longer than that.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Histogram {
    /// Up to each bound, what is up to the one before left out; the last is above them all.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

/// Seconds. Answers from near take a few milliseconds, a job's longest budget is a minute.
pub const BOUNDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0];

/// Something counted for each key; keys come from a closed set, so that it is bounded.
#[derive(Debug)]
pub struct Family<K, V>(Mutex<BTreeMap<K, V>>);

impl Histogram {
    /// One more took `span`.
    pub fn observe(&mut self, span: Duration) {
        let bound = BOUNDS.iter().position(|bound| span.as_secs_f64() <= *bound);
        if let Some(count) = self.counts.get_mut(bound.unwrap_or(BOUNDS.len())) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(span);
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl<K, V> Default for Family<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, V: Default + Clone> Family<K, V> {
    /// Changes what is counted for `key`.
    pub fn update(&self, key: &K, change: impl FnOnce(&mut V)) {
        let mut all = self.lock();
        if let Some(value) = all.get_mut(key) {
            change(value);
        } else {
            change(all.entry(key.clone()).or_default());
        }
    }

    /// All that is counted, with nothing for those of `keys` that nothing happened to yet: a
    /// series that is there from the start can be told from one that is missing.
    pub fn read(&self, keys: impl IntoIterator<Item = K>) -> BTreeMap<K, V> {
        let mut all: BTreeMap<_, _> = keys.into_iter().map(|key| (key, V::default())).collect();
        all.extend(self.lock().iter().map(|(key, value)| (key.clone(), value.clone())));
        all
    }

    /// Each change is whole before the lock is given back.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metric {
    /// A figure without labels.
    pub fn new(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value: Value::Number(value) }
    }

    /// A count without labels.
    pub fn count(name: &'static str, count: u64) -> Self {
        Self::new(name, figure(count))
    }

    /// How long things took, without labels.
    pub fn durations(name: &'static str, durations: Histogram) -> Self {
        Self { name, labels: Vec::new(), value: Value::Durations(durations) }
    }

    /// The same with one label more.
    #[must_use]
    pub fn of(mut self, label: &'static str, value: &(impl ToString + ?Sized)) -> Self {
        self.labels.push((label, value.to_string()));
        self
    }

    fn write(&self, text: &mut String) {
        let name = self.name;
        match &self.value {
            // Without a sign it is Rust's spelling alone.
            Value::Number(f64::INFINITY) => {
                let _ = writeln!(text, "{name}{} +Inf", self.labels(None));
            }
            Value::Number(number) => {
                let _ = writeln!(text, "{name}{} {number}", self.labels(None));
            }
            Value::Durations(durations) => {
                let mut up_to = 0;
                let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
                for (bound, count) in bounds.zip(durations.counts) {
                    up_to += count;
                    let _ = writeln!(text, "{name}_bucket{} {up_to}", self.labels(Some(&bound)));
                }
                let (labels, sum) = (self.labels(None), durations.sum.as_secs_f64());
                let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {up_to}");
            }
        }
    }

    fn labels(&self, bound: Option<&str>) -> String {
        let own = self.labels.iter().map(|(label, value)| (*label, value.as_str()));
        let all = own.chain(bound.map(|bound| ("le", bound)));
        let written: Vec<_> =
            all.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        if written.is_empty() { String::new() } else { format!("{{{}}}", written.join(",")) }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A count as a figure; above 2^53 it is rounded.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no integers")]
pub fn figure(count: u64) -> f64 {
    count as f64
}

/// The text format of Prometheus, version 0.0.4: all series of a name together, in the order in
/// which the names first come.
pub fn text(metrics: &[Metric]) -> String {
    let mut names: Vec<_> = Vec::new();
    for metric in metrics {
        if !names.contains(&metric.name) {
            names.push(metric.name);
        }
    }
    let mut text = String::new();
    for name in names {
        if let Some(Definition { kind, help, .. }) = definition(name) {
            let kind = kind.as_str();
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        metrics.iter().filter(|metric| metric.name == name).for_each(|one| one.write(&mut text));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let dropped =
            |reason: &str| Metric::new("mpic_agent_dropped_total", 2.0).of("reason", reason);
        let inflight = Metric::new("mpic_agent_inflight", 0.5);
        let capacity = Metric::new("mpic_agent_capacity", f64::INFINITY);
        assert_eq!(
            text(&[dropped("expired"), inflight, dropped("a\"b\\\n"), capacity]),
            "# HELP mpic_agent_dropped_total Assignments that are dropped without an answer.\n\
             # TYPE mpic_agent_dropped_total counter\n\
             mpic_agent_dropped_total{reason=\"expired\"} 2\n\
             mpic_agent_dropped_total{reason=\"a\\\"b\\\\\\n\"} 2\n\
             # HELP mpic_agent_inflight Jobs at work.\n\
             # TYPE mpic_agent_inflight gauge\n\
             mpic_agent_inflight 0.5\n\
             # HELP mpic_agent_capacity Above so many it is busy.\n\
             # TYPE mpic_agent_capacity gauge\n\
             mpic_agent_capacity +Inf\n"
        );
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound_and_beyond_the_last() {
        let mut durations = Histogram::default();
        for ms in [1, 2, 2, 100, 61_000] {
            durations.observe(Duration::from_millis(ms));
        }
        assert_eq!(durations.count(), 5);
        let metric = Metric::durations("mpic_job_duration_seconds", durations);
        let text = text(&[metric.of("outcome", "refuse")]);
        for (bound, count) in [("0.001", 1), ("0.0025", 3), ("0.05", 3), ("0.1", 4), ("+Inf", 5)] {
            let line = format!("_bucket{{outcome=\"refuse\",le=\"{bound}\"}} {count}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(text.contains("\nmpic_job_duration_seconds_sum{outcome=\"refuse\"} 61.105\n"));
        assert!(text.contains("\nmpic_job_duration_seconds_count{outcome=\"refuse\"} 5\n"));
    }

    #[test]
    fn what_did_not_happen_yet_is_told_as_nil() {
        let family = Family::<&str, u64>::default();
        family.update(&"a", |count| *count += 1);
        assert_eq!(family.read(["a", "b"]), [("a", 1), ("b", 0)].into());
    }

    #[test]
    fn a_name_is_defined_once_and_says_what_it_is() {
        let names: BTreeSet<_> = METRICS.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for Definition { name, kind, help, .. } in METRICS {
            assert!(name.starts_with("mpic_") && help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(!help.contains(['\n', '\\']), "{name}");
        }
    }
}
