//! A private authority for the bus: it vouches for the servers and for who connects to them.
//!
//! The certificate opens the channel; the nkey in it is the identity.

use std::path::Path;

use mpic_common::time::UnixMs;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use x509_parser::pem::Pem;

use super::FleetError;
use super::layout::Layout;
use super::store::Store;

/// Years that the authority's own certificate is good for.
const AUTHORITY_YEARS: i16 = 10;
/// Years that a certificate of a server or a client is good for.
const LEAF_YEARS: i16 = 1;
/// A certificate with less left than this is made anew.
const RENEW_SECONDS: i64 = 30 * 24 * 3_600;

/// Issues certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    now: UnixMs,
}

/// What a certificate is for.
pub(super) enum Holder<'a> {
    /// A server under these names and addresses, which is a client of the others of its cluster.
    Server(&'a [String]),
    /// Whoever connects.
    Client,
}

impl Authority {
    /// Reads the authority's key and certificate, and makes what is not there.
    pub(super) fn load_or_create(
        store: &mut Store,
        layout: &Layout,
        now: UnixMs,
    ) -> Result<Self, FleetError> {
        let (path, key_path) = (layout.tls_certificate("ca"), layout.tls_key("ca"));
        let is_there = Store::read(&path)?.is_some();
        if is_there && !key_path.exists() {
            return Err(FleetError::AuthorityKey { key: key_path });
        }
        let key = key(store, &key_path)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("MPIC bus authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now, AUTHORITY_YEARS);
        if !is_there {
            store.derived(&path, params.self_signed(&key)?.pem())?;
        }
        Ok(Self { issuer: Issuer::new(params, key), now })
    }

    /// The key and the certificate of `name`: the key made once, the certificate anew before it
    /// ends.
    pub(super) fn issue(
        &self,
        store: &mut Store,
        layout: &Layout,
        name: &str,
        holder: &Holder<'_>,
    ) -> Result<(), FleetError> {
        let key = key(store, &layout.tls_key(name))?;
        let names = match holder {
            Holder::Server(names) => names.to_vec(),
            Holder::Client => vec![format!("{name}.client.invalid")],
        };
        let path = layout.tls_certificate(name);
        if self.is_good(&path, &names)? {
            return Ok(());
        }
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match holder {
            Holder::Server(_) => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
            Holder::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        set_validity(&mut params, self.now, LEAF_YEARS);
        store.derived(&path, params.signed_by(&key, &self.issuer)?.pem())
    }

    /// Whether the certificate at `path` has these names, and enough time left.
    fn is_good(&self, path: &Path, names: &[String]) -> Result<bool, FleetError> {
        let Some(octets) = Store::read(path)? else { return Ok(false) };
        let unreadable = || FleetError::Certificate { path: path.to_owned() };
        let pem = Pem::iter_from_buffer(&octets).next().ok_or_else(unreadable)?;
        let pem = pem.map_err(|_| unreadable())?;
        let certificate = pem.parse_x509().map_err(|_| unreadable())?;
        let found = certificate.subject_alternative_name().map_err(|_| unreadable())?;
        let found: Vec<_> =
            found.iter().flat_map(|names| &names.value.general_names).filter_map(text).collect();
        let ends = certificate.validity().not_after.timestamp();
        let now = i64::try_from(self.now.0 / 1_000).unwrap_or(i64::MAX);
        Ok(found == names && ends - now > RENEW_SECONDS)
    }
}

/// A name or an address as people write it.
fn text(name: &x509_parser::extensions::GeneralName<'_>) -> Option<String> {
    use x509_parser::extensions::GeneralName;
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|ip| std::net::IpAddr::from(ip).to_string()),
            _ => {
                <[u8; 16]>::try_from(*octets).ok().map(|ip| std::net::IpAddr::from(ip).to_string())
            }
        },
        _ => None,
    }
}

fn key(store: &mut Store, path: &Path) -> Result<KeyPair, FleetError> {
    let text = store.secret(path, || Ok(KeyPair::generate()?.serialize_pem()))?;
    Ok(KeyPair::from_pem(&text)?)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// From yesterday, for clocks that are slow, for so many years.
fn set_validity(params: &mut CertificateParams, now: UnixMs, years: i16) {
    let from = now.date().saturating_sub(jiff::Span::new().days(1));
    // Every month has 28 days.
    let day = |date: jiff::civil::Date, years: i16| {
        let part = |value: i8| u8::try_from(value).unwrap_or(1);
        let year = i32::from(date.year().saturating_add(years));
        rcgen::date_time_ymd(year, part(date.month()), part(date.day().min(28)))
    };
    params.not_before = day(from, 0);
    params.not_after = day(from, years);
}
