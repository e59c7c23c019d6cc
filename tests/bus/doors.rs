//! Who is let in: whoever shows a certificate of the fleet's authority and proves that he has one
//! of its nkeys. And whom a process lets in: no server that asks it to sign anything but a nonce.

use std::time::Duration;

use mpic_common::testing::examples;
use mpic_runtime::config::BusConfig;
use mpic_runtime::nats::{self, Role};
use mpic_tests::described::Described;
use mpic_tests::raw_client::{RawClient, Shown};
use nkeys::KeyPair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::FLEET;

fn role() -> Role {
    Role {
        name: "tests".to_owned(),
        inbox_prefix: "_INBOX".to_owned(),
        subscription_capacity: 16,
        client_capacity: 16,
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate_and_an_nkey_of_the_fleet() {
    let fleet = Described::start(FLEET).await;
    let (layout, address) = (fleet.layout(), fleet.address());
    let connect = |shown| RawClient::connect(layout, address, shown);
    connect(Shown::by(layout, "audit")).await.unwrap();

    let no_certificate = Shown { certificate: None, ..Shown::by(layout, "audit") };
    let said = connect(no_certificate).await.unwrap_err();
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    let unauthorized = "'Authorization Violation'";
    let no_nkey = Shown { certificate: Some("audit"), ..Shown::default() };
    assert_eq!(connect(no_nkey).await.unwrap_err(), unauthorized);
    let stranger = KeyPair::new_user();
    let foreign = Shown {
        certificate: Some("audit"),
        claims: Some(stranger.public_key()),
        signs: Some(stranger),
        password: None,
    };
    assert_eq!(connect(foreign).await.unwrap_err(), unauthorized);
    let pretender = Shown { signs: Some(KeyPair::new_user()), ..Shown::by(layout, "audit") };
    assert_eq!(connect(pretender).await.unwrap_err(), unauthorized);
}

#[tokio::test]
async fn nobody_comes_in_as_a_leaf_node_by_the_door_of_clients() {
    const LEAF: &str = r#"
        [[leaf]]
        name = "leaf-us-east"
        perspective = "us-east"
        names = ["leaf.us-east.example"]
    "#;
    let fleet = Described::start(&format!("{FLEET}{LEAF}")).await;
    for password in ["", "leaf.us-east.example"] {
        let shown = Shown {
            certificate: Some("leaf-us-east"),
            password: Some(("leaf.us-east.example", password)),
            ..Shown::default()
        };
        let said = RawClient::connect(fleet.layout(), fleet.address(), shown).await;
        assert_eq!(said.unwrap_err(), "'Authorization Violation'");
    }
    // Its agents come in at the leaf alone.
    let agent = Shown::by(fleet.layout(), "agent-us-east");
    assert!(RawClient::connect(fleet.layout(), fleet.address(), agent).await.is_err());
    let other = Shown::by(fleet.layout(), "agent-eu-central");
    RawClient::connect(fleet.layout(), fleet.address(), other).await.unwrap();
}

#[tokio::test]
async fn nobody_comes_in_in_plain_text() {
    let fleet = Described::start(FLEET).await;
    let mut plain = TcpStream::connect(fleet.address()).await.unwrap();
    plain.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await.unwrap();
    let mut said = Vec::new();
    // The server closes; it may do so by a reset.
    let read = tokio::time::timeout(Duration::from_secs(10), plain.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "the connection stays open");
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("PONG"), "{said}");
}

#[tokio::test]
async fn an_authority_that_is_not_the_fleets_vouches_for_nobody() {
    let (fleet, other) = (Described::start(FLEET).await, Described::start(FLEET).await);
    // As a client: the other fleet's server is none of ours.
    let config = fleet.layout().bus("audit", vec![format!("tls://{}", other.address())]);
    assert!(nats::connect(&config, role()).await.is_err());
    // As a server: a certificate of the other fleet opens nothing, whatever the nkey.
    let mut config = other.layout().bus("audit", vec![format!("tls://{}", fleet.address())]);
    config.nkey_file = Some(fleet.layout().nkey("audit"));
    config.tls.as_mut().unwrap().ca = fleet.layout().tls_certificate("ca");
    assert!(nats::connect(&config, role()).await.is_err());
    config.tls = fleet.layout().bus("audit", Vec::new()).tls;
    nats::connect(&config, role()).await.unwrap();
}

/// A server that asks for a signature over `nonce`; gives what the client then says.
async fn asked_to_sign(nonce: &[u8], nkey_file: &std::path::Path) -> String {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", server.local_addr().unwrap());
    let config = BusConfig {
        nkey_file: Some(nkey_file.to_owned()),
        ..BusConfig::without_identity(vec![url])
    };
    let nonce = String::from_utf8_lossy(nonce);
    let info = serde_json::json!({
        "server_id": "x", "server_name": "x", "version": "2.9.10", "host": "127.0.0.1", "port": 1,
        "max_payload": 1024, "proto": 1, "headers": true, "auth_required": true, "nonce": nonce,
    });
    let serving = async {
        let (mut client, _) = server.accept().await.unwrap();
        client.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
        let mut said = vec![0; 4_096];
        let length = client.read(&mut said).await.unwrap_or(0);
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    let (said, connected) = tokio::join!(serving, nats::connect(&config, role()));
    assert!(connected.is_err());
    said
}

#[tokio::test]
async fn a_hostile_server_gets_no_signature_over_what_is_no_nonce() {
    let dir = tempfile::tempdir().unwrap();
    let nkey = dir.path().join("nk");
    mpic_runtime::keys::create_nkey(&nkey).unwrap();
    let honest = asked_to_sign(b"5FVeX3_Hq2mTq9A", &nkey).await;
    assert!(honest.contains("\"sig\":\""), "the server is a server: {honest}");
    for (_, message) in examples() {
        assert_eq!(asked_to_sign(&message, &nkey).await, "");
    }
    for nonce in ["short", "5FVeX3_Hq2mTq9A MPIC-reply-v1", &"a".repeat(65)] {
        assert_eq!(asked_to_sign(nonce.as_bytes(), &nkey).await, "");
    }
}
