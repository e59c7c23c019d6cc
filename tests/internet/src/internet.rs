//! The running Internet: all sockets, and what they serve.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    Ready,
    config::{Config, ConfigError, View, Web},
    content::Content,
    listen,
    name_server::NameServer,
    tls::{TlsError, TlsServer},
    web::WebServer,
};

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot serve this configuration")]
    Config(#[from] ConfigError),
    #[error("cannot serve HTTPS")]
    Tls(#[from] TlsError),
    #[error("cannot listen on {address}")]
    Bind { address: String, source: io::Error },
}

/// All servers of one small Internet. They stop when this is dropped.
#[derive(Debug)]
pub struct Internet {
    servers: JoinSet<io::Error>,
    content: watch::Sender<Arc<Content>>,
    views: Vec<View>,
    ready: Ready,
}

impl Internet {
    /// Binds everything and starts to serve.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let content = Content::new(config)?;
        let (sender, receiver) = watch::channel(Arc::new(content));
        let mut servers = JoinSet::new();
        let mut resolvers = BTreeMap::new();
        for view in &config.views {
            let viewer = receiver.borrow().views.viewer(view.source);
            let server = NameServer { resolver_of: Some(viewer), content: receiver.clone() };
            let address = start_name_server(&mut servers, server, view.resolver).await?;
            resolvers.insert(view.name.clone(), address);
        }
        let server = NameServer { resolver_of: None, content: receiver.clone() };
        let listen = config.authoritative.listen;
        let authoritative = start_name_server(&mut servers, server, listen).await?;
        let Web { addresses, http_port, https_port } = &config.web;
        let server = WebServer { tls: None, content: receiver.clone() };
        let http = start_web(&mut servers, server, addresses, *http_port).await?;
        let server = WebServer { tls: Some(TlsServer::new()?), content: receiver };
        let https = start_web(&mut servers, server, addresses, *https_port).await?;
        let ready = Ready { resolvers, authoritative, http, https };
        Ok(Self { servers, content: sender, views: config.views.clone(), ready })
    }

    /// Where everything listens.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Serves other zones, records, faults and pages from now on. Views stay as they are, and
    /// where anything listens is not looked at again. On `Err` nothing changes.
    pub fn reload(&self, config: &Config) -> Result<(), ConfigError> {
        if config.views != self.views {
            return Err(ConfigError::value("view", "views cannot change while the process runs"));
        }
        self.content.send_replace(Arc::new(Content::new(config)?));
        Ok(())
    }

    /// Waits until a server ends, which none does unless its socket fails.
    pub async fn failed(&mut self) -> io::Error {
        match self.servers.join_next().await {
            Some(ended) => ended.unwrap_or_else(io::Error::other),
            None => io::Error::other("there is no server"),
        }
    }
}

async fn start_name_server(
    servers: &mut JoinSet<io::Error>,
    server: NameServer,
    listen: SocketAddr,
) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Bind { address: listen.to_string(), source };
    let (udp, tcp) = listen::bind_dns(listen).await.map_err(failed)?;
    let address = udp.local_addr().map_err(failed)?;
    servers.spawn(server.clone().serve_udp(udp));
    servers.spawn(server.serve_tcp(tcp));
    Ok(address)
}

/// Gives the port, which is the same on every web address.
async fn start_web(
    servers: &mut JoinSet<io::Error>,
    server: WebServer,
    addresses: &[IpAddr],
    port: u16,
) -> Result<u16, StartError> {
    let failed =
        |source| StartError::Bind { address: format!("{addresses:?}, port {port}"), source };
    let (port, listeners) = listen::bind_web(addresses, port).await.map_err(failed)?;
    for listener in listeners {
        servers.spawn(server.clone().serve(listener));
    }
    Ok(port)
}
