//! An entry as JSON for people and scripts, with the messages inside it decoded too.

use data_encoding::{BASE64, HEXLOWER};
use mpic_common::time::UnixMs;
use mpic_common::wire::strict::{self, Value};
use mpic_common::wire::{Envelope, Malformed};
use serde_json::{Map, Number, json};

use crate::genesis::OwnEntry;
use crate::tree::leaf_hash;

/// Decodes an entry. `seq` is the stream sequence that it comes from, if it does.
///
/// An entry that is no record has `type` null, `error`, and its octets as `body`.
pub fn entry(index: u64, seq: Option<u64>, octets: &[u8]) -> serde_json::Value {
    let mut shown = Map::new();
    shown.insert("index".to_owned(), json!(index));
    shown.insert("seq".to_owned(), json!(seq));
    shown.insert("leaf".to_owned(), json!(leaf_hash(octets).to_string()));
    match message(octets) {
        Ok(message) => shown.extend(message),
        Err(error) => {
            shown.insert("type".to_owned(), serde_json::Value::Null);
            shown.insert("error".to_owned(), json!(error.to_string()));
            shown.insert("body".to_owned(), octets_value(octets));
        }
    }
    serde_json::Value::Object(shown)
}

/// Type, key id and decoded body of an envelope, the writer's own among them.
pub fn message(octets: &[u8]) -> Result<Map<String, serde_json::Value>, Malformed> {
    let (kind, key, body) = match Envelope::parse(octets, octets.len()) {
        Ok(envelope) => {
            let key = envelope.seal.map(|seal| seal.key.to_string());
            (envelope.kind.as_str(), key, envelope.body.to_vec())
        }
        Err(error) => own(octets).ok_or(error)?,
    };
    let mut shown = Map::new();
    shown.insert("type".to_owned(), json!(kind));
    shown.insert("key".to_owned(), json!(key));
    shown.insert("body".to_owned(), self::body(&body)?);
    Ok(shown)
}

/// Type and body of an entry that the writer itself made.
fn own(octets: &[u8]) -> Option<(&'static str, Option<String>, Vec<u8>)> {
    let kind = match OwnEntry::decode(octets).ok()? {
        OwnEntry::Genesis(_) => "genesis",
        OwnEntry::Gap(_) => "gap",
    };
    let value = strict::parse(octets).ok()?;
    let fields = value.as_map()?.iter();
    let body = fields.filter(|(name, _)| *name == "body").find_map(|(_, value)| match value {
        Value::Bin(body) => Some(body.to_vec()),
        _ => None,
    });
    Some((kind, None, body?))
}

/// A body without its envelope, decoded.
pub fn body(body: &[u8]) -> Result<serde_json::Value, Malformed> {
    Ok(value(&strict::parse(body)?))
}

fn value(of: &Value<'_>) -> serde_json::Value {
    match of {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(truth) => json!(truth),
        Value::Uint(number) => json!(number),
        Value::Negative(number) => json!(number),
        Value::Float(number) => {
            Number::from_f64(*number).map_or(serde_json::Value::Null, serde_json::Value::Number)
        }
        Value::Str(text) => json!(text),
        Value::Bin(octets) => octets_value(octets),
        Value::Array(items) => items.iter().map(value).collect(),
        Value::Map(fields) => serde_json::Value::Object(fields_value(fields)),
    }
}

/// Beside each time `x_ms` stands the same as RFC 3339, `x_at`.
fn fields_value(fields: &[(&str, Value<'_>)]) -> Map<String, serde_json::Value> {
    let mut shown = Map::new();
    for (name, field) in fields {
        shown.insert((*name).to_owned(), value(field));
        if let (Some(stem), Value::Uint(ms)) = (name.strip_suffix("_ms"), field)
            && *ms >= FIRST_TIME_MS
        {
            shown.insert(format!("{stem}_at"), json!(UnixMs(*ms).to_string()));
        }
    }
    shown
}

/// A message or body where the octets are one; else hex, or base64 where that would be long.
fn octets_value(octets: &[u8]) -> serde_json::Value {
    if let Ok(message) = message(octets) {
        return serde_json::Value::Object(message);
    }
    let is_body = |value: &Value<'_>| {
        value.as_map().is_some_and(|fields| matches!(fields.first(), Some(("type", _))))
    };
    match strict::parse(octets) {
        Ok(body) if is_body(&body) => value(&body),
        _ if octets.len() <= HEX_MAX => json!(HEXLOWER.encode(octets)),
        _ => json!(BASE64.encode(octets)),
    }
}

/// The longest octets that are shown in hex.
const HEX_MAX: usize = 64;

/// 2001: below it a number of milliseconds is a span.
const FIRST_TIME_MS: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use mpic_common::testing::examples;
    use mpic_common::wire::Kind;

    use super::*;
    use crate::genesis::Gap;

    fn shown(kind: Kind) -> serde_json::Value {
        let examples = examples();
        let (_, octets) = examples.iter().find(|(found, _)| *found == kind).expect("an example");
        entry(7, Some(7), octets)
    }

    #[test]
    fn a_decision_is_decoded_down_to_the_observations_of_its_replies() {
        let shown = shown(Kind::Decision);
        assert_eq!((&shown["index"], &shown["type"]), (&json!(7), &json!("decision")));
        assert_eq!(shown["key"].as_str().map(str::len), Some(16));
        assert_eq!(shown["body"]["decided_at"], json!("2027-01-15T08:00:00.000Z"));
        let reply = &shown["body"]["replies"][0]["reply"];
        assert_eq!(reply["type"], json!("reply"));
        assert_eq!(reply["body"]["observations"]["dcv"]["verdict"], json!("pass"));
        let assignment = &shown["body"]["assignments"][0];
        assert_eq!(assignment["body"]["job_envelope"]["body"]["ca"], json!("ca1"));
        assert_eq!(assignment["body"]["budget_ms"], json!(19_750));
        assert!(assignment["body"].get("budget_at").is_none());
    }

    #[test]
    fn a_superseded_decision_is_decoded_without_its_envelope() {
        assert_eq!(shown(Kind::Superseded)["body"]["decision"]["type"], json!("decision"));
    }

    #[test]
    fn own_entries_and_junk_are_shown_too() {
        let gap = OwnEntry::Gap(Gap { seq: 9 }).encode().expect("encoded");
        let shown = entry(9, Some(9), &gap);
        assert_eq!((&shown["type"], &shown["body"]["seq"]), (&json!("gap"), &json!(9)));
        let junk = entry(1, None, b"junk");
        assert_eq!((&junk["type"], &junk["body"]), (&json!(null), &json!("6a756e6b")));
        let long = entry(1, None, &[0xFF; 65]);
        assert_eq!(long["body"].as_str().map(str::len), Some(88));
    }
}
