//! What goes wrong when a name is asked for.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use domain::base::{
    Name, Rtype,
    iana::{ExtendedErrorCode, Rcode},
};

use crate::{
    config::{self, ConfigError},
    views::{ViewTable, Viewer, Views},
    zones::Question,
};

/// How a reply differs from the one that the zones alone would give.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Effect {
    /// Instead of the records.
    pub(crate) rcode: Option<Rcode>,
    pub(crate) ede: Option<ExtendedErrorCode>,
    pub(crate) ad: Option<bool>,
    pub(crate) ra: Option<bool>,
    pub(crate) truncate: bool,
    pub(crate) drop: bool,
    pub(crate) delay: Duration,
}

#[derive(Clone, Debug)]
struct Fault {
    views: Views,
    rtype: Option<Rtype>,
    unless_cd: bool,
    effect: Effect,
}

impl Fault {
    fn applies(&self, viewer: Viewer, question: &Question) -> bool {
        self.views.contains(viewer)
            && self.rtype.is_none_or(|rtype| rtype == question.rtype)
            && !(self.unless_cd && question.checking_disabled)
    }
}

/// All faults, by the names that they are at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    at: BTreeMap<Name<Bytes>, Vec<Fault>>,
    below: BTreeMap<Name<Bytes>, Vec<Fault>>,
}

impl Faults {
    pub(crate) fn new(faults: &[config::Fault], views: &ViewTable) -> Result<Self, ConfigError> {
        let mut all = Self::default();
        for (index, fault) in faults.iter().enumerate() {
            let table = format!("fault[{index}]");
            let (names, name) = match fault.name.strip_prefix('*') {
                Some("") => (&mut all.below, "."),
                Some(rest) => (&mut all.below, rest.strip_prefix('.').unwrap_or(rest)),
                None => (&mut all.at, fault.name.as_str()),
            };
            let name = Name::bytes_from_str(name)
                .map_err(|error| ConfigError::value(format!("{table}.name"), error.to_string()))?;
            names.entry(name).or_default().push(Fault {
                views: views.select(fault.views.as_deref(), &table)?,
                rtype: fault.rtype.map(|rtype| rtype.0),
                unless_cd: fault.unless_cd,
                effect: fault.into(),
            });
        }
        Ok(all)
    }

    /// The fault at this name, or else the nearest one that covers all below an ancestor.
    /// `question` gives the rest: on the way along aliases its name is another.
    pub(crate) fn find(
        &self,
        viewer: Viewer,
        name: &Name<[u8]>,
        question: &Question,
    ) -> Option<Effect> {
        let first = |faults: &Vec<Fault>| {
            faults.iter().find(|fault| fault.applies(viewer, question)).map(|fault| fault.effect)
        };
        let below = || {
            let mut ancestors = name.iter_suffixes().skip(usize::from(!name.is_root()));
            ancestors.find_map(|ancestor| self.below.get(ancestor.for_slice()).and_then(first))
        };
        self.at.get(name).and_then(first).or_else(below)
    }
}

impl From<&config::Fault> for Effect {
    fn from(fault: &config::Fault) -> Self {
        Self {
            rcode: fault.rcode.map(Rcode::from),
            ede: fault.ede.map(ExtendedErrorCode::from_int),
            ad: fault.ad,
            ra: fault.ra,
            truncate: fault.truncate,
            drop: fault.drop,
            delay: Duration::from_millis(fault.delay_ms),
        }
    }
}
