//! What the gateway counts. Labels are CAs of the configuration, checks and statuses.

use std::collections::BTreeMap;
use std::time::Duration;

use mpic_common::code::CaId;
use mpic_runtime::metrics::{Family, Histogram, Metric};

/// How requests were answered.
#[derive(Debug, Default)]
pub struct Figures {
    answers: Family<Answered, u64>,
    durations: Family<&'static str, Histogram>,
}

/// Whose request, for which check, and how it was answered; without a CA where none was told.
type Answered = (Option<CaId>, &'static str, u16);

impl Figures {
    /// Counts one answer.
    pub fn count(&self, ca: Option<&CaId>, check: &'static str, status: u16, took: Duration) {
        self.answers.update(&(ca.cloned(), check, status), |count| *count += 1);
        self.durations.update(&check, |durations| durations.observe(took));
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<Metric> {
        let answers = self.answers.read([]).into_iter().map(|((ca, check, status), count)| {
            let ca = ca.map(|ca| ca.to_string()).unwrap_or_default();
            let total = Metric::count("mpic_gateway_responses_total", count);
            total.of("ca", &ca).of("check", check).of("status", &status)
        });
        let durations = self.durations.read([]).into_iter().map(|(check, durations)| {
            Metric::durations("mpic_gateway_response_duration_seconds", durations)
                .of("check", check)
        });
        answers.chain(durations).collect()
    }
}

/// What befell the connections of all CAs together.
pub fn bus_events(
    connections: impl Iterator<Item = BTreeMap<&'static str, u64>>,
) -> impl Iterator<Item = Metric> {
    let (mut all, mut reconnects) = (BTreeMap::<_, u64>::new(), 0);
    for events in connections {
        // The first connection is none again.
        reconnects += events.get("connected").copied().unwrap_or(0).saturating_sub(1);
        for (kind, count) in events {
            *all.entry(kind).or_default() += count;
        }
    }
    let event = |(kind, count): (&str, u64)| {
        Metric::count("mpic_nats_events_total", count).of("kind", kind)
    };
    let again = Metric::count("mpic_nats_reconnects_total", reconnects);
    all.into_iter().map(event).chain([again])
}
