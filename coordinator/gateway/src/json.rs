//! Strict JSON: one object, no member name twice, a bound on depth.
//!
//! `serde_json` alone would keep the last of two members of one name, so that two readers of one
//! text could see different requests.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may lie in each other.
pub const DEPTH_MAX: usize = 16;

/// Octets that are no object of strict JSON. What they say is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with each member once")]
pub struct Invalid;

/// Parses one JSON object of UTF-8, at most `DEPTH_MAX` deep, in which no member stands twice.
pub fn parse(octets: &[u8]) -> Result<Map<String, Value>, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    let value = Strict { depth_left: DEPTH_MAX }.deserialize(&mut deserializer);
    let value = value.map_err(|_| Invalid)?;
    deserializer.end().map_err(|_| Invalid)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Invalid),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth_left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_object_is_read_as_it_stands() {
        let read = parse(br#" {"b": [1, -2, 6.0, true, null], "a": {"c": "\u00e9"}} "#).unwrap();
        assert_eq!(Value::Object(read).to_string(), r#"{"a":{"c":"é"},"b":[1,-2,6.0,true,null]}"#);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        assert_eq!(parse(br#"{"a":1,"a":1}"#), Err(Invalid));
        assert_eq!(parse(br#"{"x":[{"a":1,"\u0061":2}]}"#), Err(Invalid));
    }

    #[test]
    fn what_is_no_object_of_json_is_refused() {
        for bad in [
            &b""[..],
            b"null",
            b"[]",
            b"1",
            b"{} {}",
            b"{\"a\":1,}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\xFF\"}",
            b"{\"a\":\"\\ud800\"}",
            b"\xEF\xBB\xBF{}",
        ] {
            assert_eq!(parse(bad), Err(Invalid), "{bad:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| {
            let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
            parse(format!("{{\"a\":{open}{close}}}").as_bytes())
        };
        assert!(nested(DEPTH_MAX).is_ok());
        assert_eq!(nested(DEPTH_MAX + 1), Err(Invalid));
        assert_eq!(nested(20_000), Err(Invalid));
    }

    proptest! {
        #[test]
        fn foreign_octets_never_panic(octets: Vec<u8>) {
            let _ = parse(&octets);
        }
    }
}
