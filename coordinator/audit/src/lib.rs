//! The audit consumer, sole writer of the append-only log, and the checks that auditors run on it.
//!
//! A record of the stream becomes an entry of a `tlog-tiles` directory, fsynced under a signed
//! checkpoint before the stream is acked. Nothing here can call the coordinator.

pub mod appender;
pub mod archive;
pub mod background;
pub mod bundle;
pub mod config;
pub mod conflict;
pub mod consumer;
pub mod export;
pub mod fence;
pub mod finding;
pub mod genesis;
pub mod log;
pub mod metrics;
pub mod note;
mod prefix;
pub mod proof;
pub mod prover;
pub mod pull;
pub mod reader;
pub mod replay;
pub mod report;
pub mod search;
pub mod shards;
pub mod show;
pub mod source;
pub mod startup;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tree;
pub mod verify;
pub mod work;
