//! The last minute of a process that ends for what contradicts the log: who looks at its figures
//! sees why, also where nobody reads its log.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use mpic_audit::conflict::Conflict;
use mpic_audit::metrics::conflicts;
use mpic_runtime::health_server::{self, Health};
use mpic_runtime::supervisor::Supervisor;
use tokio::time::sleep;

/// Tells of the conflict for a minute, or until a signal comes. The log is closed already: nothing
/// is written, and another writer may have the lock.
pub(crate) async fn tell(conflict: Conflict, error: &dyn Error, listen: Option<SocketAddr>) {
    let Some(listen) = listen else { return };
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    tracing::error!(kind = conflict.as_str(), why, "the log is contradicted: ends in a minute");
    let Ok(mut supervisor) = Supervisor::new() else { return };
    let stop = supervisor.stop();
    let health = move || Health {
        unready: Some("what the log holds is contradicted"),
        metrics: conflicts(Some(conflict)).collect(),
    };
    supervisor.spawn("http", health_server::run(Some(listen), health, stop.clone()));
    supervisor.spawn("end", async move {
        stop.run_until_cancelled(sleep(TOLD)).await;
        Ok::<_, Infallible>(())
    });
    // How this ends does not matter: the process ends either way.
    let _ = supervisor.run(DRAIN_MAX).await;
}

/// Monitoring systems look every minute or more often.
const TOLD: Duration = Duration::from_secs(60);

const DRAIN_MAX: Duration = Duration::from_secs(1);
