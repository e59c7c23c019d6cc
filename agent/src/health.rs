//! Whether the DNS engine validates: asked at start and every five minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpic_common::reason::Reason;
use tokio_util::sync::CancellationToken;

use crate::resolver::DnsEngine;

/// What the last self-test said.
#[derive(Debug, Default)]
pub struct EngineHealth(AtomicBool);

/// Between self-tests of a good engine.
const EVERY: Duration = Duration::from_secs(300);
/// Between self-tests of another.
const EVERY_WHILE_UNAVAILABLE: Duration = Duration::from_secs(10);

impl EngineHealth {
    /// Whether jobs may be performed.
    pub fn is_available(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Tests the engine once. Silence leaves it available: it is no sign that the engine does not
    /// validate, and each job meets it itself.
    pub async fn test(&self, engine: &impl DnsEngine) {
        let result = engine.self_test().await;
        match result {
            Ok(()) => {}
            Err(Reason::DnsTimeout) => tracing::warn!("the DNS engine is silent"),
            Err(reason) => tracing::error!(%reason, "the DNS engine fails its self-test"),
        }
        self.0.store(matches!(result, Ok(()) | Err(Reason::DnsTimeout)), Ordering::Relaxed);
    }

    /// Tests `engine` again and again until `stop`.
    pub async fn run(
        self: Arc<Self>,
        engine: impl DnsEngine,
        stop: CancellationToken,
    ) -> Result<(), std::convert::Infallible> {
        loop {
            let pause = if self.is_available() { EVERY } else { EVERY_WHILE_UNAVAILABLE };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Ok(());
            }
            self.test(&engine).await;
        }
    }
}
