//! The Open MPIC API as its clients see it: a client generated from the published file, the models
//! of the reference library, and a generator of hostile requests. What is asked and expected is in
//! the Python beside this; here the systems are started that they ask.
#![cfg(test)]

mod answers;
mod documented;

use std::path::Path;
use std::time::Duration;

use mpic_tests::python;

/// Where the Python lies.
const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway");

#[tokio::test]
async fn the_parsers_of_clients_take_the_specified_examples_and_nothing_that_is_damaged() {
    python::passes(Path::new(DIR), &["test_examples.py"], &[], Duration::from_secs(60)).await;
}
