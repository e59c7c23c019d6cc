//! Documents: links lead somewhere, samples are what the processes read.

use std::fs;
use std::path::Path;

use crate::{files, root};

/// The targets of Markdown links in `text`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for document in files(".md") {
        let text = fs::read_to_string(&document).unwrap();
        let dir = document.parent().unwrap();
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap();
            assert!(dir.join(path).exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn the_sample_of_each_process_is_what_it_reads() {
    let read = |name: &str| fs::read_to_string(root().join("deploy/config").join(name)).unwrap();
    toml::from_str::<mpic_agent::config::Config>(&read("agent.toml")).unwrap();
    toml::from_str::<mpic_coordinator::config::Config>(&read("coordinator.toml")).unwrap();
    toml::from_str::<mpic_audit::config::Config>(&read("audit.toml")).unwrap();
    let gateway: mpic_gateway::config::Config = toml::from_str(&read("gateway.toml")).unwrap();
    gateway.check().unwrap();
}

/// What the documents call by path is there.
#[test]
fn every_source_file_that_the_architecture_names_is_there() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let is_source = |name: &&str| Path::new(name).extension() == Some("rs".as_ref());
    let named: Vec<_> = text.split('`').skip(1).step_by(2).filter(is_source).collect();
    assert!(named.len() > 10, "only {named:?}");
    for name in named {
        assert!(root().join(name).exists(), "{name}");
    }
}
