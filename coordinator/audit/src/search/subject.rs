//! What an entry is about, as far as it says so.

use std::collections::BTreeSet;

use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::directory::DirectoryDocument;
use mpic_common::identifier::Identifier;
use mpic_common::job::JobId;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::observation::CheckKind;
use mpic_common::policy::Outcome;
use mpic_common::record::{
    DecisionRecord, LateRecord, NoteRecord, RefusalRecord, SupersededRecord,
};
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed, decode_body};

/// What an entry is about; all is absent of one that is no record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Whether it is the decision on its job, neither superseded nor late.
    pub is_decision: bool,
    /// Who asked.
    pub ca: Option<CaId>,
    /// The CA's own id of the certificate request.
    pub ca_request: Option<String>,
    /// The job.
    pub job: Option<JobId>,
    /// What is to be certified.
    pub identifier: Option<Identifier>,
    /// What was decided.
    pub outcome: Option<Outcome>,
    /// The checks that a decision was made on.
    pub checks: BTreeSet<CheckKind>,
    /// Primary, cohort, or who replied late.
    pub perspectives: BTreeSet<PerspectiveId>,
    /// The time that its signer states.
    pub at: Option<UnixMs>,
}

impl Subject {
    /// Reads an entry.
    pub fn of(entry: &[u8]) -> Self {
        let envelope = Envelope::parse(entry, RECORD_OCTETS_MAX);
        envelope.and_then(|envelope| read(&envelope)).unwrap_or_default()
    }
}

fn read(envelope: &Envelope<'_>) -> Result<Subject, Malformed> {
    let Envelope { kind, body, .. } = *envelope;
    Ok(match kind {
        Kind::Decision => {
            Subject { is_decision: true, ..of_decision(decode_body(Kind::Decision, body)?) }
        }
        Kind::Late => of_late(decode_body(kind, body)?),
        Kind::Superseded => of_superseded(&decode_body(kind, body)?)?,
        Kind::Refusal => of_refusal(decode_body(kind, body)?),
        Kind::Note => {
            let NoteRecord { at_ms, .. } = decode_body(kind, body)?;
            Subject { at: Some(at_ms), ..Subject::default() }
        }
        Kind::Directory => {
            let DirectoryDocument { issued_ms, .. } = decode_body(kind, body)?;
            Subject { at: Some(issued_ms), ..Subject::default() }
        }
        _ => Subject::default(),
    })
}

fn of_decision(record: DecisionRecord) -> Subject {
    Subject {
        is_decision: false,
        ca: Some(record.ca),
        ca_request: record.ca_request,
        job: Some(record.job),
        identifier: Some(record.identifier),
        outcome: Some(record.outcome),
        checks: record.checks.into_keys().collect(),
        perspectives: record.cohort.into_iter().chain(record.primary.perspective).collect(),
        at: Some(record.decided_ms),
    }
}

fn of_late(record: LateRecord) -> Subject {
    Subject {
        ca: Some(record.ca),
        job: Some(record.job),
        perspectives: record.replies.into_iter().map(|reply| reply.perspective).collect(),
        at: Some(record.closed_ms),
        ..Subject::default()
    }
}

fn of_superseded(record: &SupersededRecord) -> Result<Subject, Malformed> {
    let lost = of_decision(decode_body(Kind::Decision, &record.decision.0)?);
    Ok(Subject { at: Some(record.at_ms), ..lost })
}

fn of_refusal(record: RefusalRecord) -> Subject {
    Subject {
        ca: Some(record.ca),
        job: record.job,
        perspectives: record.cohort.into_iter().flatten().collect(),
        at: Some(record.at_ms),
        ..Subject::default()
    }
}

#[cfg(test)]
mod tests {
    use mpic_common::testing::examples;

    use super::*;
    use crate::search::Filter;

    #[test]
    fn every_record_says_when_and_those_of_jobs_whose() {
        for (kind, octets) in examples() {
            let subject = Subject::of(&octets);
            let is_entry = matches!(
                kind,
                Kind::Decision
                    | Kind::Late
                    | Kind::Superseded
                    | Kind::Refusal
                    | Kind::Note
                    | Kind::Directory
            );
            assert_eq!(subject.at.is_some(), is_entry, "{kind}");
            assert_eq!(subject.is_decision, kind == Kind::Decision, "{kind}");
            let of_job = is_entry && !matches!(kind, Kind::Note | Kind::Directory);
            assert_eq!(subject.ca.is_some(), of_job, "{kind}");
            let decided = matches!(kind, Kind::Decision | Kind::Superseded);
            assert_eq!(subject.outcome.is_some(), decided, "{kind}");
        }
        assert_eq!(Subject::of(b"junk"), Subject::default());
    }

    #[test]
    fn every_condition_must_be_met() {
        let examples = examples();
        let (_, octets) = examples.iter().find(|(kind, _)| *kind == Kind::Decision).expect("one");
        let subject = Subject::of(octets);
        let at = subject.at.expect("a time");
        let right = Filter {
            ca: subject.ca.clone(),
            job: subject.job,
            outcome: subject.outcome,
            perspective: subject.perspectives.first().cloned(),
            from: Some(at),
            to: Some(UnixMs(at.0 + 1)),
            ..Filter::default()
        };
        assert!(right.admits(&subject));
        let wrong = [
            Filter { ca: "other".parse().ok(), ..right.clone() },
            Filter { ca_request: Some("other".to_owned()), ..right.clone() },
            Filter { perspective: "other".parse().ok(), ..right.clone() },
            Filter { to: Some(at), ..right.clone() },
            Filter { from: Some(UnixMs(at.0 + 1)), ..right.clone() },
        ];
        for filter in wrong {
            assert!(!filter.admits(&subject), "{filter:?}");
        }
        assert!(!right.admits(&Subject::default()));
    }
}
