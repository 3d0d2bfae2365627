//! The processes: a hub and shops, each with an identity, a configuration and a data directory of its own.

mod error;
mod line;
mod process;
mod setting_up;

pub(super) use error::FleetError;
use line::{DELAY, Line};
pub(super) use process::Process;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use transport::Authority;

use super::data::Week;
use super::proxy::Proxy;
use crate::local::{Request, Response};

/// The name of the hub's replica.
pub(super) const HUB: &str = "hub";
const AUTHORITY: &str = "demo";

/// All processes. Those that still run when it is dropped are killed.
pub(super) struct Fleet {
    pub(super) hub: Process,
    /// In the order of the week's shops.
    pub(super) shops: Vec<Site>,
    /// What the lines to the shops are, where they are the kernel's.
    pub(super) lines: Option<String>,
}

/// A shop's process and the wire between it and the hub.
pub(super) struct Site {
    pub(super) process: Process,
    pub(super) proxy: Arc<Proxy>,
}

impl Fleet {
    /// Makes directories and certificates in `directory`, and starts the hub and the shops; with `with_lines` each shop in
    /// a network of its own.
    ///
    /// # Errors
    /// [`FleetError`]; with what the process logged, if one did not start.
    pub(super) async fn start(week: &Week, directory: &Path, with_lines: bool) -> Result<Self, FleetError> {
        let program = std::env::current_exe().map_err(FleetError::Program)?;
        let authority = Authority::create(AUTHORITY)?;
        let data = |name: &str| directory.join(name);

        setting_up::write(&authority, &data(HUB), &setting_up::hub(week)?)?;
        let hub = Process::start(program.clone(), HUB, data(HUB), None).await?;
        let hub_address = address(&hub).await?;
        let mut starting = JoinSet::new();
        let mut loses = with_lines;
        for (place, shop) in week.shops.iter().enumerate() {
            let line = if with_lines { Some(Line::new(place)?) } else { None };
            loses = loses && line.as_ref().is_some_and(Line::lose);
            let delay = line.as_ref().map_or(Duration::ZERO, |_| DELAY);
            let front = line.as_ref().map_or(Ipv4Addr::LOCALHOST, Line::hub);
            let proxy = Arc::new(Proxy::start(front, hub_address, delay).await.map_err(FleetError::Proxy)?);
            let name = shop.site();
            setting_up::write(&authority, &data(&name), &setting_up::shop(shop, proxy.address())?)?;
            let (program, data) = (program.clone(), data(&name));
            starting.spawn(async move {
                let process = Process::start(program, &name, data, line).await?;
                Ok::<_, FleetError>((place, Site { process, proxy }))
            });
        }
        let mut shops = BTreeMap::new();
        while let Some(started) = starting.join_next().await {
            shops.extend([started??]);
        }
        let shops = shops.into_values().collect();
        Ok(Self { hub, shops, lines: with_lines.then(|| Line::told(loses)) })
    }

    /// Ends all processes and waits until they are gone.
    pub(super) async fn stop(mut self) {
        for process in
            std::iter::once(&mut self.hub).chain(self.shops.iter_mut().map(|site| &mut site.process))
        {
            process.stop().await;
        }
    }
}

/// The UDP address that a server has chosen.
async fn address(process: &Process) -> Result<SocketAddr, FleetError> {
    let unknown = || FleetError::Address { replica: process.name().to_owned() };
    let mut client = process.connect().await?;
    let status = client.call(&Request::Status).await;
    let Response::Status(status) = status.map_err(|source| FleetError::Status { source })? else {
        return Err(unknown());
    };
    status.address.parse().map_err(|_| unknown())
}
