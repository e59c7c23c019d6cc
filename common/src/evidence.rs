//! What a perspective saw, kept for whoever decides again: questions, hops, CAA sets.
//!
//! Every record omits on the wire what is nil, empty or false.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ip_text;
use crate::octets::{Hash, Octets};
use crate::reason::Reason;

/// How a question to the DNS ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsOutcome {
    /// Records of the type at the end of the alias chain.
    Answer,
    /// The name exists without such records.
    NoData,
    /// The final name does not exist.
    NxDomain,
    /// No reply in time.
    Timeout,
    /// SERVFAIL that is not known to be bogus.
    ServFail,
    /// REFUSED.
    Refused,
    /// No server could be reached.
    Unreachable,
    /// An undecodable or contradictory reply, or any other rcode.
    Malformed,
    /// Truncated, and TCP was unusable.
    Truncated,
    /// More than 11 aliases, or a loop.
    AliasLimit,
    /// A name of more than 253 octets.
    NameTooLong,
    /// The job's packets or octets are spent.
    Budget,
    /// Validation failed.
    Bogus,
    /// Validation could not be completed.
    Indeterminate,
    /// Signed with algorithms alone that the validator does not know: indeterminate too.
    UnsupportedAlgorithm,
}

impl DnsOutcome {
    /// The reason of a check that needed data here; none for an answer.
    pub fn reason(self) -> Option<Reason> {
        Some(match self {
            Self::Answer => return None,
            Self::NoData => Reason::DnsNodata,
            Self::NxDomain => Reason::DnsNxdomain,
            Self::Timeout => Reason::DnsTimeout,
            Self::ServFail => Reason::DnsServfail,
            Self::Refused => Reason::DnsRefused,
            Self::Unreachable => Reason::DnsUnreachable,
            Self::Malformed => Reason::DnsMalformed,
            Self::Truncated => Reason::DnsTruncated,
            Self::AliasLimit => Reason::DnsAliasLimit,
            Self::NameTooLong => Reason::DnsNameTooLong,
            Self::Budget => Reason::DnsBudget,
            Self::Bogus => Reason::DnssecBogus,
            Self::Indeterminate => Reason::DnssecIndeterminate,
            Self::UnsupportedAlgorithm => Reason::DnssecUnsupportedAlgorithm,
        })
    }

    /// Whether the question was answered, be it with nothing.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Answer | Self::NoData | Self::NxDomain)
    }
}

/// RFC 4035 4.3, the best first, so that the worst of several is their maximum.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Dnssec {
    /// No question was asked.
    #[default]
    Unused,
    /// Signed, and the signatures hold.
    Secure,
    /// Proven to be unsigned.
    Insecure,
    /// Not to be determined.
    Indeterminate,
    /// Signed, and the signatures do not hold.
    Bogus,
}

/// Who judged the DNSSEC state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnssecSource {
    /// The AD bit of the validating resolver beside the perspective.
    ResolverAd,
    /// The validator inside the agent.
    Domain,
}

/// What a question was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The challenge.
    Challenge,
    /// A host to connect to.
    Address,
    /// CAA.
    Caa,
    /// A contact.
    Contact,
    /// A reverse lookup.
    Ptr,
    /// Mail exchangers.
    Mx,
}

/// The last transport used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
}

/// The two kinds of alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AliasKind {
    /// CNAME.
    Cname,
    /// DNAME.
    Dname,
}

/// One alias that was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasSeen {
    /// Where it stands.
    pub owner: String,
    /// Which kind.
    pub kind: AliasKind,
    /// Where it leads.
    pub target: String,
    /// Seconds.
    pub ttl_s: u32,
    /// Its own state.
    pub dnssec: Dnssec,
}

/// An extended DNS error (RFC 8914): the code and at most 64 octets of its text, escaped.
pub type ExtendedError = (u16, String);

/// One question to the DNS engine and its judged answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSeen {
    /// The name asked, without final dot.
    pub name: String,
    /// The record type, such as `TXT`.
    pub qtype: String,
    /// What for.
    pub purpose: Purpose,
    /// How often it was asked.
    pub attempts: u8,
    /// How it ended.
    pub outcome: DnsOutcome,
    /// The worst state of its aliases and its answer.
    pub dnssec: Dnssec,
    /// Who judged that.
    pub dnssec_source: DnssecSource,
    /// The aliases followed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<AliasSeen>,
    /// The end of the chain, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_owner: Option<String>,
    /// Raw RDATA, as much as the reply has room for, the matching one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rrset: Vec<Octets>,
    /// How many there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rrset_count: u32,
    /// SHA-256 over all RDATA sorted, each preceded by its u16 length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrset_digest: Option<Hash>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ttl_s: Option<u32>,
    /// The rcode, extended bits included; nil without a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<u16>,
    /// The AD bit of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ad: Option<bool>,
    /// Every extended error of the reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ede: Vec<ExtendedError>,
    /// The last transport used.
    pub transport: Transport,
    /// The servers asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "ip_text::list")]
    pub upstreams: Vec<IpAddr>,
    /// Index into the reply's `resolvers`.
    pub resolver: u8,
    /// Monotonic microseconds, all attempts together.
    pub elapsed_us: u64,
}

/// A candidate that did not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Where.
    #[serde(with = "ip_text")]
    pub addr: IpAddr,
    /// Why not.
    pub error: Reason,
}

/// Where in the body the expected octets were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyMatch {
    /// Octets before it.
    pub offset: u32,
    /// The octets around it.
    pub octets: Octets,
}

/// One HTTP request and its response, redirect or final.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopSeen {
    /// The URL asked.
    pub url: String,
    /// The addresses that the policy let through, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "ip_text::list")]
    pub addresses: Vec<IpAddr>,
    /// Candidates that did not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The peer that answered.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ip_text::some")]
    pub addr_used: Option<IpAddr>,
    /// Its port, that of the URL.
    pub port: u16,
    /// The status; nil without a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `Location` header of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Octets>,
    /// Such as `HTTP/1.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<String>,
    /// How many headers.
    #[serde(default, skip_serializing_if = "is_zero_u16")]
    pub header_count: u16,
    /// `Content-Encoding`, escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// Such as `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// SHA-256 of the leaf certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_digest: Option<Hash>,
    /// Octets of the body that were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub body_octets: u32,
    /// Whether that was the whole body.
    #[serde(default, skip_serializing_if = "is_false")]
    pub body_complete: bool,
    /// SHA-256 of what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_digest: Option<Hash>,
    /// Its first 256 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_head: Option<Octets>,
    /// Where the expected octets are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_match: Option<BodyMatch>,
    /// Monotonic microseconds from the start of the hop to the end of the head.
    #[serde(default, skip_serializing_if = "is_zero_u64")]
    pub head_us: u64,
    /// Monotonic microseconds of the body.
    #[serde(default, skip_serializing_if = "is_zero_u64")]
    pub body_us: u64,
}

/// One TLS-ALPN connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSeen {
    /// Candidates that did not serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The peer.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "ip_text::some")]
    pub addr_used: Option<IpAddr>,
    /// The server name sent.
    pub sni: String,
    /// Such as `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// The negotiated suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// The negotiated protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Octets>,
    /// How many certificates.
    #[serde(default)]
    pub chain_length: u8,
    /// The leaf, at most 16 KiB of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Octets>,
    /// SHA-256 of the whole leaf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf_digest: Option<Hash>,
    /// Every check that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_checks: Vec<Reason>,
    /// Monotonic microseconds.
    pub elapsed_us: u64,
}

/// One step of the climb of RFC 8659 section 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClimbStep {
    /// The name asked.
    pub name: String,
    /// What came.
    pub outcome: DnsOutcome,
    /// How many records.
    pub count: u32,
}

/// One CAA property as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaaProperty {
    /// The flags octet.
    pub flags: u8,
    /// The tag.
    pub tag: Octets,
    /// The value.
    pub value: Octets,
}

/// What CAA says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaaDecision {
    /// Issuance is permitted.
    Permit,
    /// It is not.
    Prohibit,
    /// It could not be found out, which prohibits.
    LookupFailed,
    /// CAA does not apply to IP addresses.
    NotApplicable,
}

/// Why CAA says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaaBasis {
    /// No CAA set from the name to its top-level domain.
    NoRecords,
    /// A set, but none of its properties restricts this kind of certificate.
    NoRelevantProperty,
    /// A property names the issuer; see `authorized_by`.
    AuthorizedBy,
    /// No property names the issuer.
    Unauthorized,
    /// An unknown property is critical.
    CriticalUnknown,
    /// CAA does not apply.
    NotApplicable,
}

/// Whether a parameter of RFC 8657 was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// No property of ours has it.
    #[default]
    Absent,
    /// It was compared with the job's.
    Evaluated,
    /// The job gave nothing to compare it with.
    NotEvaluated,
}

/// The CAA check's evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaaSeen {
    /// The names asked, from the FQDN up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub climb: Vec<ClimbStep>,
    /// The name at which the relevant set was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<String>,
    /// Its owner, which an alias may make another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_owner: Option<String>,
    /// The relevant set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<CaaProperty>,
    /// How many there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub record_count: u32,
    /// What it says.
    pub decision: CaaDecision,
    /// Why; nil where the lookup failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<CaaBasis>,
    /// Index of the property that authorises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_by: Option<u32>,
    /// Why the lookup failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Reason>,
    /// RFC 8657 `accounturi`.
    #[serde(default)]
    pub accounturi: Parameter,
    /// RFC 8657 `validationmethods`.
    #[serde(default)]
    pub validationmethods: Parameter,
    /// Where to report, escaped; never acted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub iodef: Vec<String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ttl_s: Option<u32>,
    /// Unix ms by which to issue: the end of the check and the TTL, at least 8 h (BR 3.2.2.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue_by: Option<u64>,
}

/// What a check consumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// DNS packets sent.
    pub dns_packets: u32,
    /// DNS octets received.
    pub dns_octets: u32,
    /// HTTP octets received.
    pub http_octets: u32,
    /// Connections tried.
    pub connects: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero_u16(value: &u16) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}
