//! Cuts the evidence of a reply until it fits: what decides goes last, digests cover the whole.

use mpic_common::evidence::{CaaSeen, DnsSeen, HopSeen, Purpose};
use mpic_common::observation::Observation;

/// Cuts `observations` step by step until `octets` of them is at most `octets_max`, or nothing is
/// left to cut. An observation that lost something is marked `truncated`; its verdict stays.
pub fn fit<'a>(
    observations: impl Iterator<Item = &'a mut Observation>,
    octets_max: usize,
    octets: impl Fn(&[&'a mut Observation]) -> usize,
) {
    let mut observations: Vec<_> = observations.collect();
    for step in STEPS {
        if octets(&observations) <= octets_max {
            return;
        }
        for observation in &mut observations {
            let whole = observation.clone();
            step(observation);
            observation.truncated |= **observation != whole;
        }
    }
}

/// Keeps at most 64 records of 1,024 octets of each set; CAA sets stay whole.
pub(crate) fn cut_rrsets(observation: &mut Observation) {
    let sets = observation.dns.iter_mut().filter(|seen| seen.purpose != Purpose::Caa);
    for seen in sets {
        let fits = |octets: usize| octets <= RECORD_OCTETS_MAX;
        let is_whole =
            seen.rrset.len() <= RECORDS_MAX && seen.rrset.iter().all(|rdata| fits(rdata.0.len()));
        if !is_whole {
            seen.rrset.truncate(RECORDS_MAX);
            seen.rrset.iter_mut().for_each(|rdata| rdata.0.truncate(RECORD_OCTETS_MAX));
            observation.truncated = true;
        }
    }
}

/// What is least needed to decide again comes first.
const STEPS: [fn(&mut Observation); 10] = [
    |observation| for_dns(observation, |seen| seen.ede.clear()),
    |observation| for_hops(observation, |hop| hop.body_head = None),
    // A CAA set stands once more, taken apart, in the CAA evidence.
    |observation| for_dns_of(observation, Purpose::Caa, |seen| seen.rrset.clear()),
    |observation| for_dns_of(observation, Purpose::Address, |seen| seen.rrset.clear()),
    |observation| for_caa(observation, |caa| caa.iodef.clear()),
    // The matching record is the first.
    |observation| for_dns(observation, |seen| seen.rrset.truncate(1)),
    |observation| keep_ends(&mut observation.http),
    |observation| for_caa(observation, keep_authorizing),
    |observation| {
        observation.dns.clear();
        for_caa(observation, |caa| caa.climb.clear());
    },
    |observation| {
        observation.http.clear();
        observation.tls = None;
        observation.caa = None;
    },
];

fn for_dns(observation: &mut Observation, cut: impl Fn(&mut DnsSeen)) {
    observation.dns.iter_mut().for_each(cut);
}

fn for_dns_of(observation: &mut Observation, purpose: Purpose, cut: impl Fn(&mut DnsSeen)) {
    observation.dns.iter_mut().filter(|seen| seen.purpose == purpose).for_each(cut);
}

fn for_hops(observation: &mut Observation, cut: impl Fn(&mut HopSeen)) {
    observation.http.iter_mut().for_each(cut);
}

fn for_caa(observation: &mut Observation, cut: impl Fn(&mut CaaSeen)) {
    observation.caa.iter_mut().for_each(cut);
}

/// The first and the last hop.
fn keep_ends(hops: &mut Vec<HopSeen>) {
    let last = hops.len().saturating_sub(1);
    if last > 1 {
        hops.drain(1..last);
    }
}

/// The property that authorises, which `authorized_by` then names as the first.
fn keep_authorizing(caa: &mut CaaSeen) {
    let index = caa.authorized_by.and_then(|index| usize::try_from(index).ok());
    let kept = index.and_then(|index| caa.records.get(index).cloned());
    caa.authorized_by = kept.as_ref().map(|_| 0);
    caa.records = kept.into_iter().collect();
}

/// Records of one set that are kept while the agent works.
const RECORDS_MAX: usize = 64;
/// Octets of each of them.
const RECORD_OCTETS_MAX: usize = 1_024;
