//! Processes are killed, frozen and starved under load; what was answered stays recorded.
#![cfg(test)]

mod commit;
mod kills;
mod receipts;
mod stops;
mod stream;
