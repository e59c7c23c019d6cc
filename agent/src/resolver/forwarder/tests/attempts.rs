//! What is asked, how often, and how long it may take.

use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn d14_keys_that_cannot_be_fetched_fail_the_question() {
    let unreachable = |_: &Asked| Say::serv_fail(&[22]);
    assert_eq!(outcome(unreachable).await, DnsOutcome::ServFail);
    let without_checking = |asked: &Asked| {
        let unchecked = Say { ad: false, ..Say::records(here()) };
        if asked.checking_disabled { unchecked } else { Say::serv_fail(&[22]) }
    };
    assert_eq!(outcome(without_checking).await, DnsOutcome::Bogus);
}

#[tokio::test]
async fn d17_data_need_no_question_for_an_alias() {
    let dns = FakeDns::start(|asked| match asked.qtype {
        Rtype::CNAME => Say::silence(),
        _ => Say::records(here()),
    });
    let dns = dns.await;
    assert_eq!(inquiry(&dns).ask(&question(NAME)).await.outcome, DnsOutcome::Answer);
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test]
async fn d34_a_denial_needs_no_question_for_an_alias() {
    let dns = FakeDns::start(|_| Say::no_data()).await;
    assert_eq!(inquiry(&dns).ask(&question(NAME)).await.outcome, DnsOutcome::NoData);
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test]
async fn d24_what_was_bogus_once_and_then_good_is_used() {
    let stale_once = |asked: &Asked| match asked.nth {
        0 => Say::serv_fail(&[7]),
        _ => Say::records(here()),
    };
    let seen = ask(stale_once).await;
    assert_eq!((seen.outcome, seen.attempts), (DnsOutcome::Answer, 2));
    assert_eq!(seen.dnssec, Dnssec::Secure);
}

#[tokio::test]
async fn d27_a_reply_that_drips_over_tcp_ends_with_the_attempt() {
    let (dripping, _tasks) = dripping().await;
    let settings = ForwarderSettings {
        server: dripping,
        egress: Egress::default(),
        attempt: Duration::from_millis(200),
        pause: Duration::from_millis(10),
        validation: Validation::Required,
        identity: crate::testing::identity(),
    };
    let started = Instant::now();
    let inquiry = Forwarder::new(settings).open(Deadline::after(LONG), budget());
    let seen = inquiry.ask(&question(NAME)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(matches!(seen.outcome, DnsOutcome::Truncated | DnsOutcome::Timeout), "{seen:?}");
}

/// A resolver that truncates over UDP, and over TCP gives an octet every 20 ms.
async fn dripping() -> (SocketAddr, JoinSet<()>) {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut query).await {
            query[2] |= 0x82;
            let _ = udp.send_to(&query[..length], from).await;
        }
    });
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = tcp.accept().await {
            connections.spawn(async move {
                let _ = stream.read_u16().await;
                let _ = stream.write_u16(60_000).await;
                while stream.write_u8(0).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    (address, tasks)
}

/// Flags, counts of records, and what stands behind the question.
type Tail = ([u8; 2], [u8; 3], Vec<u8>);

/// That of the case in hand; a distortion has no state.
static TAIL: Mutex<Tail> = Mutex::new(([0; 2], [0; 3], Vec::new()));

/// A reply to the question for [`NAME`], with [`TAIL`].
fn tailed(mut octets: Vec<u8>) -> Vec<Vec<u8>> {
    let (flags, counts, records) = &*TAIL.lock().unwrap();
    octets.truncate(12 + NAME.len() + 2 + 4);
    octets[2] = 0x80 | flags[0] & 0x07;
    octets[3] = flags[1];
    for (position, count) in [7, 9, 11].into_iter().zip(counts) {
        octets[position] = count % 4;
    }
    octets.extend(records);
    vec![octets]
}

#[test]
fn d28_whatever_octets_a_resolver_sends_a_question_ends_with_a_named_outcome() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dns = runtime.block_on(FakeDns::start(|asked| {
        let distort = if asked.tcp { |_| Vec::new() } else { tailed };
        Say { distort, ..Say::records(here()) }
    }));
    let mut runner = TestRunner::new(Config { cases: 512, ..Config::default() });
    let result = runner.run(&any::<Tail>(), |tail| {
        *TAIL.lock().unwrap() = tail;
        let seen = runtime.block_on(inquiry(&dns).ask(&question(NAME)));
        let has_records = seen.outcome == DnsOutcome::Answer;
        prop_assert_eq!(seen.outcome.reason().is_none(), has_records);
        prop_assert_eq!(!seen.rrset.is_empty(), has_records);
        Ok(())
    });
    result.unwrap();
}
