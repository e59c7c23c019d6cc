//! What is wrong with one entry, before it has its index.

use mpic_common::job::JobId;

use crate::finding::{Finding, Severity};

/// The problems of an entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems(Vec<(Severity, &'static str, String)>);

impl Problems {
    pub(super) fn error(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push((Severity::Error, check, text.into()));
    }

    pub(super) fn warning(&mut self, check: &'static str, text: impl Into<String>) {
        self.0.push((Severity::Warning, check, text.into()));
    }

    /// An error unless it holds.
    pub(super) fn demand(
        &mut self,
        holds: bool,
        check: &'static str,
        text: impl FnOnce() -> String,
    ) {
        if !holds {
            self.error(check, text());
        }
    }

    /// The value, or an error and none.
    pub(super) fn keep<T>(
        &mut self,
        check: &'static str,
        what: &str,
        result: Result<T, String>,
    ) -> Option<T> {
        result.map_err(|error| self.error(check, format!("{what}: {error}"))).ok()
    }

    /// Those of `more` too.
    pub(super) fn join(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(super) fn into_findings(
        self,
        index: u64,
        job: Option<&JobId>,
    ) -> impl Iterator<Item = Finding> {
        let job = job.map(ToString::to_string);
        self.0.into_iter().map(move |(severity, check, text)| Finding {
            severity,
            check,
            index: Some(index),
            job: job.clone(),
            text,
        })
    }
}
