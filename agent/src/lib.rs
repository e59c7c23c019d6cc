//! One Network Perspective: checks the Internet as it looks from here and signs what it saw.

pub mod deadline;
pub mod egress;
pub mod resolver;

#[cfg(test)]
mod testing;
