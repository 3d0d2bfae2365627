//! What a server tells at its start: every address and path that it uses.

use crate::config::{Config, SpaceMode};
use crate::data_directory::DataDirectory;
use crate::enrolment::date;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use transport::Endpoint;

/// Peers that are told one by one; a hub of 1,000 sites has more lines than anybody reads.
const PEERS_MAX: usize = 20;

/// What a server uses.
pub(crate) struct Banner<'a> {
    pub(crate) directory: &'a DataDirectory,
    pub(crate) config: &'a Config,
    pub(crate) endpoint: &'a Endpoint,
    /// Where monitoring asks.
    pub(crate) observed_at: Option<SocketAddr>,
    /// Where services are answered over HTTP, beside the Unix socket.
    pub(crate) http_at: Option<SocketAddr>,
    /// Who renews the certificate.
    pub(crate) renewed_by: Option<&'a str>,
}

impl Banner<'_> {
    /// Logs it, at level INFO.
    pub(crate) fn log(&self) {
        let Self { directory, config, endpoint, .. } = self;
        let there = |path: &Path| match path.exists() {
            true => path.display().to_string(),
            false => "none".to_owned(),
        };
        tracing::info!(
            name = %config.name,
            version = env!("CARGO_PKG_VERSION"),
            data = %directory.path().display(),
            config = %directory.config().display(),
            identity = %directory.identity().display(),
            store = %directory.store().display(),
            socket = %directory.socket().display(),
            http_socket = %directory.http_socket().display(),
            schemas = there(&directory.schemas()),
            authority = there(&directory.authority()),
            enrolment = there(&directory.enrolment()),
            tokens = %directory.tokens().display(),
            denied = %directory.denied().display(),
            "paths"
        );
        let shown = |at: Option<SocketAddr>| at.map_or_else(|| "nowhere".to_owned(), |at| at.to_string());
        tracing::info!(
            udp = %endpoint.local_address(),
            takes_peers = config.listen.is_some(),
            monitoring = shown(self.observed_at),
            http = shown(self.http_at),
            "addresses"
        );
        let until = date(endpoint.identity().validity().end);
        tracing::info!(until, renewed_by = self.renewed_by.unwrap_or("nobody"), "certificate");
        for (peer, of) in config.peers.iter().take(PEERS_MAX) {
            let address = of.address.as_ref().map_or_else(|| "it dials".to_owned(), ToString::to_string);
            tracing::info!(%peer, address, hub = of.hub, relay = of.relay, "peer");
        }
        let more = config.peers.len().saturating_sub(PEERS_MAX);
        if more > 0 {
            tracing::info!(more, "more peers: `isle config show` lists them");
        }
    }

    /// One line for whoever started it, on standard output. Where nobody takes it the server runs all the same.
    pub(crate) fn announce(&self) {
        let mut stdout = io::stdout().lock();
        let told = writeln!(stdout, "{} is ready: {}", self.config.name, self.summary());
        if let Err(error) = told.and_then(|()| stdout.flush()) {
            tracing::warn!(%error, "nobody is told on standard output that the server is ready");
        }
    }

    /// In one line: where it is reached and what it carries.
    pub(crate) fn summary(&self) -> String {
        let mode = |mode: &SpaceMode| match mode {
            SpaceMode::Read => "read",
            SpaceMode::Write => "write",
        };
        let spaces =
            self.config.spaces.iter().map(|(name, allowed)| format!("{} ({})", name.0, mode(allowed)));
        let mut spaces = spaces.collect::<Vec<_>>().join(", ");
        if spaces.is_empty() {
            "what sites are invited to".clone_into(&mut spaces);
        }
        let address = self.endpoint.local_address();
        let place = match self.config.listen {
            Some(_) => format!("listens on {address}"),
            None => format!("dials from {address}"),
        };
        let observed = self.observed_at.map(|address| format!(", answers monitoring on http://{address}"));
        let scheme = if self.config.http.tls { "https" } else { "http" };
        let http = self.http_at.map(|address| format!(", answers services on {scheme}://{address}"));
        format!("{place}, carries {spaces}{}{}", observed.unwrap_or_default(), http.unwrap_or_default())
    }
}
