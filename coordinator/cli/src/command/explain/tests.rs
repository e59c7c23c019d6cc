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
