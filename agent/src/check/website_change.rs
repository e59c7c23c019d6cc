//! `website-change`: a file below `/.well-known/pki-validation/` that holds the challenge
//! (BR 3.2.2.4.18, BR 3.2.2.5.1).

use mpic_common::challenge::WebsiteChange;
use mpic_common::evaluator::body;
use mpic_common::evidence::BodyMatch;
use mpic_common::identifier::Identifier;
use mpic_common::octets::Octets;
use mpic_common::reason::Reason;
use tokio::task::spawn_blocking;

use super::host::url;
use super::{Bench, Evidence, Failure};
use crate::http::Fetch;
use crate::resolver::Inquiry;

/// Passes if the beginning of the file holds the challenge, and matches the pattern if there is
/// one. The file of an address is on that address.
pub(super) async fn perform<I: Inquiry>(
    identifier: &Identifier,
    change: &WebsiteChange,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let path = format!("/.well-known/pki-validation/{}", change.path.as_str());
    let fetch = Fetch {
        url: url(change.scheme, identifier, &path)?,
        headers: &change.headers,
        body_octets_max: body::CHANGE_OCTETS_MAX,
        secret: Some(&change.challenge),
        only_at: match identifier {
            Identifier::Ip(address) => Some(*address),
            Identifier::Dns { .. } | Identifier::Email { .. } => None,
        },
    };
    let body = bench.rules.http.fetch(fetch, bench, evidence).await?;
    let (body, found) = find(body, change).await?;
    let Some(offset) = found else {
        let detail = format!("the body begins \"{}\"", Failure::quote(&body));
        return Err(Failure::new(Reason::HttpBodyMismatch, detail));
    };
    if let Some(hop) = evidence.http.last_mut() {
        hop.body_match = Some(around(offset, &body));
    }
    Ok(())
}

/// Where in the body the challenge is; the body comes back.
///
/// A pattern may take long on a large body, so it is matched where it blocks no other check.
async fn find(body: Vec<u8>, change: &WebsiteChange) -> Result<(Vec<u8>, Option<usize>), Failure> {
    let change = change.clone();
    let search = move || {
        let found = body::find_change(&body, &change);
        (body, found)
    };
    let internal =
        |error: &dyn std::fmt::Display| Failure::new(Reason::Internal, error.to_string());
    let (body, found) = spawn_blocking(search).await.map_err(|error| internal(&error))?;
    Ok((body, found.map_err(|error| internal(&error))?))
}

/// What is kept of a body: as much before the match as behind its beginning.
fn around(offset: usize, body: &[u8]) -> BodyMatch {
    let start = offset.saturating_sub(MATCH_OCTETS / 2);
    let end = body.len().min(start.saturating_add(MATCH_OCTETS));
    BodyMatch {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        octets: Octets::from(body.get(start..end).unwrap_or_default()),
    }
}

/// Octets around a match that are kept.
const MATCH_OCTETS: usize = 1_024;
