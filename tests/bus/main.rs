//! The bus as generated: who may come in, who may do what, and what is made of those who try more.
#![cfg(test)]

mod deputies;
mod discovery;
mod doors;
mod health;
mod metrics;
mod rights;
mod traces;

/// A small fleet with two of everyone whom another could be taken for.
const FLEET: &str = r#"
primary = "eu-central"

[log]
origin = "audit.example/mpic/tests"

[[perspective]]
code = "eu-central"
region = "Frankfurt"
asn = 64501
egress = { registry = "RIPE NCC", latitude = 50.11, longitude = 8.68 }

[[perspective]]
code = "us-east"
region = "Ashburn"
asn = 64502
egress = { registry = "ARIN", latitude = 39.04, longitude = -77.49 }

[[coordinator]]
code = "c0"

[[coordinator]]
code = "c1"

[[ca]]
code = "ca1"
issuer_domains = ["ca.example"]

[[ca]]
code = "ca2"
issuer_domains = ["other.example"]

[[auditor]]
code = "auditor-one"

[[operator]]
name = "alice"
"#;
