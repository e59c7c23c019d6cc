//! The steps of a commit, by name, so that a test can stop the process after each of them.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use thiserror::Error;

/// What has just been done; the order is that of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The batch is in stream order, without duplicates and holes.
    Ordered,
    /// Tiles, bundles and root are in memory.
    Built,
    /// Each is a synced temporary file.
    Written,
    /// Each has its name.
    Linked,
    /// The names are synced.
    Synced,
    /// The checkpoint is a synced temporary file.
    Signed,
    /// The checkpoint has its name, synced: the commit point.
    Committed,
    /// The head of other writers' fence is this checkpoint.
    Fenced,
    /// The checkpoint is the one that readers find.
    Published,
    /// The stream has the acknowledgement.
    Acked,
    /// Files that are no longer needed are gone.
    Tidied,
}

impl Step {
    /// All steps, in order.
    pub const ALL: [Self; 11] = [
        Self::Ordered,
        Self::Built,
        Self::Written,
        Self::Linked,
        Self::Synced,
        Self::Signed,
        Self::Committed,
        Self::Fenced,
        Self::Published,
        Self::Acked,
        Self::Tidied,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ordered => "ordered",
            Self::Built => "built",
            Self::Written => "written",
            Self::Linked => "linked",
            Self::Synced => "synced",
            Self::Signed => "signed",
            Self::Committed => "committed",
            Self::Fenced => "fenced",
            Self::Published => "published",
            Self::Acked => "acked",
            Self::Tidied => "tidied",
        })
    }
}

/// The text names no step.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not a step of a commit, such as \"linked\" or \"linked:2\"")]
pub struct UnknownStep(String);

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        let step = Self::ALL.into_iter().find(|step| step.to_string() == text);
        step.ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

/// Is told of each step; by default it lets everything go on.
#[derive(Clone)]
pub struct Steps(Arc<dyn Fn(Step) -> io::Result<()> + Send + Sync>);

impl Steps {
    /// An error from `observe` stops the log where it is, as a failed system call would.
    pub fn new(observe: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Kills the process, without any clean-up, after the step named, or after its n-th time
    /// where the text is `step:n`.
    pub fn crash_at(text: &str) -> Result<Self, UnknownStep> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let crash_after: Step = name.parse()?;
        let count: u32 = count.parse().map_err(|_| UnknownStep(text.to_owned()))?;
        let reached = AtomicU32::new(0);
        Ok(Self::new(move |step| {
            if step == crash_after && reached.fetch_add(1, Ordering::Relaxed) + 1 == count {
                std::process::abort();
            }
            Ok(())
        }))
    }

    pub(crate) fn reached(&self, step: Step) -> io::Result<()> {
        (self.0)(step)
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new(|_| Ok(()))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_read_back_from_its_name() {
        for step in Step::ALL {
            assert_eq!(step.to_string().parse(), Ok(step));
        }
        assert!(Steps::crash_at("linked:2").is_ok());
        for text in ["", "link", "linked:", "linked:x", ":1"] {
            assert!(Steps::crash_at(text).is_err(), "{text:?}");
        }
    }
}
