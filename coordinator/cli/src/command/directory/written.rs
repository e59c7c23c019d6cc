//! The directory document as people write it: TOML, degrees, RFC 3339.

use jiff::Timestamp;
use mpic_common::code::{CaId, PerspectiveId};
use mpic_common::directory::{
    CaEntry, DirectoryDocument, KeyEntry, PerspectiveEntry, PlaceEntry, Role,
};
use mpic_common::octets::Fixed;
use mpic_common::perspective::RegionalInternetRegistry;
use mpic_common::policy::Policy;
use mpic_common::signature::{KeyError, PublicKey};
use mpic_common::time::UnixMs;
use serde::Deserialize;

/// One TOML file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Higher than that of the document before.
    serial: u64,
    /// Who may sign the next document beside the root.
    next_root: Option<String>,
    policy: Policy,
    #[serde(default)]
    perspective: Vec<WrittenPerspective>,
    #[serde(default)]
    key: Vec<WrittenKey>,
    #[serde(default)]
    ca: Vec<WrittenCa>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPerspective {
    code: PerspectiveId,
    region: String,
    asn: u32,
    provider: Option<String>,
    egress: WrittenPlace,
    /// Where the egress is, if it is not said.
    resolver: Option<WrittenPlace>,
    #[serde(default)]
    from: Timestamp,
    until: Option<Timestamp>,
}

/// A place as people write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenPlace {
    pub(crate) registry: RegionalInternetRegistry,
    /// Degrees, north positive.
    pub(crate) latitude: f64,
    /// Degrees, east positive.
    pub(crate) longitude: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    /// `ed25519:` and base64.
    public: String,
    role: Role,
    name: String,
    #[serde(default)]
    from: Timestamp,
    until: Option<Timestamp>,
    revoked: Option<Timestamp>,
    reason: Option<String>,
}

/// A CA as people write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenCa {
    pub(crate) code: CaId,
    issuer_domains: Vec<String>,
    #[serde(default)]
    account_uris: Vec<String>,
    #[serde(default)]
    sign_jobs: bool,
    pub(crate) primary: Option<WrittenPlace>,
}

/// A value that cannot be.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrittenError {
    /// A key.
    #[error("{field} `{value}`")]
    Key { field: &'static str, value: String, source: KeyError },
    /// The name of an agent key is its perspective.
    #[error("key.name `{name}`: an agent key is named for its perspective")]
    Name { name: String, source: mpic_common::code::CodeError },
}

impl Written {
    /// The document that `root` is to sign.
    pub(super) fn document(
        self,
        root: &PublicKey,
        now: UnixMs,
    ) -> Result<DirectoryDocument, WrittenError> {
        let next_root = self.next_root.map(|key| public("next_root", &key)).transpose()?;
        Ok(DirectoryDocument {
            serial: self.serial,
            issued_ms: now,
            root: Fixed(root.octets()),
            next_root: next_root.map(|key| Fixed(key.octets())),
            keys: self.key.into_iter().map(WrittenKey::entry).collect::<Result<_, _>>()?,
            cas: self.ca.into_iter().map(WrittenCa::entry).collect(),
            perspectives: self.perspective.into_iter().map(WrittenPerspective::entry).collect(),
            policy: self.policy,
        })
    }
}

fn public(field: &'static str, text: &str) -> Result<PublicKey, WrittenError> {
    text.parse().map_err(|source| WrittenError::Key { field, value: text.to_owned(), source })
}

impl WrittenKey {
    fn entry(self) -> Result<KeyEntry, WrittenError> {
        let public = public("key.public", &self.public)?;
        let perspective = match self.role {
            Role::Agent => {
                let code = self.name.parse();
                let named = |source| WrittenError::Name { name: self.name.clone(), source };
                Some(code.map_err(named)?)
            }
            _ => None,
        };
        Ok(KeyEntry {
            id: public.id(),
            public: Fixed(public.octets()),
            role: self.role,
            name: self.name,
            perspective,
            from_ms: unix(self.from),
            until_ms: self.until.map(unix),
            revoked_ms: self.revoked.map(unix),
            reason: self.reason,
        })
    }
}

impl WrittenPerspective {
    fn entry(self) -> PerspectiveEntry {
        let resolver = self.resolver.unwrap_or_else(|| self.egress.clone());
        PerspectiveEntry {
            code: self.code,
            registry: self.egress.registry,
            region: self.region,
            asn: self.asn,
            provider: self.provider,
            latitude_udeg: udeg(self.egress.latitude),
            longitude_udeg: udeg(self.egress.longitude),
            resolver_registry: resolver.registry,
            resolver_latitude_udeg: udeg(resolver.latitude),
            resolver_longitude_udeg: udeg(resolver.longitude),
            from_ms: unix(self.from),
            until_ms: self.until.map(unix),
        }
    }
}

impl WrittenCa {
    pub(crate) fn entry(self) -> CaEntry {
        let primary = self.primary.map(|place| PlaceEntry {
            registry: place.registry,
            latitude_udeg: udeg(place.latitude),
            longitude_udeg: udeg(place.longitude),
        });
        CaEntry {
            code: self.code,
            issuer_domains: self.issuer_domains,
            account_uris: self.account_uris,
            sign_jobs: self.sign_jobs,
            primary,
        }
    }
}

/// Times before 1970 are its beginning.
fn unix(time: Timestamp) -> UnixMs {
    UnixMs(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

/// 10^-6 degrees; what lies off the Earth is refused where the document is opened.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
pub(crate) fn udeg(degrees: f64) -> i32 {
    (degrees * 1e6).round() as i32
}
