//! R7: what the CA asked and what perspectives were asked, as a decision holds it.

use std::collections::BTreeSet;
use std::error::Error;

use mpic_common::assignment::Assignment;
use mpic_common::code::PerspectiveId;
use mpic_common::directory::{Directory, Owner};
use mpic_common::job::{Job, PrimaryMode};
use mpic_common::limits::{ASSIGNMENT_OCTETS_MAX, JOB_OCTETS_MAX};
use mpic_common::observation::CheckKind;
use mpic_common::octets::Hash;
use mpic_common::record::{DecisionRecord, PrimarySource};
use mpic_common::wire::{Envelope, Kind};

use super::documents::Grounds;
use super::problem::Problems;

/// The job, and who was asked to do it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) job: Job,
    pub(super) job_digest: Hash,
    pub(super) assignments: Vec<Sent>,
}

/// One assignment.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) digest: Hash,
    pub(super) perspectives: Vec<PerspectiveId>,
    pub(super) reply_octets_max: usize,
}

impl Asked {
    /// The one assignment that lists a perspective.
    pub(super) fn of(&self, perspective: &PerspectiveId) -> Option<&Sent> {
        self.assignments.iter().find(|sent| sent.perspectives.contains(perspective))
    }
}

/// The job of a decision under the document that it names; `None` where there is none to read.
pub(super) fn read(
    record: &DecisionRecord,
    directory: &Directory,
    grounds: Grounds<'_>,
    problems: &mut Problems,
) -> Option<Asked> {
    let asked = match (&record.job_envelope, record.assignments.as_slice()) {
        (Some(job), []) => read_job(&job.0, record, directory, grounds),
        (None, [_, ..]) => read_assignments(record, directory, grounds),
        _ => Err("it holds assignments and a job of its own, or neither".to_owned()),
    };
    let asked = problems.keep("R7", "job", asked)?;
    compare(record, &asked, problems);
    Some(asked)
}

/// The job of a decision that nobody was asked for.
fn read_job(
    octets: &[u8],
    record: &DecisionRecord,
    directory: &Directory,
    grounds: Grounds<'_>,
) -> Result<Asked, String> {
    let envelope = Envelope::parse(octets, JOB_OCTETS_MAX).and_then(|e| e.of_kind(Kind::Job));
    let envelope = envelope.map_err(|error| error.to_string())?;
    let job = Job::parse(envelope.body).map_err(|errors| join(&errors))?;
    let admitted = directory.admit_with(grounds.verifier, &envelope, &job, record.requested_ms);
    admitted.map_err(|error| error.to_string())?;
    grounds.check_carried(envelope.seal, record.requested_ms)?;
    Ok(Asked { job, job_digest: envelope.digest(), assignments: Vec::new() })
}

/// The one job that all assignments carry octet by octet.
fn read_assignments(
    record: &DecisionRecord,
    directory: &Directory,
    grounds: Grounds<'_>,
) -> Result<Asked, String> {
    let mut asked: Option<Asked> = None;
    let mut job_octets = None;
    let at = record.requested_ms;
    for octets in &record.assignments {
        let verified = Assignment::verify_with(grounds.verifier, &octets.0, directory, at)
            .map_err(|error| with_source(&error))?;
        let seal = |octets: &[u8]| Envelope::parse(octets, ASSIGNMENT_OCTETS_MAX).ok()?.seal;
        grounds.check_carried(seal(&octets.0), record.started_ms)?;
        let Assignment { coordinator, perspectives, job_envelope, reply_octets_max, .. } =
            verified.assignment;
        if coordinator != record.coordinator {
            return Err(format!("an assignment is the coordinator {coordinator}'s"));
        }
        if *job_octets.get_or_insert_with(|| job_envelope.clone()) != job_envelope {
            return Err("two assignments carry different jobs".to_owned());
        }
        grounds.check_carried(seal(&job_envelope.0), record.requested_ms)?;
        let asked = asked.get_or_insert_with(|| Asked {
            job_digest: verified.assignment.job_digest,
            job: verified.job,
            assignments: Vec::new(),
        });
        let digest = verified.digest;
        asked.assignments.push(Sent { digest, perspectives, reply_octets_max });
    }
    asked.ok_or_else(|| "it holds no assignment".to_owned())
}

/// Every field that the job shares with the decision.
fn compare(record: &DecisionRecord, asked: &Asked, problems: &mut Problems) {
    let job = &asked.job;
    let mut same = |holds: bool, field: &str| {
        problems.demand(holds, "R7", || format!("{field} of the decision is not the job's"));
    };
    same(record.ca == job.ca, "ca");
    same(record.job == job.id, "job");
    same(record.ca_request == job.ca_request, "ca_request");
    same(record.identifier == job.identifier, "identifier");
    same(record.checks.keys().copied().eq(job.checks().collect::<BTreeSet<_>>()), "checks");
    let source = match job.primary {
        PrimaryMode::Ask => PrimarySource::Agent,
        PrimaryMode::External => PrimarySource::External,
    };
    same(record.primary.source == source, "primary");
    let method = job.dcv.as_ref().map(|dcv| dcv.challenge.method_id());
    for (check, found) in &record.checks {
        let method = if *check == CheckKind::Dcv { method } else { None };
        same(found.method.as_deref() == method, "method");
    }
    if let Err(error) = job.check_date(record.requested_ms.date(), &record.relaxations) {
        problems.error("R10", error.to_string());
    }
    compare_asked(record, asked, problems);
}

/// Who was asked is in the cohort or the primary, once, and all others are `not-asked`.
fn compare_asked(record: &DecisionRecord, asked: &Asked, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for perspective in asked.assignments.iter().flat_map(|sent| &sent.perspectives) {
        let is_known = record.cohort.contains(perspective)
            || record.primary.perspective.as_ref() == Some(perspective);
        problems.demand(is_known, "R7", || format!("{perspective} was asked and is no part of it"));
        problems.demand(seen.insert(perspective), "R7", || {
            format!("{perspective} is in two assignments")
        });
    }
}

/// The owner of the key that a decision of this coordinator is signed with.
pub(super) fn signer(record: &DecisionRecord) -> Owner {
    Owner::Coordinator(record.coordinator.clone())
}

pub(super) fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

pub(super) fn with_source(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
