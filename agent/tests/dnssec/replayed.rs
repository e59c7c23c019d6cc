//! A replayer on the path to zones with NSEC3: to one question he says whatever those zones have
//! honestly said to others, in any combination, and it denies nothing that is there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::base::iana::{OptRcode, Rtype};
use domain::base::name::FlattenInto;
use domain::base::{Message, MessageBuilder, ToName};
use domain::rdata::ZoneRecordData;
use mpic_agent::deadline::Deadline;
use mpic_agent::resolver::embedded::Embedded;
use mpic_agent::resolver::{Budget, DnsEngine, Inquiry, Question};
use mpic_common::evidence::{DnsOutcome, DnsSeen, Purpose};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::forger::prohibits;
use crate::knot::{Denial, KnotLab, KnotZone};
use crate::world::{Owner, Record, Say, compose, covers, name, usual_budget};

const NSEC3: Denial = Denial::Nsec3 { iterations: 0, opt_out: false };
const OPT_OUT: Denial = Denial::Nsec3 { iterations: 0, opt_out: true };

/// Every name with a CAA set prohibits.
const RECORDS: &str = "@ CAA 0 issue \";\"\nwww CAA 0 issue \";\"\ndeep.ent CAA 0 issue \";\"\n\
    plain TXT x\n*.wild TXT x\nalias CNAME www\nd DNAME www\nlab NS ns.lab\nns.lab A 192.0.2.1\n\
    z TXT x\n";

/// Sets with their signatures, out of honest replies.
type Library = Vec<Vec<Record>>;

/// What he says, once he has decided to: sets by number, modulo how many there are.
#[derive(Debug, Clone)]
struct Replay {
    rcode: OptRcode,
    /// Few enough for a datagram.
    sets: Vec<usize>,
}

#[derive(Default)]
struct Plot {
    /// To which question.
    target: Option<(String, Rtype)>,
    replay: Option<Replay>,
    library: Library,
}

/// Stands at `at` and passes everything on to `server` but what the plot has an answer to. Over
/// TCP there is nobody.
async fn replayer(at: SocketAddr, server: SocketAddr, plot: Arc<Mutex<Plot>>) {
    let socket = UdpSocket::bind(at).await.unwrap();
    let mut octets = [0; 4_096];
    while let Ok((length, from)) = socket.recv_from(&mut octets).await {
        let query = &octets[..length];
        let said = forged(query, &plot.lock().unwrap());
        let reply = match said {
            Some(reply) => reply,
            None => honest(server, query).await,
        };
        let _ = socket.send_to(&reply, from).await;
    }
}

fn forged(query: &[u8], plot: &Plot) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).unwrap();
    let question = query.sole_question().unwrap();
    let asked = (question.qname().to_string().to_lowercase(), question.qtype());
    let replay = plot.replay.as_ref().filter(|_| plot.target == Some(asked))?;
    let chosen = replay.sets.iter().map(|number| &plot.library[number % plot.library.len()]);
    let authority = chosen.flatten().cloned().collect();
    let say = Say { rcode: replay.rcode, authority, ..Say::empty() };
    Some(compose(&query, &say, true))
}

async fn honest(server: SocketAddr, query: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(query).await.unwrap();
    let mut reply = vec![0; 4_096];
    let length = socket.recv(&mut reply).await.unwrap();
    reply.truncate(length);
    reply
}

/// What `server` says of each question, set by set.
async fn library(server: SocketAddr, questions: &[(String, Rtype)]) -> Library {
    let mut sets: BTreeMap<(Owner, Rtype), Vec<Record>> = BTreeMap::new();
    for (asked, qtype) in questions {
        let mut builder = MessageBuilder::new_vec().question();
        builder.push((name(asked), *qtype)).unwrap();
        let mut builder = builder.additional();
        builder
            .opt(|opt| {
                opt.set_udp_payload_size(4_096);
                opt.set_dnssec_ok(true);
                Ok(())
            })
            .unwrap();
        let reply = Bytes::from(honest(server, &builder.finish()).await);
        let reply = Message::from_octets(reply).unwrap();
        for section in [reply.answer().unwrap(), reply.authority().unwrap()] {
            for record in section.limit_to_in::<ZoneRecordData<_, _>>() {
                let record: Record = record.unwrap().flatten_into();
                let set = sets.entry((record.owner().to_bytes(), covers(&record))).or_default();
                if !set.contains(&record) {
                    set.push(record);
                }
            }
        }
    }
    sets.into_values().collect()
}

fn questions(origin: &str) -> Vec<(String, Rtype)> {
    let below = |label: &str, qtype| (format!("{label}.{origin}"), qtype);
    vec![
        (origin.to_owned(), Rtype::SOA),
        (origin.to_owned(), Rtype::A),
        below("www", Rtype::A),
        below("plain", Rtype::CAA),
        below("ent", Rtype::CAA),
        below("deep.ent", Rtype::A),
        below("none", Rtype::CAA),
        below("none.ent", Rtype::CAA),
        below("none.www", Rtype::CAA),
        below("a.wild", Rtype::CAA),
        below("a.wild", Rtype::TXT),
        below("alias", Rtype::DS),
        below("lab", Rtype::DS),
        below("x.lab", Rtype::DS),
        below("d", Rtype::CAA),
        below("z", Rtype::CAA),
    ]
}

async fn ask(engine: &Embedded, asked: &str) -> DnsSeen {
    let deadline = Deadline::after(Duration::from_secs(30));
    let inquiry = engine.open(deadline, Arc::new(Budget::new(usual_budget())));
    let (name, qtype) = (asked.to_owned(), Rtype::CAA);
    inquiry.ask(&Question { name, qtype, purpose: Purpose::Caa }).await
}

fn replay() -> impl Strategy<Value = Replay> {
    let rcode = prop_oneof![Just(OptRcode::NOERROR), Just(OptRcode::NXDOMAIN)];
    let sets = proptest::collection::vec(any::<usize>(), 1..6);
    (rcode, sets).prop_map(|(rcode, sets)| Replay { rcode, sets })
}

/// The records of a zone of `denial`, replayed against each of its prohibitions.
fn no_replay_denies_what_is_there(origin: &'static str, denial: Denial) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let zones = vec![
        KnotZone::with("org", "", "ecdsap256sha256", NSEC3),
        KnotZone::with(origin, RECORDS, "ecdsap256sha256", denial),
    ];
    let lab = runtime.block_on(KnotLab::start_behind(zones));
    let (at, server) = lab.zones_behind;
    let plot = Arc::new(Mutex::new(Plot::default()));
    let mut replayers = JoinSet::new();
    replayers.spawn_on(replayer(at, server, Arc::clone(&plot)), runtime.handle());

    // What was made for a name that is not there denies it, whoever says it.
    let absent = format!("none.{origin}");
    let made = runtime.block_on(library(server, &[(absent.clone(), Rtype::CAA)]));
    let whole = Replay { rcode: OptRcode::NXDOMAIN, sets: (0..made.len()).collect() };
    let target = Some((absent.clone(), Rtype::CAA));
    *plot.lock().unwrap() = Plot { target, replay: Some(whole), library: made };
    let seen = runtime.block_on(ask(&lab.embedded, &absent));
    assert_eq!(seen.outcome, DnsOutcome::NxDomain, "{seen:?}");

    let sets = runtime.block_on(library(server, &questions(origin)));
    assert!(sets.len() > 10, "{sets:?}");
    plot.lock().unwrap().library = sets;
    let mut runner = TestRunner::new(Config { cases: CASES, ..Config::default() });
    for asked in [origin.to_owned(), format!("www.{origin}"), format!("deep.ent.{origin}")] {
        plot.lock().unwrap().replay = None;
        let seen = runtime.block_on(ask(&lab.embedded, &asked));
        assert!(seen.outcome == DnsOutcome::Answer && prohibits(&seen), "{seen:?}");
        plot.lock().unwrap().target = Some((asked.clone(), Rtype::CAA));
        let result = runner.run(&replay(), |replay| {
            plot.lock().unwrap().replay = Some(replay);
            let seen = runtime.block_on(ask(&lab.embedded, &asked));
            prop_assert!(!seen.outcome.is_settled(), "{:?}", seen);
            Ok(())
        });
        result.unwrap();
    }
}

#[test]
fn d12_no_replay_of_nsec3_denies_what_is_there() {
    no_replay_denies_what_is_there("victim.org", NSEC3);
}

#[test]
fn d12_no_replay_of_nsec3_with_opt_out_denies_what_is_there() {
    no_replay_denies_what_is_there("victim.org", OPT_OUT);
}

/// Some 20 ms each, for three names.
const CASES: u32 = 64;
