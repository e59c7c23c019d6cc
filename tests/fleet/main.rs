//! Whole fleets as `mpic init` writes them: on hosts of their own, with servers in a cluster, with
//! parts of them replaced or cut off while jobs are decided.
#![cfg(test)]

mod documented;
mod hosts;
