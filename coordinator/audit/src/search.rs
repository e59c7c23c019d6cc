//! Finds entries by what they are about. Nothing is judged here: a forged record is found too.

mod span;
mod subject;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::identifier::{Identifier, IdentifierFields};
use mpic_common::job::JobId;
use mpic_common::limits::DUPLICATE_WINDOW;
use mpic_common::observation::CheckKind;
use mpic_common::policy::Outcome;
use mpic_common::time::UnixMs;

pub use self::subject::Subject;
use crate::reader::{LogReadError, LogReader};
use crate::tree::TILE_WIDTH;

/// What an entry must be about; a condition that is absent excludes nothing, and an entry that
/// says nothing of what a condition asks for is excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The identifier.
    pub identifier: Option<Names>,
    /// Who asked.
    pub ca: Option<CaId>,
    /// The CA's own id of the certificate request.
    pub ca_request: Option<String>,
    /// The job.
    pub job: Option<JobId>,
    /// What was decided.
    pub outcome: Option<Outcome>,
    /// A check that was asked.
    pub check: Option<CheckKind>,
    /// A perspective that is the primary or in the cohort, or replied late.
    pub perspective: Option<PerspectiveId>,
    /// Not before this time, as the signer states it.
    pub from: Option<UnixMs>,
    /// Before this time, as the signer states it.
    pub to: Option<UnixMs>,
}

/// A name or address, or with `*.` before it every name below that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// This one, be it for a wildcard certificate or not.
    Exact(String),
    /// What ends like this, the point included.
    Below(String),
}

impl FromStr for Names {
    type Err = Infallible;

    /// Takes identifiers as people write them; what is no identifier matches only itself.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        if let Some(name) = text.strip_prefix('*').filter(|rest| rest.starts_with('.')) {
            return Ok(Self::Below(name.to_ascii_lowercase()));
        }
        let identifier = Identifier::parse(text).map(|found| IdentifierFields::from(found).value);
        Ok(Self::Exact(identifier.unwrap_or_else(|_| text.to_owned())))
    }
}

impl Names {
    /// Whether an identifier is one of these; `*.a.example` is below `a.example`.
    fn include(&self, identifier: &Identifier) -> bool {
        let value = IdentifierFields::from(identifier.clone()).value;
        match self {
            Self::Exact(name) => value == *name,
            Self::Below(suffix) if identifier.is_wildcard() => {
                format!(".{value}").ends_with(suffix)
            }
            Self::Below(suffix) => value.ends_with(suffix),
        }
    }
}

impl Filter {
    /// Whether an entry about this meets every condition.
    pub fn admits(&self, subject: &Subject) -> bool {
        let is_named = |names: &Names| {
            subject.identifier.as_ref().is_some_and(|identifier| names.include(identifier))
        };
        self.identifier.as_ref().is_none_or(is_named)
            && is_wanted(self.ca.as_ref(), subject.ca.as_ref())
            && is_wanted(self.ca_request.as_ref(), subject.ca_request.as_ref())
            && is_wanted(self.job.as_ref(), subject.job.as_ref())
            && is_wanted(self.outcome.as_ref(), subject.outcome.as_ref())
            && self.check.is_none_or(|check| subject.checks.contains(&check))
            && self.perspective.as_ref().is_none_or(|code| subject.perspectives.contains(code))
            && self.admits_time(subject.at)
    }

    /// The span of time in which entries that it admits can lie, as far as it says.
    fn span(&self) -> (Option<UnixMs>, Option<UnixMs>) {
        let of_job = self.job.map(|job| (job.time(), job.time().plus(DUPLICATE_WINDOW)));
        let (from, to) = of_job.unzip();
        (self.from.max(from), [self.to, to].into_iter().flatten().min())
    }

    /// Whether something stated for this time lies in the span asked for.
    pub fn admits_time(&self, at: Option<UnixMs>) -> bool {
        self.from.is_none_or(|from| at.is_some_and(|at| from <= at))
            && self.to.is_none_or(|to| at.is_some_and(|at| at < to))
    }
}

fn is_wanted<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
    wanted.is_none() || wanted == found
}

/// The indices of the entries that the filter admits, in order.
///
/// Where it names a span of time or a job, whose id has its time, only that part of the log is
/// read, with an hour of slack for clocks and for records that waited.
pub fn search(log: &LogReader, filter: &Filter) -> Result<Vec<u64>, LogReadError> {
    let (from, to) = filter.span();
    let mut found = Vec::new();
    for entry in entries(log, span::bundles(log, from, to, SLACK)?) {
        let (index, octets) = entry?;
        if filter.admits(&Subject::of(&octets)) {
            found.push(index);
        }
    }
    Ok(found)
}

/// The indices of the decisions on a job: one, unless two CAs chose the same id, or the stream
/// holds a decision twice.
pub fn decisions_on(log: &LogReader, job: JobId) -> Result<Vec<u64>, LogReadError> {
    let (from, to) = (Some(job.time()), Some(job.time().plus(DUPLICATE_WINDOW)));
    let mut found = Vec::new();
    for entry in entries(log, span::bundles(log, from, to, SLACK)?) {
        let (index, octets) = entry?;
        if is_decision_on(&octets, job) {
            found.push(index);
        }
    }
    Ok(found)
}

/// The first decision on a job that has the index `first` or a later one.
pub fn decision_since(
    log: &LogReader,
    job: JobId,
    first: u64,
) -> Result<Option<u64>, LogReadError> {
    let (from, to) = (Some(job.time()), Some(job.time().plus(DUPLICATE_WINDOW)));
    let bundles = span::bundles(log, from, to, SLACK_OF_DECISIONS)?;
    let bundles = bundles.start.max(first / TILE_WIDTH)..bundles.end;
    for entry in entries(log, bundles) {
        let (index, octets) = entry?;
        if index >= first && is_decision_on(&octets, job) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn is_decision_on(octets: &[u8], job: JobId) -> bool {
    let subject = Subject::of(octets);
    subject.is_decision && subject.job == Some(job)
}

/// The entries of some bundles and their indices; ends at the first that cannot be read.
fn entries(
    log: &LogReader,
    bundles: Range<u64>,
) -> impl Iterator<Item = Result<(u64, Bytes), LogReadError>> {
    let indices = bundles.start * TILE_WIDTH..bundles.end * TILE_WIDTH;
    log.entries_from(bundles.start).take_while(move |read| match read {
        Ok((index, _)) => indices.contains(index),
        Err(_) => true,
    })
}

/// Between the time that a signer states and the place in the log.
const SLACK: Duration = Duration::from_secs(3_600);

/// The same for decisions alone, which are published before their job is three minutes old.
const SLACK_OF_DECISIONS: Duration = Duration::from_secs(600);
