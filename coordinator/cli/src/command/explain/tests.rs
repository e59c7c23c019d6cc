use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Wrapper {
    #[command(flatten)]
    explain: Explain,
}

fn explain(arguments: &str) -> (Exit, String) {
    let arguments = ["explain"].into_iter().chain(arguments.split_whitespace());
    let mut out = Vec::new();
    let Wrapper { explain } = Wrapper::parse_from(arguments);
    let exit = explain.run(&mut out).unwrap_or_else(|failure| panic!("{}", failure.error));
    (exit, String::from_utf8(out).unwrap())
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&explain(&format!("{arguments} --json")).1).unwrap()
}

#[test]
fn one_of_five_failing_is_refused_under_strict_with_all_ways_out() {
    let (exit, text) = explain("--date 2026-12-15 --remotes 5 --profile strict --failing 1");
    assert_eq!(exit, Exit::Refused);
    for line in [
        "refuse  (tls-server, 2026-12-15, profile strict)",
        "  quorum    4/5 remote perspectives corroborate",
        "  because   4 of 5 remote perspectives corroborate, 5 are needed",
        "  in force  at least 5 remote perspectives in 2 registries' regions, BR 3.2.2.9 since 2026-12-15",
        "  allowed   0 of 5 may fail under strict; 1 did",
        "  would do  with 0 of 5 failing",
        "            with 6 remotes, 1 of them failing",
        "            under the profile baseline-requirements",
        "  next      no stricter row is known",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
}

#[test]
fn the_same_case_corroborates_under_the_baseline_requirements() {
    let case = json("--date 2026-12-15 --remotes 5 --profile baseline-requirements --failing 1");
    assert_eq!((&case["outcome"], &case["quorum"]), (&"corroborate".into(), &"4/5".into()));
}

#[test]
fn the_next_row_is_named_with_what_it_makes_of_the_case() {
    let case = json("--date 2026-12-14 --remotes 4 --profile baseline-requirements");
    assert_eq!(case["outcome"], "corroborate");
    assert_eq!(case["next"]["row"]["effective"], "2026-12-15");
    assert_eq!(case["next"]["outcome"], "refuse");
    assert_eq!(case["next"]["shortfalls"][0], "4 remote perspectives, 5 are needed");
}

#[test]
fn before_the_first_row_nothing_can_be_corroborated() {
    let case = json("--certificate-type s-mime --date 2025-05-14");
    assert_eq!((&case["outcome"], &case["in_force"]), (&"refuse".into(), &Value::Null));
    assert_eq!(case["next"]["row"]["clause"], "S/MIME BR 4.2.2.2");
}

#[test]
fn more_cannot_fail_than_are_asked() {
    let Wrapper { explain } = Wrapper::parse_from(["explain", "--remotes", "2", "--failing", "3"]);
    let failure = explain.run(&mut Vec::new()).map(drop).map_err(|failure| failure.exit);
    assert_eq!(failure, Err(Exit::Malformed));
}

mod recorded {
    use std::fs;

    use mpic_common::testing::{Fleet, examples};
    use mpic_common::wire::Kind;

    use super::*;

    /// The explanation of the example of `kind`, under the document of a fleet of `remotes`.
    fn explained(kind: Kind, remotes: usize, json: bool) -> Result<(Exit, String), String> {
        let dir = tempfile::tempdir().unwrap();
        let (file, document) = (dir.path().join("decision"), dir.path().join("directory"));
        let examples = examples();
        let (_, octets) = examples.iter().find(|(found, _)| *found == kind).unwrap();
        fs::write(&file, octets).unwrap();
        fs::write(&document, Fleet::new(remotes).document()).unwrap();
        let (file, document) = (file.to_str().unwrap(), document.to_str().unwrap());
        let mut arguments = vec!["explain", "--job", file, "--directory", document];
        arguments.extend(json.then_some("--json"));
        let mut out = Vec::new();
        let exit = Wrapper::parse_from(arguments).explain.run(&mut out);
        let exit = exit.map_err(|failure| failure.error.to_string())?;
        Ok((exit, String::from_utf8(out).unwrap()))
    }

    #[test]
    fn a_refusal_on_record_is_explained_with_what_would_have_had_to_differ() {
        let (exit, text) = explained(Kind::Decision, 5, false).unwrap();
        assert_eq!(exit, Exit::Refused);
        assert!(text.contains("BR 3.2.2.9 since 2026-12-15"), "{text}");
        assert!(text.contains("allowed   0 of 5 may fail"), "{text}");
        assert!(text.contains("1/5 refuse, acme-dns-01, BR 3.2.2.4.7"), "{text}");
        assert!(text.contains("4 more corroborating, such as r1, r2, r3, r4"), "{text}");
        assert!(!text.contains("WRONG"), "{text}");
    }

    #[test]
    fn what_a_ca_was_answered_is_explained_alike_and_as_json() {
        let (_, text) = explained(Kind::Answer, 5, true).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["outcome"], &value["follows"]), (&"refuse".into(), &true.into()));
        assert_eq!(value["perspectives"].as_array().unwrap().len(), 6);
    }

    #[test]
    fn another_document_or_another_message_is_refused_by_name() {
        let other = explained(Kind::Decision, 6, false).unwrap_err();
        assert!(other.contains("decided under the directory document"), "{other}");
        let reply = explained(Kind::Reply, 5, false).unwrap_err();
        assert!(reply.contains("reply"), "{reply}");
    }
}
