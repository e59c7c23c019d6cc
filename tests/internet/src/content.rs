//! Everything that can be read again while the process runs.

use crate::{
    config::{Config, ConfigError},
    site::Site,
    tls::TlsAlpnTable,
    views::ViewTable,
    zones::Zones,
};

#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) views: ViewTable,
    pub(crate) zones: Zones,
    pub(crate) site: Site,
    pub(crate) tls_alpn: TlsAlpnTable,
}

impl Content {
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let views = ViewTable::new(&config.views)?;
        let zones = Zones::new(config, &views)?;
        let site = Site::new(&config.pages, &views)?;
        let tls_alpn = TlsAlpnTable::new(&config.tls_alpn, &views)?;
        Ok(Self { views, zones, site, tls_alpn })
    }
}
