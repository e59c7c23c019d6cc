//! `acme-http-01`: a file below `/.well-known/acme-challenge/` (RFC 8555 8.3, RFC 8738,
//! BR 3.2.2.4.19, BR 3.2.2.5.6).

use mpic_common::challenge::{KeyAuthorization, RequestHeaders, Scheme, Token};
use mpic_common::evaluator::body;
use mpic_common::evidence::BodyMatch;
use mpic_common::identifier::Identifier;
use mpic_common::octets::Octets;
use mpic_common::reason::Reason;

use super::host::url;
use super::{Bench, Evidence, Failure};
use crate::http::Fetch;
use crate::resolver::Inquiry;

/// What the job says.
pub(super) struct Inputs<'a> {
    pub(super) token: &'a Token,
    pub(super) key_authorization: &'a KeyAuthorization,
    pub(super) headers: &'a RequestHeaders,
}

/// Passes if the file of the token says the key authorization.
pub(super) async fn perform<I: Inquiry>(
    identifier: &Identifier,
    inputs: &Inputs<'_>,
    bench: &Bench<'_, I>,
    evidence: &mut Evidence,
) -> Result<(), Failure> {
    let expected = inputs.key_authorization.as_str();
    let octets_max = body::http_01_octets_max(expected);
    // A token is safe as a path segment.
    let path = format!("/.well-known/acme-challenge/{}", inputs.token.as_str());
    let fetch = Fetch {
        url: url(Scheme::Http, identifier, &path)?,
        headers: inputs.headers,
        body_octets_max: octets_max.saturating_add(1),
        secret: None,
        only_at: None,
    };
    let body = bench.rules.http.fetch(fetch, bench, evidence).await?;
    if body.len() > octets_max {
        let detail = format!("more than {octets_max} octets");
        return Err(Failure::new(Reason::HttpBodyTooLarge, detail));
    }
    if !body::is_http_01(&body, expected) {
        let detail = format!("the body begins \"{}\"", Failure::quote(&body));
        return Err(Failure::new(Reason::HttpBodyMismatch, detail));
    }
    if let Some(hop) = evidence.http.last_mut() {
        hop.body_match = Some(BodyMatch { offset: 0, octets: Octets(body) });
    }
    Ok(())
}
