use mpic_common::cohort::PrimaryPlace;
use mpic_common::reason::Reason;
use mpic_common::testing::{Fleet, Seen, dns_01_job};

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct Scene {
    fleet: Fleet,
    attempt: Attempt,
}

impl Scene {
    fn new(remotes: usize) -> Self {
        let fleet = Fleet::new(remotes);
        let directory = Arc::new(fleet.directory());
        let primary = directory.perspective(fleet.primary(), NOW).unwrap();
        let remotes: Vec<_> =
            fleet.remotes().map(|code| directory.perspective(code, NOW).unwrap()).collect();
        let cohort = Cohort::new(PrimaryPlace::Perspective(primary), &remotes).unwrap();
        let attempt = Attempt::new(Plan {
            job: Arc::new(dns_01_job("honest.example")),
            directory: Arc::clone(&directory),
            requested_ms: NOW,
            primary: Some(fleet.primary().clone()),
            cohort,
            allowed: Arc::from(["addr.allow=[]".to_owned()]),
        });
        Self { fleet, attempt }
    }

    fn hear(&mut self, code: &PerspectiveId, seen: Seen) {
        let job = Arc::clone(&self.attempt.plan.job);
        let (octets, reply) = self.fleet.reply(code, &job, seen);
        let received_ms = NOW;
        self.attempt.on_reply(code.clone(), Heard { reply, octets, received_ms });
    }

    fn hear_primary(&mut self) {
        let primary = self.fleet.primary().clone();
        self.hear(&primary, Seen::Expected);
    }

    fn remotes(&self) -> Vec<PerspectiveId> {
        self.fleet.remotes().cloned().collect()
    }
}

#[test]
fn nothing_is_settled_before_the_primary_is_heard() {
    let mut scene = Scene::new(6);
    assert!(!scene.attempt.is_settled());
    scene.hear_primary();
    assert!(scene.attempt.primary_passed());
    assert!(!scene.attempt.is_settled());
}

#[test]
fn a_primary_that_fails_settles_a_refusal() {
    let mut scene = Scene::new(6);
    let primary = scene.fleet.primary().clone();
    scene.hear(&primary, Seen::Reason(Reason::DnsNxdomain));
    assert!(!scene.attempt.primary_passed());
    assert!(scene.attempt.is_settled());
    assert_eq!(scene.attempt.decision().outcome, Outcome::Refuse);
}

#[test]
fn a_relaxation_that_is_not_allowed_makes_a_reply_unavailable() {
    let mut scene = Scene::new(6);
    scene.hear_primary();
    let remotes = scene.remotes();
    scene.hear(&remotes[0], Seen::Under("addr.allow=[]"));
    scene.hear(&remotes[1], Seen::Under("dnssec.remote=\"off\""));
    let findings = scene.attempt.findings(CheckKind::Dcv);
    assert_eq!(findings[&remotes[0]], Finding::Corroborate);
    assert_eq!(findings[&remotes[1]], Finding::Unavailable);
}

#[test]
fn the_first_word_of_a_perspective_stands() {
    let mut scene = Scene::new(6);
    scene.hear_primary();
    let remote = scene.remotes()[0].clone();
    scene.attempt.on_missing(remote.clone(), Missing::Busy);
    scene.hear(&remote, Seen::Expected);
    assert!(!scene.attempt.replies().contains_key(&remote));
}

/// `is_settled` against what it means: every completion of what is silent has one outcome.
#[test]
fn settled_means_that_no_completion_differs() {
    for remotes in 5..=6 {
        let mut scene = Scene::new(remotes);
        scene.hear_primary();
        let said = [Seen::Expected, Seen::Reason(Reason::RecordMismatch)].map(|seen| {
            for code in scene.remotes() {
                scene.hear(&code, seen);
            }
            std::mem::replace(&mut scene, heard_primary(remotes)).attempt.replies
        });
        let count = 3_usize.pow(u32::try_from(remotes).unwrap());
        let attempts: Vec<_> = (0..count).map(|state| in_state(remotes, &said, state)).collect();
        for (state, attempt) in attempts.iter().enumerate() {
            let mut completions = (0..count)
                .filter(|other| completes(remotes, state, *other))
                .map(|other| attempts[other].decision().outcome);
            let first = completions.next();
            let one = completions.all(|outcome| Some(outcome) == first);
            assert_eq!(attempt.is_settled(), one, "{remotes} remotes, state {state}");
        }
    }
}

fn heard_primary(remotes: usize) -> Scene {
    let mut scene = Scene::new(remotes);
    scene.hear_primary();
    scene
}

/// Remote number n is silent, or says what the n-th digit of `state` to base 3 says.
fn in_state(remotes: usize, said: &[BTreeMap<PerspectiveId, Heard>; 2], state: usize) -> Attempt {
    let mut scene = heard_primary(remotes);
    for (index, code) in scene.remotes().iter().enumerate() {
        if let Some(replies) = digit(state, index).checked_sub(1).map(|said_so| &said[said_so]) {
            scene.attempt.on_reply(code.clone(), replies[code].clone());
        }
    }
    scene.attempt
}

fn digit(state: usize, index: usize) -> usize {
    state / 3_usize.pow(u32::try_from(index).unwrap()) % 3
}

/// Whether `other` says the same of everybody that `state` does not leave silent.
fn completes(remotes: usize, state: usize, other: usize) -> bool {
    (0..remotes).all(|index| {
        let (before, after) = (digit(state, index), digit(other, index));
        before == 0 || before == after
    })
}
