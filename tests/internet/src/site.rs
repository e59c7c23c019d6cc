//! What the web servers show, by host and path.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::{
    config::{self, ConfigError, PageFault},
    views::{ViewTable, Viewer, Views},
};

/// A page, ready to send.
#[derive(Debug)]
pub(crate) struct Page {
    views: Views,
    pub(crate) delay: Duration,
    pub(crate) fault: Option<PageFault>,
    /// Status line and headers, with the empty line after them.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Page {
    fn new(page: &config::Page, views: Views) -> Self {
        let default_status = if page.location.is_some() { 302 } else { 200 };
        let length = match page.fault {
            Some(PageFault::Endless) => None,
            Some(PageFault::Short) => Some(page.body.len() + 1),
            _ => Some(page.body.len()),
        };
        let length = length.map(|length| ("Content-Length", length.to_string()));
        let location = page.location.clone().map(|location| ("Location", location));
        let given = page.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Self {
            views,
            delay: Duration::from_millis(page.delay_ms),
            fault: page.fault,
            head: head(
                page.status.unwrap_or(default_status),
                length.into_iter().chain(location).chain(given),
            ),
            body: page.body.clone(),
        }
    }

    /// The page that says no more than its status.
    pub(crate) fn only(status: u16) -> Self {
        let page = config::Page { status: Some(status), ..config::Page::default() };
        Self::new(&page, Views::EVERYONE)
    }
}

fn head<'a>(status: u16, headers: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut head = format!("HTTP/1.1 {status} \r\n");
    for (name, value) in headers.chain([("Connection", "close".to_owned())]) {
        // Writing to a string does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// All pages.
#[derive(Debug, Default)]
pub(crate) struct Site {
    hosts: BTreeMap<String, BTreeMap<String, Vec<Page>>>,
}

impl Site {
    pub(crate) fn new(pages: &[config::Page], views: &ViewTable) -> Result<Self, ConfigError> {
        let mut site = Self::default();
        for (index, page) in pages.iter().enumerate() {
            let table = format!("page[{index}]");
            if page.host.is_empty() {
                return Err(ConfigError::value(format!("{table}.host"), "is missing"));
            }
            if !page.path.starts_with('/') {
                let reason = format!("\"{}\" does not begin with a slash", page.path);
                return Err(ConfigError::value(format!("{table}.path"), reason));
            }
            let seen_by = views.select(page.views.as_deref(), &table)?;
            let paths = site.hosts.entry(page.host.to_ascii_lowercase()).or_default();
            paths.entry(page.path.clone()).or_default().push(Page::new(page, seen_by));
        }
        Ok(site)
    }

    pub(crate) fn find(&self, viewer: Viewer, host: &str, path: &str) -> Option<&Page> {
        let pages = self.hosts.get(host)?.get(path)?;
        pages.iter().find(|page| page.views.contains(viewer))
    }
}
