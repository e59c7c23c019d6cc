//! Why a request gave no response, from the errors of four libraries and how far it had come.

use std::error::Error;
use std::io;

use mpic_common::reason::Reason;

use super::progress::Phase;
use crate::check::Failure;
use crate::egress::connect_reason;

/// The failure of a request that ended in `phase` with `error`.
pub(super) fn of(error: &reqwest::Error, phase: Phase) -> Failure {
    if error.is_builder() {
        return Failure::new(Reason::RedirectLocation, "the URL cannot be requested");
    }
    let reason = match phase {
        Phase::Connecting => connecting(error),
        Phase::Handshaking => Reason::HttpTls,
        Phase::Waiting => waiting(error),
    };
    Failure::new(reason, Failure::quote(innermost(error).to_string()))
}

/// The failure of a request that was given up in `phase`.
pub(super) fn timeout(phase: Phase) -> Failure {
    match phase {
        Phase::Connecting => Failure::new(Reason::ConnectTimeout, "no connection in time"),
        Phase::Handshaking => Failure::new(Reason::TlsTimeout, "no TLS handshake in time"),
        Phase::Waiting => Failure::new(Reason::HttpHeadTimeout, "no response head in time"),
    }
}

fn connecting(error: &reqwest::Error) -> Reason {
    find::<io::Error>(error).map_or(Reason::ConnectUnreachable, connect_reason)
}

fn waiting(error: &reqwest::Error) -> Reason {
    if find::<rustls::Error>(error).is_some() {
        return Reason::HttpTls;
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_parse() => Reason::HttpMalformed,
        Some(_) => Reason::ConnectReset,
        None => Reason::Internal,
    }
}

/// The first error of type `T` in the chain, also inside an `io::Error`, which does not name what
/// it wraps as its source.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    if let Some(found) = error.downcast_ref::<T>() {
        return Some(found);
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    if let Some(found) = wrapped.and_then(|wrapped| find::<T>(wrapped)) {
        return Some(found);
    }
    error.source().and_then(find::<T>)
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error.source().map_or(error, innermost)
}
