//! A small Internet on loopback: authoritative DNS, one recursive resolver a perspective, and web
//! servers. What each of them answers can differ per perspective, as it does under a route hijack.
//!
//! The binary `mpic-internet` serves what a [`Config`] describes and prints [`Ready`] once all is
//! bound. Names are `pub` as far as a test or `mpic up` needs them to write the one and read the
//! other.

pub mod config;
mod content;
mod faults;
mod internet;
mod listen;
mod name_server;
mod rdata;
mod ready;
mod site;
mod tls;
mod views;
mod web;
mod wire;
mod zones;

pub use config::{Config, ConfigError};
pub use internet::{Internet, StartError};
pub use ready::Ready;
pub use tls::TlsError;
