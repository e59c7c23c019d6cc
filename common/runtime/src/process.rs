//! What `main` does around a process's wiring: arguments, configuration, telemetry, exit code.

use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::config::ConfigError;
use crate::nats::BusError;
use crate::telemetry;

/// `EX_CONFIG` of sysexits(3): the configuration must be mended before a restart helps.
pub const EXIT_CONFIG: u8 = 78;

/// `EX_NOPERM`: the bus denies a subscription that the process needs.
pub const EXIT_DENIED: u8 = 77;

/// Whatever ends a process.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The arguments of a process that has one configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// `--config FILE`.
    pub config: PathBuf,
    /// `--check-config`: read it, say whether it is good, and stop.
    pub check_only: bool,
}

impl Arguments {
    /// Reads `--config FILE [--check-config]`.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, ConfigError> {
        let (mut config, mut check_only) = (None, false);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--config" => config = arguments.next().map(PathBuf::from),
                "--check-config" => check_only = true,
                _ => {
                    let usage = "the arguments are --config FILE [--check-config]";
                    return Err(ConfigError::key("argument", argument, usage));
                }
            }
        }
        let missing = || ConfigError::key("argument", "--config", "it is required, with a file");
        Ok(Self { config: config.ok_or_else(missing)?, check_only })
    }
}

/// `error` and everything that led to it, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}

/// Prints `error` and everything that led to it on one line of standard error.
pub fn report(error: &dyn Error) {
    use std::io::Write;
    let line = chain(error);
    // Where standard error is gone there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Ends `main` with an error: 78 where the configuration is at fault, else `code`.
pub fn fail(error: &dyn Error, code: u8) -> ExitCode {
    report(error);
    ExitCode::from(code)
}

/// What `main` does: reads the arguments, prepares everything that can be wrong before anything
/// connects, and runs it. With `--check-config` it stops in between.
pub fn main<P, F>(
    prepare: impl FnOnce(&Arguments) -> Result<P, Failure>,
    threads: impl FnOnce(&P) -> NonZeroUsize,
    run: impl FnOnce(P) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    let prepared = Arguments::parse(std::env::args().skip(1))
        .map_err(Failure::from)
        .and_then(|arguments| prepare(&arguments).map(|prepared| (prepared, arguments)));
    let (prepared, arguments) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return fail(&*error, EXIT_CONFIG),
    };
    if arguments.check_only {
        return ExitCode::SUCCESS;
    }
    let runtime = match runtime(threads(&prepared)) {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, 1),
    };
    match runtime.block_on(telemetry::during(run(prepared))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_denied(&*error) => fail(&*error, EXIT_DENIED),
        Err(error) => fail(&*error, 1),
    }
}

/// A runtime with this many threads. One thread runs everything itself, which saves the waking of
/// others.
pub fn runtime(threads: NonZeroUsize) -> io::Result<Runtime> {
    let mut builder = match threads.get() {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.get()).enable_all().build()
}

/// Whether the bus turned the process away.
pub fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let is_this = error.downcast_ref().is_some_and(BusError::is_denial);
    is_this || error.source().is_some_and(is_denied)
}
