//! The coordinator: takes a CA's job, asks the perspectives, decides, records, answers.
//!
//! `intake` tells the whole story; what it calls is pure (`admission`, `attempt`) or
//! speaks to the bus (`corroboration` through `perspectives`, `recorder`).

pub mod admission;
pub mod attempt;
pub mod census;
pub mod config;
pub mod corroboration;
pub mod decision;
pub mod directory;
pub mod figures;
pub mod hearing;
pub mod intake;
pub mod known;
pub mod multiplexer;
pub mod perspectives;
pub mod recorder;
pub mod records;
pub mod refusals;
pub mod rejections;
#[cfg(test)]
mod testing;
