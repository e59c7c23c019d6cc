//! What DNS says, as a pure function of who asks for what.
//!
//! Names exist per view: a name that has nothing for a view, itself or below, is NXDOMAIN there.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use domain::base::{Name, Rtype, iana::Rcode};

use crate::{
    config::{self, Config, ConfigError},
    faults::{Effect, Faults},
    rdata,
    views::{ViewTable, Viewer, Views},
};

/// Aliases followed for one question. One more is a SERVFAIL, as of a resolver that gives up.
const ALIASES_MAX: usize = 12;

/// TTL of SOA records, and of the negative answers that they are for, in seconds.
const NEGATIVE_TTL: u32 = 60;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: Name<Bytes>,
    pub(crate) rtype: Rtype,
    /// The CD bit.
    pub(crate) checking_disabled: bool,
}

/// What there is to say to a question.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) rcode: Rcode,
    /// Whether every zone that the answer touches is signed.
    pub(crate) secure: bool,
    /// Owners and records, aliases first, in the order in which they were followed.
    pub(crate) records: Vec<(Name<Bytes>, &'a Record)>,
    /// For a negative answer: the apex and SOA record of the zone that says so.
    pub(crate) soa: Option<(Name<Bytes>, &'a Record)>,
    pub(crate) effect: Effect,
}

impl Answer<'_> {
    /// An answer that consists of a response code.
    pub(crate) fn only(rcode: Rcode, effect: Effect) -> Self {
        Self { rcode, secure: false, records: Vec::new(), soa: None, effect }
    }
}

/// One resource record, without its owner.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) rtype: Rtype,
    pub(crate) ttl: u32,
    pub(crate) rdata: Bytes,
    views: Views,
}

impl Record {
    fn answers(&self, rtype: Rtype) -> bool {
        self.rtype == rtype || rtype == Rtype::ANY
    }

    /// Where a CNAME points; nothing for other types and for malformed data.
    fn target(&self) -> Option<Name<Bytes>> {
        let is_alias = self.rtype == Rtype::CNAME;
        is_alias.then(|| Name::from_octets(self.rdata.clone()).ok()).flatten()
    }
}

#[derive(Debug)]
struct Zone {
    apex: Name<Bytes>,
    signed: bool,
    soa: Record,
}

impl Zone {
    /// The apex doubles as the name of the server and of the mailbox in the SOA record.
    fn new(apex: Name<Bytes>, signed: bool) -> Self {
        let numbers: [u32; 5] = [1, 3600, 600, 86_400, NEGATIVE_TTL];
        let mut rdata = [apex.as_slice(), apex.as_slice()].concat();
        rdata.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
        let views = Views::EVERYONE;
        let soa = Record { rtype: Rtype::SOA, ttl: NEGATIVE_TTL, rdata: rdata.into(), views };
        Self { apex, signed, soa }
    }
}

/// A name that exists for some views.
#[derive(Debug)]
struct Node {
    zone: Arc<Zone>,
    /// Who sees that it exists: whoever sees a record at it or below it.
    views: Views,
    records: Vec<Record>,
    /// The records of `*` directly below this name.
    wildcard: Vec<Record>,
}

/// What is known of a name: its zone, what is there, and whether it exists.
struct Found<'a> {
    zone: &'a Zone,
    records: &'a [Record],
    exists: bool,
}

/// All zones with their records and faults.
#[derive(Debug)]
pub(crate) struct Zones {
    root: Arc<Zone>,
    /// In canonical order, without regard to case.
    nodes: BTreeMap<Name<Bytes>, Node>,
    faults: Faults,
}

impl Zones {
    pub(crate) fn new(config: &Config, views: &ViewTable) -> Result<Self, ConfigError> {
        let apexes = Apexes::new(&config.zones)?;
        let faults = Faults::new(&config.faults, views)?;
        let mut zones = Self { root: apexes.root.clone(), nodes: BTreeMap::new(), faults };
        for zone in apexes.below_root.values().chain([&apexes.root]) {
            zones.insert(&apexes, &zone.apex, &zone.soa);
        }
        for (index, record) in config.records.iter().enumerate() {
            let table = format!("record[{index}]");
            let name = parse_name(&record.name, &table)?;
            let rdata = rdata::encode(record)
                .map_err(|reason| ConfigError::value(format!("{table}.data"), reason))?;
            let views = views.select(record.views.as_deref(), &table)?;
            let (rtype, ttl) = (record.rtype.0, record.ttl);
            zones.insert(&apexes, &name, &Record { rtype, ttl, rdata, views });
        }
        Ok(zones)
    }

    /// Adds a record at a name, which makes the name and its ancestors exist for its views.
    fn insert(&mut self, apexes: &Apexes, name: &Name<Bytes>, record: &Record) {
        let is_wildcard = name.first().as_slice() == b"*";
        for (depth, suffix) in name.iter_suffixes().enumerate() {
            let node = self.nodes.entry(suffix.clone()).or_insert_with(|| Node {
                zone: apexes.zone_of(&suffix),
                views: Views::default(),
                records: Vec::new(),
                wildcard: Vec::new(),
            });
            node.views = node.views.union(record.views);
            match depth {
                0 => node.records.push(record.clone()),
                1 if is_wildcard => node.wildcard.push(record.clone()),
                _ => {}
            }
        }
    }

    /// Answers a question, following aliases into whatever zone they lead.
    pub(crate) fn answer(&self, viewer: Viewer, question: &Question) -> Answer<'_> {
        let mut answer = Answer { secure: true, ..Answer::only(Rcode::NOERROR, Effect::default()) };
        let mut name = question.name.clone();
        for _ in 0..=ALIASES_MAX {
            if let Some(effect) = self.faults.find(viewer, name.for_slice(), question) {
                if let Some(rcode) = effect.rcode {
                    return Answer::only(rcode, effect);
                }
                answer.effect = effect;
            }
            let found = self.find(viewer, name.for_slice());
            answer.secure &= found.zone.signed;
            match found.alias_or_records(viewer, question.rtype, &name, &mut answer.records) {
                Step::Alias(target) => name = target,
                Step::Records => return answer,
                Step::Nothing => {
                    answer.rcode = if found.exists { Rcode::NOERROR } else { Rcode::NXDOMAIN };
                    answer.soa = Some((found.zone.apex.clone(), &found.zone.soa));
                    return answer;
                }
            }
        }
        Answer::only(Rcode::SERVFAIL, answer.effect)
    }

    /// What a viewer finds at a name: the name itself, or the wildcard at its closest encloser
    /// (RFC 4592, 3.3.1).
    fn find(&self, viewer: Viewer, name: &Name<[u8]>) -> Found<'_> {
        for (depth, suffix) in name.iter_suffixes().enumerate() {
            let node = self.nodes.get(suffix.for_slice());
            let Some(node) = node.filter(|node| node.views.contains(viewer)) else { continue };
            let records = if depth == 0 { &node.records } else { &node.wildcard };
            let exists = depth == 0 || records.iter().any(|record| record.views.contains(viewer));
            return Found { zone: &node.zone, records, exists };
        }
        Found { zone: &self.root, records: &[], exists: false }
    }
}

/// What one name on the way leads to.
enum Step {
    Records,
    Alias(Name<Bytes>),
    Nothing,
}

impl<'a> Found<'a> {
    /// Adds what answers the type to `records`, or else the alias to follow.
    fn alias_or_records(
        &self,
        viewer: Viewer,
        rtype: Rtype,
        name: &Name<Bytes>,
        records: &mut Vec<(Name<Bytes>, &'a Record)>,
    ) -> Step {
        let visible = || self.records.iter().filter(|record| record.views.contains(viewer));
        let before = records.len();
        let answering = visible().filter(|record| record.answers(rtype));
        records.extend(answering.map(|record| (name.clone(), record)));
        if records.len() > before {
            return Step::Records;
        }
        let mut aliases = visible().filter_map(|record| Some((record, record.target()?)));
        aliases.next().map_or(Step::Nothing, |(record, target)| {
            records.push((name.clone(), record));
            Step::Alias(target)
        })
    }
}

/// The zones by their apexes, while names are sorted into them.
struct Apexes {
    root: Arc<Zone>,
    below_root: BTreeMap<Name<Bytes>, Arc<Zone>>,
}

impl Apexes {
    fn new(zones: &[config::Zone]) -> Result<Self, ConfigError> {
        let root = Arc::new(Zone::new(Name::root_bytes(), true));
        let mut apexes = Self { root, below_root: BTreeMap::new() };
        for (index, zone) in zones.iter().enumerate() {
            let table = format!("zone[{index}]");
            let apex = parse_name(&zone.name, &table)?;
            let zone = Arc::new(Zone::new(apex.clone(), zone.signed));
            if apex.is_root() {
                apexes.root = zone;
            } else if apexes.below_root.insert(apex, zone).is_some() {
                let reason = "names a second zone at the same apex";
                return Err(ConfigError::value(format!("{table}.name"), reason));
            }
        }
        Ok(apexes)
    }

    fn zone_of(&self, name: &Name<Bytes>) -> Arc<Zone> {
        let mut suffixes = name.iter_suffixes();
        let zone = suffixes.find_map(|suffix| self.below_root.get(&suffix));
        zone.unwrap_or(&self.root).clone()
    }
}

fn parse_name(name: &str, table: &str) -> Result<Name<Bytes>, ConfigError> {
    Name::bytes_from_str(name).map_err(|error| {
        ConfigError::value(format!("{table}.name"), format!("\"{name}\": {error}"))
    })
}

#[cfg(test)]
mod tests;
