//! The wire between a shop and the hub: a UDP relay on loopback that can be cut and healed, and that counts.
//!
//! It stands between the two so that neither of them knows when their link is cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::task::{AbortHandle, JoinSet};

/// Ports of the shop that are relayed at once: a restarted shop dials from a new one, and the oldest is forgotten.
const CLIENTS_MAX: usize = 4;
/// Longest datagram of UDP.
const DATAGRAM_BYTES_MAX: usize = 65_535;
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A running relay; it ends when it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    /// Aborts its task on drop, and with it those of the clients.
    _relay: JoinSet<()>,
}

/// What was carried over a wire in both directions, and what was lost because it was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Traffic {
    pub(super) to_hub_bytes: u64,
    pub(super) to_hub_datagrams: u64,
    pub(super) to_shop_bytes: u64,
    pub(super) to_shop_datagrams: u64,
    pub(super) dropped_datagrams: u64,
}

#[derive(Default)]
struct Wire {
    cut: AtomicBool,
    to_hub: Counter,
    to_shop: Counter,
    dropped_datagrams: AtomicU64,
}

#[derive(Default)]
struct Counter {
    bytes: AtomicU64,
    datagrams: AtomicU64,
}

impl Proxy {
    /// Starts to relay between an address of this machine, on a port that it then has, and the hub's.
    ///
    /// # Errors
    /// If the system has no socket.
    pub(super) async fn start(front: Ipv4Addr, hub: SocketAddr) -> io::Result<Self> {
        let front = UdpSocket::bind((front, 0)).await?;
        let address = front.local_addr()?;
        let wire = Arc::new(Wire::default());
        let mut relay = JoinSet::new();
        relay.spawn(Front { socket: Arc::new(front), hub, wire: Arc::clone(&wire) }.run());
        Ok(Self { address, wire, _relay: relay })
    }

    /// What the shop dials.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every datagram is dropped, in both directions.
    pub(super) fn cut(&self) {
        self.wire.cut.store(true, Relaxed);
    }

    /// From now on every datagram passes.
    pub(super) fn heal(&self) {
        self.wire.cut.store(false, Relaxed);
    }

    /// Whether it is cut.
    pub(super) fn is_cut(&self) -> bool {
        self.wire.cut.load(Relaxed)
    }

    /// What it carried so far.
    pub(super) fn traffic(&self) -> Traffic {
        let Wire { to_hub, to_shop, dropped_datagrams, .. } = &*self.wire;
        Traffic {
            to_hub_bytes: to_hub.bytes.load(Relaxed),
            to_hub_datagrams: to_hub.datagrams.load(Relaxed),
            to_shop_bytes: to_shop.bytes.load(Relaxed),
            to_shop_datagrams: to_shop.datagrams.load(Relaxed),
            dropped_datagrams: dropped_datagrams.load(Relaxed),
        }
    }
}

impl Traffic {
    /// Bytes carried both ways.
    pub(super) fn bytes(&self) -> u64 {
        self.to_hub_bytes + self.to_shop_bytes
    }
}

impl Wire {
    /// Counts a datagram; whether it may pass.
    fn admits(&self, direction: &Counter, bytes: usize) -> bool {
        if self.cut.load(Relaxed) {
            self.dropped_datagrams.fetch_add(1, Relaxed);
            return false;
        }
        direction.bytes.fetch_add(bytes as u64, Relaxed);
        direction.datagrams.fetch_add(1, Relaxed);
        true
    }
}

/// The side that the shop sees.
struct Front {
    socket: Arc<UdpSocket>,
    hub: SocketAddr,
    wire: Arc<Wire>,
}

/// A port of the shop, and the socket that the hub sees in its place.
struct Client {
    address: SocketAddr,
    upstream: Arc<UdpSocket>,
    back: AbortHandle,
}

impl Front {
    async fn run(self) {
        let mut clients: Vec<Client> = Vec::new();
        let mut backs = JoinSet::new();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            // An error belongs to a datagram sent earlier, as to a port that is closed by now; the sender repeats.
            let Ok((bytes, from)) = self.socket.recv_from(&mut datagram).await else { continue };
            let Some(content) = datagram.get(..bytes) else { continue };
            if !self.wire.admits(&self.wire.to_hub, bytes) {
                continue;
            }
            while backs.try_join_next().is_some() {}
            if let Some(upstream) = self.upstream(from, &mut clients, &mut backs).await {
                // A datagram that cannot be sent is lost, as on any wire.
                let _ = upstream.send(content).await;
            }
        }
    }

    /// The socket towards the hub for a port of the shop; a new one for a new port.
    async fn upstream(
        &self,
        from: SocketAddr,
        clients: &mut Vec<Client>,
        backs: &mut JoinSet<()>,
    ) -> Option<Arc<UdpSocket>> {
        if let Some(client) = clients.iter().find(|client| client.address == from) {
            return Some(Arc::clone(&client.upstream));
        }
        let upstream = Arc::new(UdpSocket::bind(ANY_PORT).await.ok()?);
        upstream.connect(self.hub).await.ok()?;
        if clients.len() >= CLIENTS_MAX {
            clients.remove(0).back.abort();
        }
        let front = Arc::clone(&self.socket);
        let back = backs.spawn(carry_back(Arc::clone(&upstream), front, from, Arc::clone(&self.wire)));
        clients.push(Client { address: from, upstream: Arc::clone(&upstream), back });
        Some(upstream)
    }
}

/// Carries what the hub answers to one port of the shop.
async fn carry_back(upstream: Arc<UdpSocket>, front: Arc<UdpSocket>, to: SocketAddr, wire: Arc<Wire>) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(bytes) = upstream.recv(&mut datagram).await else { continue };
        let Some(content) = datagram.get(..bytes) else { continue };
        if wire.admits(&wire.to_shop, bytes) {
            let _ = front.send_to(content, to).await;
        }
    }
}

#[cfg(test)]
mod tests;
