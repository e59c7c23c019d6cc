//! How often each perspective did not corroborate, over time.

use std::collections::BTreeMap;
use std::fmt;

use mpic_common::code::PerspectiveId;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::record::Missing;
use mpic_common::reply::PerspectiveRole;
use mpic_common::time::UnixMs;
use serde::Serialize;

use super::Attempt;

/// The rates of a span of time.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// The length of a period, in milliseconds.
    pub period_ms: u64,
    /// By perspective, check and period; what nobody was asked for is left out.
    pub rows: Vec<Rate>,
}

/// One perspective's, for one check in one period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Who, as a remote.
    pub perspective: PerspectiveId,
    /// Which check.
    pub check: CheckKind,
    /// The beginning of the period.
    pub from_ms: UnixMs,
    /// How often it was asked.
    pub asked: u64,
    /// How often that gave no corroboration: silence, an error, or another value.
    pub not_corroborating: u64,
}

impl Rates {
    /// Counts the attempts in which no check of a replay failed; the others prove nothing.
    pub fn of(attempts: &[Attempt]) -> Self {
        let counted = || attempts.iter().filter(|attempt| !attempt.has_failed());
        let times = || counted().map(|attempt| attempt.at.0);
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let fits = |period: &u64| last / period - first / period < PERIODS_MAX;
        let period_ms = PERIODS.into_iter().find(fits).unwrap_or(LONGEST);
        let mut rows: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for attempt in counted() {
            let from_ms = UnixMs(attempt.at.0 / period_ms * period_ms);
            for (perspective, check, finding) in asked(attempt) {
                let row = rows.entry((perspective, check, from_ms)).or_default();
                row.0 += 1;
                row.1 += u64::from(finding != Some(Finding::Corroborate));
            }
        }
        let row = |((perspective, check, from_ms), (asked, not_corroborating))| Rate {
            perspective,
            check,
            from_ms,
            asked,
            not_corroborating,
        };
        Self { period_ms, rows: rows.into_iter().map(row).collect() }
    }
}

/// The remotes that an attempt asked, and what each found.
fn asked(attempt: &Attempt) -> impl Iterator<Item = (PerspectiveId, CheckKind, Option<Finding>)> {
    let remotes = attempt.perspectives.iter().filter(|line| line.role == PerspectiveRole::Remote);
    remotes.flat_map(|line| {
        let was_asked = |reason: Option<&String>| {
            reason.is_none_or(|reason| reason != Missing::NotAsked.as_str())
        };
        let seen = line.checks.iter().filter(move |(_, seen)| was_asked(seen.reason.as_ref()));
        seen.map(|(check, seen)| (line.code.clone(), *check, seen.finding))
    })
}

impl Rate {
    /// In thousandths.
    pub fn per_mille(&self) -> u64 {
        self.not_corroborating * 1_000 / self.asked.max(1)
    }
}

/// `2026-12-20T00:00:00.000Z  us-east  dcv  3 of 120  2.5 %`
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { perspective, check, from_ms, asked, not_corroborating } = self;
        let (percent, tenth) = (self.per_mille() / 10, self.per_mille() % 10);
        let check = check.as_str();
        write!(
            f,
            "{from_ms}  {perspective}  {check}  {not_corroborating} of {asked}  {percent}.{tenth} %"
        )
    }
}

/// The heading and all rows, each with its end of line (RFC 4180).
pub fn rates_csv(rates: &Rates) -> String {
    let rows = rates.rows.iter().map(|rate| {
        let Rate { perspective, check, from_ms, asked, not_corroborating } = rate;
        format!("{from_ms},{perspective},{},{asked},{not_corroborating}\r\n", check.as_str())
    });
    let heading = "from,perspective,check,asked,not_corroborating\r\n".to_owned();
    std::iter::once(heading).chain(rows).collect()
}

/// As many as a chart has room for.
const PERIODS_MAX: u64 = 60;

const HOUR_MS: u64 = 3_600_000;
const LONGEST: u64 = 24 * HOUR_MS * 365;

/// An hour, a day, a week, thirty days, a year.
const PERIODS: [u64; 5] = [HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, 30 * 24 * HOUR_MS, LONGEST];
