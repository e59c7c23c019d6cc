//! Why `mpic-audit` ends, as the code that tells the service manager what to do.

use mpic_audit::appender::AppendError;
use mpic_audit::conflict::Conflict;
use mpic_audit::startup::StartError;
use mpic_runtime::process::{EXIT_DENIED, is_denied};
use mpic_runtime::supervisor::Ended;
use thiserror::Error;

/// Why the process ends, other than by a signal.
#[derive(Debug, Error)]
pub(crate) enum Exit {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It could not go on.
    #[error(transparent)]
    Run(#[from] Ended),
}

impl Exit {
    /// What contradicts the log, where that is why.
    pub(crate) fn conflict(&self) -> Option<Conflict> {
        match self {
            Self::Start(error) => Conflict::of_start(error),
            Self::Run(Ended::Failed { source, .. }) => {
                source.downcast_ref::<AppendError>().and_then(Conflict::of_append)
            }
            Self::Run(_) => None,
        }
    }

    /// 70 evidence conflict, 74 I/O, 75 temporary, 77 denied by the bus, 78 configuration.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Start(error) if is_denied(error) => EXIT_DENIED,
            Self::Start(error) => error.exit_code(),
            Self::Run(Ended::Failed { source, .. }) => {
                if let Some(error) = source.downcast_ref::<AppendError>() {
                    error.exit_code()
                } else if is_denied(&**source) {
                    EXIT_DENIED
                } else {
                    TEMPORARY
                }
            }
            Self::Run(Ended::Panicked(_)) => SOFTWARE,
            Self::Run(_) => TEMPORARY,
        }
    }
}

/// A restart may help.
const TEMPORARY: u8 = 75;

/// Nobody knows what a restart would do.
const SOFTWARE: u8 = 70;
