//! From octets to a job, or to every error in them.

mod challenge;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use super::{Caa, Dcv, Dispatch, FieldError, Job, JobId, PrimaryMode};
use crate::challenge::{Challenge, is_account_uri, is_issuer_domain};
use crate::identifier::{DnsName, Identifier, IdentifierFields, IdentifierKind};
use crate::limits::{BUDGET_MAX, BUDGET_MIN, COHORT_MAX, STRAGGLER_WAIT_MAX, STRAGGLER_WAIT_MIN};
use crate::method::Method;
use crate::octets::{Fixed, escape, hex};
use crate::policy::{CertificateType, Stricter};
use crate::time::{UnixMs, millis};
use crate::wire::strict::{self, Value};

/// The fields of one map that are not yet read, and what was wrong with those that are.
struct Fields<'e, 'a> {
    prefix: &'static str,
    unread: BTreeMap<&'a str, Value<'a>>,
    errors: &'e mut Vec<FieldError>,
}

impl<'a> Fields<'_, 'a> {
    fn error(&mut self, field: &str, value: impl Display, reason: impl Display) {
        let field = format!("{}{field}", self.prefix);
        self.errors.push(FieldError::new(&field, value, reason));
    }

    /// Reads an optional field: nil is absent.
    fn optional<T, E: Display>(
        &mut self,
        field: &str,
        read: impl FnOnce(Value<'a>) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.unread.remove(field).filter(|value| *value != Value::Nil)?;
        let shown = show(&value);
        read(value).map_err(|error| self.error(field, shown, error)).ok()
    }

    /// Reads a field that must be there.
    fn required<T, E: Display>(
        &mut self,
        field: &str,
        read: impl FnOnce(Value<'a>) -> Result<T, E>,
    ) -> Option<T> {
        if self.unread.get(field).is_none_or(|value| *value == Value::Nil) {
            self.unread.remove(field);
            self.error(field, "nil", "it is required");
            return None;
        }
        self.optional(field, read)
    }

    /// A whole number within a range.
    fn number(&mut self, field: &str, min: u64, max: u64) -> Option<u64> {
        self.optional(field, |value| match value {
            Value::Uint(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("it is a whole number from {min} to {max}")),
        })
    }

    fn count(&mut self, field: &str) -> Option<usize> {
        let count = self.number(field, 1, COHORT_MAX as u64)?;
        usize::try_from(count).ok()
    }

    fn span(&mut self, field: &str, min: Duration, max: Duration) -> Option<Duration> {
        self.number(field, millis(min), millis(max)).map(Duration::from_millis)
    }

    /// What is left is unknown, and may restrict: it is not ignored.
    fn finish(self) {
        for (field, value) in self.unread {
            let field = format!("{}{field}", self.prefix);
            self.errors.push(FieldError::new(&field, show(&value), "no such field"));
        }
    }
}

/// A value for an error message, site octets escaped.
fn show(value: &Value<'_>) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Negative(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Str(text) => escape(text.as_bytes()),
        Value::Bin(octets) => hex(octets),
        Value::Array(items) => format!("[{} items]", items.len()),
        Value::Map(fields) => format!("{{{} fields}}", fields.len()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as every reader of a field")]
fn text(value: Value<'_>) -> Result<&str, &'static str> {
    match value {
        Value::Str(text) => Ok(text),
        _ => Err("it is text"),
    }
}

fn parsed<T>(value: Value<'_>) -> Result<T, String>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text(value)?.to_owned()).map_err(|error| error.to_string())
}

/// Text of at most `octets_max` octets without control characters.
fn free_text(octets_max: usize) -> impl Fn(Value<'_>) -> Result<String, String> {
    move |value| {
        let text = text(value)?;
        if text.len() <= octets_max && !text.chars().any(char::is_control) {
            Ok(text.to_owned())
        } else {
            Err(format!("it has at most {octets_max} octets and no control characters"))
        }
    }
}

/// One of a few names.
fn one_of<T: Copy>(names: &'static [(&'static str, T)]) -> impl Fn(Value<'_>) -> Result<T, String> {
    move |value| {
        let text = text(value)?;
        let found = names.iter().find(|(name, _)| *name == text).map(|(_, named)| *named);
        found.ok_or_else(|| {
            let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            format!("it is one of {}", known.join(", "))
        })
    }
}

/// A list of texts, each of which fits.
fn list(
    count_max: usize,
    fits: fn(&str) -> bool,
    what: &'static str,
) -> impl Fn(Value<'_>) -> Result<Vec<String>, String> {
    move |value| {
        let wrong = || format!("it is a list of at most {count_max}, each {what}");
        let Value::Array(items) = value else { return Err(wrong()) };
        if items.len() > count_max {
            return Err(wrong());
        }
        let item = |item| match item {
            Value::Str(text) if fits(text) => Ok(text.to_owned()),
            other => Err(format!("`{}` is not {what}", show(&other))),
        };
        items.into_iter().map(item).collect()
    }
}

fn map(value: Value<'_>) -> Result<BTreeMap<&str, Value<'_>>, &'static str> {
    match value {
        Value::Map(fields) => Ok(fields.into_iter().collect()),
        _ => Err("it is a map"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as every reader of a field")]
fn job_id(value: Value<'_>) -> Result<JobId, String> {
    let Value::Bin(octets) = value else { return Err("it is a bin of 16 octets".to_owned()) };
    let octets = <[u8; 16]>::try_from(octets).map_err(|_| "it is a bin of 16 octets")?;
    JobId::try_from(Fixed(octets)).map_err(|error| error.to_string())
}

/// The id in a job's body, where there is one, however wrong the rest.
pub fn id_of(body: &[u8]) -> Option<JobId> {
    let value = strict::parse(body).ok()?;
    let (_, id) = value.as_map()?.iter().find(|(field, _)| *field == "job")?;
    job_id(id.clone()).ok()
}

/// The job in these octets less its checks, however wrong those are; none where it cannot be told
/// who asks for what. Only to tell whom it would have been asked of.
pub fn without_checks(body: &[u8]) -> Option<Job> {
    let mut unread = map(strict::parse(body).ok()?).ok()?;
    unread.retain(|field, _| !matches!(*field, "dcv" | "caa"));
    Fields { prefix: "", unread, errors: &mut Vec::new() }.job()
}

const CERTIFICATE_TYPES: &[(&str, CertificateType)] =
    &[("tls-server", CertificateType::TlsServer), ("s-mime", CertificateType::SMime)];
const PRIMARIES: &[(&str, PrimaryMode)] =
    &[("ask", PrimaryMode::Ask), ("external", PrimaryMode::External)];
const DISPATCHES: &[(&str, Dispatch)] =
    &[("primary-first", Dispatch::PrimaryFirst), ("together", Dispatch::Together)];
const KINDS: &[(&str, IdentifierKind)] =
    &[("dns", IdentifierKind::Dns), ("ip", IdentifierKind::Ip), ("email", IdentifierKind::Email)];

impl Job {
    /// Parses the body of a `job`, or gives every error in it.
    pub fn parse(body: &[u8]) -> Result<Self, Vec<FieldError>> {
        let value =
            strict::parse(body).map_err(|error| vec![FieldError::new("body", hex(body), error)])?;
        let mut errors = Vec::new();
        let fields = map(value).unwrap_or_default();
        let mut fields = Fields { prefix: "", unread: fields, errors: &mut errors };
        let job = fields.job();
        fields.finish();
        match job {
            Some(job) if errors.is_empty() => Ok(job),
            _ => Err(errors),
        }
    }
}

impl<'a> Fields<'_, 'a> {
    /// Reads every field before it gives up, so that every error is found.
    fn job(&mut self) -> Option<Job> {
        self.required("type", one_of(&[("job", ())]));
        let ca = self.required("ca", parsed);
        let id = self.required("job", job_id);
        let ca_request = self.optional("ca_request", free_text(128));
        let certificate_type = self.required("certificate_type", one_of(CERTIFICATE_TYPES));
        let identifier = self.required("identifier", map).and_then(|map| self.identifier(map));
        self.suit_certificate(certificate_type, identifier.as_ref());
        let dcv_asked = self.optional("dcv", map);
        let caa_asked = self.optional("caa", map);
        if dcv_asked.is_none() && caa_asked.is_none() {
            self.error("dcv", "nil", "a job asks for dcv, caa or both");
        }
        let dcv_is_asked = dcv_asked.is_some();
        let dcv = dcv_asked.and_then(|map| self.dcv(map, identifier.as_ref()));
        let label = dcv.as_ref().zip(identifier.as_ref()).and_then(|(dcv, identifier)| {
            Method::find(dcv.challenge.method_id(), identifier.kind()).map(|row| row.caa_label)
        });
        let caa = caa_asked.map(|map| self.caa(map, label));
        let issuer_domains = self
            .optional("issuer_domains", list(16, is_issuer_domain, "a lower-case domain name"))
            .unwrap_or_default();
        let is_persistent = |dcv: &Dcv| matches!(dcv.challenge, Challenge::DnsPersistent { .. });
        if issuer_domains.is_empty() && caa.is_some() {
            self.error("issuer_domains", "[]", "a CAA check needs a name to look for");
        } else if issuer_domains.is_empty() && dcv.as_ref().is_some_and(is_persistent) {
            self.error("issuer_domains", "[]", "a persistent record needs a name to look for");
        }
        let primary = self.optional("primary", one_of(PRIMARIES));
        let primary_claim = self.optional("primary_claim", free_text(1_024));
        let dispatch = self.optional("dispatch", one_of(DISPATCHES));
        let stricter = Stricter {
            remotes: self.count("remotes"),
            corroborations_min: self.count("corroborations_min"),
        };
        let straggler_wait = self.span("straggler_wait_ms", STRAGGLER_WAIT_MIN, STRAGGLER_WAIT_MAX);
        let budget = self.span("budget_ms", BUDGET_MIN, BUDGET_MAX);
        let deadline_ms = self.number("deadline_ms", 0, u64::MAX).map(UnixMs);
        if primary == Some(PrimaryMode::External)
            && dcv.as_ref().is_some_and(|dcv| dcv.challenge.expected().is_none())
        {
            let reason = "with an external primary, name the one that it saw";
            self.error("dcv.account_uris", "several", reason);
        }
        if dcv_is_asked && dcv.is_none() {
            return None;
        }
        Some(Job {
            ca: ca?,
            id: id?,
            ca_request,
            certificate_type: certificate_type?,
            identifier: identifier?,
            dcv,
            caa,
            issuer_domains,
            primary: primary.unwrap_or_default(),
            primary_claim,
            dispatch: dispatch.unwrap_or_default(),
            stricter,
            straggler_wait,
            budget,
            deadline_ms,
        })
    }

    /// The fields of a map within this one.
    fn within<'s>(
        &'s mut self,
        prefix: &'static str,
        unread: BTreeMap<&'a str, Value<'a>>,
    ) -> Fields<'s, 'a> {
        Fields { prefix, unread, errors: self.errors }
    }

    fn identifier(&mut self, map: BTreeMap<&'a str, Value<'a>>) -> Option<Identifier> {
        let mut fields = self.within("identifier.", map);
        let kind = fields.required("kind", one_of(KINDS));
        let value = fields.required("value", |value| text(value).map(str::to_owned));
        let wildcard = fields.optional("wildcard", |value| match value {
            Value::Bool(wildcard) => Ok(wildcard),
            _ => Err("it is true or false"),
        });
        let (kind, value) = kind.zip(value).or_else(|| {
            std::mem::take(&mut fields.unread);
            None
        })?;
        let shown = escape(value.as_bytes());
        let wildcard = wildcard.unwrap_or(false);
        let identifier = Identifier::try_from(IdentifierFields { kind, value, wildcard })
            .map_err(|error| fields.error("value", shown, error))
            .ok();
        fields.finish();
        identifier
    }

    /// TLS certificates are for names and addresses, S/MIME certificates for mailboxes.
    fn suit_certificate(
        &mut self,
        certificate_type: Option<CertificateType>,
        identifier: Option<&Identifier>,
    ) {
        let Some((certificates, identifier)) = certificate_type.zip(identifier) else { return };
        let is_mailbox = identifier.kind() == IdentifierKind::Email;
        if is_mailbox != (certificates == CertificateType::SMime) {
            let reason = format!("no identifier of a {} certificate", certificates.as_str());
            self.error("identifier", identifier, reason);
        }
    }

    fn dcv(
        &mut self,
        map: BTreeMap<&'a str, Value<'a>>,
        identifier: Option<&Identifier>,
    ) -> Option<Dcv> {
        let mut fields = self.within("dcv.", map);
        let method = fields.required("method", text);
        if let (Some(method), Some(identifier)) = (method, identifier) {
            fields.suit_method(method, identifier);
        }
        let adn = fields.optional("adn", |value| {
            DnsName::parse(text(value)?).map_err(|error| error.to_string())
        });
        let challenge = method.and_then(|method| fields.challenge(method));
        if let (Some(adn), Some(challenge), Some(identifier)) = (&adn, &challenge, identifier) {
            fields.suit_adn(adn, challenge, identifier);
        }
        if let (Some(challenge), Some(identifier)) = (&challenge, identifier) {
            fields.suit_request(challenge, adn.as_ref(), identifier);
        }
        if challenge.is_none() {
            // What the other fields mean depends on the method.
            fields.unread.clear();
        }
        fields.finish();
        Some(Dcv { adn, challenge: challenge? })
    }

    fn suit_method(&mut self, method: &str, identifier: &Identifier) {
        let shown = escape(method.as_bytes());
        match Method::find(method, identifier.kind()) {
            None if Method::exists(method) => {
                self.error("method", shown, "it does not validate this kind of identifier");
            }
            Some(row) if identifier.is_wildcard() && !row.wildcard => {
                let reason = format!("{} does not validate wildcards", row.clause);
                self.error("method", shown, reason);
            }
            _ => {}
        }
    }

    /// An ADN is the FQDN or an ancestor of it; where the method proves control of one host only
    /// the FQDN. The public suffix bounds it at the agent.
    fn suit_adn(&mut self, adn: &DnsName, challenge: &Challenge, identifier: &Identifier) {
        let Some(name) = identifier.name() else {
            return self.error("adn", adn, "an IP address has no authorization domain name");
        };
        let row = Method::find(challenge.method_id(), identifier.kind());
        if !adn.is_ancestor_or_self_of(name) {
            self.error("adn", adn, "it is neither the name nor an ancestor of it");
        } else if adn != name && row.is_some_and(|row| !row.serves_names_below) {
            self.error("adn", adn, "this method validates the name itself");
        }
    }

    fn caa(&mut self, map: BTreeMap<&'a str, Value<'a>>, label: Option<&str>) -> Caa {
        let mut fields = self.within("caa.", map);
        let account_uris = fields
            .optional("account_uris", list(8, is_account_uri, "an absolute URI"))
            .unwrap_or_default();
        let named = fields.optional("caa_method_label", |value| match text(value)? {
            label if is_method_label(label) => Ok(label.to_owned()),
            _ => Err("it is letters, digits and hyphens"),
        });
        fields.finish();
        let own = label.filter(|label| !label.is_empty()).map(str::to_owned);
        Caa { account_uris, method_label: named.or(own) }
    }
}

fn is_method_label(label: &str) -> bool {
    let fits = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
    (1..=64).contains(&label.len()) && label.as_bytes().iter().all(fits)
}
