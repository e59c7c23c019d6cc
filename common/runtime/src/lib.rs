//! The I/O shell that the MPIC processes share.

pub mod bus;
pub mod ca_client;
pub mod clock;
pub mod config;
pub mod directory;
pub mod discovery;
pub mod health_server;
pub mod keys;
pub mod metrics;
pub mod nats;
pub mod process;
pub mod queue;
pub mod readiness;
pub mod stream;
pub mod supervisor;
pub mod telemetry;
pub mod trace;

/// Name, version and source revision, as records and replies state it.
pub const SOFTWARE: &str = concat!("mpic/", env!("CARGO_PKG_VERSION"));
