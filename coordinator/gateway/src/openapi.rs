//! `GET /openapi.json`: the published description, its schemas untouched, with what a client of
//! this gateway needs beside them.

use serde_json::{Value, json};

/// The published file, version 3.5.0, as JSON; see `openapi/README.md`.
const PUBLISHED: &str = include_str!("../openapi/open-mpic-3.5.0.json");

/// The version of the published file.
pub const PUBLISHED_VERSION: &str = "3.5.0";
/// The newest version of the reference library's models that responses were parsed by.
pub const LIBRARY_VERSION: &str = "6.5.0";

/// What `--version` prints.
pub fn version() -> String {
    format!(
        "mpic-gateway {} (Open MPIC API {PUBLISHED_VERSION}, open-mpic-core models {LIBRARY_VERSION})",
        env!("CARGO_PKG_VERSION")
    )
}

/// The description, for a gateway that answers below `base_paths`.
pub fn document(base_paths: &[String]) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(PUBLISHED)?;
    let servers: Vec<_> = base_paths
        .iter()
        .map(|base| json!({ "url": if base.is_empty() { "/" } else { base } }))
        .collect();
    set(&mut document, "", "servers", servers.into());
    set(&mut document, "/info", "x-mpic-gateway", version().into());
    let key = json!({ "type": "apiKey", "in": "header", "name": "x-api-key" });
    let bearer = json!({ "type": "http", "scheme": "bearer" });
    let schemes = json!({ "apiKey": key, "bearer": bearer });
    set(&mut document, "/components", "securitySchemes", schemes);
    set(&mut document, "", "security", json!([{ "apiKey": [] }, { "bearer": [] }]));
    for (status, description) in STATUSES {
        let answer = json!({ "description": description });
        set(&mut document, "/paths/~1mpic/post/responses", status, answer);
    }
    Ok(document)
}

fn set(document: &mut Value, path: &str, name: &str, value: Value) {
    if let Some(Value::Object(members)) = document.pointer_mut(path) {
        members.insert(name.to_owned(), value);
    }
}

/// What is answered beside 200.
const STATUSES: [(&str, &str); 11] = [
    ("400", "The request is not in order: `validation_issues` lists what is wrong with it."),
    ("401", "No credential, or a wrong one."),
    ("408", "The request did not arrive in time."),
    ("413", "The request is too large."),
    ("415", "The request is not JSON in UTF-8."),
    ("429", "Too many requests of this CA, or too many failures; see Retry-After."),
    ("431", "The head of the request is too large."),
    ("500", "Internal Server Error"),
    ("503", "Overloaded or unavailable; see Retry-After."),
    ("504", "No decision in time. One may be recorded all the same."),
    ("405", "Only POST is allowed here."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_are_the_published_ones() {
        let published: Value = serde_json::from_str(PUBLISHED).unwrap();
        let document = document(&[String::new(), "/v1".to_owned()]).unwrap();
        assert_eq!(document["components"]["schemas"], published["components"]["schemas"]);
        assert_eq!(document["servers"], json!([{ "url": "/" }, { "url": "/v1" }]));
        assert_eq!(document["info"]["version"], PUBLISHED_VERSION);
        let content = |document: &Value| {
            document["paths"]["/mpic"]["post"]["responses"]["200"]["content"].clone()
        };
        assert_eq!(content(&document), content(&published));
        assert!(document["paths"]["/mpic"]["post"]["responses"]["504"].is_object());
    }
}
