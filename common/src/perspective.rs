//! Network Perspectives: where they are, and how far apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::code::PerspectiveId;

/// The five Regional Internet Registries (BR 3.2.2.9 counts their service regions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegionalInternetRegistry {
    /// Africa.
    #[serde(rename = "AFRINIC")]
    Afrinic,
    /// Asia and the Pacific.
    #[serde(rename = "APNIC")]
    Apnic,
    /// North America.
    #[serde(rename = "ARIN")]
    Arin,
    /// Latin America and the Caribbean.
    #[serde(rename = "LACNIC")]
    Lacnic,
    /// Europe, the Middle East and Central Asia.
    #[serde(rename = "RIPE NCC")]
    RipeNcc,
}

impl fmt::Display for RegionalInternetRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Afrinic => "AFRINIC",
            Self::Apnic => "APNIC",
            Self::Arin => "ARIN",
            Self::Lacnic => "LACNIC",
            Self::RipeNcc => "RIPE NCC",
        })
    }
}

/// A point on the Earth, in 10^-6 degrees, latitude within +-90, longitude within +-180 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    latitude_udeg: i32,
    longitude_udeg: i32,
}

/// Coordinates that are nowhere on Earth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("latitude {latitude_udeg}, longitude {longitude_udeg} (10^-6 degree) is nowhere on Earth")]
pub struct LocationError {
    latitude_udeg: i32,
    longitude_udeg: i32,
}

impl Location {
    /// A location from 10^-6 degrees, north and east positive.
    pub fn new(latitude_udeg: i32, longitude_udeg: i32) -> Result<Self, LocationError> {
        let on_earth = (-90_000_000..=90_000_000).contains(&latitude_udeg)
            && (-180_000_000..=180_000_000).contains(&longitude_udeg);
        if on_earth {
            Ok(Self { latitude_udeg, longitude_udeg })
        } else {
            Err(LocationError { latitude_udeg, longitude_udeg })
        }
    }

    /// North positive, 10^-6 degrees.
    pub fn latitude_udeg(self) -> i32 {
        self.latitude_udeg
    }

    /// East positive, 10^-6 degrees.
    pub fn longitude_udeg(self) -> i32 {
        self.longitude_udeg
    }

    /// Length of the chord through the Earth: a straight line, never longer than the surface arc.
    ///
    /// BR 3.2.2.9 asks for 500 km "straight-line"; a sphere of the polar radius keeps the result
    /// on the short side.
    pub fn distance_km(self, other: Self) -> f64 {
        let ([x1, y1, z1], [x2, y2, z2]) = (self.unit(), other.unit());
        EARTH_RADIUS_KM * ((x1 - x2).powi(2) + (y1 - y2).powi(2) + (z1 - z2).powi(2)).sqrt()
    }

    fn unit(self) -> [f64; 3] {
        let radians = |udeg: i32| (f64::from(udeg) / 1e6).to_radians();
        let (latitude, longitude) = (radians(self.latitude_udeg), radians(self.longitude_udeg));
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    }
}

/// The Earth's smallest radius, that of its poles, so that no distance is overstated.
pub const EARTH_RADIUS_KM: f64 = 6_356.752;

/// BR 3.2.2.9: "the straight-line distance between them is at least 500 km".
pub const DISTANCE_KM_MIN: f64 = 500.0;

/// Where traffic leaves, or where a resolver stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The service region it lies in.
    pub registry: RegionalInternetRegistry,
    /// Where it is.
    pub location: Location,
}

/// One Network Perspective as the directory describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Perspective {
    /// Its name.
    pub code: PerspectiveId,
    /// A name for people, such as a cloud region.
    pub region: String,
    /// The autonomous system that its traffic comes from.
    pub asn: u32,
    /// Who runs the network or the machines there, where the directory says.
    pub provider: Option<String>,
    /// Where its checks leave for the Internet.
    pub egress: Place,
    /// Where its resolver leaves for the Internet.
    pub resolver: Place,
}

impl Perspective {
    /// Whether the two are distinct in the sense of BR 3.2.2.9, their resolvers too.
    pub fn is_distinct_from(&self, other: &Self) -> bool {
        [(self.egress, other.egress), (self.resolver, other.resolver)]
            .into_iter()
            .all(|(one, two)| one.location.distance_km(two.location) >= DISTANCE_KM_MIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(latitude: f64, longitude: f64) -> Location {
        #[expect(clippy::cast_possible_truncation, reason = "within the range of coordinates")]
        let udeg = |degrees: f64| (degrees * 1e6).round() as i32;
        Location::new(udeg(latitude), udeg(longitude)).unwrap()
    }

    #[test]
    fn known_distances_are_chords() {
        let (frankfurt, stockholm) = (at(50.11, 8.68), at(59.33, 18.07));
        assert!((1150.0..1200.0).contains(&frankfurt.distance_km(stockholm)));
        let antipodes = at(0.0, 0.0).distance_km(at(0.0, 180.0));
        assert!((antipodes - 2.0 * EARTH_RADIUS_KM).abs() < 1e-6);
    }

    #[test]
    fn frankfurt_and_amsterdam_are_not_distinct() {
        assert!(at(50.11, 8.68).distance_km(at(52.37, 4.90)) < DISTANCE_KM_MIN);
    }

    #[test]
    fn coordinates_off_the_earth_are_refused() {
        assert!(Location::new(90_000_001, 0).is_err());
        assert!(Location::new(0, -180_000_001).is_err());
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_bounded(
            a in -90_000_000..=90_000_000, b in -180_000_000..=180_000_000,
            c in -90_000_000..=90_000_000, d in -180_000_000..=180_000_000,
        ) {
            let (one, two) = (Location::new(a, b).unwrap(), Location::new(c, d).unwrap());
            let there = one.distance_km(two);
            prop_assert!((there - two.distance_km(one)).abs() < 1e-9);
            prop_assert!((0.0..=2.0 * EARTH_RADIUS_KM + 1e-6).contains(&there));
        }
    }
}
