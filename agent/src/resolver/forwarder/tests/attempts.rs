//! What is asked, how often, and how long it may take.

use std::time::Duration;

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
