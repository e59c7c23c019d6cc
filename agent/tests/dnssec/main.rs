//! The embedded engine against servers: honest ones, broken ones and liars; and against unbound.
#![cfg(test)]

mod aliases;
mod broken;
mod checks;
mod forged;
mod forger;
mod infrastructure;
mod knot;
mod octets;
mod process;
mod reference;
mod replayed;
mod signed;
mod unbound;
mod world;

/// Says why a test proves nothing here.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
