//! From the octets that a CA sent to a job that may be performed, or to the refusal of them.

use std::sync::Arc;

use bytes::Bytes;
use jiff::civil::Date;

use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::directory::Directory;
use mpic_common::job::{self, FieldError, Job, JobId};
use mpic_common::limits::{CLOCK_SKEW, JOB_LIFETIME, JOB_OCTETS_MAX};
use mpic_common::octets::Hash;
use mpic_common::policy::Requirement;
use mpic_common::record::RefusalCode;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, Malformed};

/// A job that its CA may ask now, with its exact octets.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The envelope as the CA sent it.
    pub envelope: Bytes,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// What it asks.
    pub job: Arc<Job>,
    /// When it was admitted.
    pub requested_ms: UnixMs,
    /// The one snapshot of the directory that this job uses.
    pub directory: Arc<Directory>,
}

impl Admitted {
    /// The date that the policy goes by.
    pub fn date(&self) -> Date {
        self.requested_ms.date()
    }
}

/// Why there will be no decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of refusal.
    pub code: RefusalCode,
    /// The job's id, where it could be read.
    pub job: Option<JobId>,
    /// SHA-256 of the job's body; zeros where there is none.
    pub digest: Hash,
    /// Every error.
    pub errors: Vec<FieldError>,
    /// The remotes that would have been asked, where only what was asked of them is wrong.
    pub cohort: Option<Vec<PerspectiveId>>,
}

impl Refusal {
    /// A refusal of a job that could be read.
    pub fn of(admitted: &Admitted, code: RefusalCode, errors: Vec<FieldError>) -> Self {
        Self { code, job: Some(admitted.job.id), digest: admitted.digest, errors, cohort: None }
    }
}

/// Admits the octets that came on the subject of `ca`; `relaxations` are those that the coordinator
/// names.
pub fn admit(
    octets: &Bytes,
    ca: &CaId,
    directory: &Arc<Directory>,
    relaxations: &[String],
    now: UnixMs,
) -> Result<Admitted, Refusal> {
    let envelope = Envelope::parse(octets, JOB_OCTETS_MAX)
        .and_then(|envelope| envelope.of_kind(Kind::Job))
        .map_err(|error| unreadable(&error))?;
    let digest = envelope.digest();
    let id = job::id_of(envelope.body);
    let refuse = |code, errors| Refusal { code, job: id, digest, errors, cohort: None };
    let job =
        Job::parse(envelope.body).map_err(|errors| refuse(RefusalCode::Invalid, few(errors)))?;
    if job.ca != *ca {
        let error = FieldError::new("ca", &job.ca, format!("this is the subject of `{ca}`"));
        return Err(refuse(RefusalCode::Forbidden, vec![error]));
    }
    check_age(&job, now).map_err(|error| refuse(RefusalCode::Expired, vec![error]))?;
    directory
        .admit(&envelope, &job, now)
        .map_err(|error| refuse(RefusalCode::Forbidden, vec![error.0]))?;
    let errors = too_loose_or_sunset(&job, directory, relaxations, now);
    if !errors.is_empty() {
        return Err(refuse(RefusalCode::Invalid, errors));
    }
    let (job, directory) = (Arc::new(job), Arc::clone(directory));
    Ok(Admitted { envelope: octets.clone(), digest, job, requested_ms: now, directory })
}

fn unreadable(error: &Malformed) -> Refusal {
    let code = match error {
        Malformed::Version(_) => RefusalCode::UnsupportedVersion,
        _ => RefusalCode::Malformed,
    };
    let errors = vec![FieldError::new("job", "", error)];
    Refusal { code, job: None, digest: Hash::ZERO, errors, cohort: None }
}

/// An older question is a new job; one from the future has a clock that is wrong.
fn check_age(job: &Job, now: UnixMs) -> Result<(), FieldError> {
    let made = job.id.time();
    let reason = if now.since(made) >= JOB_LIFETIME {
        format!("made at {made}, longer ago than {} s", JOB_LIFETIME.as_secs())
    } else if made.since(now) > CLOCK_SKEW {
        format!("made at {made}, in the future")
    } else if job.deadline_ms.is_some_and(|deadline| deadline.plus(CLOCK_SKEW) < now) {
        "its deadline has passed".to_owned()
    } else {
        return Ok(());
    };
    Err(FieldError::new("job", job.id, reason))
}

/// What the Baseline Requirements do not allow on the day of admission.
fn too_loose_or_sunset(
    job: &Job,
    directory: &Directory,
    relaxations: &[String],
    now: UnixMs,
) -> Vec<FieldError> {
    let day = now.date();
    let mut errors: Vec<_> = job.check_date(day, relaxations).err().into_iter().collect();
    let row = Requirement::in_force(job.certificate_type, day);
    let policy = directory.policy();
    if let (Some(remotes), Some(row)) = (job.stricter.remotes, row) {
        let least = policy.remotes_min.unwrap_or(0).max(row.remotes_min);
        if remotes < least {
            let reason = format!("looser than the row in force since {}: {row}", row.effective);
            errors.push(FieldError::new("remotes", remotes, reason));
        }
        if let Some(least) = job.stricter.corroborations_min.filter(|least| *least > remotes) {
            let reason = format!("more than the {remotes} remotes");
            errors.push(FieldError::new("corroborations_min", least, reason));
        }
    }
    errors
}

/// Errors that one refusal lists: a record must hold them, whatever a CA sends.
const ERRORS_MAX: usize = 64;

/// The first errors, and how many there are.
fn few(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let all = errors.len();
    if all > ERRORS_MAX {
        errors.truncate(ERRORS_MAX);
        errors.push(FieldError::new("", all, "errors in all, of which these are the first"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use mpic_common::challenge::Challenge;
    use mpic_common::identifier::Identifier;
    use mpic_common::job::Dcv;
    use mpic_common::method::IP_ADDRESS_OPTIN;
    use mpic_common::policy::CertificateType;
    use mpic_common::testing::{Fleet, dns_01_job, job_id};
    use mpic_common::wire::envelope;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn admit_octets(octets: Vec<u8>, ca: &str) -> Result<Admitted, Refusal> {
        admit_under(&[], octets, ca)
    }

    fn admit_under(relaxed: &[String], octets: Vec<u8>, ca: &str) -> Result<Admitted, Refusal> {
        let directory = Arc::new(Fleet::new(6).directory());
        admit(&octets.into(), &ca.parse().unwrap(), &directory, relaxed, NOW)
    }

    fn admit_job(change: impl FnOnce(&mut Job)) -> Result<Admitted, Refusal> {
        let mut job = dns_01_job("honest.example");
        change(&mut job);
        admit_octets(envelope::unsigned(Kind::Job, &job.to_body()), "ca1")
    }

    fn refusal(change: impl FnOnce(&mut Job)) -> (RefusalCode, String) {
        let refusal = admit_job(change).unwrap_err();
        (refusal.code, refusal.errors[0].to_string())
    }

    #[test]
    fn a_good_job_is_admitted_with_its_octets() {
        let admitted = admit_job(|_| {}).unwrap();
        assert_eq!(admitted.digest, Hash::of(&admitted.job.to_body()));
        assert_eq!(admitted.date().to_string(), "2027-01-15");
    }

    #[test]
    fn octets_that_are_no_job_are_malformed() {
        let refused = admit_octets(b"no job".to_vec(), "ca1").unwrap_err();
        assert_eq!((refused.code, refused.digest), (RefusalCode::Malformed, Hash::ZERO));
        let reply = envelope::unsigned(Kind::Answer, b"");
        assert_eq!(admit_octets(reply, "ca1").unwrap_err().code, RefusalCode::Malformed);
    }

    #[test]
    fn a_job_of_nothing_but_errors_is_refused_with_as_many_as_a_record_holds() {
        let fields: std::collections::BTreeMap<_, _> =
            (0..500).map(|index| (format!("{index:03}"), f64::MAX)).collect();
        let body = mpic_common::wire::encode_body(Kind::Job, &fields);
        let refused = admit_octets(envelope::unsigned(Kind::Job, &body), "ca1").unwrap_err();
        assert_eq!((refused.code, refused.errors.len()), (RefusalCode::Invalid, ERRORS_MAX + 1));
        let octets: usize = refused.errors.iter().map(|error| error.to_string().len()).sum();
        assert!(octets < 32_768, "{octets}");
    }

    #[test]
    fn another_version_is_unsupported() {
        let mut octets = envelope::unsigned(Kind::Job, &dns_01_job("a.example").to_body());
        octets[3] = 2;
        assert_eq!(admit_octets(octets, "ca1").unwrap_err().code, RefusalCode::UnsupportedVersion);
    }

    #[test]
    fn a_job_on_another_cas_subject_is_forbidden() {
        let octets = envelope::unsigned(Kind::Job, &dns_01_job("a.example").to_body());
        let refused = admit_octets(octets, "ca2").unwrap_err();
        assert_eq!(refused.code, RefusalCode::Forbidden);
        assert_eq!(refused.errors[0].to_string(), "ca `ca1`: this is the subject of `ca2`");
    }

    #[test]
    fn i22_an_issuer_that_is_not_the_cas_is_forbidden() {
        let (code, error) = refusal(|job| job.issuer_domains.push("other.example".to_owned()));
        assert_eq!(code, RefusalCode::Forbidden);
        assert_eq!(error, "issuer_domains `other.example`: not in the CA's directory entry");
    }

    #[test]
    fn a_job_lives_two_minutes() {
        let made = |ms: i64| {
            let time = UnixMs(NOW.0.checked_add_signed(ms).unwrap());
            admit_job(|job| job.id = JobId::new(time, &[1; 10])).map_err(|refused| refused.code)
        };
        assert!(made(-119_999).is_ok());
        assert_eq!(made(-120_000).unwrap_err(), RefusalCode::Expired);
        assert!(made(2_000).is_ok());
        assert_eq!(made(2_001).unwrap_err(), RefusalCode::Expired);
        assert_eq!(job_id(0).time(), NOW);
    }

    /// A job for a method that ended before `NOW`.
    fn address_job(identifier: &str, certificate_type: CertificateType) -> Vec<u8> {
        let address = "8.8.8.8".parse().unwrap();
        let dcv = Some(Dcv { adn: None, challenge: Challenge::IpAddress { address } });
        let identifier = Identifier::parse(identifier).unwrap();
        let job = Job { identifier, certificate_type, dcv, ..dns_01_job("honest.example") };
        envelope::unsigned(Kind::Job, &job.to_body())
    }

    #[test]
    fn i17_the_method_ip_address_is_kept_by_naming_it_and_never_for_tls() {
        let named = [IP_ADDRESS_OPTIN.to_owned()];
        let tls = || address_job("honest.example", CertificateType::TlsServer);
        let mail = || address_job("u@honest.example", CertificateType::SMime);
        assert!(admit_under(&named, mail(), "ca1").is_ok());
        for refused in [
            admit_under(&[], mail(), "ca1"),
            admit_under(&["dnssec.remote=\"off\"".to_owned()], mail(), "ca1"),
            admit_under(&[], tls(), "ca1"),
            admit_under(&named, tls(), "ca1"),
        ] {
            let Refusal { code, errors, .. } = refused.unwrap_err();
            let expected = "dcv.method `ip-address`: 3.2.2.4.8 ended it on 2026-03-15";
            assert_eq!((code, errors[0].to_string().as_str()), (RefusalCode::Invalid, expected));
        }
    }

    #[test]
    fn a_looser_job_is_refused_with_the_row() {
        let (code, error) = refusal(|job| job.stricter.remotes = Some(4));
        assert_eq!(code, RefusalCode::Invalid);
        assert!(error.contains("since 2026-12-15: 5 remote perspectives"), "{error}");
        assert!(admit_job(|job| job.stricter.remotes = Some(6)).is_ok());
    }
}
