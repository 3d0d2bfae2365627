//! What a replica's directory holds before its first start.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use document::{AddressError, Space};
use transport::Authority;

use super::super::data::{Shop, Week};
use super::super::documents::CATALOG;
use super::{FleetError, HUB};
use crate::config::{Config, PeerAccess, PeerConfig, SpaceMode, SpaceName};
use crate::data_directory::DataDirectory;

const READ: PeerAccess = PeerAccess { read: true, write: false };
const WRITE: PeerAccess = PeerAccess { read: false, write: true };
const BOTH: PeerAccess = PeerAccess { read: true, write: true };

/// The hub writes the catalog, and shares with each shop the shop's own space.
pub(super) fn hub(week: &Week) -> Result<Config, FleetError> {
    let mut spaces = BTreeMap::from([(space(CATALOG)?, SpaceMode::Write)]);
    let mut peers = BTreeMap::new();
    for shop in &week.shops {
        let own = space(&shop.site())?;
        spaces.insert(own.clone(), SpaceMode::Write);
        let shared = [(space(CATALOG)?, READ), (own, BOTH)];
        peers.insert(shop.site(), PeerConfig { spaces: shared.into(), ..PeerConfig::default() });
    }
    let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    Ok(Config { name: HUB.to_owned(), listen, hub: true, spaces, peers, ..Config::default() })
}

/// A shop reads the catalog, writes its own space, and dials the hub.
pub(super) fn shop(shop: &Shop, hub: SocketAddr) -> Result<Config, FleetError> {
    let (catalog, own) = (space(CATALOG)?, space(&shop.site())?);
    let peer = PeerConfig {
        address: Some(hub.to_string().parse()?),
        relay: true,
        hub: true,
        spaces: [(catalog.clone(), WRITE), (own.clone(), BOTH)].into(),
        ..PeerConfig::default()
    };
    Ok(Config {
        name: shop.site(),
        spaces: [(catalog, SpaceMode::Read), (own, SpaceMode::Write)].into(),
        peers: [(HUB.to_owned(), peer)].into(),
        ..Config::default()
    })
}

/// Makes the directory, with an identity by `authority` and the configuration in it.
pub(super) fn write(authority: &Authority, data: &Path, config: &Config) -> Result<(), FleetError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| FleetError::Write { path, source }
    };
    fs::create_dir_all(data).map_err(failed(data))?;
    let directory = DataDirectory::new(data);
    authority.issue(&config.name, &directory.identity())?;
    let text = toml::to_string(config)?;
    fs::write(directory.config(), text).map_err(failed(&directory.config()))
}

fn space(name: &str) -> Result<SpaceName, AddressError> {
    Space::new(name).map(SpaceName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_configuration_and_an_identity() {
        let directory = tempfile::tempdir().unwrap();
        let week = Week::built_in(None).unwrap();
        let authority = Authority::create("demo").unwrap();
        let hub_address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7_400));
        let configs = [hub(&week).unwrap(), shop(&week.shops[1], hub_address).unwrap()];
        for config in configs {
            let data = directory.path().join(&config.name);
            write(&authority, &data, &config).unwrap();
            let written = DataDirectory::new(&data);
            assert_eq!(Config::load(&written.config()).unwrap(), config);
            let identity = transport::Identity::load(&written.identity()).unwrap();
            assert_eq!(identity.name(), config.name);
        }
    }

    #[test]
    fn a_shop_may_write_its_own_space_only_and_the_hub_sees_all() {
        let week = Week::built_in(None).unwrap();
        let hub = hub(&week).unwrap();
        assert_eq!(hub.spaces.len(), 9);
        for shop in &week.shops {
            let peer = &hub.peers[&shop.site()];
            let written: Vec<String> = peer
                .spaces
                .iter()
                .filter(|(_, access)| access.write)
                .map(|(name, _)| name.0.to_string())
                .collect();
            assert_eq!(written, [shop.site()]);
        }
    }
}
