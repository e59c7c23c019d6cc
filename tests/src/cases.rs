//! Several sentences proven on one system, since a system takes a second to start.

use std::panic::AssertUnwindSafe;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};

/// A sentence and its proof.
pub type Case<'a> = (&'static str, BoxFuture<'a, ()>);

/// Cases at once: each waits more than it works.
const AT_ONCE: usize = 8;

/// Runs the cases, several at once, and names together those that do not hold.
pub async fn all_hold(cases: Vec<Case<'_>>) {
    let proofs = cases.into_iter().map(|(sentence, proof)| async move {
        AssertUnwindSafe(proof).catch_unwind().await.err().map(|_| sentence)
    });
    name_failures(stream::iter(proofs).buffer_unordered(AT_ONCE).collect().await);
}

/// Runs one case after the other: those that stop or delay what the others need.
pub async fn each_holds(cases: Vec<Case<'_>>) {
    let mut failures = Vec::new();
    for (sentence, proof) in cases {
        failures.push(AssertUnwindSafe(proof).catch_unwind().await.err().map(|_| sentence));
    }
    name_failures(failures);
}

fn name_failures(failures: Vec<Option<&str>>) {
    let failed: Vec<_> = failures.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} do not hold: {}", failed.len(), failed.join(", "));
}

/// The cases that these functions prove, each called with the arguments.
#[macro_export]
macro_rules! cases {
    ($arguments:tt => $($case:ident),+ $(,)?) => {
        vec![$((stringify!($case), $crate::cases!(@call $case $arguments))),+]
    };
    (@call $case:ident ($($argument:expr),*)) => {
        Box::pin($case($($argument),*)) as futures_util::future::BoxFuture<'_, ()>
    };
}
