//! A job given as JSON and sent as it stands, however wrong, so that one can see what comes of it.

use std::io::Read;
use std::path::Path;

use mpic_common::job::JobId;
use mpic_common::time::UnixMs;
use mpic_common::wire::Kind;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::ask::job_id;
use crate::client::ClientConfig;
use crate::command::Failure;

/// The id and the body of the job in the file at `path`, `-` for standard input.
pub(super) fn job(
    path: &Path,
    config: &ClientConfig,
    now: UnixMs,
) -> Result<(JobId, Vec<u8>), Failure> {
    let fields: Map<String, Value> =
        serde_json::from_str(&read(path)?).map_err(Failure::malformed)?;
    let given = fields.get("job").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let id = given.map_or_else(|| job_id(now), Ok)?;
    Ok((id, rmp_serde::to_vec(&Body { fields, id, ca: config.ca.as_str() })?))
}

fn read(path: &Path) -> std::io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

struct Body<'a> {
    fields: Map<String, Value>,
    id: JobId,
    ca: &'a str,
}

/// The three fields that every job has, the given ones where there are such, then the rest.
impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rest = self.fields.clone();
        let kind = rest.remove("type").unwrap_or_else(|| Kind::Job.as_str().into());
        let ca = rest.remove("ca").unwrap_or_else(|| self.ca.into());
        let job = rest.remove("job").filter(|job| !is_id(job));
        let mut map = serializer.serialize_map(Some(rest.len() + 3))?;
        map.serialize_entry("type", &kind)?;
        map.serialize_entry("ca", &ca)?;
        match job {
            Some(malformed) => map.serialize_entry("job", &malformed)?,
            None => map.serialize_entry("job", &self.id)?,
        }
        for (field, value) in &rest {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<JobId>().is_ok())
}

#[cfg(test)]
mod tests {
    use mpic_common::job::Job;

    use super::*;

    fn body(text: &str) -> Vec<u8> {
        let id = job_id(UnixMs(1_800_000_000_000)).unwrap();
        let fields = serde_json::from_str(text).unwrap();
        rmp_serde::to_vec(&Body { fields, id, ca: "ca1" }).unwrap()
    }

    #[test]
    fn a_right_job_in_json_is_a_right_job() {
        let text = r#"{"certificate_type": "tls-server", "issuer_domains": ["ca.example"],
            "identifier": {"kind": "dns", "value": "a.example"}, "caa": {}}"#;
        assert_eq!(Job::parse(&body(text)).unwrap().identifier.to_string(), "a.example");
    }

    #[test]
    fn a_wrong_job_is_sent_as_wrong_as_it_is() {
        let text = r#"{"job": 7, "ca": "ca2", "certificate_type": "tls-server", "extra": true,
            "identifier": {"kind": "dns", "value": "a_b"}, "dcv": {"method": "dns-99"}}"#;
        let errors = Job::parse(&body(text)).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["job", "identifier.value", "dcv.method", "extra"]);
    }
}
