//! A name that answers every method, and an address that does.

use super::{Content, OWNER, OWNER_HASH, Page, Record, TlsAlpn, WEB, Zone};

/// The name.
const NAME: &str = "methods.example";
/// The zone of the reverse names around `WEB`.
const REVERSE_ZONE: &str = "3.0.127.in-addr.arpa";
/// The reverse name of `WEB`.
const REVERSE: &str = "1.3.0.127.in-addr.arpa";
/// What dns-change and website-change look for.
const VALUE: &str = "a-random-value-of-32-characters";
/// Which account may have certificates.
const PERSISTENT: &str = "ca.example; accounturi=https://ca.example/acct/1; policy=wildcard";
/// dns-account-01's label for that account.
const ACCOUNT_LABEL: &str = "_55hp4m7ugx3qoywf";

/// What each name says.
const RECORDS: &[(&str, &str, &str)] = &[
    ("", "A", WEB),
    ("", "MX", "10 mail.methods.example"),
    ("", "TXT", VALUE),
    ("mail.", "A", WEB),
    ("_acme-challenge.", "TXT", OWNER.digest),
    ("_validation-persist.", "TXT", PERSISTENT),
    ("_dnsauth.", "CNAME", "a-random-value.ca.example"),
    ("_caa.", "CAA", "0 issue \"a-random-value-of-32-characters\""),
    ("_validation-contactemail.", "TXT", "hostmaster@methods.example"),
    ("_validation-contactphone.", "TXT", "+1-555-123-4567"),
    ("", "CAA", "0 contactemail \"hostmaster@methods.example\""),
    ("", "CAA", "0 contactphone \"+1 555 123 4567\""),
    ("", "CAA", "0 issuewild \"ca.example\""),
    ("", "CAA", "0 issuemail \"ca.example\""),
    (
        "bound.",
        "CAA",
        "0 issue \"ca.example; accounturi=https://ca.example/acct/1; validationmethods=dns-01\"",
    ),
];

impl Content {
    /// Everything that `mpic check --help` asks for.
    pub(super) fn add_methods(&mut self) {
        self.zone.extend([NAME, REVERSE_ZONE].map(|name| Zone { name, signed: false }));
        for (below, r#type, data) in RECORDS {
            self.add_record(format!("{below}{NAME}"), r#type, data);
        }
        self.add_record(format!("{ACCOUNT_LABEL}._acme-challenge.{NAME}"), "TXT", OWNER.digest);
        self.add_record(REVERSE.to_owned(), "PTR", NAME);
        self.add_record(format!("_ip-validation-persist.{REVERSE}"), "TXT", PERSISTENT);
        let file = || "/.well-known/pki-validation/file.txt".to_owned();
        let token = || format!("/.well-known/acme-challenge/{}", OWNER.token);
        for host in [NAME, WEB] {
            self.add_page(host, file(), VALUE);
            self.add_page(host, token(), OWNER.key_authorization);
        }
        let answers = [super::HONEST, NAME, WEB];
        self.tls_alpn.extend(answers.map(|name| TlsAlpn { name, digest: OWNER_HASH }));
    }

    fn add_record(&mut self, name: String, r#type: &'static str, data: &str) {
        self.record.push(Record { name, r#type, data: data.to_owned(), views: None });
    }

    fn add_page(&mut self, host: &'static str, path: String, body: &'static str) {
        self.page.push(Page { host, path, body, views: None });
    }
}
