//! A UDP socket, before anything goes through it.

use std::io;
use std::net::{SocketAddr, UdpSocket};

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
}
