//! A CA as its own software would be: it asks, and keeps what it was told.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use mpic_cli::client::ClientConfig;
use mpic_common::directory::Directory;
use mpic_common::job::{Dcv, Job, JobId};
use mpic_common::octets::Hash;
use mpic_common::record::{Answer, RefusalCode, RefusalRecord};
use mpic_common::signature::SigningKey;
use mpic_common::testing;
use mpic_common::time::UnixMs;
use mpic_common::wire::{Envelope, Kind, decode_body};
use mpic_runtime::ca_client::{CaClient, Recorded, Submission, SubmitError, Submitted};
use mpic_runtime::clock::{Clock, SystemClock};

use crate::cluster::Cluster;

/// The first CA of a system.
#[derive(Debug)]
pub struct CertificationAuthority {
    client: CaClient,
    key: SigningKey,
    directory: Directory,
    kept: Mutex<Vec<Recorded>>,
}

/// Everything up to the answer, where a job does not say.
const BUDGET: Duration = mpic_common::limits::BUDGET;

impl CertificationAuthority {
    /// Connects to the system's bus.
    pub async fn of(cluster: &Cluster) -> Self {
        Self::connect(&cluster.client_config()).await
    }

    /// Connects as `config` says.
    pub async fn connect(config: &ClientConfig) -> Self {
        let client = CaClient::connect(&config.bus, config.ca.clone()).await.unwrap();
        let key = config.key().unwrap().unwrap();
        let (directory, kept) = (config.directory().unwrap(), Mutex::default());
        Self { client, key, directory, kept }
    }

    /// The key that signs its jobs.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Submits a job, repeating it as long as it lives.
    pub async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.submit_octets(&self.submission(job)).await
    }

    /// Submits octets, whatever they are.
    pub async fn submit_octets(&self, submission: &Submission) -> Result<Submitted, SubmitError> {
        let submitted = self.client.submit(submission, &self.directory, &SystemClock).await;
        if let Ok(Submitted::Decided(recorded)) = &submitted {
            self.kept.lock().unwrap().push(recorded.as_ref().clone());
        }
        submitted
    }

    /// What was decided on a job.
    ///
    /// Panics where no decision was recorded.
    pub async fn decision(&self, job: &Job) -> Recorded {
        match self.submit(job).await {
            Ok(Submitted::Decided(recorded)) => *recorded,
            other => panic!("no decision on {}: {other:?}", job.identifier),
        }
    }

    /// Why no decision was due on these octets.
    ///
    /// Panics where one was recorded.
    pub async fn refusal(&self, submission: &Submission) -> RefusalRecord {
        match self.submit_octets(submission).await {
            Ok(Submitted::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Sends the octets once, and gives the answer as it came.
    pub async fn ask_once(&self, submission: &Submission) -> Bytes {
        self.client.ask(submission).await.unwrap()
    }

    /// Sends the octets once; gives the answer if there is one in time.
    pub async fn try_once(&self, submission: &Submission) -> Option<Bytes> {
        self.client.ask(submission).await.ok()
    }

    /// The job's signed envelope.
    pub fn submission(&self, job: &Job) -> Submission {
        let budget = job.budget.unwrap_or(BUDGET);
        Submission::new(job.id, &job.to_body(), budget, Some(&self.key))
    }

    /// Every decision that it was told.
    pub fn kept(&self) -> Vec<Recorded> {
        self.kept.lock().unwrap().clone()
    }
}

/// A CAA and dns-01 job for `name`, made now.
pub fn dns_01(name: &str) -> Job {
    Job { id: new_id(), ..testing::dns_01_job(name) }
}

/// A CAA and http-01 job for `name`, made now.
pub fn http_01(name: &str) -> Job {
    Job { id: new_id(), ..testing::http_01_job(name) }
}

/// The job without its CAA check.
pub fn validation_alone(job: Job) -> Job {
    Job { caa: None, ..job }
}

/// A CAA job for `name`, made now.
pub fn caa(name: &str) -> Job {
    Job { dcv: None, ..dns_01(name) }
}

/// A job with another challenge than its site shows.
pub fn with_challenge(job: Job, challenge: mpic_common::challenge::Challenge) -> Job {
    Job { dcv: Some(Dcv { adn: None, challenge }), ..job }
}

/// Every remote must corroborate: so the record has all of them, however late they are.
pub fn unanimous(mut job: Job, remotes: usize) -> Job {
    job.stricter.corroborations_min = Some(remotes);
    job
}

/// A job id made now.
pub fn new_id() -> JobId {
    id_made_at(SystemClock.now())
}

/// A job id made at another time.
pub fn id_made_at(time: UnixMs) -> JobId {
    let mut random = [0; 10];
    getrandom::fill(&mut random).unwrap();
    JobId::new(time, &random)
}

/// Octets that need not be a job.
pub fn octets(octets: impl Into<Vec<u8>>) -> Submission {
    let octets = octets.into();
    let digest = Envelope::parse(&octets, usize::MAX).map_or(Hash::ZERO, |job| job.digest());
    Submission { job: new_id(), octets, digest, budget: BUDGET }
}

/// What an answer carries: the octets of the record, or of the refusal.
pub fn carried(answer: &[u8]) -> Vec<u8> {
    let envelope = Envelope::parse(answer, usize::MAX).unwrap().of_kind(Kind::Answer).unwrap();
    let answer: Answer = decode_body(Kind::Answer, envelope.body).unwrap();
    answer.record.or(answer.refusal).unwrap().0
}

/// The code of the refusal that an answer carries; none where it carries a decision.
pub fn refused_with(answer: &[u8]) -> Option<RefusalCode> {
    let octets = carried(answer);
    let envelope = Envelope::parse(&octets, usize::MAX).unwrap();
    if envelope.kind == Kind::Decision {
        return None;
    }
    let refusal: RefusalRecord = decode_body(Kind::Refusal, envelope.body).unwrap();
    Some(refusal.code)
}
