//! The dated requirements: a new effective date is a new row.

use std::fmt;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

/// The kinds of certificate that corroboration is required for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateType {
    /// TLS server certificates.
    TlsServer,
    /// S/MIME certificates.
    SMime,
}

impl CertificateType {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsServer => "tls-server",
            Self::SMime => "s-mime",
        }
    }
}

/// One row: what is required from a date on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// From this date, UTC, until the next row's.
    pub effective: Date,
    /// The least number of remote perspectives.
    pub remotes_min: usize,
    /// The least number of service regions among the corroborating.
    pub registries_min: usize,
    certificates: &'static [CertificateType],
}

impl Requirement {
    /// The row in force for `certificates` on `day`; none before the first.
    pub fn in_force(certificates: CertificateType, day: Date) -> Option<Self> {
        let applies =
            |row: &&Self| row.effective <= day && row.certificates.contains(&certificates);
        TIMELINE.iter().rev().find(applies).copied()
    }

    /// The first row after `day` for `certificates`.
    pub fn next(certificates: CertificateType, day: Date) -> Option<Self> {
        let applies = |row: &&Self| row.effective > day && row.certificates.contains(&certificates);
        TIMELINE.iter().find(applies).copied()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} remote perspectives", self.remotes_min)?;
        if self.registries_min > 1 {
            write!(f, " in {} registries' regions", self.registries_min)?;
        }
        Ok(())
    }
}

const fn row(
    effective: Date,
    certificates: &'static [CertificateType],
    remotes_min: usize,
    registries_min: usize,
) -> Requirement {
    Requirement { effective, remotes_min, registries_min, certificates }
}

const TLS_SERVER: &[CertificateType] = &[CertificateType::TlsServer];
const S_MIME: &[CertificateType] = &[CertificateType::SMime];
const BOTH: &[CertificateType] = &[CertificateType::TlsServer, CertificateType::SMime];

/// The phases of BR 3.2.2.9 and S/MIME BR 4.2.2.2. Until 2025-09-15 they let a CA go on after a
/// shortfall; we never do.
const TIMELINE: &[Requirement] = &[
    row(date(2025, 3, 15), TLS_SERVER, 2, 1),
    row(date(2025, 5, 15), S_MIME, 2, 1),
    row(date(2025, 9, 15), BOTH, 2, 1),
    row(date(2026, 3, 15), BOTH, 3, 2),
    row(date(2026, 6, 15), BOTH, 4, 2),
    row(date(2026, 12, 15), BOTH, 5, 2),
];
