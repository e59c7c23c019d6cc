//! The harness of the end-to-end and fault tests: a whole system of real processes on loopback,
//! the CA that asks it, and the hostile perspectives and coordinators that a test plays itself.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken harness should panic"
)]

pub mod cases;
pub mod certification_authority;
pub mod cluster;
pub mod collector;
pub mod command_line;
pub mod described;
pub mod foreign;
pub mod generated;
pub mod http_client;
pub mod internet;
pub mod link;
pub mod load;
pub mod log;
pub mod messagepack;
pub mod nats_server;
pub mod network;
pub mod played;
pub mod process;
pub mod python;
pub mod raw_client;
pub mod scrape;
pub mod signed_world;
