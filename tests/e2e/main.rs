//! Whole systems of real processes, asked as a CA asks and attacked as outsiders attack.
#![cfg(test)]

mod assignments;
mod auditing;
mod bad_configs;
mod bad_jobs;
mod bad_replies;
mod checks;
mod command;
mod engines;
mod floods;
mod hostile_sites;
mod outsiders;
mod reload;
mod repeats;
mod silence;
mod tampering;
mod walk;
