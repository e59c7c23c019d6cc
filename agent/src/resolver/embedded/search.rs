//! Finds the reply of the servers that have a name: the recursor leads there.

use std::sync::Arc;

use domain::base::iana::Rtype;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::proto::serialize::binary::BinDecodable;
use hickory_resolver::recursor::{
    DnssecPolicy, QNameMinimization, Recursor, RecursorError, RecursorOptions,
};
use mpic_common::evidence::DnsOutcome;
use tokio::time::Instant;

use super::super::message::{UDP_OCTETS, WireName};
use super::journal::{Heard, Journal};
use super::upstream::Upstreams;

/// Searches of one attempt. What the recursor says about the DNSSEC state of anything is not even
/// asked for.
pub(super) struct Search {
    recursor: Recursor<Upstreams>,
    journal: Arc<Journal>,
}

impl Search {
    pub(super) fn new(upstreams: Upstreams) -> Result<Self, RecursorError> {
        let journal = Arc::clone(&upstreams.journal);
        let roots = upstreams.settings.root_hints.addresses().to_vec();
        let options = RecursorOptions {
            ns_cache_size: CACHED_MAX,
            response_cache_size: CACHED_MAX as u64,
            recursion_limit: DEPTH_MAX,
            ns_recursion_limit: DEPTH_MAX,
            // Each server's address is judged before it is asked, by the check's own policy.
            deny_server: Vec::new(),
            edns_payload_len: u16::try_from(UDP_OCTETS).unwrap_or(u16::MAX),
            qname_minimization: QNameMinimization::Relaxed,
            ..RecursorOptions::default()
        };
        let policy = DnssecPolicy::ValidationDisabled;
        let recursor = Recursor::new(&roots, policy, None, options, upstreams)?;
        Ok(Self { recursor, journal })
    }

    /// An authority's reply to (`name`, `qtype`): data, an alias or a denial.
    pub(super) async fn ask(
        &self,
        name: &WireName,
        qtype: Rtype,
    ) -> Result<Arc<Heard>, DnsOutcome> {
        if let Some(heard) = self.journal.begin(name, qtype) {
            return Ok(heard);
        }
        let owner = Name::from_bytes(name.as_octets()).map_err(|_| DnsOutcome::Malformed)?;
        let query = Query::query(owner, RecordType::from(qtype.to_int()));
        // Only where it led counts; the reply itself is in the journal.
        let _ = self.recursor.resolve(query, Instant::now().into_std(), true).await;
        self.journal.end(name, qtype)
    }
}

/// More than one question can fill.
const CACHED_MAX: usize = 1_024;

/// Labels of a name, and of the names of the servers on the way to it.
const DEPTH_MAX: u8 = 160;
