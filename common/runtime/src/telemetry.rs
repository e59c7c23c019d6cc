//! Logs, to standard error, as text or JSON; and traces, to a collector, where one is configured.

mod collector;
mod limit;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{ConfigError, LogConfig, LogFormat, TracesConfig};
use limit::Limit;
pub(crate) use limit::left_out;

/// What sends spans, where a collector is configured; there is one a process.
static TRACES: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Where spans are sent from: their exporter's thread has no runtime of its own.
static RUNTIME: OnceLock<Handle> = OnceLock::new();

/// How long a process that ends may take to send what it has.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);

/// Starts logging, and tracing where `traces` says so; called once. `service` is the process's
/// name in traces. Spans leave once `during` runs.
pub fn init(
    log: &LogConfig,
    traces: Option<&TracesConfig>,
    service: &'static str,
) -> Result<(), ConfigError> {
    let filter = filter(log)?;
    let spans = traces.map(|config| collector::provider(config, service)).transpose()?;
    let spans = spans.map(|provider| {
        let spans = provider.tracer("mpic");
        // A second call would find the subscriber set, and change nothing.
        let _ = TRACES.set(provider);
        tracing_opentelemetry::layer()
            .with_tracer(spans)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target().starts_with("mpic")
            }))
    });
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match log.format {
        LogFormat::Text => logs.with_ansi(false).with_filter(limited(filter)).boxed(),
        LogFormat::Json => logs.json().with_filter(limited(filter)).boxed(),
    };
    tracing_subscriber::registry().with(logs).with(spans).init();
    Ok(())
}

/// The filter, with a bound on what it lets pass in a second.
fn limited<S>(filter: EnvFilter) -> impl Filter<S> {
    FilterExt::<S>::and(filter, Limit::default())
}

/// Whether spans are sent anywhere.
pub(crate) fn is_tracing() -> bool {
    TRACES.get().is_some()
}

/// Runs what a process is for, and then sends what is left of its spans.
pub async fn during<T>(work: impl Future<Output = T>) -> T {
    // A second call would find the same runtime.
    let _ = RUNTIME.set(Handle::current());
    let done = work.await;
    shutdown().await;
    done
}

async fn shutdown() {
    let Some(provider) = TRACES.get() else { return };
    let ended = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(SHUTDOWN_WAIT)).await;
    if !matches!(ended, Ok(Ok(()))) {
        tracing::warn!("some spans did not reach the collector");
    }
}

/// The configured filter, behind what is silent unless the configuration names it.
fn filter(config: &LogConfig) -> Result<EnvFilter, ConfigError> {
    EnvFilter::try_new(&config.filter)
        .map_err(|error| ConfigError::key("log.filter", &config.filter, error))?;
    EnvFilter::try_new(format!("{SILENT},{}", config.filter))
        .map_err(|error| ConfigError::key("log.filter", &config.filter, error))
}

/// The DNS libraries log what servers say, and servers belong to applicants: any number of lines,
/// with anything in them. What matters of it is in the observation.
const SILENT: &str =
    "domain=off,hickory_net=off,hickory_proto=off,hickory_resolver=off,hickory_server=off";

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged under `text`.
    fn logged(text: &str) -> String {
        let config = LogConfig { filter: text.to_owned(), format: LogFormat::Text };
        let (lines, filter) = (Lines::default(), filter(&config).unwrap());
        let writer = lines.clone();
        let logs = tracing_subscriber::fmt().with_env_filter(filter);
        let logs = logs.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(logs, || {
            tracing::warn!(target: "hickory_resolver::recursor", "by a library");
            tracing::error!(target: "domain::net", "by a library");
            tracing::info!("by us");
        });
        let octets = lines.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn the_dns_libraries_are_silent_unless_the_configuration_names_them() {
        for filter in ["info", "debug", "mpic_runtime=info,warn"] {
            let logged = logged(filter);
            assert!(logged.contains("by us") && !logged.contains("by a library"), "{logged}");
        }
        assert_eq!(logged("info,hickory_resolver=warn").matches("by a library").count(), 1);
        assert_eq!(logged("info,hickory_resolver=warn,domain=error").matches("library").count(), 2);
    }

    #[test]
    fn a_flood_of_one_warning_is_ten_lines_a_second_and_hides_no_other() {
        let config = LogConfig { filter: "info".to_owned(), format: LogFormat::Text };
        let (lines, filter) = (Lines::default(), filter(&config).unwrap());
        let writer = lines.clone();
        let logs = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let logs = tracing_subscriber::registry().with(logs.with_filter(limited(filter)));
        let before = left_out();
        let began = tokio::time::Instant::now();
        tracing::subscriber::with_default(logs, || {
            for _ in 0..10_000 {
                tracing::warn!("flood");
                tracing::debug!("nobody asked for this");
            }
            (0..50).for_each(|_| tracing::info!("decided"));
            tracing::error!("another");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
        let floods = text.matches("flood").count();
        assert!((10..=10 * seconds).contains(&floods), "{floods} lines in {seconds} s");
        assert_eq!((text.matches("decided").count(), text.matches("another").count()), (50, 1));
        assert!(left_out() - before >= (10_000 - floods) as u64);
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let config = LogConfig { filter: "a=b=c".to_owned(), format: LogFormat::Text };
        let error = filter(&config).unwrap_err().to_string();
        assert!(error.starts_with("log.filter") && !error.contains("hickory"), "{error}");
    }
}
