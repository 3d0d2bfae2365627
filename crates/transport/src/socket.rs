//! A UDP socket, before anything goes through it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Why an endpoint could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The system refused the address.
    #[error("cannot use UDP address {address}: {}", in_words(source))]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An endpoint needs tokio's reactor and timers.
    #[error("an endpoint is to be bound within a tokio runtime")]
    NoRuntime,
}

/// What keeps an address from being bound.
fn in_words(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        "another program has it: stop that one, or choose another port".to_owned()
    } else if kind == io::ErrorKind::AddrNotAvailable {
        "it is no address of this machine".to_owned()
    } else if kind == io::ErrorKind::PermissionDenied {
        "this user may not: ports below 1024 need CAP_NET_BIND_SERVICE".to_owned()
    } else {
        error.to_string()
    }
}

/// A UDP socket that has its address. Nothing is read from it before it is an [`Endpoint`](crate::Endpoint)'s: whoever
/// dials meanwhile repeats itself.
#[derive(Debug)]
pub struct Socket {
    pub(crate) socket: UdpSocket,
    /// Its own.
    pub(crate) address: SocketAddr,
}

impl Socket {
    /// Binds it. Port 0 lets the system choose.
    ///
    /// # Errors
    /// If the system refuses the address.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { address, source };
        let socket = UdpSocket::bind(address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Binds any port, from which both IPv4 and IPv6 addresses can be dialled.
    ///
    /// # Errors
    /// If the system has no IPv6, or keeps the two apart (`net.ipv6.bindv6only`).
    pub fn bind_both() -> Result<Self, BindError> {
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let failed = |source| BindError::Socket { address, source };
        // Connecting sends nothing. The socket itself must stay without a peer.
        let trial = UdpSocket::bind(address).map_err(failed)?;
        trial.connect((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 9)).map_err(failed)?;
        Self::bind(address)
    }
}

/// The address as people write it: one of IPv4 as such, also where a socket for both sees it as one of IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip == address.ip() => address,
        ip => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;
    use crate::fleet::{Fleet, meet};

    #[tokio::test]
    async fn a_socket_for_both_dials_both_and_tells_addresses_as_they_are_written() {
        let Ok(socket) = Socket::bind_both() else {
            // Without IPv6 there is nothing to show.
            return;
        };
        let fleet = Fleet::new();
        let site = Endpoint::on(socket, &fleet.identity("store-1")).unwrap();
        let identity = fleet.identity("hub");
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let hub = Endpoint::bind(address.parse().unwrap(), &identity).unwrap();
            let (dialled, accepted) = meet(&site, &hub, "hub").await;
            assert_eq!(dialled.unwrap().handle().address(), hub.local_address());
            let from = accepted.unwrap().handle().address();
            assert_eq!(from.is_ipv4(), hub.local_address().is_ipv4());
        }
    }
}
