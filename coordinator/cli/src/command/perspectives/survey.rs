//! What a directory document can provide, as values.

use jiff::civil::Date;
use mpic_common::code::PerspectiveId;
use mpic_common::cohort::PrimaryPlace;
use mpic_common::directory::Directory;
use mpic_common::perspective::{Perspective, RegionalInternetRegistry};
use mpic_common::policy::{CertificateType, Requirement};
use mpic_common::selection::{SelectionError, prospects};
use mpic_common::time::UnixMs;
use serde::Serialize;

/// The perspectives in force on a day, and the cohorts they make with a primary.
#[derive(Debug, Serialize)]
pub(super) struct Survey {
    pub(super) date: Date,
    pub(super) certificate_type: CertificateType,
    pub(super) primary: PerspectiveId,
    pub(super) perspectives: Vec<Standing>,
    /// Pairs that do not count as two.
    pub(super) close: Vec<Close>,
    pub(super) in_force: Option<Phase>,
    pub(super) next: Option<Phase>,
}

/// One perspective and how far it is from the others.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    pub(super) code: PerspectiveId,
    pub(super) region: String,
    pub(super) registry: RegionalInternetRegistry,
    pub(super) asn: u32,
    pub(super) provider: Option<String>,
    /// Degrees.
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) resolver: ResolverPlace,
    /// From the primary; nil for the primary.
    pub(super) primary_km: Option<f64>,
    pub(super) nearest: Option<Nearest>,
    /// Whether it can be a remote beside this primary.
    pub(super) is_remote: bool,
}

/// Where a perspective's resolver is.
#[derive(Debug, Serialize)]
pub(super) struct ResolverPlace {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    /// From the perspective's egress.
    pub(super) km: f64,
}

/// The perspective that is nearest to another.
#[derive(Debug, Serialize)]
pub(super) struct Nearest {
    pub(super) code: PerspectiveId,
    pub(super) km: f64,
}

/// Two perspectives that are not distinct.
#[derive(Debug, Serialize)]
pub(super) struct Close {
    pub(super) one: PerspectiveId,
    pub(super) other: PerspectiveId,
    pub(super) km: f64,
    pub(super) resolvers_km: f64,
}

/// A row of the timeline, and the sizes of cohorts that it admits and these perspectives make.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) effective: Date,
    pub(super) remotes_min: usize,
    pub(super) registries_min: usize,
    pub(super) sizes: Vec<Size>,
}

/// Cohorts of one size.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    pub(super) remotes: usize,
    pub(super) non_corroborations_max: usize,
    /// Of the corroborating, when the allowed failures fall as badly as they can.
    pub(super) registries_left: usize,
    pub(super) is_possible: bool,
}

impl Survey {
    pub(super) fn new(
        directory: &Directory,
        primary: &PerspectiveId,
        at: UnixMs,
        certificate_type: CertificateType,
    ) -> Result<Self, SelectionError> {
        let first = directory
            .perspective(primary, at)
            .ok_or_else(|| SelectionError::NoPrimary(primary.clone()))?;
        let all: Vec<_> = directory.perspectives(at).collect();
        let phase = |row| Phase::new(directory, PrimaryPlace::Perspective(first), at, row);
        Ok(Self {
            date: at.date(),
            certificate_type,
            primary: primary.clone(),
            perspectives: all.iter().map(|one| Standing::new(one, first, &all)).collect(),
            close: close(&all),
            in_force: Requirement::in_force(certificate_type, at.date()).map(phase),
            next: Requirement::next(certificate_type, at.date()).map(phase),
        })
    }

    /// Whether some cohort meets the row in force.
    pub(super) fn is_possible(&self) -> bool {
        self.in_force.as_ref().is_some_and(Phase::is_possible)
    }
}

impl Standing {
    fn new(one: &Perspective, primary: &Perspective, all: &[&Perspective]) -> Self {
        let km = |other: &Perspective| one.egress.location.distance_km(other.egress.location);
        let others = all.iter().filter(|other| other.code != one.code);
        let nearest = others.map(|other| Nearest { code: other.code.clone(), km: km(other) });
        Self {
            code: one.code.clone(),
            region: one.region.clone(),
            registry: one.egress.registry,
            asn: one.asn,
            provider: one.provider.clone(),
            latitude: degrees(one.egress.location.latitude_udeg()),
            longitude: degrees(one.egress.location.longitude_udeg()),
            resolver: ResolverPlace {
                latitude: degrees(one.resolver.location.latitude_udeg()),
                longitude: degrees(one.resolver.location.longitude_udeg()),
                km: one.egress.location.distance_km(one.resolver.location),
            },
            primary_km: (one.code != primary.code).then(|| km(primary)),
            nearest: nearest.min_by(|one, other| one.km.total_cmp(&other.km)),
            is_remote: PrimaryPlace::Perspective(primary).is_distinct_from(one),
        }
    }
}

impl Phase {
    fn new(directory: &Directory, primary: PrimaryPlace<'_>, at: UnixMs, row: Requirement) -> Self {
        let sizes = prospects(directory, primary, at, row).into_iter().map(|prospect| Size {
            remotes: prospect.remotes,
            non_corroborations_max: prospect.non_corroborations_max,
            registries_left: prospect.registries_left,
            is_possible: prospect.registries_left >= row.registries_min,
        });
        Self {
            effective: row.effective,
            remotes_min: row.remotes_min,
            registries_min: row.registries_min,
            sizes: sizes.collect(),
        }
    }

    pub(super) fn is_possible(&self) -> bool {
        self.sizes.iter().any(|size| size.is_possible)
    }
}

fn close(all: &[&Perspective]) -> Vec<Close> {
    let pairs = all.iter().enumerate().flat_map(|(index, one)| {
        let later = all.iter().skip(index + 1);
        later.filter(|other| !one.is_distinct_from(other)).map(move |other| Close {
            one: one.code.clone(),
            other: other.code.clone(),
            km: one.egress.location.distance_km(other.egress.location),
            resolvers_km: one.resolver.location.distance_km(other.resolver.location),
        })
    });
    pairs.collect()
}

fn degrees(udeg: i32) -> f64 {
    f64::from(udeg) / 1e6
}
