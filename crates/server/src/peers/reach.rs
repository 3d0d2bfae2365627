//! What becomes of datagrams to a peer that does not answer: which of network, machine and program is to blame.
//!
//! A QUIC endpoint answers a datagram of a version that nobody speaks with the versions that it does speak (RFC 9000,
//! section 6), without a handshake and without keeping anything. So one datagram tells whether UDP gets through; where it
//! does not, TCP tells whether the machine is there.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Datagrams that are sent; one may get lost.
const DATAGRAMS: usize = 3;

/// How long an answer to each may take: longer than any path on the ground.
const ANSWER_DEADLINE: Duration = Duration::from_secs(1);

/// How long TCP may take: a lost first packet is sent again after a second.
const TCP_DEADLINE: Duration = Duration::from_secs(3);

/// A first datagram of QUIC is filled up to this (RFC 9000, section 14.1); a shorter one is not answered.
const DATAGRAM_BYTES: usize = 1_200;

/// A version that is reserved to be spoken by nobody (RFC 9000, section 15).
const VERSION_OF_NOBODY: [u8; 4] = [0x1a, 0x2a, 0x3a, 0x4a];

/// The TCP ports that are tried beside the peer's own: hardly any network blocks them.
const TCP_PORTS: [u16; 2] = [443, 22];

/// What becomes of datagrams to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A QUIC endpoint answers.
    Answers { address: SocketAddr },
    /// The machine is there, and no program of it has the port.
    NobodyListens { address: SocketAddr },
    /// This machine knows no way there.
    NoRoute { address: SocketAddr, kind: io::ErrorKind },
    /// The machine answers over TCP and not over UDP.
    UdpBlocked { address: SocketAddr, tcp_port: u16 },
    /// Nothing answers at all.
    Silent { address: SocketAddr },
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers { address } => {
                write!(f, "QUIC answers at {address}, and there was no handshake yet")
            }
            Self::NobodyListens { address } => write!(
                f,
                "the machine of {address} is there, but no program listens on UDP port {} of it: start the peer, or correct \
                 the address",
                address.port()
            ),
            Self::NoRoute { address, kind } => {
                write!(
                    f,
                    "this machine has no way to {address} ({kind}): its network is down, or lacks a route"
                )
            }
            Self::UdpBlocked { address, tcp_port } => write!(
                f,
                "nothing answers over UDP at {address}, though the machine answers over TCP (port {tcp_port}): a firewall on \
                 the way drops UDP port {port}, or nothing listens there; let UDP port {port} through, or have the peer \
                 listen on UDP port 443",
                port = address.port()
            ),
            Self::Silent { address } => write!(
                f,
                "nothing answers at {address}, neither over UDP nor over TCP: the machine is down, or everything to it is \
                 blocked on the way"
            ),
        }
    }
}

/// Finds out; takes [`DATAGRAMS`] times [`ANSWER_DEADLINE`] and once [`TCP_DEADLINE`] at most.
pub(crate) async fn reach(address: SocketAddr) -> Reach {
    match ask(address).await {
        Ok(true) => return Reach::Answers { address },
        // The machine said so itself, over ICMP.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Reach::NobodyListens { address };
        }
        Err(error) if is_unreachable(error.kind()) => return Reach::NoRoute { address, kind: error.kind() },
        Ok(false) | Err(_) => {}
    }
    let ports = std::iter::once(address.port()).chain(TCP_PORTS);
    let mut tries = tokio::task::JoinSet::new();
    for tcp_port in ports {
        let address = SocketAddr::new(address.ip(), tcp_port);
        tries.spawn(async move { answers_tcp(address).await.then_some(tcp_port) });
    }
    while let Some(tried) = tries.join_next().await {
        if let Ok(Some(tcp_port)) = tried {
            return Reach::UdpBlocked { address, tcp_port };
        }
    }
    Reach::Silent { address }
}

fn is_unreachable(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable
    )
}

/// Whether anything answers over UDP.
async fn ask(address: SocketAddr) -> io::Result<bool> {
    let socket = UdpSocket::bind(super::unbound(address.is_ipv6())).await?;
    // Connected, it hears of refusals.
    socket.connect(address).await?;
    let mut answer = [0; DATAGRAM_BYTES];
    for _ in 0..DATAGRAMS {
        socket.send(&question()).await?;
        if let Ok(received) = timeout(ANSWER_DEADLINE, socket.recv(&mut answer)).await {
            return received.map(|_| true);
        }
    }
    Ok(false)
}

/// A long header of [`VERSION_OF_NOBODY`] with two connection ids of eight bytes, filled up.
fn question() -> [u8; DATAGRAM_BYTES] {
    const ID: [u8; 9] = [8, b'i', b's', b'l', b'e', b'a', b's', b'k', b's'];
    let head = [0xc0].into_iter().chain(VERSION_OF_NOBODY).chain(ID).chain(ID);
    let mut datagram = [0; DATAGRAM_BYTES];
    for (place, byte) in datagram.iter_mut().zip(head) {
        *place = byte;
    }
    datagram
}

/// Whether the machine answers, be it that nobody listens.
async fn answers_tcp(address: SocketAddr) -> bool {
    match timeout(TCP_DEADLINE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket as StdUdpSocket};
    use transport::{Authority, Endpoint, Identity};

    fn loopback() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[tokio::test]
    async fn an_endpoint_answers_the_question() {
        let temporary = tempfile::tempdir().unwrap();
        Authority::create("fleet").unwrap().issue("hub", temporary.path()).unwrap();
        let endpoint = Endpoint::bind(loopback(), &Identity::load(temporary.path()).unwrap()).unwrap();
        let address = endpoint.local_address();
        assert_eq!(reach(address).await, Reach::Answers { address });
    }

    #[tokio::test]
    async fn a_port_that_nobody_has_is_told_from_one_that_is_silent() {
        // Bound and never read: what a firewall that drops datagrams looks like. The machine answers over TCP.
        let silent = StdUdpSocket::bind(loopback()).unwrap();
        let address = silent.local_addr().unwrap();
        let found = reach(address).await;
        assert!(matches!(found, Reach::UdpBlocked { .. }), "{found:?}");
        let said = found.to_string();
        assert!(said.contains("over UDP") && said.contains("UDP port 443"), "{said}");
        drop(silent);
        assert_eq!(reach(address).await, Reach::NobodyListens { address });
    }
}
