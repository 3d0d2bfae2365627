//! A fleet for tests: an authority and identities in a directory that goes away with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::authority::Authority;
use crate::connection::Connection;
use crate::endpoint::{ConnectError, Endpoint};
use crate::identity::Identity;
use crate::incoming::AcceptError;
use crate::validity::Validity;

pub(crate) struct Fleet {
    pub(crate) authority: Authority,
    directory: TempDir,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let authority = Authority::create("fleet").unwrap();
        Self { authority, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Issues an identity and returns its directory.
    pub(crate) fn issue(&self, name: &str) -> PathBuf {
        self.authority.issue(name, &self.path(name)).unwrap();
        self.path(name)
    }

    /// An identity of this fleet.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        Identity::load(&self.issue(name)).unwrap()
    }

    /// An identity whose certificate ran out in 1970.
    pub(crate) fn expired(&self, name: &str) -> Identity {
        let validity = Validity { start: Duration::from_secs(1), end: Duration::from_secs(2) };
        self.authority.issue_for(name, &self.path(name), validity).unwrap();
        Identity::load(&self.path(name)).unwrap()
    }
}

/// Any free port of this machine.
pub(crate) const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Fleet {
    /// An endpoint of the replica `name`.
    pub(crate) fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::bind(LOCAL, &self.identity(name)).unwrap()
    }
}

/// `store-1`, which dialled, and `hub`, which accepted.
pub(crate) struct Pair {
    pub(crate) dialler: Connection,
    pub(crate) accepter: Connection,
    /// Kept, so that they are not dropped.
    pub(crate) endpoints: (Endpoint, Endpoint),
}

impl Pair {
    pub(crate) async fn connected() -> Self {
        let fleet = Fleet::new();
        let endpoints = (fleet.endpoint("store-1"), fleet.endpoint("hub"));
        let (dialled, accepted) = meet(&endpoints.0, &endpoints.1, "hub").await;
        Self { dialler: dialled.unwrap(), accepter: accepted.unwrap(), endpoints }
    }
}

/// One connects, the other accepts; what each of them made of it.
pub(crate) async fn meet(
    dialler: &Endpoint,
    accepter: &Endpoint,
    expected_name: &str,
) -> (Result<Connection, ConnectError>, Result<Connection, AcceptError>) {
    tokio::join!(dialler.connect(accepter.local_address(), expected_name), async {
        accepter.accept().await.unwrap().establish().await
    })
}
