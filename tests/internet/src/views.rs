//! Who is looking, and who sees what.

use std::{collections::BTreeMap, net::IpAddr};

use crate::config::{self, ConfigError};

/// How many views fit into a [`Views`], beside the stranger.
const VIEWS_MAX: usize = 63;

/// One who looks: a configured view, or a stranger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Viewer(u8);

impl Viewer {
    /// Whoever asks from an address that belongs to no view.
    pub(crate) const STRANGER: Self = Self(63);
}

/// A set of viewers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Views(u64);

impl Views {
    pub(crate) const EVERYONE: Self = Self(u64::MAX);

    pub(crate) fn contains(self, viewer: Viewer) -> bool {
        self.0 & (1 << viewer.0) != 0
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Viewer> for Views {
    fn from(viewer: Viewer) -> Self {
        Self(1 << viewer.0)
    }
}

/// The configured views, by name and by source address.
#[derive(Clone, Debug)]
pub(crate) struct ViewTable {
    names: BTreeMap<String, Viewer>,
    sources: BTreeMap<IpAddr, Viewer>,
}

impl ViewTable {
    pub(crate) fn new(views: &[config::View]) -> Result<Self, ConfigError> {
        if views.len() > VIEWS_MAX {
            return Err(ConfigError::value("view", format!("there are more than {VIEWS_MAX}")));
        }
        let mut table = Self { names: BTreeMap::new(), sources: BTreeMap::new() };
        for (index, (view, viewer)) in views.iter().zip((0..).map(Viewer)).enumerate() {
            if table.names.insert(view.name.clone(), viewer).is_some() {
                let reason = format!("\"{}\" names two views", view.name);
                return Err(ConfigError::value(format!("view[{index}].name"), reason));
            }
            if table.sources.insert(view.source, viewer).is_some() {
                let reason = format!("{} belongs to two views", view.source);
                return Err(ConfigError::value(format!("view[{index}].source"), reason));
            }
        }
        Ok(table)
    }

    /// Who sends from this address.
    pub(crate) fn viewer(&self, source: IpAddr) -> Viewer {
        self.sources.get(&source).copied().unwrap_or(Viewer::STRANGER)
    }

    /// The views of this name list; everyone if there is none. `table` is the key of the table
    /// that holds the list.
    pub(crate) fn select(
        &self,
        names: Option<&[String]>,
        table: &str,
    ) -> Result<Views, ConfigError> {
        let Some(names) = names else { return Ok(Views::EVERYONE) };
        names.iter().try_fold(Views::default(), |views, name| {
            let viewer = self.names.get(name).ok_or_else(|| {
                ConfigError::value(format!("{table}.views"), format!("there is no view \"{name}\""))
            })?;
            Ok(views.union((*viewer).into()))
        })
    }
}
