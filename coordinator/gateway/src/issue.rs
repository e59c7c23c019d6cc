//! What is wrong with a request, for whoever sent it: both forms that clients of this API know in
//! one. Values are never repeated.

use serde_json::{Value, json};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// From a closed set, such as `missing`.
    pub kind: &'static str,
    /// For people.
    pub message: String,
    /// The members that lead to it, the outermost first.
    pub at: Vec<String>,
}

/// How many issues one answer lists.
pub const ISSUES_MAX: usize = 20;

impl Issue {
    /// An issue of the member that `at` leads to.
    pub fn new<S: ToString>(
        kind: &'static str,
        message: impl Into<String>,
        at: impl IntoIterator<Item = S>,
    ) -> Self {
        let at = at.into_iter().map(|name| name.to_string()).collect();
        Self { kind, message: message.into(), at }
    }

    /// As in the body of a 400.
    pub fn to_json(&self) -> Value {
        let loc: Vec<&str> =
            std::iter::once("body").chain(self.at.iter().map(String::as_str)).collect();
        json!({
            "issue_type": self.kind,
            "message": self.message,
            "type": self.kind,
            "loc": loc,
            "msg": self.message,
        })
    }

    /// Type and place, as logs have it.
    pub fn for_log(&self) -> String {
        format!("{} at {}", self.kind, self.at.join("."))
    }
}

/// The body of a 400.
pub fn body(issues: &[Issue]) -> Value {
    let listed: Vec<_> = issues.iter().take(ISSUES_MAX).map(Issue::to_json).collect();
    json!({ "error": "request-validation-failed", "validation_issues": listed })
}

/// Names of the issues.
pub mod kind {
    /// A boolean that is none.
    pub const BOOL_PARSING: &str = "bool_parsing";
    /// An object that is none.
    pub const DICT_TYPE: &str = "dict_type";
    /// An empty challenge.
    pub const EMPTY_CHALLENGE_VALUE: &str = "empty-challenge-value";
    /// A value outside a closed set.
    pub const ENUM: &str = "enum";
    /// An integer that is none.
    pub const INT_PARSING: &str = "int_parsing";
    /// An issuer domain that is not the CA's.
    pub const INVALID_CAA_DOMAIN: &str = "invalid-caa-domain";
    /// A digest that is none.
    pub const INVALID_KEY_AUTHORIZATION_HASH: &str = "invalid-key-authorization-hash";
    /// A number of perspectives that cannot be.
    pub const INVALID_PERSPECTIVE_COUNT: &str = "invalid-perspective-count";
    /// A quorum that cannot be.
    pub const INVALID_QUORUM_COUNT: &str = "invalid-quorum-count";
    /// No strict JSON.
    pub const JSON_INVALID: &str = "json_invalid";
    /// A list that is none.
    pub const LIST_TYPE: &str = "list_type";
    /// Another value than the only one.
    pub const LITERAL_ERROR: &str = "literal_error";
    /// A member that must be there.
    pub const MISSING: &str = "missing";
    /// A text that is too long.
    pub const STRING_TOO_LONG: &str = "string_too_long";
    /// A text that is none.
    pub const STRING_TYPE: &str = "string_type";
    /// No such method.
    pub const UNION_TAG_INVALID: &str = "union_tag_invalid";
    /// No method at all.
    pub const UNION_TAG_NOT_FOUND: &str = "union_tag_not_found";
    /// A value that the method does not take.
    pub const VALUE_ERROR: &str = "value_error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_has_both_forms() {
        let at = ["orchestration_parameters", "quorum_count"];
        let issue = Issue::new(kind::INVALID_QUORUM_COUNT, "Invalid quorum count: 5", at);
        let expected = r#"{"error": "request-validation-failed", "validation_issues": [{"issue_type": "invalid-quorum-count", "message": "Invalid quorum count: 5", "type": "invalid-quorum-count", "loc": ["body", "orchestration_parameters", "quorum_count"], "msg": "Invalid quorum count: 5"}]}"#;
        assert_eq!(body(&[issue]), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn twenty_issues_are_listed_at_most() {
        let issues = vec![Issue::new(kind::MISSING, "Field required", ["a"]); 30];
        assert_eq!(body(&issues)["validation_issues"].as_array().unwrap().len(), ISSUES_MAX);
    }
}
