//! The members of one object, each read as its type says; what is wrong is noted, and reading goes
//! on, so that every issue is found.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::issue::{Issue, kind};

/// An object that is being read.
pub(super) struct Members<'a> {
    /// None where there is no such object.
    object: Option<&'a Map<String, Value>>,
    at: Vec<&'static str>,
    issues: &'a mut Vec<Issue>,
}

/// What stands before the name that is asked.
const PREFIX: &str = "dns_name_prefix";

impl<'a> Members<'a> {
    pub(super) fn new(members: &'a Map<String, Value>, issues: &'a mut Vec<Issue>) -> Self {
        Self { object: Some(members), at: Vec::new(), issues }
    }

    /// The members of the object `name`, which is as if empty where it is absent or none.
    pub(super) fn object(&mut self, name: &'static str) -> Members<'_> {
        let object = match self.get(name) {
            Some(Value::Object(members)) => Some(members),
            Some(_) => {
                self.issue(kind::DICT_TYPE, "Input should be a valid dictionary", name);
                None
            }
            None => None,
        };
        let at = self.at.iter().copied().chain([name]).collect();
        Members { object, at, issues: self.issues }
    }

    /// Whether there is such an object; where it is none, that is noted already.
    pub(super) fn is_object(&self) -> bool {
        self.object.is_some()
    }

    /// The member, where it is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn issue(&mut self, issue_type: &'static str, message: impl Display, name: &str) {
        let at = self.at.iter().copied().chain([name]);
        self.issues.push(Issue::new(issue_type, message.to_string(), at));
    }

    pub(super) fn missing(&mut self, name: &str) {
        self.issue(kind::MISSING, "Field required", name);
    }

    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.issue(kind::STRING_TYPE, "Input should be a valid string", name);
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Option<&'a str> {
        if !self.has(name) {
            self.missing(name);
        }
        self.text(name)
    }

    /// A text without which a record or a file would match by itself.
    pub(super) fn challenge_text(&mut self, name: &str) -> Option<&'a str> {
        let text = self.required_text(name)?;
        if text.is_empty() {
            self.issue(kind::EMPTY_CHALLENGE_VALUE, "Empty challenge value.", name);
            return None;
        }
        Some(text)
    }

    /// A JSON integer, a number without fraction, or a text of decimal digits.
    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        let integer = integer(self.get(name)?);
        if integer.is_none() {
            self.issue(kind::INT_PARSING, "Input should be a valid integer", name);
        }
        integer
    }

    /// A boolean, or its name as text.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) if text == "true" => Some(true),
            Value::String(text) if text == "false" => Some(false),
            _ => {
                self.issue(kind::BOOL_PARSING, "Input should be a valid boolean", name);
                None
            }
        }
    }

    /// One of a few names.
    pub(super) fn one_of<T: Copy>(&mut self, name: &str, names: &[(&str, T)]) -> Option<T> {
        let value = self.get(name)?;
        let found = names.iter().find(|(known, _)| value.as_str() == Some(known));
        if found.is_none() {
            let known: Vec<_> = names.iter().map(|(known, _)| format!("'{known}'")).collect();
            let message = format!("Input should be {}", known.join(" or "));
            self.issue(kind::ENUM, message, name);
        }
        found.map(|(_, named)| *named)
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<&'a str>> {
        let Value::Array(items) = self.get(name)? else {
            self.issue(kind::LIST_TYPE, "Input should be a valid list", name);
            return None;
        };
        let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
        if texts.is_none() {
            self.issue(kind::STRING_TYPE, "Input should be a list of strings", name);
        }
        texts
    }

    /// A member that may only say what is fixed anyway.
    pub(super) fn fixed(&mut self, name: &str, only: &str) {
        let Some(value) = self.get(name) else { return };
        if value.as_str() != Some(only) {
            self.issue(kind::LITERAL_ERROR, format!("Input should be '{only}'"), name);
        }
    }

    /// A boolean that may only be what is fixed anyway.
    pub(super) fn fixed_boolean(&mut self, name: &str, only: bool) {
        if self.boolean(name) == Some(!only) {
            self.issue(kind::LITERAL_ERROR, format!("Input should be {only}"), name);
        }
    }

    /// The prefix that the method has anyway; an empty one is none.
    pub(super) fn fixed_prefix(&mut self, only: &str) {
        if self.get(PREFIX).and_then(Value::as_str) != Some("") {
            self.fixed(PREFIX, only);
        }
    }

    /// These members as they were received, less nulls.
    pub(super) fn echo<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Map<String, Value> {
        let known = names.into_iter().filter_map(|name| Some((name, self.get(name)?)));
        known.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_decimal =
                !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
            text.parse().ok().filter(|_| is_decimal)
        }
        _ => None,
    }
}

/// The integer that `number` is, within what a double tells apart.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
fn whole(number: f64) -> Option<i64> {
    let is_exact = number.trunc().total_cmp(&number).is_eq() && number.abs() < 9e15;
    is_exact.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_integer_is_written_in_one_of_three_ways() {
        for (value, expected) in [
            (json!(6), Some(6)),
            (json!(-1), Some(-1)),
            (json!(6.0), Some(6)),
            (json!("6"), Some(6)),
            (json!("-2"), Some(-2)),
            (json!(6.5), None),
            (json!("6.0"), None),
            (json!(""), None),
            (json!("-"), None),
            (json!("+6"), None),
            (json!(" 6"), None),
            (json!(1e300), None),
            (json!(u64::MAX), None),
            (json!("99999999999999999999"), None),
            (json!(true), None),
            (json!([6]), None),
        ] {
            assert_eq!(integer(&value), expected, "{value}");
        }
    }
}
