//! `mpic explain`: what would be decided on a day, or was decided, and why.

mod recorded;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use mpic_common::directory::Directory;
use mpic_common::limits::COHORT_MAX;
use mpic_common::observation::{CheckKind, Finding};
use mpic_common::policy::{
    Case, CertificateType, CheckDecision, Findings, Outcome, Policy, Profile, Requirement,
    Stricter, decide,
};
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config;
use serde::Serialize;

use super::{Certificate, Dir, Exit, Failure};
use crate::fleet::FleetError;
use crate::fleet::atlas::{self, Site};
use crate::fleet::layout::Layout;
use recorded::Recorded;

/// Tells what would be decided, and why: the same function that coordinators and auditors use.
///
/// The remotes are spread over the registries' regions as those of `mpic up` are, and the last
/// ones fail. The primary passes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// The day of the job, UTC [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Remote perspectives that are asked
    #[arg(long, value_name = "N", default_value_t = 6)]
    remotes: usize,
    /// How many of them do not corroborate
    #[arg(long, value_name = "N", default_value_t = 0)]
    failing: usize,
    /// How many non-corroborations a cohort may have
    #[arg(long, value_enum, default_value_t = ProfileArgument::Strict)]
    profile: ProfileArgument,
    /// The kind of certificate
    #[arg(long, value_enum, default_value_t = Certificate::TlsServer)]
    certificate_type: Certificate,
    /// Explain a recorded decision instead: the file as its CA got it, or as the log holds it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["date", "remotes", "failing",
        "profile", "certificate_type"])]
    job: Option<PathBuf>,
    /// The signed directory document that it was decided under [default: the local system's]
    #[arg(long, value_name = "FILE", requires = "job")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  mpic explain --date 2026-12-15 --remotes 5 --profile strict --failing 1
  mpic explain --date 2026-12-15 --remotes 4 --profile baseline-requirements
  mpic explain --certificate-type s-mime --date 2025-05-14
  mpic explain --job decision.mpic --directory directory.mpic

Exit codes: 0 corroborate, 1 refuse.";

/// The profiles of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProfileArgument {
    Strict,
    BaselineRequirements,
}

impl From<ProfileArgument> for Profile {
    fn from(profile: ProfileArgument) -> Self {
        match profile {
            ProfileArgument::Strict => Self::Strict,
            ProfileArgument::BaselineRequirements => Self::BaselineRequirements,
        }
    }
}

impl Explain {
    /// Decides the case and prints why.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        if let Some(file) = &self.job {
            return self.explain_recorded(file, out);
        }
        let what_if = self.what_if()?;
        let explanation = Explanation::new(what_if)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&explanation)?)?;
        } else {
            write!(out, "{explanation}")?;
        }
        Ok(match explanation.outcome {
            Outcome::Corroborate => Exit::Fine,
            Outcome::Refuse => Exit::Refused,
        })
    }

    fn explain_recorded(&self, file: &Path, out: &mut dyn Write) -> Result<Exit, Failure> {
        let record = recorded::read(file)?;
        let document = match &self.directory {
            Some(file) => file.clone(),
            None => Layout::new(&self.dir.path())?.directory_file(),
        };
        let octets = config::read(&document).map_err(Failure::malformed)?;
        let directory = Directory::open_unpinned(&octets).map_err(Failure::malformed)?;
        let recorded = Recorded::new(&record, &directory)?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&recorded)?)?;
        } else {
            write!(out, "{recorded}")?;
        }
        Ok(match recorded.outcome {
            Outcome::Corroborate if recorded.follows => Exit::Fine,
            _ => Exit::Refused,
        })
    }

    fn what_if(&self) -> Result<WhatIf, Failure> {
        if self.remotes > COHORT_MAX {
            return Err(Failure::malformed(FleetError::Remotes(self.remotes)));
        }
        if self.failing > self.remotes {
            let text = format!("{} of {} remotes cannot fail", self.failing, self.remotes);
            return Err(Failure::malformed(text));
        }
        Ok(WhatIf {
            certificate_type: self.certificate_type.into(),
            date: self.date.unwrap_or_else(|| SystemClock.now().date()),
            profile: self.profile.into(),
            remotes: self.remotes,
            failing: self.failing,
        })
    }
}

/// A case in five words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct WhatIf {
    certificate_type: CertificateType,
    date: Date,
    profile: Profile,
    remotes: usize,
    failing: usize,
}

/// What `decide` says of a case, and how many failures it allows.
struct Decided {
    check: CheckDecision,
    non_corroborations_max: usize,
}

impl WhatIf {
    fn decide(self) -> Result<Decided, Failure> {
        let sites: Vec<&Site> = atlas::REMOTES.iter().take(self.remotes).collect();
        let cohort = sites
            .iter()
            .map(|site| Ok((site.code()?, site.registry)))
            .collect::<Result<BTreeMap<_, _>, FleetError>>()?;
        let corroborating = sites.iter().take(self.remotes - self.failing);
        let remotes = corroborating
            .map(|site| Ok((site.code()?, Finding::Corroborate)))
            .collect::<Result<_, FleetError>>()?;
        let policy = Policy::of(self.profile);
        let case = Case {
            certificate_type: self.certificate_type,
            date: self.date,
            policy: &policy,
            stricter: Stricter::default(),
            cohort: &cohort,
            checks: BTreeMap::from([(CheckKind::Caa, Findings { primary_passed: true, remotes })]),
        };
        let check = decide(&case).checks.remove(&CheckKind::Caa).ok_or("no check was decided")?;
        let non_corroborations_max = self.remotes.saturating_sub(case.corroborations_min());
        Ok(Decided { check, non_corroborations_max })
    }

    fn corroborates(self) -> Result<bool, Failure> {
        Ok(self.decide()?.check.outcome == Outcome::Corroborate)
    }

    /// The nearest cases that would corroborate, in words.
    fn alternatives(self) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for failing in (0..self.failing).rev() {
            if (Self { failing, ..self }).corroborates()? {
                found.push(format!("with {failing} of {} failing", self.remotes));
                break;
            }
        }
        for remotes in self.remotes + 1..=COHORT_MAX {
            if (Self { remotes, ..self }).corroborates()? {
                found.push(format!("with {remotes} remotes, {} of them failing", self.failing));
                break;
            }
        }
        let profile = Profile::BaselineRequirements;
        if self.profile != profile && (Self { profile, ..self }).corroborates()? {
            found.push(format!("under the profile {}", profile.as_str()));
        }
        Ok(found)
    }
}

/// A decision and what bears on it.
#[derive(Debug, Serialize)]
struct Explanation {
    case: WhatIf,
    outcome: Outcome,
    quorum: String,
    shortfalls: Vec<String>,
    non_corroborations_max: usize,
    in_force: Option<Row>,
    would_corroborate: Vec<String>,
    next: Option<Next>,
}

/// A row of the timeline.
#[derive(Debug, Serialize)]
struct Row {
    effective: Date,
    clause: &'static str,
    remotes_min: usize,
    registries_min: usize,
    text: String,
}

/// The row after that, and what it makes of the case.
#[derive(Debug, Serialize)]
struct Next {
    row: Row,
    outcome: Outcome,
    shortfalls: Vec<String>,
}

impl Explanation {
    fn new(case: WhatIf) -> Result<Self, Failure> {
        let Decided { check, non_corroborations_max } = case.decide()?;
        let row = |row: Requirement| Row::new(row, case.certificate_type);
        let next = Requirement::next(case.certificate_type, case.date)
            .map(|next| {
                let then = WhatIf { date: next.effective, ..case }.decide()?.check;
                let (outcome, shortfalls) = (then.outcome, texts(&then));
                Ok::<_, Failure>(Next { row: row(next), outcome, shortfalls })
            })
            .transpose()?;
        let would_corroborate = match check.outcome {
            Outcome::Corroborate => Vec::new(),
            Outcome::Refuse => case.alternatives()?,
        };
        Ok(Self {
            outcome: check.outcome,
            quorum: check.quorum.to_string(),
            shortfalls: texts(&check),
            non_corroborations_max,
            in_force: Requirement::in_force(case.certificate_type, case.date).map(row),
            would_corroborate,
            next,
            case,
        })
    }
}

fn texts(decision: &CheckDecision) -> Vec<String> {
    decision.shortfalls.iter().map(ToString::to_string).collect()
}

impl Row {
    fn new(row: Requirement, certificates: CertificateType) -> Self {
        Self {
            effective: row.effective,
            clause: match certificates {
                CertificateType::TlsServer => "BR 3.2.2.9",
                CertificateType::SMime => "S/MIME BR 4.2.2.2",
            },
            remotes_min: row.remotes_min,
            registries_min: row.registries_min,
            text: row.to_string(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WhatIf { certificate_type, date, profile, remotes, failing } = self.case;
        let (certificates, profile) = (certificate_type.as_str(), profile.as_str());
        writeln!(f, "{}  ({certificates}, {date}, profile {profile})", self.outcome.as_str())?;
        writeln!(f, "  quorum    {} remote perspectives corroborate", self.quorum)?;
        lines(f, "because", &self.shortfalls)?;
        match &self.in_force {
            Some(Row { effective, clause, text, .. }) => {
                writeln!(f, "  in force  at least {text}, {clause} since {effective}")?;
            }
            None => writeln!(f, "  in force  nothing yet")?,
        }
        let allowed = self.non_corroborations_max;
        writeln!(f, "  allowed   {allowed} of {remotes} may fail under {profile}; {failing} did")?;
        lines(f, "would do", &self.would_corroborate)?;
        match &self.next {
            None => writeln!(f, "  next      no stricter row is known"),
            Some(Next { row: Row { effective, clause, text, .. }, outcome, shortfalls }) => {
                writeln!(f, "  next      at least {text}, {clause} from {effective}")?;
                writeln!(f, "            this case then: {}", outcome.as_str())?;
                lines(f, "", shortfalls)
            }
        }
    }
}

/// `texts`, the first after `heading`.
fn lines(f: &mut fmt::Formatter<'_>, heading: &str, texts: &[String]) -> fmt::Result {
    let headings = std::iter::once(heading).chain(std::iter::repeat(""));
    texts.iter().zip(headings).try_for_each(|(text, heading)| writeln!(f, "  {heading:<9} {text}"))
}

#[cfg(test)]
mod tests;
