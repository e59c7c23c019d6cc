//! The full check of a log whose writer is at work.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::finding::Severity;
use crate::note::LogPublicKey;
use crate::replay::Shard;
use crate::shards::verify_shards;
use crate::verify::Options;
use crate::work::Work;

/// Verifies the whole log once, on a thread of its own that ends with the process. What it finds
/// wakes somebody; it does not stop the writer. Gives the number of errors found so far.
pub fn verify_once(directory: PathBuf, key: LogPublicKey) -> Arc<AtomicU64> {
    let damage = Arc::new(AtomicU64::new(0));
    let found = Arc::clone(&damage);
    let shard = Shard { directory, key, kept: Options::default() };
    let thread = std::thread::Builder::new().name("verify".to_owned());
    let spawned = thread.spawn(move || match verify_shards(&[shard], Work::alone()) {
        Ok(report) => {
            for finding in report.findings.iter().filter(|f| f.severity == Severity::Error) {
                tracing::error!(%finding, "the log is damaged");
            }
            found.store(report.errors, Ordering::Relaxed);
            tracing::info!(errors = report.errors, "the whole log was verified");
        }
        Err(error) => {
            found.store(1, Ordering::Relaxed);
            tracing::error!(%error, "cannot verify the log");
        }
    });
    if let Err(error) = spawned {
        damage.store(1, Ordering::Relaxed);
        tracing::error!(%error, "cannot verify the log");
    }
    damage
}
