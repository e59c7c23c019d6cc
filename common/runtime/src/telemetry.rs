//! Logs: to standard error, as text or JSON.

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Starts logging; called once, first thing in `main`.
pub fn init(config: &LogConfig) -> Result<(), ConfigError> {
    let filter = filter(config)?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => logs.with_ansi(false).init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
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
    fn a_filter_that_is_none_is_named() {
        let config = LogConfig { filter: "a=b=c".to_owned(), format: LogFormat::Text };
        let error = filter(&config).unwrap_err().to_string();
        assert!(error.starts_with("log.filter") && !error.contains("hickory"), "{error}");
    }
}
