//! A survey as text.

use std::fmt;

use super::survey::{Phase, Standing, Survey};
use crate::table::Table;

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = [
            "perspective",
            "region",
            "registry",
            "AS",
            "provider",
            "resolver",
            "from primary",
            "nearest",
        ];
        let mut table = Table::new(heading);
        for standing in &self.perspectives {
            table.push(row(standing));
        }
        write!(f, "{table}")?;
        for close in &self.close {
            writeln!(
                f,
                "not two: {} and {}, {:.0} km apart, their resolvers {:.0} km (500 km are needed)",
                close.one, close.other, close.km, close.resolvers_km
            )?;
        }
        let certificates = self.certificate_type.as_str();
        match &self.in_force {
            None => writeln!(f, "\nno requirement is in force for {certificates} on {}", self.date),
            Some(phase) => {
                writeln!(f, "\n{certificates} on {}, primary {}:", self.date, self.primary)?;
                write!(f, "{phase}")
            }
        }?;
        match &self.next {
            None => writeln!(f, "no stricter row is known"),
            Some(phase) => {
                writeln!(f, "from {}:", phase.effective)?;
                write!(f, "{phase}")
            }
        }
    }
}

fn row(standing: &Standing) -> [String; 8] {
    let resolver = if standing.resolver.km < 1.0 {
        "there".to_owned()
    } else {
        format!("{:.0} km away", standing.resolver.km)
    };
    let from_primary = match standing.primary_km {
        None => "primary".to_owned(),
        Some(km) if standing.is_remote => format!("{km:.0} km"),
        Some(km) => format!("{km:.0} km, too near"),
    };
    let nearest =
        standing.nearest.as_ref().map(|nearest| format!("{} {:.0} km", nearest.code, nearest.km));
    [
        standing.code.to_string(),
        standing.region.clone(),
        standing.registry.to_string(),
        standing.asn.to_string(),
        standing.provider.clone().unwrap_or_else(|| "-".to_owned()),
        resolver,
        from_primary,
        nearest.unwrap_or_else(|| "-".to_owned()),
    ]
}

/// What is needed, and a line for each size of cohort.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { effective, remotes_min, registries_min, sizes } = self;
        writeln!(
            f,
            "  needed since {effective}: {remotes_min} remotes, corroborating in {registries_min} \
             registries' regions"
        )?;
        if sizes.is_empty() {
            writeln!(f, "  no cohort is possible: too few remotes are distinct")?;
        }
        for size in sizes.iter().rev() {
            let verdict = if size.is_possible { "possible" } else { "not possible" };
            writeln!(
                f,
                "  {:>2} remotes: {verdict}; {} may fail, which leaves at least {} regions",
                size.remotes, size.non_corroborations_max, size.registries_left
            )?;
        }
        Ok(())
    }
}
