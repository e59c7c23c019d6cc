//! `mpic-internet`: serves the small Internet that a file describes.

use std::{
    error::Error,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use mpic_internet::{Config, Internet, StartError};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a configuration that cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// A small Internet on loopback whose answers can differ per perspective.
///
/// Prints one line of JSON with its addresses once everything is bound. SIGHUP reads zones,
/// records, faults and pages again.
#[derive(Parser)]
struct Arguments {
    /// The TOML file that describes it.
    #[arg(long)]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { config } = Arguments::parse();
    match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error.as_ref());
            let is_config = error.is::<mpic_internet::ConfigError>()
                || matches!(error.downcast_ref(), Some(StartError::Config(_)));
            if is_config { EXIT_CONFIG.into() } else { ExitCode::FAILURE }
        }
    }
}

async fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut internet = Internet::start(&Config::load(path)?).await?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    writeln!(io::stdout(), "{}", serde_json::to_string(internet.ready())?)?;
    loop {
        tokio::select! {
            error = internet.failed() => return Err(error.into()),
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => {}
        }
        if let Err(error) = Config::load(path).and_then(|config| internet.reload(&config)) {
            report(&error);
        }
    }
}

/// Prints an error and its causes on one line.
fn report(error: &dyn Error) {
    let mut line = format!("mpic-internet: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    // Without stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
