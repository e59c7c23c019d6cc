//! The Internet as each place sees it: the applicant's sites, and sites of others, whose routes
//! near some places an attacker holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpic_agent::check::{MethodRules, Rules};
use mpic_agent::deadline::Deadline;
use mpic_agent::egress::{AddressPolicy, Egress};
use mpic_agent::http::{HttpClient, HttpLimits};
use mpic_agent::names::NamePolicy;
use mpic_agent::resolver::{Budget, BudgetLimits, DnsEngine, Inquiry, Question};
use mpic_agent::tls_alpn::{TlsAlpnClient, TlsAlpnLimits};
use mpic_common::evaluator::caa::CaaRules;
use mpic_common::evidence::{DnsOutcome, DnsSeen, Dnssec, DnssecSource, Purpose, Transport};
use mpic_common::observation::ResolverIdentity;
use mpic_common::octets::Octets;
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::reason::Reason;
use tokio::time::sleep;

/// What every place shares.
#[derive(Debug)]
pub(crate) struct Internet {
    /// Places whose routes the attacker holds.
    pub(crate) hijacked: BTreeSet<String>,
    /// How long the resolver of an agent's place takes.
    delays: Mutex<BTreeMap<usize, Duration>>,
}

impl Internet {
    pub(crate) fn new(hijacked: BTreeSet<String>) -> Arc<Self> {
        Arc::new(Self { hijacked, delays: Mutex::default() })
    }

    pub(crate) fn slow(&self, agent: usize, delay: Duration) {
        self.delays.lock().unwrap().insert(agent, delay);
    }

    pub(crate) fn calm(&self) {
        self.delays.lock().unwrap().clear();
    }
}

/// The name of the site of a job.
pub(crate) fn site_name(is_victim: bool, job: usize) -> String {
    if is_victim { format!("victim{job}.com") } else { format!("honest{job}.com") }
}

/// One agent's view.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) internet: Arc<Internet>,
    pub(crate) agent: usize,
    pub(crate) perspective: String,
    pub(crate) identity: ResolverIdentity,
}

impl DnsEngine for Engine {
    type Inquiry = View;

    fn identity(&self) -> &ResolverIdentity {
        &self.identity
    }

    async fn self_test(&self) -> Result<(), Reason> {
        Ok(())
    }

    fn open(&self, deadline: Deadline, _: Arc<Budget>) -> View {
        View { engine: self.clone(), deadline }
    }
}

/// The questions of one check.
#[derive(Debug)]
pub(crate) struct View {
    engine: Engine,
    deadline: Deadline,
}

impl Inquiry for View {
    async fn ask(&self, question: &Question) -> DnsSeen {
        let Engine { internet, agent, perspective, .. } = &self.engine;
        let set = internet.delays.lock().unwrap().get(agent).copied();
        let delay = set.unwrap_or(Duration::from_millis(1 + 2 * *agent as u64));
        let left = self.deadline.remaining();
        sleep(delay.min(left)).await;
        if delay >= left {
            return seen(question, DnsOutcome::Timeout, None);
        }
        let is_honest = question.name.contains("honest") || internet.hijacked.contains(perspective);
        let is_site = question.name.contains("honest") || question.name.contains("victim");
        match question.purpose {
            Purpose::Challenge if is_honest => {
                let digest = b"digest-of-the-day";
                let mut rdata = vec![u8::try_from(digest.len()).unwrap()];
                rdata.extend(digest);
                seen(question, DnsOutcome::Answer, Some(rdata))
            }
            Purpose::Caa if is_site && !is_honest => {
                let mut rdata = vec![0, 5];
                rdata.extend(b"issue;");
                seen(question, DnsOutcome::Answer, Some(rdata))
            }
            Purpose::Caa => seen(question, DnsOutcome::NoData, None),
            _ => seen(question, DnsOutcome::NxDomain, None),
        }
    }

    fn used(&self) -> (u32, u32) {
        (1, 100)
    }
}

fn seen(question: &Question, outcome: DnsOutcome, rdata: Option<Vec<u8>>) -> DnsSeen {
    let rrset: Vec<_> = rdata.into_iter().map(Octets).collect();
    DnsSeen {
        name: question.name.clone(),
        qtype: question.qtype.to_string(),
        purpose: question.purpose,
        attempts: 1,
        outcome,
        dnssec: Dnssec::Insecure,
        dnssec_source: DnssecSource::ResolverAd,
        chain: Vec::new(),
        answer_owner: (outcome == DnsOutcome::Answer).then(|| question.name.clone()),
        rrset_count: u32::try_from(rrset.len()).unwrap(),
        rrset,
        rrset_digest: None,
        min_ttl_s: None,
        rcode: Some(0),
        ad: None,
        ede: Vec::new(),
        transport: Transport::Udp,
        upstreams: Vec::new(),
        resolver: 0,
        elapsed_us: 0,
    }
}

pub(crate) fn resolver(registry: RegionalInternetRegistry) -> ResolverIdentity {
    ResolverIdentity {
        backend: "played".to_owned(),
        instance: "played".to_owned(),
        trust_anchor: None,
        root_hints: None,
        address: None,
        latitude_udeg: 0,
        longitude_udeg: 0,
        registry,
    }
}

/// What agents go by; nothing here connects anywhere.
pub(crate) fn rules() -> Rules {
    let wait = Duration::from_secs(1);
    let egress = Egress::default();
    let limits =
        HttpLimits { connect: wait, handshake: wait, head: wait, body: wait, redirects_max: 20 };
    let handshake = TlsAlpnLimits { connect: wait, handshake: wait };
    let suffixes = b"// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Rules {
        names: NamePolicy::new(suffixes, Vec::new(), Vec::new()).unwrap(),
        addresses: AddressPolicy::new(Vec::new(), Vec::new(), Vec::new()),
        http: HttpClient::new(egress.clone(), limits, "mpic-perspective/test".to_owned()).unwrap(),
        tls_alpn: TlsAlpnClient::new(egress, handshake).unwrap(),
        caa: CaaRules::default(),
        caa_labels_max: 40,
        dns_budget: BudgetLimits { packets: 500, octets: 4 * 1_024 * 1_024 },
        observation_octets_max: 4_096,
        methods: MethodRules::default(),
    }
}
