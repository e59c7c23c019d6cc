//! Selects the cohort of a job: distinct remotes, in an order that no applicant can foresee.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use mpic_common::code::PerspectiveId;
use mpic_common::cohort::{Cohort, CohortError, PrimaryPlace};
use mpic_common::directory::Directory;
use mpic_common::job::{FieldError, Job, JobId, PrimaryMode};
use mpic_common::limits::COHORT_MAX;
use mpic_common::perspective::Perspective;
use mpic_common::policy::Requirement;
use mpic_common::time::UnixMs;

/// Why there is no cohort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// The primary is not to be had.
    #[error("the primary perspective `{0}` is not in the directory")]
    NoPrimary(PerspectiveId),
    /// The CA keeps a primary whose place nobody knows.
    #[error("the directory does not say where the CA's own primary perspective is")]
    NoExternalPrimary,
    /// Fewer distinct remotes than are needed.
    #[error("{needed} distinct remote perspectives are needed, {found} can be had")]
    TooFew {
        /// How many are needed.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// They do not make a cohort.
    #[error(transparent)]
    Cohort(#[from] CohortError),
}

impl SelectionError {
    /// As the CA is told.
    pub fn field_error(&self) -> FieldError {
        FieldError::new("cohort", "", self)
    }
}

/// The seed of a job's cohort: the first 8 octets of HMAC-SHA256(secret, job id).
pub fn seed(secret: &[u8; 32], job: &JobId) -> u64 {
    keyed(secret, job.octets())
}

fn keyed(key: &[u8], message: &[u8]) -> u64 {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return 0 };
    mac.update(message);
    mac.finalize().into_bytes().iter().take(8).fold(0, |seed, octet| seed << 8 | u64::from(*octet))
}

/// All suitable remotes at `at`, or as many of them as the job asks for.
pub fn select(
    job: &Job,
    directory: &Directory,
    primary: &PerspectiveId,
    at: UnixMs,
    seed: u64,
) -> Result<Cohort, SelectionError> {
    let primary = match job.primary {
        PrimaryMode::Ask => PrimaryPlace::Perspective(
            directory
                .perspective(primary, at)
                .ok_or_else(|| SelectionError::NoPrimary(primary.clone()))?,
        ),
        PrimaryMode::External => PrimaryPlace::External(
            directory
                .ca(&job.ca)
                .and_then(|ca| ca.primary)
                .ok_or(SelectionError::NoExternalPrimary)?,
        ),
    };
    let wanted = job.stricter.remotes.unwrap_or(COHORT_MAX);
    let remotes = distinct(primary, directory.perspectives(at), seed, wanted);
    let needed = needed(job, directory, at);
    if remotes.len() < needed {
        return Err(SelectionError::TooFew { needed, found: remotes.len() });
    }
    Ok(Cohort::new(primary, &remotes)?)
}

fn needed(job: &Job, directory: &Directory, at: UnixMs) -> usize {
    let row = Requirement::in_force(job.certificate_type, at.date());
    let least = row.map_or(1, |row| row.remotes_min);
    let policy = directory.policy().remotes_min.unwrap_or(0);
    least.max(policy).max(job.stricter.remotes.unwrap_or(0))
}

/// Goes through the remotes in the order of the seed and takes each that is distinct from those
/// taken before.
fn distinct<'a>(
    primary: PrimaryPlace<'_>,
    perspectives: impl Iterator<Item = &'a Perspective>,
    seed: u64,
    wanted: usize,
) -> Vec<&'a Perspective> {
    let mut candidates: Vec<_> =
        perspectives.filter(|perspective| primary.is_distinct_from(perspective)).collect();
    candidates.sort_by_key(|perspective| {
        keyed(&seed.to_be_bytes(), perspective.code.as_str().as_bytes())
    });
    let mut taken: Vec<&Perspective> = Vec::new();
    for candidate in candidates {
        if taken.len() < wanted && taken.iter().all(|other| other.is_distinct_from(candidate)) {
            taken.push(candidate);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mpic_common::testing::{Fleet, dns_01_job};

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn select_from(fleet: &Fleet, job: &Job, seed: u64) -> Result<Cohort, SelectionError> {
        select(job, &fleet.directory(), fleet.primary(), NOW, seed)
    }

    #[test]
    fn all_suitable_remotes_are_the_cohort() {
        let cohort = select_from(&Fleet::new(6), &dns_01_job("a.example"), 1).unwrap();
        assert_eq!(cohort.remotes().len(), 6);
    }

    #[test]
    fn a_job_may_ask_for_fewer_and_the_seed_chooses() {
        let (fleet, mut job) = (Fleet::new(8), dns_01_job("a.example"));
        job.stricter.remotes = Some(5);
        let cohorts: BTreeSet<Vec<_>> = (0..50)
            .map(|seed| select_from(&fleet, &job, seed).unwrap())
            .map(|cohort| cohort.remotes().keys().cloned().collect())
            .collect();
        assert!(cohorts.iter().all(|cohort| cohort.len() == 5));
        assert!(cohorts.len() > 10, "only {} cohorts of 50 seeds", cohorts.len());
        let again = select_from(&fleet, &job, 7).unwrap();
        assert_eq!(select_from(&fleet, &job, 7).unwrap(), again, "a seed gives one cohort");
    }

    #[test]
    fn too_few_remotes_are_refused_before_anyone_is_asked() {
        let error = select_from(&Fleet::new(4), &dns_01_job("a.example"), 1).unwrap_err();
        assert_eq!(error, SelectionError::TooFew { needed: 5, found: 4 });
    }

    #[test]
    fn the_seed_depends_on_the_secret_and_the_job() {
        use mpic_common::testing::job_id;
        assert_ne!(seed(&[1; 32], &job_id(1)), seed(&[2; 32], &job_id(1)));
        assert_ne!(seed(&[1; 32], &job_id(1)), seed(&[1; 32], &job_id(2)));
    }

    #[test]
    fn an_external_primary_needs_a_place() {
        let mut job = dns_01_job("a.example");
        job.primary = PrimaryMode::External;
        let error = select_from(&Fleet::new(6), &job, 1).unwrap_err();
        assert_eq!(error, SelectionError::NoExternalPrimary);
    }
}
