//! The validation method and its inputs, a flag each.

use std::collections::BTreeMap;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use mpic_common::challenge::{
    Challenge, ChangeRecord, Contact, ContactRecord, DnsChange, Matching, RequestHeaders, Scheme,
    WebsiteChange,
};
use mpic_common::identifier::DnsName;
use mpic_common::job::Dcv;
use mpic_common::method;
use mpic_common::octets::Hash;

use super::argument::{Wrong, address, name, parsed};

/// The methods that ask something of the network; the Baseline Requirements' clause in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// ACME dns-01 [3.2.2.4.7]
    #[value(name = "dns-01", alias = "acme-dns-01")]
    Dns01,
    /// ACME http-01 [3.2.2.4.19, 3.2.2.5.6]
    #[value(name = "http-01", alias = "acme-http-01")]
    Http01,
    /// ACME tls-alpn-01 [3.2.2.4.20, 3.2.2.5.7]
    #[value(name = "tls-alpn-01", alias = "acme-tls-alpn-01")]
    TlsAlpn01,
    /// ACME dns-account-01 [3.2.2.4.21]
    #[value(name = "dns-account-01")]
    DnsAccount01,
    /// A persistent TXT record, ACME dns-persist-01 [3.2.2.4.22, 3.2.2.5.8]
    #[value(alias = "dns-persist-01")]
    DnsPersistent,
    /// A value in a TXT, CNAME or CAA record [3.2.2.4.7]
    DnsChange,
    /// A value in a file of the site [3.2.2.4.18, 3.2.2.5.1]
    WebsiteChange,
    /// A mailbox in CAA [3.2.2.4.13]
    ContactEmailCaa,
    /// A mailbox in TXT [3.2.2.4.14]
    ContactEmailTxt,
    /// A telephone number in CAA [3.2.2.4.17]
    ContactPhoneCaa,
    /// A telephone number in TXT [3.2.2.4.16]
    ContactPhoneTxt,
    /// The name that an IP address points to [3.2.2.5.3]
    ReverseAddressLookup,
    /// The mail server of a mailbox's domain [S/MIME 3.2.2.3]
    SmtpHost,
    /// The address of a name [3.2.2.4.8, ended]
    IpAddress,
}

impl Method {
    fn contact_record(self) -> Option<ContactRecord> {
        Some(match self {
            Self::ContactEmailCaa => ContactRecord::EmailCaa,
            Self::ContactEmailTxt => ContactRecord::EmailTxt,
            Self::ContactPhoneCaa => ContactRecord::PhoneCaa,
            Self::ContactPhoneTxt => ContactRecord::PhoneTxt,
            _ => return None,
        })
    }

    /// As on the wire.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Dns01 => method::ACME_DNS_01,
            Self::Http01 => method::ACME_HTTP_01,
            Self::TlsAlpn01 => method::ACME_TLS_ALPN_01,
            Self::DnsAccount01 => method::DNS_ACCOUNT_01,
            Self::DnsPersistent => method::DNS_PERSISTENT,
            Self::DnsChange => method::DNS_CHANGE,
            Self::WebsiteChange => method::WEBSITE_CHANGE,
            Self::ReverseAddressLookup => method::REVERSE_ADDRESS_LOOKUP,
            Self::SmtpHost => method::SMTP_HOST,
            Self::IpAddress => method::IP_ADDRESS,
            contact => contact.contact_record().map_or("", ContactRecord::as_str),
        }
    }

    /// The flags that it reads besides `--adn`.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Dns01 | Self::TlsAlpn01 => &["--key-authorization", "--key-authorization-hash"],
            Self::Http01 => &["--token", "--key-authorization", "--header"],
            Self::DnsAccount01 => {
                &["--key-authorization", "--key-authorization-hash", "--account-uri"]
            }
            Self::DnsPersistent => &["--account-uri"],
            Self::DnsChange => {
                &["--challenge", "--record-type", "--prefix", "--match", "--ignore-case"]
            }
            Self::WebsiteChange => {
                &["--challenge", "--path", "--scheme", "--match-regex", "--ignore-case", "--header"]
            }
            Self::ReverseAddressLookup | Self::SmtpHost => &["--expected-fqdn"],
            Self::IpAddress => &["--address"],
            Self::ContactEmailCaa
            | Self::ContactEmailTxt
            | Self::ContactPhoneCaa
            | Self::ContactPhoneTxt => &["--contact"],
        }
    }
}

/// How control of the identifier is validated.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Domain control validation")]
pub(super) struct Validation {
    /// Validate control by this method
    #[arg(long, value_enum, value_name = "METHOD")]
    method: Option<Method>,
    /// Check this name instead of the identifier's: an ancestor of it
    #[arg(long, value_name = "NAME")]
    adn: Option<String>,
    /// http-01: what the file must say; for the other ACME methods, instead of its hash
    #[arg(long, value_name = "KEY")]
    key_authorization: Option<String>,
    /// dns-01, dns-account-01: what a TXT record must say; tls-alpn-01: the same in hex
    #[arg(long, value_name = "HASH", conflicts_with = "key_authorization")]
    key_authorization_hash: Option<String>,
    /// http-01: names the file
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// dns-account-01: the account; dns-persistent: an account that may stand there (repeatable)
    #[arg(long, value_name = "URI")]
    account_uri: Vec<String>,
    /// dns-change, website-change: the Random Value or Request Token to be found
    #[arg(long, value_name = "TEXT")]
    challenge: Option<String>,
    /// dns-change: TXT, CNAME or CAA [default: TXT]
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = one_of(ChangeRecord::NAMES))]
    record_type: Option<ChangeRecord>,
    /// dns-change: a label before the name, such as `_dnsauth`
    #[arg(long, value_name = "LABEL")]
    prefix: Option<String>,
    /// dns-change: whether the record is the value or contains it [default: exact]
    #[arg(long = "match", value_name = "HOW", value_parser = one_of(Matching::NAMES))]
    matching: Option<Matching>,
    /// website-change: the file below `/.well-known/pki-validation/`
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// website-change: http or https [default: http]
    #[arg(long, value_name = "SCHEME", value_parser = one_of(Scheme::NAMES))]
    scheme: Option<Scheme>,
    /// website-change: what the file must match besides
    #[arg(long, value_name = "REGEX")]
    match_regex: Option<String>,
    /// dns-change, website-change: the value may be in any case
    #[arg(long)]
    ignore_case: bool,
    /// http-01, website-change: a header to send, `Name: value` (repeatable)
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// contact-...: the contact that the CA selected
    #[arg(long, value_name = "CONTACT")]
    contact: Option<String>,
    /// reverse-address-lookup, smtp-host: the name to be found
    #[arg(long, value_name = "NAME")]
    expected_fqdn: Option<String>,
    /// ip-address: the address to be found
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
}

/// One of a few names, as on the wire.
fn one_of<T: Copy + Send + Sync + 'static>(
    names: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name)).try_map(move |text: String| {
        let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text));
        found.map(|(_, value)| *value).ok_or("no such value")
    })
}

impl Validation {
    /// The method.
    pub(super) fn method(&self) -> Option<Method> {
        self.method
    }

    /// The validation that the flags ask for, if any; a flag that the method does not read is
    /// refused, not ignored.
    pub(super) fn dcv(&self) -> Result<Option<Dcv>, Wrong> {
        let read = self.method.map_or(&[][..], Method::flags);
        if let Some(unread) = self.given().find(|flag| !read.contains(flag)) {
            return Err(self.unread(unread));
        }
        let Some(method) = self.method else { return Ok(None) };
        let adn = self.adn.as_deref().map(|text| name("--adn", text)).transpose()?;
        Ok(Some(Dcv { adn, challenge: self.challenge(method)? }))
    }

    /// The flags that stand there, besides `--adn` where there is a method.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let flags = [
            ("--adn", self.adn.is_some() && self.method.is_none()),
            ("--key-authorization", self.key_authorization.is_some()),
            ("--key-authorization-hash", self.key_authorization_hash.is_some()),
            ("--token", self.token.is_some()),
            ("--account-uri", !self.account_uri.is_empty()),
            ("--challenge", self.challenge.is_some()),
            ("--record-type", self.record_type.is_some()),
            ("--prefix", self.prefix.is_some()),
            ("--match", self.matching.is_some()),
            ("--path", self.path.is_some()),
            ("--scheme", self.scheme.is_some()),
            ("--match-regex", self.match_regex.is_some()),
            ("--ignore-case", self.ignore_case),
            ("--header", !self.header.is_empty()),
            ("--contact", self.contact.is_some()),
            ("--expected-fqdn", self.expected_fqdn.is_some()),
            ("--address", self.address.is_some()),
        ];
        flags.into_iter().filter_map(|(flag, is_given)| is_given.then_some(flag))
    }

    fn unread(&self, flag: &'static str) -> Wrong {
        match self.method {
            None => Wrong::new(flag, "it belongs to a --method, and none is given"),
            Some(method) => {
                let flags = method.flags().join(", ");
                Wrong::new(flag, format!("{} does not read it; it reads {flags}", method.id()))
            }
        }
    }

    fn challenge(&self, method: Method) -> Result<Challenge, Wrong> {
        Ok(match method {
            Method::Dns01 => Challenge::AcmeDns01 { digest: self.digest(method)? },
            Method::Http01 => Challenge::AcmeHttp01 {
                token: input(method, "--token", self.token.as_deref())?,
                key_authorization: self.key_authorization(method)?,
                headers: self.headers()?,
            },
            Method::TlsAlpn01 => Challenge::AcmeTlsAlpn01 { digest: self.hash(method)? },
            Method::DnsAccount01 => Challenge::DnsAccount01 {
                digest: self.digest(method)?,
                account_url: self.one_account(method)?,
            },
            Method::DnsPersistent => Challenge::DnsPersistent { account_uris: self.accounts()? },
            Method::DnsChange => Challenge::DnsChange(self.dns_change(method)?),
            Method::WebsiteChange => Challenge::WebsiteChange(self.website_change(method)?),
            Method::ReverseAddressLookup => {
                Challenge::ReverseAddressLookup { expected_fqdn: self.expected_fqdn(method)? }
            }
            Method::SmtpHost => Challenge::SmtpHost { expected_fqdn: self.expected_fqdn(method)? },
            Method::IpAddress => {
                let text = required(method, "--address", self.address.as_deref())?;
                Challenge::IpAddress { address: address("--address", text)? }
            }
            Method::ContactEmailCaa
            | Method::ContactEmailTxt
            | Method::ContactPhoneCaa
            | Method::ContactPhoneTxt => self.contact(method)?,
        })
    }
}

/// The flag that a field of a job comes from; a field that no flag sets is itself.
pub(super) fn flag_of(field: &str) -> &str {
    match field {
        "identifier.value" => "identifier",
        "certificate_type" => "--certificate-type",
        "issuer_domains" => "--issuer-domain",
        "budget_ms" => "--budget-ms",
        "caa.account_uris" => "--caa-account-uri",
        "caa.caa_method_label" => "--caa-method-label",
        "dcv.method" => "--method",
        "dcv.adn" => "--adn",
        "dcv.digest" => "--key-authorization-hash",
        "dcv.account_uris" | "dcv.account_url" => "--account-uri",
        "dcv.challenge" => "--challenge",
        "dcv.path" => "--path",
        "dcv.headers" => "--header",
        "dcv.match_regex" => "--match-regex",
        other => other,
    }
}

/// The text of a flag that the method needs.
fn required<'a>(
    method: Method,
    flag: &'static str,
    text: Option<&'a str>,
) -> Result<&'a str, Wrong> {
    text.ok_or_else(|| Wrong::new(flag, format!("{} needs it", method.id())))
}

fn input<T>(method: Method, flag: &'static str, text: Option<&str>) -> Result<T, Wrong>
where
    T: TryFrom<String>,
    T::Error: std::fmt::Display,
{
    parsed(flag, required(method, flag, text)?)
}

impl Validation {
    fn key_authorization<T>(&self, method: Method) -> Result<T, Wrong>
    where
        T: TryFrom<String>,
        T::Error: std::fmt::Display,
    {
        input(method, "--key-authorization", self.key_authorization.as_deref())
    }

    /// What a TXT record must say (RFC 8555 8.4).
    fn digest<T>(&self, method: Method) -> Result<T, Wrong>
    where
        T: TryFrom<String>,
        T::Error: std::fmt::Display,
    {
        let hashed = self.key_authorization.as_ref().map(|key| Hash::of(key.as_bytes()));
        let text = hashed.map(|Hash(octets)| BASE64URL_NOPAD.encode(&octets));
        let text = text.as_deref().or(self.key_authorization_hash.as_deref());
        input(method, "--key-authorization-hash", text)
    }

    /// What the certificate must hold (RFC 8737 3).
    fn hash(&self, method: Method) -> Result<Hash, Wrong> {
        if let Some(key) = &self.key_authorization {
            return Ok(Hash::of(key.as_bytes()));
        }
        let flag = "--key-authorization-hash";
        let text = required(method, flag, self.key_authorization_hash.as_deref())?;
        let octets = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let octets = octets.and_then(|octets| octets.try_into().ok());
        octets.map(Hash).ok_or_else(|| Wrong::new(flag, "it is 64 hex digits"))
    }

    fn accounts<T>(&self) -> Result<Vec<T>, Wrong>
    where
        T: TryFrom<String>,
        T::Error: std::fmt::Display,
    {
        if self.account_uri.is_empty() {
            return Err(Wrong::new("--account-uri", "dns-persistent needs at least one"));
        }
        self.account_uri.iter().map(|uri| parsed("--account-uri", uri)).collect()
    }

    fn one_account<T>(&self, method: Method) -> Result<T, Wrong>
    where
        T: TryFrom<String>,
        T::Error: std::fmt::Display,
    {
        match self.account_uri.as_slice() {
            [_, _, ..] => Err(Wrong::new("--account-uri", format!("{} needs one", method.id()))),
            given => input(method, "--account-uri", given.first().map(String::as_str)),
        }
    }

    fn dns_change(&self, method: Method) -> Result<DnsChange, Wrong> {
        let prefix = self.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        Ok(DnsChange {
            challenge: input(method, "--challenge", self.challenge.as_deref())?,
            record_type: self.record_type.unwrap_or(ChangeRecord::Txt),
            prefix: prefix.map(|prefix| parsed("--prefix", prefix)).transpose()?,
            matching: self.matching.unwrap_or(Matching::Exact),
            case_sensitive: !self.ignore_case,
        })
    }

    fn website_change(&self, method: Method) -> Result<WebsiteChange, Wrong> {
        let path = required(method, "--path", self.path.as_deref())?;
        Ok(WebsiteChange {
            challenge: input(method, "--challenge", self.challenge.as_deref())?,
            path: parsed("--path", path.strip_prefix('/').unwrap_or(path))?,
            scheme: self.scheme.unwrap_or(Scheme::Http),
            headers: self.headers()?,
            match_regex: self.match_regex.clone(),
            case_sensitive: !self.ignore_case,
        })
    }

    fn headers(&self) -> Result<RequestHeaders, Wrong> {
        let wrong = || Wrong::new("--header", "it is `Name: value`");
        let header = |text: &String| {
            let (name, value) = text.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let mut headers = BTreeMap::new();
        for text in &self.header {
            let (name, value) = header(text).ok_or_else(wrong)?;
            if headers.insert(name, value).is_some() {
                return Err(Wrong::new("--header", "a header stands twice"));
            }
        }
        RequestHeaders::try_from(headers).map_err(|error| Wrong::new("--header", error))
    }

    fn contact(&self, method: Method) -> Result<Challenge, Wrong> {
        let flag = "--contact";
        let text = required(method, flag, self.contact.as_deref())?;
        let record = method.contact_record().ok_or_else(|| Wrong::new("--method", "no contact"))?;
        let contact = Contact::parse(record.kind(), text.as_bytes())
            .map_err(|error| Wrong::of(flag, text, error))?;
        Ok(Challenge::Contact { record, contact })
    }

    fn expected_fqdn(&self, method: Method) -> Result<DnsName, Wrong> {
        let flag = "--expected-fqdn";
        name(flag, required(method, flag, self.expected_fqdn.as_deref())?)
    }
}
