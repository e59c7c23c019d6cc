//! The whole matrix of who may publish and subscribe to what, live: each right works, and whatever
//! is not a right is denied.

use std::collections::BTreeSet;

use mpic_tests::described::Described;
use mpic_tests::raw_client::{RawClient, Shown};

use crate::FLEET;

/// Everything that is tried by everyone: what is published to.
const PUBLISHED: &[&str] = &[
    "mpic.v1.job.ca1",
    "mpic.v1.job.ca2",
    "mpic.v1.proof.ca1",
    "mpic.v1.proof.ca2",
    "mpic.v1.proof.auditor-one",
    "mpic.v1.answer.ca1.x",
    "mpic.v1.answer.auditor-one.x",
    "mpic.v1.check.us-east",
    "mpic.v1.check.eu-central",
    "mpic.v1.reply.us-east.c0.x",
    "mpic.v1.reply.us-east.c1.x",
    "mpic.v1.reply.eu-central.c0.x",
    "mpic.v1.audit.decision.ca1",
    "mpic.v1.audit.late.ca1",
    "mpic.v1.audit.directory",
    "mpic.v1.audit.note",
    "mpic.v1.status.audit",
    "mpic.v1.echo.agent.us-east.x",
    "mpic.v1.echo.agent.eu-central.x",
    "mpic.v1.echo.coordinator.c0.x",
    "mpic.v1.echo.coordinator.c1.x",
    "mpic.v1.echo.audit.x",
    "_INBOX_coordinator.c0.ack.x",
    "_INBOX_coordinator.c1.ack.x",
    "_INBOX_audit.x",
    "_INBOX_operator.x",
    "_INBOX_admin.x",
    "_INBOX_srv.ops.x",
    "_INBOX_srv.c0.x",
    "_INBOX.x",
    "$SRV.PING",
    "$SRV.PING.mpic-agent",
    "$SRV.INFO.mpic-agent",
    "$SRV.STATS.mpic-agent",
    "$SRV.INFO.mpic-audit",
    "$JS.API.INFO",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.MPIC_AUDIT",
    "$JS.API.STREAM.INFO.KV_MPIC_AUDIT_HEAD",
    "$JS.API.STREAM.MSG.GET.MPIC_AUDIT",
    "$JS.API.STREAM.MSG.DELETE.MPIC_AUDIT",
    "$JS.API.STREAM.CREATE.X",
    "$JS.API.STREAM.UPDATE.MPIC_AUDIT",
    "$JS.API.STREAM.PURGE.MPIC_AUDIT",
    "$JS.API.STREAM.DELETE.MPIC_AUDIT",
    "$JS.API.STREAM.DELETE.KV_MPIC_AUDIT_HEAD",
    "$JS.API.CONSUMER.CREATE.MPIC_AUDIT",
    "$JS.API.CONSUMER.DURABLE.CREATE.MPIC_AUDIT.x",
    "$JS.API.CONSUMER.DELETE.MPIC_AUDIT.audit",
    "$JS.API.CONSUMER.INFO.MPIC_AUDIT.audit",
    "$JS.API.CONSUMER.MSG.NEXT.MPIC_AUDIT.audit",
    "$JS.API.CONSUMER.MSG.NEXT.MPIC_AUDIT.x",
    "$JS.API.DIRECT.GET.KV_MPIC_AUDIT_HEAD.$KV.MPIC_AUDIT_HEAD.x",
    "$JS.ACK.MPIC_AUDIT.audit.1.1.1.1.0",
    "$JS.ACK.MPIC_AUDIT.x.1.1.1.1.0",
    "$KV.MPIC_AUDIT_HEAD.x",
    "$SYS.REQ.SERVER.PING",
    "elsewhere",
];

/// What is subscribed to, some of it in a group.
const SUBSCRIBED: &[&str] = &[
    ">",
    "mpic.>",
    "mpic.v1.job.*",
    "mpic.v1.job.* coordinator",
    "mpic.v1.job.* x",
    "mpic.v1.job.ca1",
    "mpic.v1.check.us-east",
    "mpic.v1.check.us-east us-east",
    "mpic.v1.check.us-east x",
    "mpic.v1.check.eu-central eu-central",
    "mpic.v1.check.*",
    "mpic.v1.check.* us-east",
    "mpic.v1.reply.us-east.c0.*",
    "mpic.v1.reply.us-east.c1.*",
    "mpic.v1.reply.us-east.*.*",
    "mpic.v1.reply.>",
    "mpic.v1.answer.ca1.>",
    "mpic.v1.answer.ca2.>",
    "mpic.v1.answer.auditor-one.>",
    "mpic.v1.answer.>",
    "mpic.v1.audit.>",
    "mpic.v1.audit.decision.ca1",
    "mpic.v1.proof.*",
    "mpic.v1.proof.* audit",
    "mpic.v1.status.audit",
    "mpic.v1.echo.agent.us-east.x",
    "mpic.v1.echo.agent.eu-central.x",
    "mpic.v1.echo.coordinator.c0.x",
    "mpic.v1.echo.audit.x",
    "_INBOX_coordinator.c0.>",
    "_INBOX_coordinator.c1.>",
    "_INBOX_audit.>",
    "_INBOX_operator.>",
    "_INBOX_admin.>",
    "_INBOX_srv.ops.>",
    "_INBOX_srv.c0.*",
    "_INBOX_srv.>",
    "_INBOX.>",
    "$SRV.PING",
    "$SRV.STATS.mpic-agent",
    "$SRV.STATS.mpic-agent.x",
    "$SRV.STATS.mpic-coordinator",
    "$SRV.STATS.mpic-audit",
    "$SRV.>",
    "$JS.API.>",
    "$JS.ACK.>",
    "$JS.EVENT.>",
    "$KV.MPIC_AUDIT_HEAD.>",
    "$SYS.>",
];

/// What a party may publish to and subscribe to, of all that is tried.
struct Row {
    party: &'static str,
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

const MATRIX: &[Row] = &[
    Row {
        party: "ca-ca1",
        publish: &["mpic.v1.job.ca1", "mpic.v1.proof.ca1"],
        subscribe: &["mpic.v1.answer.ca1.>"],
    },
    Row {
        party: "auditor-one",
        publish: &["mpic.v1.proof.auditor-one"],
        subscribe: &["mpic.v1.answer.auditor-one.>"],
    },
    Row {
        party: "agent-us-east",
        publish: &[
            "mpic.v1.reply.us-east.c0.x",
            "mpic.v1.reply.us-east.c1.x",
            "mpic.v1.echo.agent.us-east.x",
            "_INBOX_srv.ops.x",
            "_INBOX_srv.c0.x",
        ],
        subscribe: &[
            "mpic.v1.check.us-east us-east",
            "mpic.v1.echo.agent.us-east.x",
            "$SRV.PING",
            "$SRV.STATS.mpic-agent",
            "$SRV.STATS.mpic-agent.x",
        ],
    },
    Row {
        party: "c0",
        publish: &[
            "mpic.v1.check.us-east",
            "mpic.v1.check.eu-central",
            "mpic.v1.answer.ca1.x",
            "mpic.v1.answer.auditor-one.x",
            "mpic.v1.audit.decision.ca1",
            "mpic.v1.audit.late.ca1",
            "mpic.v1.audit.directory",
            "mpic.v1.echo.coordinator.c0.x",
            "_INBOX_srv.ops.x",
            "_INBOX_srv.c0.x",
            "$SRV.PING.mpic-agent",
            "$SRV.INFO.mpic-agent",
            "$JS.API.STREAM.INFO.MPIC_AUDIT",
            "$JS.API.STREAM.MSG.GET.MPIC_AUDIT",
        ],
        subscribe: &[
            "mpic.v1.job.* coordinator",
            "mpic.v1.reply.us-east.c0.*",
            "mpic.v1.echo.coordinator.c0.x",
            "_INBOX_coordinator.c0.>",
            "_INBOX_srv.c0.*",
            "$SRV.PING",
            "$SRV.STATS.mpic-coordinator",
        ],
    },
    Row {
        party: "audit",
        publish: &[
            "mpic.v1.answer.ca1.x",
            "mpic.v1.answer.auditor-one.x",
            "mpic.v1.status.audit",
            "mpic.v1.echo.audit.x",
            "_INBOX_srv.ops.x",
            "_INBOX_srv.c0.x",
            "$JS.API.STREAM.INFO.MPIC_AUDIT",
            "$JS.API.STREAM.INFO.KV_MPIC_AUDIT_HEAD",
            "$JS.API.STREAM.MSG.GET.MPIC_AUDIT",
            "$JS.API.CONSUMER.INFO.MPIC_AUDIT.audit",
            "$JS.API.CONSUMER.MSG.NEXT.MPIC_AUDIT.audit",
            "$JS.API.DIRECT.GET.KV_MPIC_AUDIT_HEAD.$KV.MPIC_AUDIT_HEAD.x",
            "$JS.ACK.MPIC_AUDIT.audit.1.1.1.1.0",
            "$KV.MPIC_AUDIT_HEAD.x",
        ],
        subscribe: &[
            "mpic.v1.proof.* audit",
            "mpic.v1.echo.audit.x",
            "_INBOX_audit.>",
            "$SRV.PING",
            "$SRV.STATS.mpic-audit",
        ],
    },
    Row {
        party: "operator-alice",
        publish: &["mpic.v1.audit.directory", "mpic.v1.audit.note"],
        subscribe: &["_INBOX_operator.>"],
    },
    Row {
        party: "ops",
        publish: &[
            "$SRV.PING",
            "$SRV.PING.mpic-agent",
            "$SRV.INFO.mpic-agent",
            "$SRV.STATS.mpic-agent",
            "$SRV.INFO.mpic-audit",
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.INFO.MPIC_AUDIT",
            "$JS.API.STREAM.INFO.KV_MPIC_AUDIT_HEAD",
            "$JS.API.CONSUMER.INFO.MPIC_AUDIT.audit",
        ],
        subscribe: &["mpic.v1.status.audit", "_INBOX_srv.ops.>"],
    },
    Row {
        party: "provisioning",
        publish: &[
            "$JS.API.INFO",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.INFO.MPIC_AUDIT",
            "$JS.API.STREAM.INFO.KV_MPIC_AUDIT_HEAD",
            "$JS.API.STREAM.MSG.GET.MPIC_AUDIT",
            "$JS.API.STREAM.MSG.DELETE.MPIC_AUDIT",
            "$JS.API.STREAM.CREATE.X",
            "$JS.API.STREAM.UPDATE.MPIC_AUDIT",
            "$JS.API.STREAM.PURGE.MPIC_AUDIT",
            "$JS.API.STREAM.DELETE.MPIC_AUDIT",
            "$JS.API.STREAM.DELETE.KV_MPIC_AUDIT_HEAD",
            "$JS.API.CONSUMER.CREATE.MPIC_AUDIT",
            "$JS.API.CONSUMER.DURABLE.CREATE.MPIC_AUDIT.x",
            "$JS.API.CONSUMER.DELETE.MPIC_AUDIT.audit",
            "$JS.API.CONSUMER.INFO.MPIC_AUDIT.audit",
            "$JS.API.CONSUMER.MSG.NEXT.MPIC_AUDIT.audit",
            "$JS.API.CONSUMER.MSG.NEXT.MPIC_AUDIT.x",
            "$JS.API.DIRECT.GET.KV_MPIC_AUDIT_HEAD.$KV.MPIC_AUDIT_HEAD.x",
        ],
        subscribe: &["_INBOX_admin.>"],
    },
];

#[tokio::test]
async fn each_right_of_each_party_works_and_everything_else_is_denied() {
    let fleet = Described::start(FLEET).await;
    for Row { party, publish, subscribe } in MATRIX {
        let shown = Shown::by(fleet.layout(), party);
        let mut client = RawClient::connect(fleet.layout(), fleet.address(), shown).await.unwrap();
        let mut allowed = BTreeSet::new();
        for subject in PUBLISHED {
            let said = client.publish(subject).await;
            if is_denied(said.as_deref(), "Publish", subject) {
                continue;
            }
            allowed.insert(*subject);
        }
        let expected: BTreeSet<_> = publish.iter().copied().collect();
        assert_eq!(allowed, expected, "{party} publishes");
        let mut allowed = BTreeSet::new();
        for subject in SUBSCRIBED {
            let said = client.subscribe(subject).await;
            if !is_denied(said.as_deref(), "Subscription", subject) {
                allowed.insert(*subject);
            }
        }
        let expected: BTreeSet<_> = subscribe.iter().copied().collect();
        assert_eq!(allowed, expected, "{party} subscribes");
    }
}

/// Whether the server said, of this very subject, that it is denied. Anything else that it says is
/// an error of the test.
fn is_denied(said: Option<&str>, what: &str, subject_and_group: &str) -> bool {
    let Some(said) = said else { return false };
    let subject = subject_and_group.split(' ').next().unwrap();
    let expected = format!("'Permissions Violation for {what} to \"{subject}\"");
    assert!(said.starts_with(&expected), "{subject_and_group}: {said}");
    true
}
