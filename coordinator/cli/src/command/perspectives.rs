//! `mpic perspectives`: where they are, which of them count as two, and what cohorts they make.

mod map;
mod survey;
mod text;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use mpic_common::code::PerspectiveId;
use mpic_common::directory::Directory;
use mpic_common::time::UnixMs;
use mpic_runtime::clock::{Clock, SystemClock};
use mpic_runtime::config;

use super::{Certificate, Dir, Exit, Failure};
use crate::fleet::atlas;
use crate::fleet::layout::Layout;
use survey::Survey;

/// Shows the perspectives of a directory document, their distances and the cohorts they make
///
/// Two perspectives count as two where they, and their resolvers, are at least 500 km apart in a
/// straight line (BR 3.2.2.9). Nobody is asked: this reads the document alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Perspectives {
    /// The signed document [default: that of the local system]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
    /// The primary perspective [default: that of the local system, else the first one]
    #[arg(long, value_name = "CODE")]
    primary: Option<PerspectiveId>,
    /// The day that counts, UTC [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// The kind of certificate
    #[arg(long, value_enum, default_value_t = Certificate::TlsServer)]
    certificate_type: Certificate,
    /// Draw them on a map of the world and write it there, as SVG
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  mpic perspectives                                    those of the local system
  mpic perspectives directory.mpic --primary eu-central --map perspectives.svg
  mpic perspectives directory.mpic --date 2026-12-15   as if it were that day

Exit codes: 0 a cohort is possible on that day, 1 none is.";

impl Perspectives {
    /// Reads the document and prints what it can provide.
    pub fn run(&self, out: &mut dyn Write) -> Result<Exit, Failure> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => Layout::new(&self.dir.path())?.directory_file(),
        };
        let octets = config::read(&file).map_err(Failure::malformed)?;
        let directory = Directory::open_unpinned(&octets).map_err(Failure::malformed)?;
        let at = self.date.map_or_else(|| Ok(SystemClock.now()), noon)?;
        let primary = self.primary(&directory, at)?;
        let survey = Survey::new(&directory, &primary, at, self.certificate_type.into())
            .map_err(Failure::malformed)?;
        if let Some(map) = &self.map {
            std::fs::write(map, map::Map::new(&survey).to_string())?;
        }
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&survey)?)?;
        } else {
            write!(out, "{survey}")?;
        }
        Ok(if survey.is_possible() { Exit::Fine } else { Exit::Refused })
    }

    fn primary(&self, directory: &Directory, at: UnixMs) -> Result<PerspectiveId, Failure> {
        let local = atlas::PRIMARY.code()?;
        let first = || directory.perspectives(at).map(|one| one.code.clone()).next();
        let chosen = match &self.primary {
            Some(code) => Some(code.clone()),
            None if directory.perspective(&local, at).is_some() => Some(local),
            None => first(),
        };
        chosen.ok_or_else(|| Failure::malformed("the document has no perspective on that day"))
    }
}

/// Any time of the day does: the timeline knows days.
fn noon(day: Date) -> Result<UnixMs, Failure> {
    let time = day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).map_err(Failure::malformed)?;
    let ms = u64::try_from(time.timestamp().as_millisecond());
    ms.map(UnixMs).map_err(|_| Failure::malformed(format!("--date `{day}`: before 1970")))
}

#[cfg(test)]
mod tests;
