//! One decision, checked with nothing but its octets and the documents logged before (R7 to R10).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mpic_common::code::PerspectiveId;
use mpic_common::cohort::{Cohort, PrimaryPlace};
use mpic_common::directory::Directory;
use mpic_common::observation::{CheckKind, Finding, Primary};
use mpic_common::perspective::Perspective;
use mpic_common::policy::{Case, CheckDecision, decide};
use mpic_common::record::{DecisionRecord, Missing, PrimarySource, QuorumRecord};
use mpic_common::reply::{self, VerifiedReply};
use mpic_common::wire::{Envelope, Kind, decode_body};

use super::asked::{self, Asked};
use super::documents::Grounds;
use super::notes::signed;
use super::problem::Problems;
use super::replies::{self, Expected};

/// A decision as far as it could be read.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) record: DecisionRecord,
    /// What was asked; `None` where that cannot be read.
    pub(super) asked: Option<Asked>,
}

type Replies = BTreeMap<PerspectiveId, VerifiedReply>;

/// Checks one; `None` where it does not decode.
pub(super) fn check(
    envelope: &Envelope<'_>,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) -> Option<Checked> {
    let record = decode_body(Kind::Decision, envelope.body).map_err(|error| error.to_string());
    let record: DecisionRecord = problems.keep("R3", "decision", record)?;
    let Some(directory) = grounds.by_hash(&record.directory_hash).cloned() else {
        let hash = record.directory_hash;
        problems.error("R6", format!("no directory document {hash} was logged before"));
        return Some(Checked { record, asked: None });
    };
    let asked = asked::read(&record, &directory, grounds, problems);
    if let Some(asked) = &asked {
        let (owner, at) = (asked::signer(&record), record.decided_ms);
        let signed = signed(envelope, grounds, &owner, at, asked.job_digest);
        problems.keep("R3", "signature", signed);
        let expected = Expected {
            asked,
            directory: &directory,
            grounds,
            primary: record.primary.perspective.as_ref(),
            started_ms: record.started_ms,
            closed_ms: record.decided_ms,
        };
        let replies = replies::check(&record.replies, expected, problems);
        replies::check_rejected(&record.rejected, expected, problems);
        check_times(&record, problems);
        check_members(&record, asked, problems);
        redecide(&record, asked, &directory, &replies, problems);
    }
    Some(Checked { record, asked })
}

/// R10: the date whose requirements apply is that of the job, not one that the coordinator likes.
fn check_times(record: &DecisionRecord, problems: &mut Problems) {
    let DecisionRecord { requested_ms, started_ms, decided_ms, .. } = *record;
    let made = record.job.time();
    let in_order = made <= requested_ms.plus(CLOCKS)
        && requested_ms <= started_ms.plus(CLOCKS)
        && started_ms <= decided_ms.plus(CLOCKS);
    problems.demand(in_order, "R10", || {
        format!("made {made}, requested {requested_ms}, asked {started_ms}, decided {decided_ms}")
    });
}

/// R9: who was to answer is once among those who did, or among the missing.
fn check_members(record: &DecisionRecord, asked: &Asked, problems: &mut Problems) {
    let replied = record.replies.iter().map(|reply| &reply.perspective);
    let missing = record.missing.iter().map(|missing| &missing.perspective);
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for perspective in replied.chain(missing) {
        *counts.entry(perspective).or_default() += 1;
    }
    let members: BTreeSet<_> = record.cohort.iter().chain(&record.primary.perspective).collect();
    for perspective in &members {
        let count = counts.get(*perspective).copied().unwrap_or(0);
        problems.demand(count == 1, "R9", || {
            format!("{perspective} is {count} times among replies and missing")
        });
    }
    for stranger in counts.keys().filter(|perspective| !members.contains(*perspective)) {
        problems.error("R9", format!("{stranger} is neither in the cohort nor the primary"));
    }
    for missing in &record.missing {
        let was_asked = asked.of(&missing.perspective).is_some();
        let says_not = missing.reason == Missing::NotAsked;
        problems.demand(was_asked != says_not, "R9", || {
            let reason = missing.reason.as_str();
            format!("{} is missing as {reason}, which its assignment denies", missing.perspective)
        });
    }
}

/// R10: the same cohort, the same findings, and the same decision out of them.
fn redecide(
    record: &DecisionRecord,
    asked: &Asked,
    directory: &Directory,
    replies: &Replies,
    problems: &mut Problems,
) {
    let cohort = problems.keep("R10", "cohort", rebuild_cohort(record, asked, directory));
    let Some(cohort) = cohort else { return };
    let checks: BTreeMap<_, _> =
        asked.job.checks().map(|check| (check, findings(check, record, asked, replies))).collect();
    for (check, found) in &checks {
        compare_findings(*check, found, record, problems);
    }
    let decision = decide(&Case {
        certificate_type: asked.job.certificate_type,
        date: record.requested_ms.date(),
        policy: directory.policy(),
        stricter: asked.job.stricter,
        cohort: cohort.remotes(),
        checks,
    });
    for (check, decided) in &decision.checks {
        let found = record.checks.get(check).map(|found| QuorumRecord {
            quorum: found.quorum.clone(),
            outcome: found.outcome,
            shortfalls: found.shortfalls.clone(),
        });
        compare_decided(check.as_str(), found.as_ref(), Some(decided), problems);
    }
    compare_decided("both", record.both.as_ref(), decision.both.as_ref(), problems);
    problems.demand(record.outcome == decision.outcome, "R10", || {
        let (found, decided) = (record.outcome.as_str(), decision.outcome.as_str());
        format!("the outcome is {found}, decide says {decided}")
    });
}

/// The cohort from the places that the document gives, which must be distinct.
fn rebuild_cohort(
    record: &DecisionRecord,
    asked: &Asked,
    directory: &Directory,
) -> Result<Cohort, String> {
    let at = record.requested_ms;
    let find = |code: &PerspectiveId| -> Result<&Perspective, String> {
        let found = directory.perspective(code, at);
        found.ok_or_else(|| format!("the directory document has no perspective {code} then"))
    };
    let primary = match (record.primary.source, &record.primary.perspective) {
        (PrimarySource::Agent, Some(code)) => PrimaryPlace::Perspective(find(code)?),
        (PrimarySource::External, None) => {
            let ca = directory.ca(&asked.job.ca).and_then(|ca| ca.primary);
            PrimaryPlace::External(ca.ok_or("the CA's own primary has no place")?)
        }
        _ => return Err("the primary is neither a perspective nor the CA's own".to_owned()),
    };
    if !record.cohort.is_sorted_by(|one, two| one < two) {
        return Err("it is not sorted".to_owned());
    }
    let remotes: Vec<_> = record.cohort.iter().map(find).collect::<Result<_, _>>()?;
    Cohort::new(primary, &remotes).map_err(|error| error.to_string())
}

/// The findings that the signed replies give, without those of the silent.
fn findings(
    check: CheckKind,
    record: &DecisionRecord,
    asked: &Asked,
    replies: &Replies,
) -> mpic_common::policy::Findings {
    let primary = match &record.primary.perspective {
        None => asked.job.external_primary(check),
        Some(code) => replies
            .get(code)
            .map_or(Primary::DidNotPass, |heard| reply::primary(check, heard, &record.relaxations)),
    };
    let remotes = replies.iter().filter(|(code, _)| record.cohort.contains(code));
    reply::findings(check, primary, remotes, &record.relaxations)
}

fn compare_findings(
    check: CheckKind,
    computed: &mpic_common::policy::Findings,
    record: &DecisionRecord,
    problems: &mut Problems,
) {
    let of =
        |code: &PerspectiveId| computed.remotes.get(code).copied().unwrap_or(Finding::Unavailable);
    let expected: BTreeMap<_, _> =
        record.cohort.iter().map(|code| (code.clone(), of(code))).collect();
    let recorded = record.checks.get(&check).map(|found| &found.findings);
    problems.demand(recorded == Some(&expected), "R10", || {
        let check = check.as_str();
        format!("{check}: the findings are {recorded:?}, the replies give {expected:?}")
    });
}

fn compare_decided(
    what: &str,
    recorded: Option<&QuorumRecord>,
    decided: Option<&CheckDecision>,
    problems: &mut Problems,
) {
    let decided = decided.map(QuorumRecord::from);
    problems.demand(recorded == decided.as_ref(), "R10", || {
        format!("{what}: the record says {recorded:?}, decide {decided:?}")
    });
}

/// Between two clocks, or two readings of one that was set.
const CLOCKS: Duration = Duration::from_secs(5);
