//! The figures that a monitoring system reads of the audit consumer.

use mpic_common::time::UnixMs;
use mpic_runtime::metrics::{Metric, figure};

use crate::appender::Progress;
use crate::conflict::Conflict;
use crate::status::Status;

/// What the figures are taken from.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The last look at the stream; what only that tells is left out where it failed.
    pub told: Option<&'a Status>,
    /// How far the log is.
    pub progress: &'a Progress,
    /// When the process was ready, with its head published.
    pub started: UnixMs,
    /// Errors that the verification of the whole log has found so far.
    pub damage: u64,
    /// The present time.
    pub now: UnixMs,
}

/// All figures of a log that goes on.
pub fn metrics(observed: Observed<'_>) -> Vec<Metric> {
    let Observed { told, progress, started, damage, now } = observed;
    let checkpoint_age = now.since(progress.committed_at.unwrap_or(started)).as_secs_f64();
    let batch = progress.commit.map_or(0, |commit| commit.entries);
    let mut metrics = vec![
        Metric::count("mpic_audit_entries", progress.size),
        Metric::durations("mpic_audit_commit_duration_seconds", progress.commits),
        Metric::count("mpic_audit_batch_entries", batch),
        Metric::new("mpic_audit_checkpoint_age_seconds", checkpoint_age),
        Metric::count("mpic_audit_acks_failed_total", progress.acks_failed),
        Metric::count("mpic_audit_foreign_total", progress.foreign),
        Metric::count("mpic_audit_gaps", progress.gaps),
        Metric::count("mpic_audit_damage", damage),
    ];
    metrics.extend(conflicts(None));
    if let Some(told) = told {
        let hours = told.hours_until_full.unwrap_or(f64::INFINITY);
        metrics.extend([
            Metric::count("mpic_audit_lag_messages", told.lag_messages),
            Metric::new("mpic_audit_lag_seconds", figure(told.lag_ms) / 1_000.0),
            Metric::new("mpic_audit_hours_until_full", hours),
        ]);
    }
    metrics
}

/// Which conflict the process ends for, if it does.
pub fn conflicts(ended: Option<Conflict>) -> impl Iterator<Item = Metric> {
    Conflict::ALL.into_iter().map(move |kind| {
        let count = u64::from(ended == Some(kind));
        Metric::count("mpic_audit_conflict", count).of("kind", kind.as_str())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mpic_runtime::metrics::text;

    use super::*;
    use crate::appender::Commit;

    fn told(hours_until_full: Option<f64>) -> Status {
        Status {
            origin: "audit.example/mpic/test".to_owned(),
            size: 8,
            next: 8,
            lag_messages: 3,
            lag_ms: 1_500,
            last_commit_ms: None,
            commit_ms: None,
            batch_entries: None,
            acks_failed: 0,
            hours_until_full,
        }
    }

    fn observed<'a>(told: Option<&'a Status>, progress: &'a Progress) -> Observed<'a> {
        Observed { told, progress, started: UnixMs(1_000), damage: 0, now: UnixMs(3_500) }
    }

    #[test]
    fn figures_say_what_was_measured() {
        let commit = Commit { took: Duration::from_millis(12), entries: 3 };
        let mut progress = Progress {
            size: 8,
            committed_at: Some(UnixMs(3_000)),
            commit: Some(commit),
            foreign: 2,
            gaps: 1,
            ..Progress::default()
        };
        progress.commits.observe(commit.took);
        let told = told(Some(5.5));
        let text = text(&metrics(Observed { damage: 4, ..observed(Some(&told), &progress) }));
        for line in [
            "mpic_audit_entries 8",
            "mpic_audit_lag_messages 3",
            "mpic_audit_lag_seconds 1.5",
            "mpic_audit_hours_until_full 5.5",
            "mpic_audit_commit_duration_seconds_count 1",
            "mpic_audit_commit_duration_seconds_sum 0.012",
            "mpic_audit_batch_entries 3",
            "mpic_audit_checkpoint_age_seconds 0.5",
            "mpic_audit_foreign_total 2",
            "mpic_audit_gaps 1",
            "mpic_audit_damage 4",
            "mpic_audit_conflict{kind=\"fork\"} 0",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn what_is_unknown_is_not_told_and_a_stream_that_does_not_fill_never_is_full() {
        let progress = Progress::default();
        let unknown = text(&metrics(observed(None, &progress)));
        assert!(!unknown.contains("lag_") && !unknown.contains("hours_until_full"), "{unknown}");
        assert!(unknown.contains("\nmpic_audit_checkpoint_age_seconds 2.5\n"), "{unknown}");
        let told = told(None);
        let known = text(&metrics(observed(Some(&told), &progress)));
        assert!(known.contains("\nmpic_audit_hours_until_full +Inf\n"), "{known}");
    }

    #[test]
    fn the_conflict_that_ends_the_process_is_told_by_its_kind() {
        let text = text(&conflicts(Some(Conflict::Gap)).collect::<Vec<_>>());
        assert!(text.contains("\nmpic_audit_conflict{kind=\"gap\"} 1\n"), "{text}");
        assert!(text.contains("\nmpic_audit_conflict{kind=\"fork\"} 0\n"), "{text}");
    }
}
