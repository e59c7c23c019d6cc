//! Who connects to the bus, and what each may do there.
//!
//! All rights are static. None is a right to answer whoever asks: that would let the asker aim an
//! answer at any subject.

use mpic_common::code::{CaId, CoordinatorId, PerspectiveId};
use mpic_common::subject;

/// One identity on the bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The agents of a perspective.
    Agent(PerspectiveId),
    /// The audit consumer.
    Audit,
    /// Who asks for proofs alone.
    Auditor(CaId),
    /// A CA, or a gateway that is one.
    Ca(CaId),
    /// A coordinator.
    Coordinator(CoordinatorId),
    /// A person who records notes and directory documents.
    Operator(CaId),
    /// Who looks from outside.
    Ops,
    /// Who makes streams; no process that keeps running.
    Provisioning,
    /// Who manages the server.
    System,
}

/// What a party may do; everything else is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Subjects.
    pub publish: Vec<String>,
    /// Subjects, some of them with the queue group in which alone they may be subscribed to, after
    /// a space: so nobody listens in beside the group.
    pub subscribe: Vec<String>,
    /// Subjects that `subscribe` has and that are denied all the same.
    pub deny: Vec<String>,
}

impl Party {
    /// The name of its files.
    pub fn name(&self) -> String {
        match self {
            Self::Agent(code) => format!("agent-{code}"),
            Self::Audit => "audit".to_owned(),
            Self::Auditor(code) => code.to_string(),
            Self::Ca(code) => format!("ca-{code}"),
            Self::Coordinator(code) => code.to_string(),
            Self::Operator(name) => format!("operator-{name}"),
            Self::Ops => "ops".to_owned(),
            Self::Provisioning => "provisioning".to_owned(),
            Self::System => "system".to_owned(),
        }
    }

    /// What it may do; none where it has an account of its own.
    pub fn rights(&self) -> Option<Rights> {
        let (publish, subscribe) = match self {
            Self::Agent(code) => agent(code),
            Self::Audit => audit(),
            Self::Auditor(code) => {
                (vec![subject::proof(code)], vec![below(&subject::answer_inbox(code))])
            }
            Self::Ca(code) => (
                vec![subject::job(code), subject::proof(code)],
                vec![below(&subject::answer_inbox(code))],
            ),
            Self::Coordinator(code) => coordinator(code),
            Self::Operator(_) => (
                vec![subject::AUDIT_NOTE.to_owned(), subject::AUDIT_DIRECTORY.to_owned()],
                vec![below(subject::OPERATOR_INBOX)],
            ),
            Self::Ops => ops(),
            Self::Provisioning => {
                (vec![subject::JETSTREAM.to_owned()], vec![below(subject::ADMIN_INBOX)])
            }
            Self::System => return None,
        };
        Some(Rights { publish, subscribe, deny: Vec::new() })
    }
}

type Lists = (Vec<String>, Vec<String>);

fn agent(code: &PerspectiveId) -> Lists {
    let echo = subject::echoes("agent", code.as_str());
    let publish = vec![subject::replies_of(code), discovery_inbox(), echo.clone()];
    let own = [in_group(&subject::check(code), code.as_str()), echo];
    (publish, own.into_iter().chain(subject::discovery_of("mpic-agent")).collect())
}

/// What a leaf node may send to the servers of the bus, and what they send to it: what concerns its
/// own perspective, and discovery of its agents.
///
/// Whoever takes it over speaks and hears for that perspective alone.
pub fn leaf(perspective: &PerspectiveId) -> Rights {
    let check = [subject::check(perspective)].into_iter();
    Rights {
        publish: vec![subject::replies_of(perspective), discovery_inbox()],
        subscribe: check.chain(subject::discovery_of("mpic-agent")).collect(),
        deny: Vec::new(),
    }
}

/// The same for leaf nodes before 2.10.24, which ask the servers for what a queue group serves only
/// if they may for a subject with a wildcard as its last token (nats-server issue 6281): all checks
/// but those of the others.
pub fn leaf_with_wildcard(perspective: &PerspectiveId, all: &[PerspectiveId]) -> Rights {
    let others = all.iter().filter(|other| *other != perspective);
    let check = [subject::CHECKS.to_owned()].into_iter();
    Rights {
        subscribe: check.chain(subject::discovery_of("mpic-agent")).collect(),
        deny: others.map(subject::check).collect(),
        ..leaf(perspective)
    }
}

fn coordinator(code: &CoordinatorId) -> Lists {
    let echo = subject::echoes("coordinator", code.as_str());
    let agents = |verb| subject::discovery(verb, Some("mpic-agent"), None);
    let publish = [
        subject::CHECKS.to_owned(),
        subject::ANSWERS.to_owned(),
        subject::AUDIT_DECISIONS.to_owned(),
        subject::AUDIT_LATE.to_owned(),
        subject::AUDIT_DIRECTORY.to_owned(),
        subject::jetstream(&format!("STREAM.INFO.{}", subject::AUDIT_STREAM)),
        subject::jetstream(&format!("STREAM.MSG.GET.{}", subject::AUDIT_STREAM)),
        agents("PING"),
        agents("INFO"),
        discovery_inbox(),
        echo.clone(),
    ];
    let subscribe = [
        in_group(subject::JOBS, subject::COORDINATORS),
        subject::replies_to(code),
        below(&subject::coordinator_inbox(code)),
        format!("{}{code}.*", subject::DISCOVERY_INBOX),
        echo,
    ];
    let discovery = subject::discovery_of("mpic-coordinator");
    (publish.into(), subscribe.into_iter().chain(discovery).collect())
}

fn audit() -> Lists {
    let (stream, consumer) = (subject::AUDIT_STREAM, subject::AUDIT_CONSUMER);
    let head = subject::AUDIT_HEAD_STREAM;
    let asked = [
        format!("STREAM.INFO.{stream}"),
        format!("STREAM.MSG.GET.{stream}"),
        format!("CONSUMER.INFO.{stream}.{consumer}"),
        format!("CONSUMER.MSG.NEXT.{stream}.{consumer}"),
        format!("STREAM.INFO.{head}"),
        format!("STREAM.MSG.GET.{head}"),
        format!("DIRECT.GET.{head}.>"),
    ];
    let echo = subject::echoes("audit", "");
    let published = [
        subject::ANSWERS.to_owned(),
        subject::AUDIT_HEAD_SUBJECTS.to_owned(),
        subject::STATUS_AUDIT.to_owned(),
        discovery_inbox(),
        echo.clone(),
    ];
    let acks = subject::AUDIT_ACKS.map(str::to_owned);
    let asked = asked.iter().map(|question| subject::jetstream(question));
    let subscribe =
        [in_group(subject::PROOFS, subject::AUDITORS), below(subject::AUDIT_INBOX), echo];
    (
        published.into_iter().chain(acks).chain(asked).collect(),
        subscribe.into_iter().chain(subject::discovery_of("mpic-audit")).collect(),
    )
}

fn ops() -> Lists {
    let looked_at = [
        "INFO",
        "STREAM.NAMES",
        "STREAM.LIST",
        "STREAM.INFO.*",
        "CONSUMER.NAMES.*",
        "CONSUMER.LIST.*",
        "CONSUMER.INFO.*.*",
    ];
    let looked_at = looked_at.iter().map(|question| subject::jetstream(question));
    (
        [subject::DISCOVERY.to_owned()].into_iter().chain(looked_at).collect(),
        vec![below(subject::OPS_INBOX), subject::STATUS_AUDIT.to_owned()],
    )
}

fn below(prefix: &str) -> String {
    format!("{prefix}.>")
}

/// Answers to discovery.
fn discovery_inbox() -> String {
    format!("{}>", subject::DISCOVERY_INBOX)
}

fn in_group(subject: &str, group: &str) -> String {
    format!("{subject} {group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parties() -> Vec<Party> {
        vec![
            Party::Agent("us-east".parse().unwrap()),
            Party::Audit,
            Party::Auditor("auditor-one".parse().unwrap()),
            Party::Ca("ca1".parse().unwrap()),
            Party::Coordinator("coordinator-0".parse().unwrap()),
            Party::Operator("alice".parse().unwrap()),
            Party::Ops,
            Party::Provisioning,
        ]
    }

    fn who_may(is_it: impl Fn(&Rights) -> bool) -> Vec<String> {
        let may = |party: &Party| is_it(&party.rights().unwrap());
        parties().iter().filter(|party| may(party)).map(Party::name).collect()
    }

    #[test]
    fn nobody_may_publish_to_the_inbox_of_acknowledgements() {
        let inbox = |subject: &String| {
            subject.starts_with("_INBOX_coordinator") || *subject == "_INBOX.>" || *subject == ">"
        };
        assert!(who_may(|rights| rights.publish.iter().any(inbox)).is_empty());
    }

    #[test]
    fn queue_groups_are_the_only_way_to_jobs_checks_and_proofs() {
        let shared = ["mpic.v1.job.", "mpic.v1.check.", "mpic.v1.proof."];
        for party in parties() {
            for subject in party.rights().unwrap().subscribe {
                let is_shared = shared.iter().any(|prefix| subject.starts_with(prefix));
                assert_eq!(is_shared, subject.contains(' '), "{subject}");
            }
        }
    }

    #[test]
    fn streams_are_provisionings_alone() {
        let changes =
            |subject: &String| subject == "$JS.API.>" || subject.starts_with("$JS.API.STREAM.DEL");
        assert_eq!(who_may(|rights| rights.publish.iter().any(changes)), ["provisioning"]);
    }
}
