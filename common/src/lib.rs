//! The pure domain of MPIC: values in, values out.
//!
//! Nothing here knows tokio, NATS, a clock or randomness; dates, seeds and ids are arguments.
//! `MPIC` is Multi-Perspective Issuance Corroboration, TLS Baseline Requirements ("BR") 3.2.2.9.
#![warn(missing_docs)]

pub mod assignment;
pub mod challenge;
pub mod code;
pub mod cohort;
pub mod directory;
pub mod evaluator;
pub mod evidence;
pub mod identifier;
mod ip_text;
pub mod job;
pub mod limits;
pub mod method;
pub mod observation;
pub mod octets;
pub mod perspective;
pub mod policy;
pub mod proof;
pub mod reason;
pub mod record;
pub mod reply;
pub mod selection;
pub mod signature;
pub mod subject;
pub mod time;
pub mod wire;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
