//! A report for people.

use std::fmt;

use super::csv::{finding, kind, role};
use super::{Attempt, PerspectiveLine, Seen};

/// The decision, its checks, its perspectives a line each, and what is wrong with it.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decided_at, ca, identifier, index, log, .. } = self;
        let request = self.ca_request.as_deref().unwrap_or("-");
        let (kind, outcome) = (kind(self.identifier_kind), self.outcome.as_str());
        writeln!(
            f,
            "{decided_at}  {ca}  {request}  {kind} {identifier}  {outcome}   entry {index} of {log}"
        )?;
        writeln!(f, "  {}", self.quorums().join("        "))?;
        for line in self.lines() {
            writeln!(f, "  {}", line.trim_end())?;
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))
    }
}

impl Attempt {
    fn quorums(&self) -> Vec<String> {
        let checks = self.checks.iter().map(|(check, line)| {
            let method = line.method.iter().map(|method| format!("{method}  "));
            let method: String = method.collect();
            format!("{}  {method}{}  {}", check.as_str(), line.quorum, line.outcome.as_str())
        });
        let both = self.both.iter();
        let both = both.map(|both| format!("both  {}  {}", both.quorum, both.outcome.as_str()));
        checks.chain(both).collect()
    }

    /// The perspectives, in columns.
    fn lines(&self) -> Vec<String> {
        let rows: Vec<_> = self.perspectives.iter().map(cells).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            cells.map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join("  ")
        };
        rows.iter().map(line).collect()
    }
}

/// Code, role and registry, then what was seen and found a check.
fn cells(line: &PerspectiveLine) -> Vec<String> {
    let registry = line.registry.map(|registry| registry.to_string()).unwrap_or_default();
    let late = if line.late { "late" } else { "" };
    let mut cells = vec![line.code.to_string(), role(line.role).to_owned(), registry];
    for Seen { verdict, reason, finding: found } in line.checks.values() {
        let verdict = verdict.map(|verdict| verdict.as_str().to_owned());
        let said: Vec<_> = verdict.into_iter().chain(reason.clone()).collect();
        cells.push(said.join(" "));
        cells.push(found.map(finding).unwrap_or_default().to_owned());
    }
    cells.push(late.to_owned());
    cells
}
