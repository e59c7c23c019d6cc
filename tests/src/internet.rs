//! What the small Internet of a test holds.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;

use domain::base::Rtype;
use mpic_cli::fleet::{Fleet, Internet, Options, demo};
use mpic_common::identifier::Identifier;
use mpic_common::policy::{Policy, Profile};
use mpic_internet::Config;
use mpic_internet::config::{Fault, FaultRcode, Page, Record, RecordType, TlsAlpn, Zone};

/// Where sites are served.
pub const WEB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 3, 1));
/// The CA that asks.
pub const ISSUER: &str = "ca.example";
/// The TXT record that its dns-01 jobs look for.
pub const DIGEST: &str = "digest-of-the-day";
/// The path that its http-01 jobs look at.
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/token-1";
/// What is to be there.
pub const KEY_AUTHORIZATION: &str = "token-1.thumbprint";

/// Zones, records, faults and pages, to be added to.
#[derive(Debug, Clone, Default)]
pub struct Content(Config);

impl Content {
    /// Nothing at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// That of `mpic up`, as its primary and six remotes see it.
    pub fn demo() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            remotes: NonZeroUsize::new(6).unwrap(),
            coordinators: NonZeroUsize::MIN,
            internet: Internet::Loopback(toml::Table::new()),
            policy: Policy::of(Profile::Strict),
            bus_port: None,
            traces: None,
            gateway: None,
        };
        let fleet = Fleet::plan(dir.path(), options).unwrap();
        let content = demo::content(fleet.primary(), fleet.remotes()).unwrap();
        Self(content.try_into().unwrap())
    }

    /// A registrable name with a web address, in an unsigned zone of its own.
    #[must_use]
    pub fn site(self, name: &str) -> Self {
        self.site_at(name, WEB)
    }

    /// The same where the web is elsewhere.
    #[must_use]
    pub fn site_at(self, name: &str, web: IpAddr) -> Self {
        self.zone(name, false).record(Record::address(name, web))
    }

    /// A site whose CAA record names our CA, and that shows both challenges to everyone.
    #[must_use]
    pub fn honest(self, name: &str) -> Self {
        self.honest_at(name, WEB)
    }

    /// The same where the web is elsewhere.
    #[must_use]
    pub fn honest_at(self, name: &str, web: IpAddr) -> Self {
        self.site_at(name, web)
            .caa(name, &format!("0 issue \"{ISSUER}\""))
            .record(Record::txt(&challenge_name(name), DIGEST))
            .page(Page::new(name, CHALLENGE_PATH, KEY_AUTHORIZATION))
    }

    /// A zone of this name.
    #[must_use]
    pub fn zone(mut self, name: &str, signed: bool) -> Self {
        self.0.zones.push(Zone { name: name.to_owned(), signed });
        self
    }

    /// A record.
    #[must_use]
    pub fn record(mut self, record: Record) -> Self {
        self.0.records.push(record);
        self
    }

    /// A CAA record in presentation form, such as `0 issue "ca.example"`.
    #[must_use]
    pub fn caa(self, name: &str, property: &str) -> Self {
        self.record(Record::caa(name, property))
    }

    /// An alias.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(Record::new(name, Rtype::CNAME, target))
    }

    /// A page.
    #[must_use]
    pub fn page(mut self, page: Page) -> Self {
        self.0.pages.push(page);
        self
    }

    /// An answer over `acme-tls/1`, the digest in hex.
    #[must_use]
    pub fn tls_alpn(mut self, name: &str, digest: &str) -> Self {
        let (name, digest) = (name.to_owned(), digest.to_owned());
        self.0.tls_alpn.push(TlsAlpn { name, digest, views: None });
        self
    }

    /// A redirect with this status.
    #[must_use]
    pub fn redirect(self, host: &str, path: &str, status: u16, location: &str) -> Self {
        let location = Some(location.to_owned());
        self.page(Page { status: Some(status), location, ..Page::new(host, path, "") })
    }

    /// A fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.0.faults.push(fault);
        self
    }

    /// Questions for CAA records of `name` end so.
    #[must_use]
    pub fn caa_fails(self, name: &str, rcode: FaultRcode) -> Self {
        let rtype = Some(RecordType(Rtype::CAA));
        self.fault(Fault { name: name.to_owned(), rtype, rcode: Some(rcode), ..Fault::default() })
    }

    /// Answers about `name` come so much later, to these views or to all.
    #[must_use]
    pub fn slow(self, name: &str, delay_ms: u64, views: Option<&[&str]>) -> Self {
        let views = views.map(|views| views.iter().map(|&view| view.to_owned()).collect());
        self.fault(Fault { name: name.to_owned(), delay_ms, views, ..Fault::default() })
    }

    /// What the process reads, but for the views.
    pub fn into_table(self) -> toml::Table {
        toml::Table::try_from(self.0).unwrap()
    }
}

/// Where dns-01 looks.
pub fn challenge_name(name: &str) -> String {
    format!("_acme-challenge.{name}")
}

/// The identifier of this text.
pub fn identifier(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}
