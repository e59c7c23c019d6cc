//! What an auditor's command finds, one line each, and what it comes to.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Fails the check only where warnings do.
    Warning,
    /// The log is not what it must be.
    Error,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The check that found it, such as `V3`.
    pub check: &'static str,
    /// The entry concerned, if it is one.
    pub index: Option<u64>,
    /// The job concerned, if it is one.
    pub job: Option<String>,
    /// What was found.
    pub text: String,
}

/// The head that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The name of the log.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root, in hex.
    pub root: String,
}

/// The end of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings, at most [`FINDINGS_MAX`] of them, in the order in which they were made.
    pub findings: Vec<Finding>,
    /// All errors, those that `findings` has no room for among them.
    pub errors: u64,
    /// All warnings, likewise.
    pub warnings: u64,
    /// The checkpoint of each shard, as far as it could be read.
    pub heads: Vec<Head>,
    /// The earliest and the latest time that an entry states, in milliseconds since the Unix
    /// epoch; `None` where entries were not decoded.
    pub times_ms: Option<(u64, u64)>,
}

/// Enough to see what is wrong; a log under the wrong key would fill memory otherwise.
pub const FINDINGS_MAX: usize = 10_000;

impl Report {
    /// Whether nothing is wrong; warnings count if `is_strict`.
    pub fn has_passed(&self, strictness: Severity) -> bool {
        self.errors == 0 && (strictness == Severity::Error || self.warnings == 0)
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => {}
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Adds a finding that concerns no single entry.
    pub fn add_general(&mut self, severity: Severity, check: &'static str, text: String) {
        self.add(Finding { severity, check, index: None, job: None, text });
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// `error V3 entry 7 job …: text`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity, self.check)?;
        if let Some(index) = self.index {
            write!(f, " entry {index}")?;
        }
        if let Some(job) = &self.job {
            write!(f, " job {job}")?;
        }
        write!(f, ": {}", self.text)
    }
}
