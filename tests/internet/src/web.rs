//! Web servers: HTTP/1.1, GET, one request a connection.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    time,
};

use crate::{
    config::PageFault, content::Content, listen, site::Page, tls::TlsServer, views::Viewer,
};

/// The longest head of a request, in octets.
const HEAD_MAX: usize = 16 * 1024;

/// How long a client may take to send its request.
const READ_MAX: Duration = Duration::from_secs(10);

/// One kind of web server, on any number of listeners.
#[derive(Clone)]
pub(crate) struct WebServer {
    /// Plain HTTP if there is none.
    pub(crate) tls: Option<TlsServer>,
    pub(crate) content: watch::Receiver<Arc<Content>>,
}

impl WebServer {
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Error {
        listen::serve(listener, move |stream, client| {
            let content = self.content.borrow().clone();
            let viewer = content.views.viewer(client.ip());
            let tls = self.tls.clone();
            // A client that hangs up in the middle is no concern of the server.
            async move {
                let _ = match tls {
                    None => converse(stream, viewer, &content).await,
                    Some(tls) => {
                        let accepted = tls.accept(stream, viewer, &content.tls_alpn);
                        match time::timeout(READ_MAX, accepted).await {
                            Ok(Ok(Some(stream))) => converse(stream, viewer, &content).await,
                            Ok(Ok(None)) => Ok(()),
                            Ok(Err(error)) => Err(error),
                            Err(elapsed) => Err(elapsed.into()),
                        }
                    }
                };
            }
        })
        .await
    }
}

/// Reads one request, answers it as the page says, and closes.
async fn converse<S>(mut stream: S, viewer: Viewer, content: &Content) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = time::timeout(READ_MAX, read_head(&mut stream)).await??;
    match Request::parse(&head) {
        Ok(Request { host, path }) => match content.site.find(viewer, &host, path) {
            Some(page) => send(&mut stream, page).await?,
            None => send(&mut stream, &Page::only(404)).await?,
        },
        Err(status) => send(&mut stream, &Page::only(status)).await?,
    }
    stream.shutdown().await
}

/// Everything up to the empty line, or the first 16 KiB if there is none in them.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(1024);
    while head.len() < HEAD_MAX && !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

#[derive(Debug, Eq, PartialEq)]
struct Request<'a> {
    /// Lower case, without port.
    host: String,
    /// Without query string.
    path: &'a str,
}

impl<'a> Request<'a> {
    /// On `Err`, the status to answer.
    fn parse(head: &'a [u8]) -> Result<Self, u16> {
        if !head.ends_with(b"\r\n\r\n") {
            return Err(431);
        }
        let mut lines = str::from_utf8(head).map_err(|_| 400u16)?.split("\r\n");
        let mut request_line = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (request_line.next(), request_line.next()) else {
            return Err(400);
        };
        if method != "GET" {
            return Err(405);
        }
        let host = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| without_port(value.trim()).to_ascii_lowercase())
            .ok_or(400u16)?;
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        Ok(Self { host, path })
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

async fn send<S>(stream: &mut S, page: &Page) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    time::sleep(page.delay).await;
    match page.fault {
        None | Some(PageFault::Short) => {
            stream.write_all([page.head.as_bytes(), page.body.as_bytes()].concat().as_slice()).await
        }
        Some(PageFault::Close) => Ok(()),
        Some(PageFault::Drip) => drip(stream, page).await,
        Some(PageFault::Endless) => repeat(stream, page).await,
        Some(PageFault::Hang) => until_hung_up(stream).await,
    }
}

async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, page: &Page) -> io::Result<()> {
    stream.write_all(page.head.as_bytes()).await?;
    for octet in page.body.bytes() {
        stream.write_all(&[octet]).await?;
        stream.flush().await?;
        time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Ends only when the client hangs up.
async fn repeat<S: AsyncWrite + Unpin>(stream: &mut S, page: &Page) -> io::Result<()> {
    /// Octets to write at a time, so that a short body does not mean many small writes.
    const CHUNK: usize = 16 * 1024;
    stream.write_all(page.head.as_bytes()).await?;
    let body = if page.body.is_empty() { " " } else { &page.body };
    let chunk = body.repeat(CHUNK.div_ceil(body.len()));
    loop {
        stream.write_all(chunk.as_bytes()).await?;
    }
}

async fn until_hung_up<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Request<'_>, u16> {
        Request::parse(head.as_bytes())
    }

    #[test]
    fn host_is_lower_case_without_port_and_path_without_query() {
        let request = parse("GET /a?b=c HTTP/1.1\r\nHOST:  Example.Test:8080\r\n\r\n").unwrap();
        assert_eq!(request, Request { host: "example.test".to_owned(), path: "/a" });
    }

    #[test]
    fn an_address_in_brackets_keeps_its_colons() {
        let host =
            |host: &str| parse(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap().host;
        assert_eq!(host("[::1]"), "[::1]");
        assert_eq!(host("[::1]:80"), "[::1]");
    }

    #[test]
    fn what_is_not_a_get_with_a_host_is_refused_with_its_status() {
        assert_eq!(parse("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(405));
        assert_eq!(parse("GET / HTTP/1.1\r\n\r\n"), Err(400));
        assert_eq!(parse("GET\r\n\r\n"), Err(400));
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\n"), Err(431));
    }
}
