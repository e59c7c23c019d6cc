//! Where the perspectives of a local fleet are said to be: real cities, any two of them, and so
//! their resolvers, at least 500 km apart (BR 3.2.2.9).

use mpic_common::code::{CodeError, PerspectiveId};
use mpic_common::directory::PlaceEntry;
use mpic_common::perspective::RegionalInternetRegistry::{
    self, Afrinic, Apnic, Arin, Lacnic, RipeNcc,
};

/// A place for one perspective and its resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    code: &'static str,
    /// The city.
    pub region: &'static str,
    /// The service region that it lies in.
    pub registry: RegionalInternetRegistry,
    /// 10^-6 degrees, north positive.
    pub latitude_udeg: i32,
    /// 10^-6 degrees, east positive.
    pub longitude_udeg: i32,
}

impl Site {
    /// The code of the perspective there.
    pub fn code(&self) -> Result<PerspectiveId, CodeError> {
        self.code.parse()
    }

    /// It as the directory document lists a place.
    pub fn place(&self) -> PlaceEntry {
        let Self { registry, latitude_udeg, longitude_udeg, .. } = *self;
        PlaceEntry { registry, latitude_udeg, longitude_udeg }
    }
}

const fn site(
    code: &'static str,
    region: &'static str,
    registry: RegionalInternetRegistry,
    (latitude_udeg, longitude_udeg): (i32, i32),
) -> Site {
    Site { code, region, registry, latitude_udeg, longitude_udeg }
}

/// Where the primary is.
pub const PRIMARY: Site = site("eu-central", "Frankfurt", RipeNcc, (50_110_900, 8_682_100));

/// Where the remotes are; the first five lie in the five registries' regions.
pub const REMOTES: &[Site] = &[
    site("us-east", "Ashburn", Arin, (39_043_800, -77_487_400)),
    site("ap-northeast", "Tokyo", Apnic, (35_676_200, 139_650_300)),
    site("eu-north", "Stockholm", RipeNcc, (59_329_300, 18_068_600)),
    site("sa-east", "Sao Paulo", Lacnic, (-23_550_500, -46_633_300)),
    site("af-south", "Cape Town", Afrinic, (-33_924_900, 18_424_100)),
    site("us-west", "Hillsboro", Arin, (45_522_900, -122_989_800)),
    site("ap-southeast", "Singapore", Apnic, (1_352_100, 103_819_800)),
    site("mx-central", "Queretaro", Lacnic, (20_588_800, -100_389_900)),
    site("eu-south", "Madrid", RipeNcc, (40_416_800, -3_703_800)),
    site("af-east", "Nairobi", Afrinic, (-1_292_100, 36_821_900)),
    site("ca-central", "Montreal", Arin, (45_501_700, -73_567_300)),
    site("ap-south", "Mumbai", Apnic, (19_076_000, 72_877_700)),
    site("cl-central", "Santiago", Lacnic, (-33_448_900, -70_669_300)),
    site("me-central", "Dubai", RipeNcc, (25_204_800, 55_270_800)),
    site("af-west", "Lagos", Afrinic, (6_524_400, 3_379_200)),
    site("us-south", "Dallas", Arin, (32_776_700, -96_797_000)),
    site("au-southeast", "Sydney", Apnic, (-33_868_800, 151_209_300)),
    site("co-central", "Bogota", Lacnic, (4_711_000, -74_072_100)),
    site("tr-west", "Istanbul", RipeNcc, (41_008_200, 28_978_400)),
    site("af-north", "Cairo", Afrinic, (30_044_400, 31_235_700)),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mpic_common::limits::COHORT_MAX;
    use mpic_common::perspective::{DISTANCE_KM_MIN, Location};

    use super::*;

    #[test]
    fn every_two_sites_are_distinct() {
        let sites: Vec<_> = [PRIMARY].iter().chain(REMOTES).copied().collect();
        let at = |site: &Site| Location::new(site.latitude_udeg, site.longitude_udeg).unwrap();
        for (index, one) in sites.iter().enumerate() {
            for other in &sites[index + 1..] {
                let distance_km = at(one).distance_km(at(other));
                assert!(distance_km >= DISTANCE_KM_MIN, "{one:?} {other:?}: {distance_km} km");
            }
        }
    }

    #[test]
    fn there_are_sites_for_the_largest_cohort_under_codes_of_their_own() {
        let codes: BTreeSet<_> =
            [PRIMARY].iter().chain(REMOTES).map(|site| site.code().unwrap()).collect();
        assert_eq!((REMOTES.len(), codes.len()), (COHORT_MAX, COHORT_MAX + 1));
    }

    #[test]
    fn five_remotes_lie_in_five_regions() {
        let registries: BTreeSet<_> = REMOTES.iter().take(5).map(|site| site.registry).collect();
        assert_eq!(registries.len(), 5);
    }
}
