//! Cuts the evidence of a reply until it fits: what decides goes last, digests cover the whole.

use mpic_common::evidence::{CaaSeen, DnsSeen, HopSeen, Purpose};
use mpic_common::observation::Observation;
use mpic_common::wire::{Kind, encode_body};

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

/// Octets of the observations as a reply encodes them.
pub fn encoded(observations: &[&mut Observation]) -> usize {
    observations.iter().map(|seen| encode_body(Kind::Reply, &**seen).len()).sum()
}

/// Cuts what a check leaves behind: large sets, then whatever exceeds `octets_max` encoded.
pub(crate) fn cut(observation: &mut Observation, octets_max: usize) {
    cut_rrsets(observation);
    fit(std::iter::once(observation), octets_max, encoded);
}

/// Keeps at most 64 records of 1,024 octets of each set; CAA sets stay whole.
fn cut_rrsets(observation: &mut Observation) {
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
const STEPS: [fn(&mut Observation); 11] = [
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
    |observation| observation.tls.iter_mut().for_each(|tls| tls.leaf = None),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Checker, Rules};
    use crate::testing::fake_dns::{FakeDns, Say, caa, txt};
    use crate::testing::{NOW, StoppedClock, checker, forwarder, perform, rules};
    use mpic_common::evidence::TlsSeen;
    use mpic_common::observation::CheckKind;
    use mpic_common::octets::{Hash, Octets};
    use mpic_common::testing::dns_01_job;

    /// Both observations of a job whose sets are large, all of it evidence.
    async fn observed() -> Vec<Observation> {
        let dns = FakeDns::start(|asked| match asked.name.as_str() {
            "example.com" => {
                let mut records = vec![caa("example.com", 0, "issue", "other.example"); 20];
                records.push(caa("example.com", 0, "issue", "ca.example"));
                Say::records(records)
            }
            "com" => Say::no_data(),
            challenge => {
                let mut records = vec![txt(challenge, &[&[b'x'; 100]]); 10];
                records.push(txt(challenge, &[b"digest-of-the-day"]));
                Say::records(records)
            }
        });
        let dns = dns.await;
        let observations = perform(&checker(&dns, &[]), &dns_01_job("example.com")).await;
        observations.into_values().collect()
    }

    fn octets(observations: &[&mut Observation]) -> usize {
        observations.iter().map(|seen| format!("{seen:?}").len()).sum()
    }

    fn cut_to(observations: &mut [Observation], octets_max: usize) {
        fit(observations.iter_mut(), octets_max, octets);
    }

    #[tokio::test]
    async fn what_fits_is_not_touched() {
        let mut observations = observed().await;
        let whole = observations.clone();
        cut_to(&mut observations, usize::MAX);
        assert_eq!(observations, whole);
    }

    #[tokio::test]
    async fn s6_what_decides_goes_last_and_digests_stay_whole() {
        let whole = observed().await;
        let size = octets(&whole.clone().iter_mut().collect::<Vec<_>>());
        for part in 1..20 {
            let mut cut = whole.clone();
            let octets_max = size * part / 20;
            cut_to(&mut cut, octets_max);
            for (cut, whole) in cut.iter().zip(&whole) {
                assert_eq!((cut.verdict, cut.reason), (whole.verdict, whole.reason));
                assert_eq!(cut.truncated, cut != whole);
                let challenge = cut.dns.iter().find(|seen| seen.purpose == Purpose::Challenge);
                let first = challenge.map(|seen| seen.rrset[0].escaped());
                assert!(first.is_none_or(|first| first.contains("digest-of-the-day")));
                for (cut, whole) in cut.dns.iter().zip(&whole.dns) {
                    assert_eq!(cut.rrset_digest, whole.rrset_digest);
                    assert_eq!(cut.rrset_count, whole.rrset_count);
                }
            }
        }
    }

    #[tokio::test]
    async fn s6_an_observation_is_cut_to_its_own_limit_when_the_check_ends() {
        let dns = FakeDns::start(|asked| match asked.name.as_str() {
            "example.com" => {
                Say::records(vec![caa("example.com", 0, "issue", "ca.example"); 1_000])
            }
            _ => Say::no_data(),
        });
        let dns = dns.await;
        let whole = perform(&checker(&dns, &[]), &dns_01_job("example.com")).await;
        let whole = &whole[&CheckKind::Caa];
        let rules = Rules { observation_octets_max: 16_384, ..rules(&[]) };
        let small = Checker::new(forwarder(&dns), StoppedClock(NOW), rules);
        let mut cut = perform(&small, &dns_01_job("example.com")).await;
        let cut = cut.get_mut(&CheckKind::Caa).unwrap();
        assert!(encode_body(Kind::Reply, whole).len() > 16_384 && !whole.truncated);
        assert!(encoded(&[&mut *cut]) <= 16_384 && cut.truncated);
        assert_eq!((cut.verdict, cut.reason), (whole.verdict, whole.reason));
        assert_eq!(cut.dns[0].rrset_digest, whole.dns[0].rrset_digest);
        assert_eq!(cut.caa.as_ref().unwrap().record_count, 1_000);
    }

    #[tokio::test]
    async fn the_authorising_property_is_the_last_of_its_set() {
        let mut observations = observed().await;
        let caa = observations.iter_mut().find_map(|seen| seen.caa.as_mut()).unwrap();
        keep_authorizing(caa);
        assert_eq!((caa.records.len(), caa.authorized_by, caa.record_count), (1, Some(0), 21));
        assert_eq!(caa.records[0].value.escaped(), "ca.example");
    }

    #[tokio::test]
    async fn s6_a_large_certificate_goes_before_what_was_negotiated() {
        let mut observations = observed().await;
        observations[0].tls = Some(TlsSeen {
            alpn: Some(Octets(b"acme-tls/1".to_vec())),
            leaf: Some(Octets(vec![7; 16_384])),
            leaf_digest: Some(Hash::of(&[7; 16_384])),
            ..TlsSeen::default()
        });
        cut_to(&mut observations, 6_000);
        let tls = observations[0].tls.as_ref().unwrap();
        assert_eq!((&tls.leaf, tls.leaf_digest), (&None, Some(Hash::of(&[7; 16_384]))));
        assert!(tls.alpn.is_some() && observations[0].truncated);
    }

    #[tokio::test]
    async fn redirects_between_the_ends_go_before_the_ends() {
        let mut hops: Vec<_> = (0..5).map(|port| HopSeen { port, ..HopSeen::default() }).collect();
        keep_ends(&mut hops);
        assert_eq!(hops.iter().map(|hop| hop.port).collect::<Vec<_>>(), [0, 4]);
        keep_ends(&mut hops);
        assert_eq!(hops.len(), 2);
    }
}
