//! A survey drawn on a map of the world: one self-contained SVG.

use std::f64::consts::PI;
use std::fmt;

use mpic_common::perspective::{DISTANCE_KM_MIN, EARTH_RADIUS_KM, RegionalInternetRegistry};

use super::survey::{Standing, Survey};

/// The map of a survey.
pub(super) struct Map<'a>(&'a Survey);

/// Coastlines as the `d` of an SVG path, in degrees east of 180 W and south of the North Pole:
/// Natural Earth 1:110m, which is in the public domain, simplified to half a degree.
const LAND: &str = include_str!("../../../data/land.path");

impl<'a> Map<'a> {
    pub(super) fn new(survey: &'a Survey) -> Self {
        Self(survey)
    }
}

impl fmt::Display for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(survey) = self;
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 360 180\" \
             width=\"1440\" height=\"720\" font-family=\"sans-serif\" font-size=\"3\">"
        )?;
        writeln!(f, "<title>Network Perspectives on {}</title>", survey.date)?;
        writeln!(f, "<rect width=\"360\" height=\"180\" fill=\"#dbe9f4\"/>")?;
        writeln!(
            f,
            "<path d=\"{LAND}\" fill=\"#f5f1e6\" stroke=\"#b8b09a\" stroke-width=\".3\"/>"
        )?;
        for standing in &survey.perspectives {
            draw(f, standing)?;
        }
        legend(f)?;
        writeln!(f, "</svg>")
    }
}

/// A perspective: all that is less than 500 km away, its resolver if it is elsewhere, its place.
fn draw(f: &mut fmt::Formatter<'_>, standing: &Standing) -> fmt::Result {
    let (colour, at) = (colour(standing.registry), (standing.latitude, standing.longitude));
    let (x, y) = projected(at);
    let points: Vec<_> = circle(at).map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
    writeln!(f, "<g fill=\"{colour}\" stroke=\"{colour}\">")?;
    let points = points.join(" ");
    writeln!(f, "<polygon points=\"{points}\" fill-opacity=\".15\" stroke-width=\".3\"/>")?;
    if standing.resolver.km >= 1.0 {
        let (to_x, to_y) = projected((standing.resolver.latitude, standing.resolver.longitude));
        writeln!(
            f,
            "<path d=\"M{x:.2},{y:.2}L{to_x:.2},{to_y:.2}\" stroke-width=\".3\"/>\
             <rect x=\"{:.2}\" y=\"{:.2}\" width=\"1.6\" height=\"1.6\"/>",
            to_x - 0.8,
            to_y - 0.8
        )?;
    }
    let radius = if standing.primary_km.is_none() { 2.0 } else { 1.2 };
    writeln!(f, "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\"/>")?;
    let role = match (standing.primary_km, standing.is_remote) {
        (None, _) => ", primary",
        (Some(_), true) => "",
        (Some(_), false) => ", too near the primary",
    };
    let code = escaped(standing.code.as_str());
    writeln!(
        f,
        "<text x=\"{:.2}\" y=\"{:.2}\" fill=\"#222\" stroke=\"none\">{code}{role}\
         <title>{}, {}</title></text></g>",
        x + 2.5,
        y + 1.0,
        escaped(&standing.region),
        standing.registry
    )
}

fn legend(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (row, registry) in REGISTRIES.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "five rows")]
        let y = 150.0 + 5.0 * row as f64;
        let colour = colour(registry);
        writeln!(f, "<circle cx=\"6\" cy=\"{y}\" r=\"1.2\" fill=\"{colour}\"/>")?;
        writeln!(f, "<text x=\"9\" y=\"{:.1}\" fill=\"#222\">{registry}</text>", y + 1.0)?;
    }
    writeln!(
        f,
        "<text x=\"4\" y=\"177\" fill=\"#222\">rings: 500 km, within which two perspectives do \
         not count as two; squares: resolvers that are elsewhere</text>"
    )
}

const REGISTRIES: [RegionalInternetRegistry; 5] = [
    RegionalInternetRegistry::Afrinic,
    RegionalInternetRegistry::Apnic,
    RegionalInternetRegistry::Arin,
    RegionalInternetRegistry::Lacnic,
    RegionalInternetRegistry::RipeNcc,
];

/// Told apart by people who do not see red from green.
fn colour(registry: RegionalInternetRegistry) -> &'static str {
    match registry {
        RegionalInternetRegistry::Afrinic => "#e69f00",
        RegionalInternetRegistry::Apnic => "#009e73",
        RegionalInternetRegistry::Arin => "#0072b2",
        RegionalInternetRegistry::Lacnic => "#cc79a7",
        RegionalInternetRegistry::RipeNcc => "#d55e00",
    }
}

/// Degrees to the map: longitude to the right, latitude up.
fn projected((latitude, longitude): (f64, f64)) -> (f64, f64) {
    (longitude + 180.0, 90.0 - latitude)
}

/// The circle of those 500 km away in a straight line through the Earth, on the map.
fn circle((latitude, longitude): (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    let angle = 2.0 * (DISTANCE_KM_MIN / 2.0 / EARTH_RADIUS_KM).asin();
    let (phi, lambda) = (latitude.to_radians(), longitude.to_radians());
    (0..48).map(move |step| {
        let bearing = 2.0 * PI * f64::from(step) / 48.0;
        let sine = phi.sin() * angle.cos() + phi.cos() * angle.sin() * bearing.cos();
        let there = sine.clamp(-1.0, 1.0).asin();
        let east =
            (bearing.sin() * angle.sin() * phi.cos()).atan2(angle.cos() - phi.sin() * there.sin());
        projected((there.to_degrees(), (lambda + east).to_degrees()))
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
