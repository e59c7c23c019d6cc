//! One Network Perspective: checks the Internet as it looks from here and signs what it saw.

pub mod check;
pub mod deadline;
pub mod egress;
pub mod evidence_cut;
pub mod http;
pub mod names;
pub mod resolver;

#[cfg(test)]
mod testing;
