//! The command line of MPIC for people: starts a system on one machine, asks it as a CA does,
//! explains its decisions, shows how it is, and audits its log.

pub mod client;
pub mod command;
pub mod fleet;
pub mod operator;
pub mod resolver;
pub mod system;
pub mod table;
