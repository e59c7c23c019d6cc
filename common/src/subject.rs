//! The one file that spells NATS subjects, streams and message ids.

use crate::code::{CaId, CoordinatorId, PerspectiveId};
use crate::job::JobId;
use crate::octets::{Hash, hex};

/// The stream that records decisions.
pub const AUDIT_STREAM: &str = "MPIC_AUDIT";
/// What the stream takes.
pub const AUDIT_SUBJECTS: &str = "mpic.v1.audit.>";
/// The stream's only durable consumer.
pub const AUDIT_CONSUMER: &str = "audit";
/// The key-value bucket that fences the log's writer.
pub const AUDIT_HEAD_BUCKET: &str = "MPIC_AUDIT_HEAD";
/// The bucket as a stream.
pub const AUDIT_HEAD_STREAM: &str = "KV_MPIC_AUDIT_HEAD";
/// What that stream takes.
pub const AUDIT_HEAD_SUBJECTS: &str = "$KV.MPIC_AUDIT_HEAD.>";
/// The queue group of the coordinators.
pub const COORDINATORS: &str = "coordinator";
/// Jobs of every CA.
pub const JOBS: &str = "mpic.v1.job.*";
/// The directory document.
pub const AUDIT_DIRECTORY: &str = "mpic.v1.audit.directory";
/// Operators' notes.
pub const AUDIT_NOTE: &str = "mpic.v1.audit.note";
/// The audit consumer's state, every 5 s.
pub const STATUS_AUDIT: &str = "mpic.v1.status.audit";
/// Requests for inclusion proofs.
pub const PROOFS: &str = "mpic.v1.proof.*";
/// The queue group of the audit consumer.
pub const AUDITORS: &str = "audit";
/// The audit consumer's inboxes.
pub const AUDIT_INBOX: &str = "_INBOX_audit";
/// Provisioning's inboxes.
pub const ADMIN_INBOX: &str = "_INBOX_admin";
/// The inboxes of who looks from outside.
pub const OPS_INBOX: &str = "_INBOX_srv.ops";
/// The inboxes of who asks nothing.
pub const NO_INBOX: &str = "_INBOX_none";
/// Answers to discovery go below this and nowhere else.
pub const DISCOVERY_INBOX: &str = "_INBOX_srv.";

/// Assignments for every perspective.
pub const CHECKS: &str = "mpic.v1.check.*";
/// Answers to whoever asked.
pub const ANSWERS: &str = "mpic.v1.answer.>";
/// Decisions and refusals for every CA.
pub const AUDIT_DECISIONS: &str = "mpic.v1.audit.decision.*";
/// Late replies and superseded decisions for every CA.
pub const AUDIT_LATE: &str = "mpic.v1.audit.late.*";
/// The inboxes of operators.
pub const OPERATOR_INBOX: &str = "_INBOX_operator";
/// Everything that JetStream can be asked.
pub const JETSTREAM: &str = "$JS.API.>";
/// Every question of discovery.
pub const DISCOVERY: &str = "$SRV.>";
/// Acks of the audit consumer: as servers name them now, and as newer ones do.
pub const AUDIT_ACKS: [&str; 2] = ["$JS.ACK.MPIC_AUDIT.audit.>", "$JS.ACK.*.*.MPIC_AUDIT.audit.>"];

/// The verbs of discovery (ADR-32).
pub const DISCOVERY_VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// Every question of discovery that a service of this name answers.
pub fn discovery_of(name: &str) -> Vec<String> {
    let all = DISCOVERY_VERBS.iter().map(|verb| discovery(verb, None, None));
    all.chain([discovery("*", Some(name), None), discovery("*", Some(name), Some("*"))]).collect()
}

/// Discovery of every service, of those of one name, or of one instance.
pub fn discovery(verb: &str, name: Option<&str>, id: Option<&str>) -> String {
    let name = name.map(|name| format!(".{name}")).unwrap_or_default();
    let id = id.map(|id| format!(".{id}")).unwrap_or_default();
    format!("$SRV.{verb}{name}{id}")
}

/// Where the answers go to one question of discovery that `coordinator` asks; `token` is 16 random
/// octets.
pub fn discovery_inbox(coordinator: &CoordinatorId, token: &[u8; 16]) -> String {
    format!("{DISCOVERY_INBOX}{coordinator}.{}", hex(token))
}

/// A question to JetStream itself, such as `STREAM.INFO.MPIC_AUDIT`.
pub fn jetstream(question: &str) -> String {
    format!("$JS.API.{question}")
}

/// Jobs of one CA.
pub fn job(ca: &CaId) -> String {
    format!("mpic.v1.job.{ca}")
}

/// The CA that a job's subject names.
pub fn ca_of_job(subject: &str) -> Option<CaId> {
    subject.strip_prefix("mpic.v1.job.").and_then(|code| code.parse().ok())
}

/// The inboxes of `ca`.
pub fn answer_inbox(ca: &CaId) -> String {
    format!("mpic.v1.answer.{ca}")
}

/// One inbox of `ca`; `token` is 16 random octets.
pub fn answer(ca: &CaId, token: &[u8; 16]) -> String {
    format!("{}.{}", answer_inbox(ca), hex(token))
}

/// Whether `reply` is an inbox of `ca`, so that nobody aims an answer elsewhere.
pub fn is_answer_inbox(reply: &str, ca: &CaId) -> bool {
    is_below(reply, &answer_inbox(ca))
}

/// Assignments for the agents of `perspective`, who form a queue group of that name.
pub fn check(perspective: &PerspectiveId) -> String {
    format!("mpic.v1.check.{perspective}")
}

/// Where one send's reply goes; `token` is 16 random octets.
pub fn reply(perspective: &PerspectiveId, coordinator: &CoordinatorId, token: &[u8; 16]) -> String {
    format!("mpic.v1.reply.{perspective}.{coordinator}.{}", hex(token))
}

/// All replies of `perspective` to `coordinator`.
pub fn replies(perspective: &PerspectiveId, coordinator: &CoordinatorId) -> String {
    format!("mpic.v1.reply.{perspective}.{coordinator}.*")
}

/// All replies of `perspective`, to whichever coordinator.
pub fn replies_of(perspective: &PerspectiveId) -> String {
    format!("mpic.v1.reply.{perspective}.*.*")
}

/// All replies to `coordinator`, of whichever perspective.
pub fn replies_to(coordinator: &CoordinatorId) -> String {
    format!("mpic.v1.reply.*.{coordinator}.*")
}

/// Perspective, coordinator and token of a reply's subject.
pub fn parse_reply(subject: &str) -> Option<(PerspectiveId, CoordinatorId, [u8; 16])> {
    let mut tokens = subject.strip_prefix("mpic.v1.reply.")?.split('.');
    let perspective = tokens.next()?.parse().ok()?;
    let coordinator = tokens.next()?.parse().ok()?;
    let token = data_encoding::HEXLOWER.decode(tokens.next()?.as_bytes()).ok()?.try_into().ok()?;
    tokens.next().is_none().then_some((perspective, coordinator, token))
}

/// Where decisions and refusals for `ca` are recorded.
pub fn audit_decision(ca: &CaId) -> String {
    format!("mpic.v1.audit.decision.{ca}")
}

/// Where late replies and superseded decisions for `ca` are recorded.
pub fn audit_late(ca: &CaId) -> String {
    format!("mpic.v1.audit.late.{ca}")
}

/// A coordinator's inboxes, apart from those that agents may publish to, so that no agent can
/// forge a PubAck.
pub fn coordinator_inbox(coordinator: &CoordinatorId) -> String {
    format!("_INBOX_coordinator.{coordinator}")
}

/// All PubAcks for `coordinator`.
pub fn pubacks(coordinator: &CoordinatorId) -> String {
    format!("{}.ack.*", coordinator_inbox(coordinator))
}

/// The PubAck of one publish; `token` is 16 random octets.
pub fn puback(coordinator: &CoordinatorId, token: &[u8; 16]) -> String {
    format!("{}.ack.{}", coordinator_inbox(coordinator), hex(token))
}

/// The token of a PubAck's subject.
pub fn parse_puback(subject: &str) -> Option<[u8; 16]> {
    let (_, token) = subject.rsplit_once('.')?;
    data_encoding::HEXLOWER.decode(token.as_bytes()).ok()?.try_into().ok()
}

/// A process's echo to itself: what came back shows that subscriptions and rights work.
pub fn echo(role: &str, code: &str, nonce: [u8; 8]) -> String {
    format!("{}.{}", echo_prefix(role, code), hex(&nonce))
}

/// All echoes of one process.
pub fn echoes(role: &str, code: &str) -> String {
    format!("{}.*", echo_prefix(role, code))
}

/// The audit consumer is one, so its echo needs no code.
fn echo_prefix(role: &str, code: &str) -> String {
    if role == "audit" {
        "mpic.v1.echo.audit".to_owned()
    } else {
        format!("mpic.v1.echo.{role}.{code}")
    }
}

/// Inclusion proofs for `code`.
pub fn proof(code: &CaId) -> String {
    format!("mpic.v1.proof.{code}")
}

/// Whose proofs a request's subject asks for.
pub fn code_of_proof(subject: &str) -> Option<CaId> {
    subject.strip_prefix("mpic.v1.proof.").and_then(|code| code.parse().ok())
}

/// Whether `reply` lies below `prefix`.
pub fn is_below(reply: &str, prefix: &str) -> bool {
    reply.strip_prefix(prefix).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.'))
}

/// One decision a job, for ever: the stream takes the first with this id.
pub fn decision_id(ca: &CaId, job: &JobId) -> String {
    format!("decision.{ca}.{job}")
}

/// The same refused octets are recorded once.
pub fn refusal_id(ca: &CaId, payload: &Hash) -> String {
    format!("refusal.{ca}.{payload}")
}

/// One record of late replies a job.
pub fn late_id(ca: &CaId, job: &JobId) -> String {
    format!("late.{ca}.{job}")
}

/// One record a superseded decision.
pub fn superseded_id(payload: &Hash) -> String {
    format!("superseded.{payload}")
}

/// One record a directory document or a note, whoever publishes it.
pub fn payload_id(payload: &Hash) -> String {
    payload.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_subject_is_parsed_as_it_is_made() {
        let (perspective, coordinator) = ("us-east".parse().unwrap(), "c0".parse().unwrap());
        let subject = reply(&perspective, &coordinator, &[0xAB; 16]);
        assert_eq!(parse_reply(&subject), Some((perspective, coordinator, [0xAB; 16])));
        for bad in
            ["mpic.v1.reply.us-east.c0.*", "mpic.v1.reply.us-east.c0", "x", &format!("{subject}.x")]
        {
            assert_eq!(parse_reply(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_goes_to_the_ca_that_asked() {
        let ca = "ca1".parse().unwrap();
        assert!(is_answer_inbox("mpic.v1.answer.ca1.x", &ca));
        for bad in
            ["mpic.v1.answer.ca11.x", "mpic.v1.answer.ca1", "mpic.v1.answer.ca1.", "_INBOX.x", ""]
        {
            assert!(!is_answer_inbox(bad, &ca), "{bad}");
        }
    }

    #[test]
    fn no_job_subject_names_a_wildcard() {
        assert_eq!(ca_of_job("mpic.v1.job.ca1"), Some("ca1".parse().unwrap()));
        assert_eq!(ca_of_job("mpic.v1.job.*"), None);
        assert_eq!(ca_of_job("mpic.v1.job.a.b"), None);
    }
}
