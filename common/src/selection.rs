//! Selects the cohort of a job: distinct remotes, in an order that no applicant can foresee.

mod outlook;
mod pool;

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::code::PerspectiveId;
use crate::cohort::{Cohort, CohortError, PrimaryPlace};
use crate::directory::Directory;
use crate::job::{FieldError, Job, JobId, PrimaryMode};
use crate::limits::COHORT_MAX;
use crate::perspective::Perspective;
use crate::policy::{Policy, Requirement};
use crate::time::UnixMs;

pub use outlook::{Prospect, outlook, prospects};
use pool::Pool;

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
    /// The regions are too few once the allowed non-corroborations happen.
    #[error("no cohort keeps {needed} registries' regions when its allowed failures happen")]
    TooFewRegistries {
        /// How many are needed.
        needed: usize,
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
    let candidates = candidates(primary, directory.able(at), seed);
    let needs = Needs::of(job, directory.policy(), at);
    let remotes = needs.meet(&candidates)?;
    Ok(Cohort::new(primary, &remotes)?)
}

/// The remotes that are distinct from the primary, in the order of the seed.
fn candidates<'a>(
    primary: PrimaryPlace<'_>,
    perspectives: impl Iterator<Item = &'a Perspective>,
    seed: u64,
) -> Vec<&'a Perspective> {
    let mut candidates: Vec<_> =
        perspectives.filter(|perspective| primary.is_distinct_from(perspective)).collect();
    candidates.sort_by_cached_key(|perspective| {
        keyed(&seed.to_be_bytes(), perspective.code.as_str().as_bytes())
    });
    candidates
}

/// What a cohort must be like.
struct Needs<'a> {
    least: usize,
    most: usize,
    registries: usize,
    policy: &'a Policy,
}

impl<'a> Needs<'a> {
    fn of(job: &Job, policy: &'a Policy, at: UnixMs) -> Self {
        match Requirement::in_force(job.certificate_type, at.date()) {
            Some(row) => Self::by(row, job.stricter.remotes, policy),
            // Nothing is corroborated without a requirement; `decide` says so on record.
            None => Self { least: 1, most: COHORT_MAX, registries: 1, policy },
        }
    }

    fn by(row: Requirement, wanted: Option<usize>, policy: &'a Policy) -> Self {
        let least = row.remotes_min.max(policy.remotes_min.unwrap_or(0));
        Self {
            least: wanted.unwrap_or(least).max(least),
            most: wanted.unwrap_or(COHORT_MAX),
            registries: row.registries_min,
            policy,
        }
    }

    /// The largest cohort that keeps enough registries' regions whichever of its allowed
    /// non-corroborations happen.
    fn meet<'p>(
        &self,
        candidates: &[&'p Perspective],
    ) -> Result<Vec<&'p Perspective>, SelectionError> {
        let pool = Pool::new(candidates);
        let found = pool.largest();
        if found < self.least {
            return Err(SelectionError::TooFew { needed: self.least, found });
        }
        (self.least..=found.min(self.most))
            .rev()
            .map(|size| pool.spread(size))
            .find(|cohort| self.registries_left(cohort) >= self.registries)
            .ok_or(SelectionError::TooFewRegistries { needed: self.registries })
    }

    /// The regions that are left when the allowed non-corroborations fall as badly as they can.
    fn registries_left(&self, cohort: &[&Perspective]) -> usize {
        let mut regions = BTreeMap::<_, usize>::new();
        for remote in cohort {
            *regions.entry(remote.egress.registry).or_default() += 1;
        }
        // The worst failures empty the smallest regions first.
        let mut failing = self.policy.non_corroborations_max(cohort.len());
        let mut sizes: Vec<_> = regions.into_values().collect();
        sizes.sort_unstable();
        let emptied = sizes.iter().take_while(|size| {
            let empties = **size <= failing;
            failing = failing.saturating_sub(**size);
            empties
        });
        sizes.len() - emptied.count()
    }
}

#[cfg(test)]
mod tests;
