//! Whole fleets as `mpic init` writes them: on hosts of their own, with servers in a cluster, with
//! parts of them replaced, cut off, killed or drained while jobs are decided.
#![cfg(test)]

mod bounds;
mod cluster;
mod crash;
mod crowd;
mod documented;
mod drain;
mod hosts;
mod leaves;
mod regions;
