//! Whole systems of real processes, asked as a CA asks and attacked as outsiders attack.
#![cfg(test)]

mod walk;
