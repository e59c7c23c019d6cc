//! `acme-http-01`: a file below `/.well-known/acme-challenge/` (RFC 8555 8.3, RFC 8738,
//! BR 3.2.2.4.19, BR 3.2.2.5.6).

use std::net::IpAddr;

use mpic_common::challenge::{KeyAuthorization, RequestHeaders, Token};
use mpic_common::evaluator::body;
use mpic_common::evidence::BodyMatch;
use mpic_common::identifier::Identifier;
use mpic_common::octets::Octets;
use mpic_common::reason::Reason;
use url::Url;

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
    let fetch = Fetch {
        url: url(identifier, inputs.token)?,
        headers: inputs.headers,
        body_octets_max: body::http_01_octets_max(expected),
    };
    let body = bench.rules.http.fetch(fetch, bench, evidence).await?;
    if body.is_too_large {
        let detail = format!("more than {} octets", body::http_01_octets_max(expected));
        return Err(Failure::new(Reason::HttpBodyTooLarge, detail));
    }
    if !body::is_http_01(&body.octets, expected) {
        let detail = format!("the body begins \"{}\"", Failure::quote(&body.octets));
        return Err(Failure::new(Reason::HttpBodyMismatch, detail));
    }
    if let Some(hop) = evidence.http.last_mut() {
        hop.body_match = Some(BodyMatch { offset: 0, octets: Octets(body.octets) });
    }
    Ok(())
}

/// Port 80 of the name or literal; a token is safe as a path segment.
fn url(identifier: &Identifier, token: &Token) -> Result<Url, Failure> {
    let host = match identifier {
        Identifier::Ip(IpAddr::V6(address)) => format!("[{address}]"),
        Identifier::Ip(IpAddr::V4(address)) => address.to_string(),
        Identifier::Dns { name, .. } | Identifier::Email { domain: name } => name.to_string(),
    };
    let url = format!("http://{host}/.well-known/acme-challenge/{}", token.as_str());
    Url::parse(&url).map_err(|error| Failure::new(Reason::Internal, error.to_string()))
}
