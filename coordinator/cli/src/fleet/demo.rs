//! What the small Internet of `mpic up` holds: three names, each with a story, and one that answers
//! every method.
//!
//! The challenges are fixed, so that documents and scripts can name them.

mod methods;

use serde::Serialize;

use super::{ISSUER_DOMAIN, Member};

/// Every perspective sees what its CA asked for.
pub const HONEST: &str = "honest.example";
/// The primary and two remotes sit behind a hijacked route and see the attacker's answers.
pub const HIJACKED: &str = "hijacked.example";
/// CAA names another CA.
pub const FORBIDDEN: &str = "forbidden.example";
/// The CA that `FORBIDDEN` names.
pub const OTHER_ISSUER: &str = "other-ca.example";

/// Who answers the challenges of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicant {
    /// The token of http-01.
    pub token: &'static str,
    /// The key authorization of that token: the page at its well-known path.
    pub key_authorization: &'static str,
    /// base64url of SHA-256 of the key authorization: the TXT record of dns-01.
    pub digest: &'static str,
}

/// SHA-256 of the owner's key authorization in hex: the certificate of tls-alpn-01.
const OWNER_HASH: &str = "eab96d4590381533c0da8ce96890856eeaa4c05a685b7ea85ca834cd294d4713";

/// Whose names they are.
pub const OWNER: Applicant = Applicant {
    token: "honest-token",
    key_authorization: "honest-token.honest-thumbprint",
    digest: "6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM",
};

/// Who would like to have a certificate for `HIJACKED`.
pub const ATTACKER: Applicant = Applicant {
    token: "attacker-token",
    key_authorization: "attacker-token.attacker-thumbprint",
    digest: "NKm4SsnlfQRlK8H7EglhmDmhSnc8ZsdBjW2d-7cmLyI",
};

/// Remotes behind the hijacked route.
const REMOTES_HIJACKED: usize = 2;
/// Where sites are served.
const WEB: &str = "127.0.3.1";

#[derive(Default, Serialize)]
struct Content {
    zone: Vec<Zone>,
    record: Vec<Record>,
    page: Vec<Page>,
    tls_alpn: Vec<TlsAlpn>,
}

#[derive(Serialize)]
struct Zone {
    name: &'static str,
    signed: bool,
}

#[derive(Serialize)]
struct Record {
    name: String,
    r#type: &'static str,
    data: String,
    views: Option<Vec<String>>,
}

#[derive(Serialize)]
struct TlsAlpn {
    name: &'static str,
    digest: &'static str,
}

#[derive(Serialize)]
struct Page {
    host: &'static str,
    path: String,
    body: &'static str,
    views: Option<Vec<String>>,
}

/// The content, as seen by `primary` and `remotes`.
pub fn content(primary: &Member, remotes: &[Member]) -> Result<toml::Table, toml::ser::Error> {
    let (near, far) = remotes.split_at(remotes.len().min(REMOTES_HIJACKED));
    let codes = |members: &[Member]| -> Vec<String> {
        members.iter().map(|member| member.code.to_string()).collect()
    };
    let hijacked = [vec![primary.code.to_string()], codes(near)].concat();
    let mut content = Content::default();
    content.add_name(HONEST, ISSUER_DOMAIN);
    content.add_name(HIJACKED, ISSUER_DOMAIN);
    content.add_name(FORBIDDEN, OTHER_ISSUER);
    content.add_answers(HONEST, &OWNER, None);
    content.add_answers(HIJACKED, &ATTACKER, Some(hijacked));
    content.add_answers(HIJACKED, &OWNER, Some(codes(far)));
    content.add_answers(FORBIDDEN, &OWNER, None);
    content.add_methods();
    toml::Table::try_from(content)
}

impl Content {
    fn add_name(&mut self, name: &'static str, issuer: &str) {
        self.zone.push(Zone { name, signed: name == HONEST });
        let mut add = |r#type, data| {
            self.record.push(Record { name: name.to_owned(), r#type, data, views: None });
        };
        add("A", WEB.to_owned());
        add("CAA", format!("0 issue \"{issuer}\""));
    }

    /// What `applicant` shows to `views`; to all where that is nil.
    fn add_answers(
        &mut self,
        host: &'static str,
        applicant: &Applicant,
        views: Option<Vec<String>>,
    ) {
        self.record.push(Record {
            name: format!("_acme-challenge.{host}"),
            r#type: "TXT",
            data: applicant.digest.to_owned(),
            views: views.clone(),
        });
        let path = format!("/.well-known/acme-challenge/{}", applicant.token);
        self.page.push(Page { host, path, body: applicant.key_authorization, views });
    }
}
