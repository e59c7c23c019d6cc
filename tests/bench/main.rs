//! How many corroborations a second, at what cost, on this machine, everything signed and
//! recorded; and what the parts of that cost.
//!
//! Numbers are for reading beside one another, taken in one run; nothing is asserted. Build the
//! processes first, in the same profile:
//!
//! ```text
//! cargo build --release --workspace --bins && cargo bench -p mpic-tests --bench bench
//! ```
//!
//! `cargo bench -p mpic-tests --bench bench -- system` runs one part: `pure`, `system`, `control`,
//! `flying`, `rollout`, `committed`, `agent` or `gateway`; several names run several.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken benchmark should panic")]

mod agent;
mod committed;
mod control;
mod cpu;
mod flying;
mod gateway;
mod load;
mod process;
mod pure;
mod raw;
mod rollout;
mod system;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let Some(part) = raw::Part::of(&arguments) {
        let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return one.block_on(part.run());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The harness adds `--bench`.
    let named: Vec<_> = arguments.iter().filter(|name| !name.starts_with("--")).collect();
    let is_wanted = |name: &str| named.is_empty() || named.iter().any(|wanted| *wanted == name);
    runtime.block_on(async {
        if is_wanted("pure") {
            pure::run();
        }
        if is_wanted("system") {
            system::run().await;
        }
        if is_wanted("control") {
            control::run().await;
        }
        if is_wanted("flying") {
            flying::run().await;
        }
        if is_wanted("rollout") {
            rollout::run().await;
        }
        if is_wanted("committed") {
            committed::run().await;
        }
        if is_wanted("agent") {
            agent::run().await;
        }
        if is_wanted("gateway") {
            gateway::run().await;
        }
    });
}
