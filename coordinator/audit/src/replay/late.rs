//! Late replies, once the decision that they come too late for is known.

use std::sync::Arc;

use bytes::Bytes;
use mpic_common::directory::Directory;
use mpic_common::limits::RECORD_OCTETS_MAX;
use mpic_common::record::LateRecord;
use mpic_common::signature::Verifier;
use mpic_common::wire::Envelope;

use super::decision::Checked;
use super::documents::{Documents, Grounds};
use super::notes::{self, Named};
use super::problem::Problems;

/// A record of late replies beside its decision.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) octets: Bytes,
    pub(super) record: Box<LateRecord>,
    pub(super) decided: Arc<Checked>,
    /// The document that the decision names.
    pub(super) directory: Arc<Directory>,
    /// Those that were logged before the late replies.
    pub(super) documents: Arc<Documents>,
}

impl Late {
    /// R3, R8 and R9: its signature, its replies, and how they fit the decision.
    pub(super) fn check(&self, verifier: &dyn Verifier) -> Problems {
        let Self { octets, record, decided, directory, documents } = self;
        let mut problems = Problems::default();
        let Some(asked) = &decided.asked else {
            problems.error("R9", "what its decision asked cannot be read");
            return problems;
        };
        let named = Named { record: &decided.record, asked, directory };
        if let Ok(envelope) = Envelope::parse(octets, RECORD_OCTETS_MAX) {
            let grounds = Grounds { documents, verifier };
            notes::check_late(&envelope, record, &named, grounds, &mut problems);
        }
        problems
    }
}
