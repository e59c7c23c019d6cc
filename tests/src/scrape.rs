//! What a process tells by HTTP, read as a monitoring system reads it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::cluster::Cluster;

/// The figures of one process at one moment.
#[derive(Debug)]
pub struct Scrape {
    /// Type and help of each metric.
    pub described: BTreeMap<String, (String, String)>,
    /// Every series as it is written, labels included, and its value.
    pub series: BTreeMap<String, f64>,
}

impl Cluster {
    /// Restarts a process with a port on which it tells how it is, and gives its address.
    pub async fn listening(&mut self, name: &str) -> String {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let path = self.layout().config(name);
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("health_listen = \"{address}\"\n{config}")).unwrap();
        self.terminate(name).await;
        self.start_process(name).await;
        address
    }
}

/// The status and the body of an answer.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Scrape {
    /// The figures of who listens at `address`.
    ///
    /// Panics where they are not in the text format of Prometheus: each metric described before
    /// its first series, its series together, none twice.
    pub fn of(address: &str) -> Self {
        let (status, text) = get(address, "/metrics");
        assert_eq!(status, 200, "{text}");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut scrape = Self { described: BTreeMap::new(), series: BTreeMap::new() };
        let (mut help, mut now) = (None, String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = Some(rest.split_once(' ').expect("a help text"));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let (of, text) = help.take().expect("help before type");
                assert_eq!(of, name, "help of another metric");
                let described = (kind.to_owned(), text.to_owned());
                let before = scrape.described.insert(name.to_owned(), described);
                assert!(before.is_none(), "{name} is described twice");
                name.clone_into(&mut now);
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let name = series.split('{').next().unwrap();
                let ending = name.strip_prefix(now.as_str()).unwrap_or("?");
                let is_histogram =
                    scrape.described.get(&now).is_some_and(|(kind, _)| kind == "histogram");
                let endings: &[_] =
                    if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(endings.contains(&ending), "{line}: not of {now}");
                let before = scrape.series.insert(series.to_owned(), value.parse().unwrap());
                assert!(before.is_none(), "{series} is there twice");
            }
        }
        scrape
    }

    /// The value of one series, written with its labels.
    ///
    /// Panics where there is none.
    pub fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {self:#?}"))
    }

    /// The names of the labels of each series of a metric, `le` left out.
    pub fn labels(&self, name: &str) -> Vec<Vec<String>> {
        let of_metric = |series: &&String| {
            let rest = series.strip_prefix(name);
            let rest = rest.map(|rest| rest.split('{').next().unwrap());
            matches!(rest, Some("" | "_bucket" | "_sum" | "_count"))
        };
        let names = |series: &String| {
            let labels = series.split_once('{').map_or("", |(_, rest)| rest);
            let names = labels.split(',').filter_map(|label| label.split_once('='));
            let names = names.map(|(name, _)| name.to_owned()).filter(|name| name != "le");
            names.collect()
        };
        self.series.keys().filter(of_metric).map(names).collect()
    }
}
