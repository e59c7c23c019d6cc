//! The configuration of nats-server: loopback only, streams below the fleet's directory.

use std::num::NonZeroU16;
use std::path::Path;

use super::layout::Layout;

/// The text of the configuration. Without `port` the server takes a free one and says which in a
/// file; 2.9 exits on keys that it does not know, so nothing newer is set.
pub(super) fn config(layout: &Layout, port: Option<NonZeroU16>) -> String {
    let port = port.map_or(-1, |port| i32::from(port.get()));
    let (run, streams) = (quote(&layout.run()), quote(&layout.streams()));
    format!(
        "server_name: \"local\"\n\
         listen: \"127.0.0.1:{port}\"\n\
         ports_file_dir: {run}\n\
         max_payload: 262144\n\
         write_deadline: \"5s\"\n\
         ping_interval: \"5s\"\n\
         ping_max: 2\n\
         jetstream {{ store_dir: {streams}, max_mem: 64MB, max_file: 20GB }}\n"
    )
}

fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
