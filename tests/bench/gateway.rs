//! The same work asked in two ways, over HTTP through the gateway and on the bus directly: what the
//! way through the gateway costs, as a ratio.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpic_common::challenge::Challenge;
use mpic_common::job::{Caa, Dcv, Dispatch, Job, PrimaryMode};
use mpic_common::policy::Outcome;
use mpic_tests::certification_authority::{CertificationAuthority, caa, http_01, validation_alone};
use mpic_tests::cluster::{Choices, Cluster};
use mpic_tests::http_client::{HttpClient, KeptAlive};
use mpic_tests::internet::Content;
use serde_json::{Value, json};

use crate::cpu::{CLIENT, GATEWAY};
use crate::load::Measured;

const SITE: &str = "honest.example";
const CLIENTS: [usize; 2] = [1, 16];
/// What the gateway's configuration has where nothing is said.
const BUDGET: Duration = Duration::from_secs(26);
/// As `BUDGET`.
const STRAGGLER_WAIT: Duration = Duration::from_millis(300);

/// Prints everything.
pub(crate) async fn run() {
    let choices = Choices { gateway: true, ..Choices::of(Content::new().honest(SITE)) };
    let cluster = Cluster::start_with(choices).await;
    let (ca, http) = (CertificationAuthority::of(&cluster).await, HttpClient::of(&cluster));
    let ways = Ways { ca: Arc::new(ca), http: Arc::new(http), pids: cluster.pids() };
    println!(
        "\nThe same jobs through the gateway and directly: the remotes alone, each job as the"
    );
    println!(
        "gateway makes it. CPU is milliseconds each: of the gateway, of the system with it, and"
    );
    println!("of the client that asks, which over NATS signs and verifies for itself.\n");
    print!("{:<10} {:>7} {:<8} {:>7} {:>8} {:>8}", "load", "clients", "by", "per s", "p50", "p99");
    println!(" {:>8} {:>8} {:>8}", "gateway", "system", "client");
    for clients in CLIENTS {
        ways.compare("caa", clients, as_gateway_caa, &caa_request()).await;
    }
    for clients in CLIENTS {
        ways.compare("http-01", clients, as_gateway_http_01, &http_01_request()).await;
    }
}

/// Both ways to one system.
struct Ways {
    ca: Arc<CertificationAuthority>,
    http: Arc<HttpClient>,
    pids: BTreeMap<String, u32>,
}

impl Ways {
    async fn compare(&self, name: &str, clients: usize, job: fn() -> Job, request: &Value) {
        let direct = self.direct(clients, job).await;
        print_row(name, clients, "NATS", &direct);
        let through = self.through(clients, request).await;
        print_row(name, clients, "gateway", &through);
        let all = |measured: &Measured| measured.with_gateway_ms() + measured.group_ms(CLIENT);
        println!(
            "{name:<10} {clients:>7} ratio: {:.2} of the rate, {:.2} of the system's CPU, {:.2} \
             with the client's",
            through.per_second() / direct.per_second(),
            through.with_gateway_ms() / direct.with_gateway_ms(),
            all(&through) / all(&direct),
        );
    }

    async fn direct(&self, clients: usize, job: fn() -> Job) -> Measured {
        let ca = Arc::clone(&self.ca);
        let ask = move || {
            let ca = Arc::clone(&ca);
            async move {
                let told = ca.decision(&job()).await;
                assert_eq!(told.decision.outcome, Outcome::Corroborate);
            }
        };
        Measured::of(clients, &self.pids, ask).await
    }

    /// Each client keeps its connection.
    async fn through(&self, clients: usize, request: &Value) -> Measured {
        let octets: Arc<[u8]> = self.http.request(request).into();
        let connections = Connections { address: self.http.address, idle: Mutex::default() };
        let connections = Arc::new(connections);
        let ask = move || {
            let (octets, connections) = (Arc::clone(&octets), Arc::clone(&connections));
            async move {
                let mut connection = connections.take().await;
                let answered = connection.ask(&octets).await;
                assert_eq!((answered.status, answered.at("/is_valid")), (200, json!(true)));
                connections.give_back(connection);
            }
        };
        Measured::of(clients, &self.pids, ask).await
    }
}

/// Connections that nobody asks on.
struct Connections {
    address: SocketAddr,
    idle: Mutex<Vec<KeptAlive>>,
}

impl Connections {
    async fn take(&self) -> KeptAlive {
        let idle = self.idle.lock().unwrap().pop();
        match idle {
            Some(connection) => connection,
            None => KeptAlive::connect(self.address).await,
        }
    }

    fn give_back(&self, connection: KeptAlive) {
        self.idle.lock().unwrap().push(connection);
    }
}

/// The job that the gateway makes of a request.
fn as_gateway(job: Job) -> Job {
    Job {
        primary: PrimaryMode::External,
        dispatch: Dispatch::default(),
        straggler_wait: Some(STRAGGLER_WAIT),
        budget: Some(BUDGET),
        deadline_ms: Some(job.id.time().plus(BUDGET)),
        ..job
    }
}

fn as_gateway_caa() -> Job {
    as_gateway(Job { caa: Some(Caa::default()), ..caa(SITE) })
}

fn as_gateway_http_01() -> Job {
    let job = validation_alone(http_01(SITE));
    let adn = job.identifier.name().cloned();
    let dcv = job.dcv.map(|dcv| Dcv { adn, ..dcv });
    as_gateway(Job { dcv, ..job })
}

fn caa_request() -> Value {
    json!({ "check_type": "caa", "domain_or_ip_target": SITE })
}

fn http_01_request() -> Value {
    let Some(Challenge::AcmeHttp01 { token, key_authorization, .. }) =
        http_01(SITE).dcv.map(|dcv| dcv.challenge)
    else {
        panic!("http-01 has a token");
    };
    json!({
        "check_type": "dcv",
        "domain_or_ip_target": SITE,
        "dcv_check_parameters": {
            "validation_method": "acme-http-01",
            "token": token.as_str(),
            "key_authorization": key_authorization.as_str(),
        },
    })
}

fn print_row(name: &str, clients: usize, by: &str, measured: &Measured) {
    let (rate, p50, p99) = (measured.per_second(), measured.share_ms(50), measured.share_ms(99));
    print!("{name:<10} {clients:>7} {by:<8} {rate:>7.0} {p50:>8.2} {p99:>8.2}");
    let (gateway, client) = (measured.group_ms(GATEWAY), measured.group_ms(CLIENT));
    println!(" {gateway:>8.3} {:>8.3} {client:>8.3}", measured.with_gateway_ms());
}
