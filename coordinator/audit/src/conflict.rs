//! What contradicts the log, by kind, so that an alarm can say which it is.

use crate::appender::AppendError;
use crate::log::LogError;
use crate::startup::StartError;

/// What ends the process with code 70.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The stream has lost a message that the log does not have.
    Gap,
    /// Two checkpoints under the log's key are not of one tree.
    Fork,
    /// Another writer has moved the shared head.
    Writer,
    /// The stream was rewritten, rolled back, made anew, or has other settings.
    Stream,
    /// The log's files are not what the writer left.
    Log,
}

impl Conflict {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Gap, Self::Fork, Self::Writer, Self::Stream, Self::Log];

    /// Its name in metrics and alarms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Writer => "writer",
            Self::Stream => "stream",
            Self::Log => "log",
        }
    }

    /// What kind of conflict has kept the process from starting, if one has.
    pub fn of_start(error: &StartError) -> Option<Self> {
        if error.exit_code() != EVIDENCE {
            return None;
        }
        Some(match error {
            StartError::Log(error) => return Self::of_log(error),
            StartError::LostBefore { .. } => Self::Gap,
            StartError::HeadFork { .. } => Self::Fork,
            StartError::RolledBack { .. } => Self::Log,
            _ => Self::Stream,
        })
    }

    /// What kind of conflict has ended the appender, if one has.
    pub fn of_append(error: &AppendError) -> Option<Self> {
        match error {
            AppendError::Log(error) => Self::of_log(error),
            AppendError::Lost { .. } => Some(Self::Gap),
            AppendError::Rewritten { .. } => Some(Self::Stream),
        }
    }

    fn of_log(error: &LogError) -> Option<Self> {
        if error.exit_code() != EVIDENCE {
            return None;
        }
        Some(match error {
            LogError::Fork { .. } => Self::Fork,
            LogError::Fence(_) => Self::Writer,
            LogError::Entry(_) => Self::Stream,
            _ => Self::Log,
        })
    }
}

/// The exit code of all of these.
const EVIDENCE: u8 = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_with_70_has_a_kind_and_nothing_else_has() {
        let lost = AppendError::Lost { seq: 7 };
        assert_eq!(Conflict::of_append(&lost), Some(Conflict::Gap));
        let fork = StartError::Log(LogError::Fork { size: 2 });
        assert_eq!(Conflict::of_start(&fork), Some(Conflict::Fork));
        assert_eq!(Conflict::of_start(&StartError::HeadFork { size: 2 }), Some(Conflict::Fork));
        let locked = StartError::Log(LogError::Locked);
        assert_eq!((Conflict::of_start(&locked), locked.exit_code()), (None, 75));
        let ended = AppendError::Log(LogError::Ended);
        assert_eq!((Conflict::of_append(&ended), ended.exit_code()), (None, 74));
    }
}
