//! A client of the bus that says what it is told to, and hears what the server says to it: what is
//! denied is seen at once, since the server answers in order.

use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use mpic_cli::fleet::layout::Layout;
use nkeys::KeyPair;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, version::TLS13};

/// What a client shows.
#[derive(Debug, Default)]
pub struct Shown<'a> {
    /// Whose certificate.
    pub certificate: Option<&'a str>,
    /// The public nkey that it claims.
    pub claims: Option<String>,
    /// The key that it signs the nonce with.
    pub signs: Option<KeyPair>,
    /// The user and password that it claims.
    pub password: Option<(&'a str, &'a str)>,
}

impl<'a> Shown<'a> {
    /// What the party of this name has in its files.
    pub fn by(layout: &Layout, party: &'a str) -> Self {
        let key = mpic_runtime::keys::load_nkey(&layout.nkey(party)).unwrap();
        Self {
            certificate: Some(party),
            claims: Some(key.public_key()),
            signs: Some(key),
            password: None,
        }
    }
}

/// A connection on which the server has said that it is welcome.
#[derive(Debug)]
pub struct RawClient(BufReader<TlsStream<TcpStream>>);

impl RawClient {
    /// Connects to `address`; errs with what the server said, or with how the channel ended.
    pub async fn connect(layout: &Layout, address: &str, shown: Shown<'_>) -> Result<Self, String> {
        let mut plain = BufReader::new(TcpStream::connect(address).await.unwrap());
        let nonce = nonce(&line(&mut plain).await?);
        let connector = TlsConnector::from(Arc::new(tls(layout, shown.certificate)));
        let name = ServerName::try_from("localhost").unwrap();
        let channel = connector.connect(name, plain.into_inner()).await;
        let mut client = Self(BufReader::new(channel.map_err(|error| error.to_string())?));
        let connect = connect_line(shown, &nonce);
        match client.say(&connect).await?.first() {
            None => Ok(client),
            Some(said) => Err(said.clone()),
        }
    }

    /// Publishes nothing to `subject`; what the server has against it.
    pub async fn publish(&mut self, subject: &str) -> Option<String> {
        self.say(&format!("PUB {subject} 0\r\n\r\n")).await.unwrap().pop()
    }

    /// Subscribes, in a group where one follows the subject after a space, and unsubscribes; what
    /// the server has against it.
    pub async fn subscribe(&mut self, subject_and_group: &str) -> Option<String> {
        let said = self.say(&format!("SUB {subject_and_group} 1\r\n")).await.unwrap().pop();
        self.say("UNSUB 1\r\n").await.unwrap();
        said
    }

    /// Says something and a ping; the errors that come before the pong.
    async fn say(&mut self, what: &str) -> Result<Vec<String>, String> {
        let said = format!("{what}PING\r\n");
        let broken = |error: std::io::Error| error.to_string();
        self.0.get_mut().write_all(said.as_bytes()).await.map_err(broken)?;
        self.0.get_mut().flush().await.map_err(broken)?;
        let mut errors = Vec::new();
        loop {
            let line = line(&mut self.0).await?;
            if line == "PONG" {
                return Ok(errors);
            }
            if let Some(error) = line.strip_prefix("-ERR ") {
                errors.push(error.to_owned());
                // Whoever is not welcome hears no pong.
                if error.contains("Authorization") {
                    return Ok(errors);
                }
            }
        }
    }
}

/// A line of the protocol, within the time that any takes.
async fn line<R: AsyncBufReadExt + Unpin>(reader: &mut R) -> Result<String, String> {
    let mut line = String::new();
    match tokio::time::timeout(std::time::Duration::from_secs(10), reader.read_line(&mut line))
        .await
    {
        Ok(Ok(0)) => Err("the server closed the connection".to_owned()),
        Ok(Ok(_)) => Ok(line.trim_end().to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the server says nothing".to_owned()),
    }
}

fn nonce(info: &str) -> String {
    let info: serde_json::Value =
        serde_json::from_str(info.strip_prefix("INFO ").unwrap()).unwrap();
    assert_eq!(info["tls_required"], true);
    info["nonce"].as_str().unwrap().to_owned()
}

fn connect_line(shown: Shown<'_>, nonce: &str) -> String {
    let signature =
        shown.signs.map(|key| BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes()).unwrap()));
    let (user, password) = shown.password.unwrap_or_default();
    let connect = serde_json::json!({
        "verbose": false, "pedantic": false, "tls_required": true, "lang": "test", "version": "0",
        "protocol": 1, "headers": true, "no_responders": true,
        "user": user, "pass": password,
        "nkey": shown.claims.unwrap_or_default(), "sig": signature.unwrap_or_default(),
    });
    format!("CONNECT {connect}\r\n")
}

fn tls(layout: &Layout, certificate: Option<&str>) -> ClientConfig {
    let read = |path: &Path| CertificateDer::from_pem_file(path).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read(&layout.tls_certificate("ca"))).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    match certificate {
        None => config.with_no_client_auth(),
        Some(party) => {
            let key = PrivateKeyDer::from_pem_file(layout.tls_key(party)).unwrap();
            config.with_client_auth_cert(vec![read(&layout.tls_certificate(party))], key).unwrap()
        }
    }
}
