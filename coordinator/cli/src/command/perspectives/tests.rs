use clap::Parser;
use mpic_common::testing::Fleet;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Wrapper {
    #[command(flatten)]
    perspectives: Perspectives,
}

/// Runs the command on the document of `fleet`.
fn perspectives(fleet: &Fleet, arguments: &str) -> (Exit, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("directory.mpic");
    std::fs::write(&file, fleet.document()).unwrap();
    let first = ["perspectives", file.to_str().unwrap(), "--primary", fleet.primary().as_str()];
    let map = dir.path().join("map.svg");
    let arguments = arguments.replace("MAP", map.to_str().unwrap());
    let all = first.into_iter().chain(arguments.split_whitespace());
    let Wrapper { perspectives } = Wrapper::try_parse_from(all).unwrap();
    let mut out = Vec::new();
    let exit = perspectives.run(&mut out).unwrap_or_else(|failure| panic!("{}", failure.error));
    let drawn = std::fs::read_to_string(map).unwrap_or_default();
    (exit, String::from_utf8(out).unwrap() + &drawn)
}

fn json(fleet: &Fleet, arguments: &str) -> Value {
    serde_json::from_str(&perspectives(fleet, &format!("{arguments} --json")).1).unwrap()
}

#[test]
fn every_size_of_cohort_is_told_with_what_it_allows() {
    let survey = json(&Fleet::new(6), "--date 2026-11-23");
    let sizes = survey["in_force"]["sizes"].as_array().unwrap();
    let told: Vec<_> = sizes
        .iter()
        .map(|size| (size["remotes"].as_u64(), size["non_corroborations_max"].as_u64()))
        .collect();
    assert_eq!(told, [(Some(4), Some(0)), (Some(5), Some(0)), (Some(6), Some(2))]);
    assert_eq!(survey["next"]["effective"], "2026-12-15");
    assert_eq!(survey["next"]["sizes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_fleet_that_will_fall_short_says_so_and_one_that_does_fails() {
    let (exit, text) = perspectives(&Fleet::new(4), "--date 2026-11-23");
    assert_eq!(exit, Exit::Fine);
    assert!(text.contains("from 2026-12-15:\n"), "{text}");
    assert!(text.contains("no cohort is possible: too few remotes are distinct"), "{text}");
    let (exit, _) = perspectives(&Fleet::new(4), "--date 2026-12-15");
    assert_eq!(exit, Exit::Refused);
    let (exit, text) = perspectives(&Fleet::new(6), "--date 2025-01-01");
    assert_eq!(exit, Exit::Refused);
    assert!(text.contains("no requirement is in force for tls-server on 2025-01-01"), "{text}");
}

#[test]
fn the_map_shows_every_perspective_and_is_well_formed() {
    let (_, drawn) = perspectives(&Fleet::new(6), "--map MAP --date 2026-11-23");
    for perspective in Fleet::new(6).directory().listed() {
        assert!(drawn.contains(&format!(">{perspective}")), "{perspective} in {drawn}");
    }
    for element in ["svg", "g", "text", "title"] {
        let opened = drawn.matches(&format!("<{element} ")).count()
            + drawn.matches(&format!("<{element}>")).count();
        assert_eq!(opened, drawn.matches(&format!("</{element}>")).count(), "{element}");
    }
    assert_eq!(drawn.matches("<polygon").count(), 7);
}
