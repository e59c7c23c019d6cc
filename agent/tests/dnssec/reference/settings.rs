//! Rows D29 and D30: resolvers that validate, and one that does not.

use domain::base::iana::Rtype;
use mpic_agent::resolver::DnsEngine;
use mpic_agent::resolver::forwarder::Validation;
use mpic_common::evidence::{DnsOutcome, Dnssec};
use mpic_common::reason::Reason;

use super::{Case, ask};
use crate::unbound::Modules;
use crate::world::{Plan, World};

async fn world() -> World {
    let plan = Plan::new().signed("bad.com", "www TXT value");
    plan.lying("bad.com", |_, say, _| say.stripped()).start().await
}

#[tokio::test]
async fn d29_a_resolver_that_does_not_validate_is_no_engine() {
    let world = world().await;
    let validating = world.unbound().await;
    assert_eq!(validating.engine.self_test().await, Ok(()));
    let trusting = world.unbound_with(Modules::Iterator, Validation::Required).await;
    assert_eq!(trusting.engine.self_test().await, Err(Reason::EngineUnavailable));
}

#[tokio::test]
async fn d30_bogus_data_are_used_only_where_no_one_validates() {
    let world = world().await;
    let case = Case { what: "", name: "www.bad.com".to_owned(), qtype: Rtype::TXT };
    for validation in [Validation::Required, Validation::NotRequired] {
        let unbound = world.unbound_with(Modules::Validator, validation).await;
        let seen = ask(&unbound.engine, &case).await;
        assert_eq!((seen.outcome, seen.rrset.len()), (DnsOutcome::Bogus, 0), "{validation:?}");
    }
    let unbound = world.unbound_with(Modules::Iterator, Validation::NotRequired).await;
    let seen = ask(&unbound.engine, &case).await;
    assert_eq!((seen.outcome, seen.dnssec), (DnsOutcome::Answer, Dnssec::Indeterminate));
    let embedded = ask(world.engine(), &case).await;
    assert_eq!((embedded.outcome, embedded.rrset.len()), (DnsOutcome::Bogus, 0));
}
