//! Tells whoever started this process that it is ready: the protocol of `sd_notify(3)`.

use std::os::unix::net::UnixDatagram;

/// Sends `READY=1` to the socket that the environment names, if it names one.
pub fn notify() {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"READY=1", &path));
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot tell the service manager that the process is ready");
    }
}
