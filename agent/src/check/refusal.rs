//! What is refused before the first packet: a second, stricter gate than the coordinator's.

use mpic_common::challenge::Challenge;
use mpic_common::job::{Dcv, Job};
use mpic_common::method::{self, Method};
use mpic_common::observation::CheckKind;
use mpic_common::reason::Reason;
use mpic_common::time::UnixMs;

use super::{EndedMethod, Failure, Rules, dcv};

/// Errs where `check` is not performed for this job at `now`.
pub(super) fn of(check: CheckKind, job: &Job, rules: &Rules, now: UnixMs) -> Result<(), Failure> {
    let refuse = |reason| Failure::new(reason, format!("{} is never checked", job.identifier));
    rules.names.admit(&job.identifier, &rules.addresses).map_err(refuse)?;
    match check {
        CheckKind::Caa => Ok(()),
        CheckKind::Dcv => validation(job, rules, now),
    }
}

fn validation(job: &Job, rules: &Rules, now: UnixMs) -> Result<(), Failure> {
    let unsuitable = |why: &str| Err(Failure::new(Reason::MethodUnsuitable, why));
    let Some(dcv) = &job.dcv else { return unsuitable("no validation is asked") };
    let Some(row) = Method::find(dcv.challenge.method_id(), job.identifier.kind()) else {
        return unsuitable("the method is not for this kind of identifier");
    };
    let is_kept = dcv.challenge.method_id() == method::IP_ADDRESS
        && rules.methods.ip_address == EndedMethod::Performed;
    row.check_date(now.date())
        .or_else(|error| if is_kept { Ok(()) } else { Err(error) })
        .map_err(|error| Failure::new(Reason::MethodSunset, error.to_string()))?;
    if job.identifier.is_wildcard() && !row.wildcard {
        return unsuitable("the method is not for wildcards");
    }
    check_inputs(job, dcv, rules.methods.challenge_octets_min)?;
    let Some((adn, name)) = dcv.adn.as_ref().zip(job.identifier.name()) else { return Ok(()) };
    if !(adn.is_ancestor_or_self_of(name) && rules.names.is_below_suffix(adn)) && adn != name {
        let detail = format!("{adn} is no Authorization Domain Name of {name}");
        return Err(Failure::new(Reason::JobMalformed, detail));
    }
    if adn != name && !row.serves_names_below {
        return unsuitable("the method validates the name itself alone");
    }
    Ok(())
}

/// Inputs that each are right and together cannot be used.
fn check_inputs(job: &Job, dcv: &Dcv, challenge_octets_min: usize) -> Result<(), Failure> {
    let malformed = |why: &str| Err(Failure::new(Reason::JobMalformed, why));
    let challenge = match &dcv.challenge {
        Challenge::DnsChange(change) => Some(&change.challenge),
        Challenge::WebsiteChange(change) => Some(&change.challenge),
        _ => None,
    };
    if challenge.is_some_and(|challenge| challenge.as_str().len() < challenge_octets_min) {
        return malformed("the challenge is shorter than dcv.challenge_min_octets");
    }
    match (&dcv.challenge, dcv::adn(job, dcv)) {
        (Challenge::DnsPersistent { .. }, _) if job.issuer_domains.is_empty() => {
            malformed("a persistent record needs an issuer to look for")
        }
        (Challenge::DnsChange(change), Some(adn)) if change.is_in_its_name(adn) => {
            malformed("the name asked would hold the challenge")
        }
        _ => Ok(()),
    }
}
