//! One Network Perspective: checks the Internet as it looks from here and signs what it saw.

pub mod check;
pub mod config;
pub mod deadline;
pub mod directory;
pub mod egress;
pub mod evidence_cut;
#[cfg(feature = "testing")]
pub mod foreign;
pub mod health;
pub mod http;
pub mod names;
pub mod resolver;
pub mod responder;
pub mod tls_alpn;

#[cfg(test)]
mod testing;
