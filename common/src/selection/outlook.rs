//! What cohorts a directory can provide, now and from the next phase on.

use super::pool::Pool;
use super::{Needs, SelectionError, candidates};
use crate::code::PerspectiveId;
use crate::cohort::PrimaryPlace;
use crate::directory::Directory;
use crate::policy::{CertificateType, Requirement};
use crate::time::UnixMs;

/// Errs where the directory can provide no cohort at `at`; gives what it will fall short of, or
/// barely meets.
pub fn outlook(
    directory: &Directory,
    primary: &PerspectiveId,
    at: UnixMs,
) -> Result<Vec<String>, SelectionError> {
    let place = directory
        .perspective(primary, at)
        .map(PrimaryPlace::Perspective)
        .ok_or_else(|| SelectionError::NoPrimary(primary.clone()))?;
    let candidates = candidates(place, directory.able(at), 0);
    let (day, policy, found) = (at.date(), directory.policy(), Pool::new(&candidates).largest());
    let mut warnings = Vec::new();
    for certificates in [CertificateType::TlsServer, CertificateType::SMime] {
        if let Some(row) = Requirement::in_force(certificates, day) {
            Needs::by(row, None, policy).meet(&candidates)?;
        }
        if let Some(next) =
            Requirement::next(certificates, day).filter(|row| row.remotes_min > found)
        {
            warnings.push(format!(
                "from {} {} remote perspectives are needed; {found} are distinct",
                next.effective, next.remotes_min
            ));
        }
    }
    warnings.dedup();
    if policy.non_corroborations_max(found) == 0 {
        warnings.push(format!(
            "with {found} remote perspectives none may fail: one that is dead refuses every job"
        ));
    }
    Ok(warnings)
}

/// What the cohorts of one size are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prospect {
    /// The size.
    pub remotes: usize,
    /// How many of them may fail to corroborate.
    pub non_corroborations_max: usize,
    /// The registries' regions that are left among the corroborating when those that may fail
    /// do, and fall as badly as they can.
    pub registries_left: usize,
}

/// One for each size of cohort that `row` and the policy admit and that the directory can
/// provide at `at`, the smallest first.
pub fn prospects(
    directory: &Directory,
    primary: PrimaryPlace<'_>,
    at: UnixMs,
    row: Requirement,
) -> Vec<Prospect> {
    let candidates = candidates(primary, directory.able(at), 0);
    let (needs, pool) = (Needs::by(row, None, directory.policy()), Pool::new(&candidates));
    let prospect = |remotes| Prospect {
        remotes,
        non_corroborations_max: needs.policy.non_corroborations_max(remotes),
        registries_left: needs.registries_left(&pool.spread(remotes)),
    };
    (needs.least..=pool.largest().min(needs.most)).map(prospect).collect()
}
