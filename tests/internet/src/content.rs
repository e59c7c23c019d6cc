//! Everything that can be read again while the process runs.

use crate::{
    config::{Config, ConfigError},
    site::Site,
    views::ViewTable,
    zones::Zones,
};

#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) views: ViewTable,
    pub(crate) zones: Zones,
    pub(crate) site: Site,
}

impl Content {
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let views = ViewTable::new(&config.views)?;
        let zones = Zones::new(config, &views)?;
        let site = Site::new(&config.pages, &views)?;
        Ok(Self { views, zones, site })
    }
}
