//! A small fleet: keys, a signed directory document, replies.

use std::collections::BTreeMap;

use super::remotes;
use crate::code::PerspectiveId;
use crate::directory::{CaEntry, Directory, DirectoryDocument, KeyEntry, PerspectiveEntry, Role};
use crate::evidence::{Dnssec, Used};
use crate::job::Job;
use crate::observation::{CheckKind, Observation};
use crate::octets::{Fixed, Hash};
use crate::perspective::RegionalInternetRegistry;
use crate::policy::{Policy, Profile};
use crate::reason::{Reason, Verdict};
use crate::reply::{Asked, PerspectiveRole, Reply, ReplyOutcome, VerifiedReply};
use crate::signature::SigningKey;
use crate::time::UnixMs;
use crate::wire::{Kind, encode_body, envelope};

/// Keys and a directory for a primary `p0` and remotes `r0`, `r1`, ...; the CA `ca1`, the
/// coordinator `c0`.
#[derive(Debug)]
pub struct Fleet {
    primary: PerspectiveId,
    remotes: BTreeMap<PerspectiveId, RegionalInternetRegistry>,
    sign_jobs: bool,
}

/// Ten places, each more than 500 km from the others: 10^-6 degrees.
const PLACES: [(i32, i32); 10] = [
    (50_110_000, 8_680_000),
    (39_040_000, -77_490_000),
    (59_330_000, 18_070_000),
    (35_680_000, 139_690_000),
    (-23_550_000, -46_630_000),
    (-33_920_000, 18_420_000),
    (37_340_000, -121_890_000),
    (25_200_000, 55_270_000),
    (1_350_000, 103_820_000),
    (-34_600_000, -58_380_000),
];

impl Fleet {
    /// A fleet with `count` remotes, at most nine.
    pub fn new(count: usize) -> Self {
        let primary = "p0".parse().unwrap();
        Self { primary, remotes: remotes(count.min(9)), sign_jobs: false }
    }

    /// A fleet whose remotes lie in these regions, at most nine of them.
    pub fn of(regions: &[RegionalInternetRegistry]) -> Self {
        let codes = (0..9).map(|index| format!("r{index}").parse().unwrap());
        Self { remotes: codes.zip(regions.iter().copied()).collect(), ..Self::new(0) }
    }

    /// The same fleet, whose CA must sign its jobs.
    #[must_use]
    pub fn with_signed_jobs(self) -> Self {
        Self { sign_jobs: true, ..self }
    }

    /// The primary's code.
    pub fn primary(&self) -> &PerspectiveId {
        &self.primary
    }

    /// The remotes' codes.
    pub fn remotes(&self) -> impl Iterator<Item = &PerspectiveId> {
        self.remotes.keys()
    }

    /// The key of a coordinator, CA, operator or perspective: of whatever has that name.
    pub fn key(name: &str) -> SigningKey {
        SigningKey::from_seed(&Hash::of(name.as_bytes()).0)
    }

    /// The signed directory document.
    pub fn document(&self) -> Vec<u8> {
        let root = Self::key("root");
        let all = || std::iter::once(&self.primary).chain(self.remotes.keys());
        let mut keys: Vec<_> =
            all().map(|code| entry(Role::Agent, code.as_str(), Some(code.clone()))).collect();
        keys.push(entry(Role::Coordinator, "c0", None));
        keys.push(entry(Role::Ca, "ca1", None));
        keys.push(entry(Role::Operator, "alice", None));
        let document = DirectoryDocument {
            serial: 1,
            issued_ms: UnixMs(1_700_000_000_000),
            root: Fixed(root.public().octets()),
            next_root: None,
            keys,
            cas: vec![CaEntry {
                code: "ca1".parse().unwrap(),
                issuer_domains: vec!["ca.example".to_owned()],
                account_uris: vec!["https://ca.example/acct/".to_owned()],
                sign_jobs: self.sign_jobs,
                primary: None,
            }],
            perspectives: all().zip(PLACES).map(|(code, at)| self.entry(code, at)).collect(),
            policy: Policy::of(Profile::Strict),
        };
        let body = encode_body(Kind::Directory, &document);
        envelope::seal(Kind::Directory, &body, &root, Some(Hash::ZERO))
    }

    /// The document, opened.
    pub fn directory(&self) -> Directory {
        Directory::open(&self.document(), &Self::key("root").public()).unwrap()
    }

    fn entry(&self, code: &PerspectiveId, (latitude, longitude): (i32, i32)) -> PerspectiveEntry {
        let registry = self.remotes.get(code).copied().unwrap_or(RegionalInternetRegistry::RipeNcc);
        PerspectiveEntry {
            code: code.clone(),
            registry,
            region: code.to_string(),
            asn: 64_500,
            provider: None,
            latitude_udeg: latitude,
            longitude_udeg: longitude,
            resolver_registry: registry,
            resolver_latitude_udeg: latitude,
            resolver_longitude_udeg: longitude,
            from_ms: UnixMs(0),
            until_ms: None,
        }
    }
}

fn entry(role: Role, name: &str, perspective: Option<PerspectiveId>) -> KeyEntry {
    let public = Fleet::key(name).public();
    KeyEntry {
        id: public.id(),
        public: Fixed(public.octets()),
        role,
        name: name.to_owned(),
        perspective,
        from_ms: UnixMs(0),
        until_ms: None,
        revoked_ms: None,
        reason: None,
    }
}

/// What a perspective of a `Fleet` says of both checks.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    /// What the job expects.
    Expected,
    /// What the job expects, under a relaxation.
    Under(&'static str),
    /// A reason not to pass.
    Reason(Reason),
}

impl Fleet {
    /// The signed reply of `code` to the assignment whose body hashes to zeros.
    pub fn reply(&self, code: &PerspectiveId, job: &Job, seen: Seen) -> (Vec<u8>, VerifiedReply) {
        self.reply_to(Hash::ZERO, code, job, seen)
    }

    /// The signed reply of `code` to the assignment whose body has `assignment_digest`.
    pub fn reply_to(
        &self,
        assignment_digest: Hash,
        code: &PerspectiveId,
        job: &Job,
        seen: Seen,
    ) -> (Vec<u8>, VerifiedReply) {
        let reply = self.unsigned_reply(code, job, seen);
        let octets = reply.sign(&Self::key(code.as_str()), assignment_digest);
        let asked = Asked {
            perspective: code,
            role: reply.role,
            assignment_digest,
            job,
            job_digest: reply.job_digest,
            octets_max: 8_192,
        };
        let at = UnixMs(1_800_000_000_000);
        let verified = Reply::verify(&octets, &asked, &self.directory(), at).unwrap();
        (octets, verified)
    }

    /// What `code` would sign.
    pub fn unsigned_reply(&self, code: &PerspectiveId, job: &Job, seen: Seen) -> Reply {
        let is_primary = *code == self.primary;
        let role = if is_primary { PerspectiveRole::Primary } else { PerspectiveRole::Remote };
        Reply {
            perspective: code.clone(),
            role,
            registry: self.remotes.get(code).copied().unwrap_or(RegionalInternetRegistry::RipeNcc),
            agent: "test".to_owned(),
            software: "test".to_owned(),
            config_digest: Hash::ZERO,
            resolvers: vec![],
            relaxations: match seen {
                Seen::Under(relaxation) => vec![relaxation.to_owned()],
                _ => vec![],
            },
            identifier: job.identifier.clone(),
            job: job.id,
            job_digest: Hash::of(&job.to_body()),
            outcome: ReplyOutcome::Observed,
            observations: job
                .checks()
                .map(|check| (check, observation(job, check, seen)))
                .collect(),
            started_ms: UnixMs(1_800_000_000_000),
            ended_ms: UnixMs(1_800_000_000_000),
        }
    }
}

fn observation(job: &Job, check: CheckKind, seen: Seen) -> Observation {
    let dcv = job.dcv.as_ref().filter(|_| check == CheckKind::Dcv);
    let reason = match seen {
        Seen::Reason(reason) => Some(reason),
        Seen::Expected | Seen::Under(_) => None,
    };
    Observation {
        check,
        method: dcv.map(|dcv| dcv.challenge.method_id().to_owned()),
        clause: "3.2.2.8".to_owned(),
        br_version: "TLS-BR 2.2.6".to_owned(),
        discouraged: false,
        adn: None,
        started_ms: UnixMs(1_800_000_000_000),
        ended_ms: UnixMs(1_800_000_000_000),
        elapsed_us: 0,
        verdict: reason.map_or(Verdict::Pass, Reason::verdict),
        reason,
        detail: String::new(),
        observed: dcv.filter(|_| reason.is_none()).and_then(|dcv| dcv.challenge.expected()),
        matched: None,
        dnssec: Dnssec::Insecure,
        dns: vec![],
        http: vec![],
        tls: None,
        caa: None,
        used: Used::default(),
        truncated: false,
    }
}
