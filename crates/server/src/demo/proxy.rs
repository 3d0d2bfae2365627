//! The wire between a shop and the hub: a UDP relay on loopback that can be cut and healed, and that counts.
//!
//! It stands between the two so that neither of them knows when their link is cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Ports of the shop that are relayed at once: a restarted shop dials from a new one, and the oldest is forgotten.
const CLIENTS_MAX: usize = 4;
/// Longest datagram of UDP.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Datagrams under way in one direction; more are lost, as on any wire.
const UNDER_WAY_MAX: usize = 1_024;
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
    /// How long each datagram takes.
    delay: Duration,
}

#[derive(Default)]
struct Counter {
    bytes: AtomicU64,
    datagrams: AtomicU64,
}

impl Proxy {
    /// Starts to relay between an address of this machine, on a port that it then has, and the hub's. Each datagram takes
    /// `delay` either way.
    ///
    /// # Errors
    /// If the system has no socket.
    pub(super) async fn start(front: Ipv4Addr, hub: SocketAddr, delay: Duration) -> io::Result<Self> {
        let front = UdpSocket::bind((front, 0)).await?;
        let address = front.local_addr()?;
        let wire = Arc::new(Wire { delay, ..Wire::default() });
        let mut relay = JoinSet::new();
        relay.spawn(Front { socket: Arc::new(front), hub, wire: Arc::clone(&wire) }.run());
        Ok(Self { address, wire, _relay: relay })
    }

    /// What the shop dials.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every datagram that comes is dropped, in both directions; those under way arrive.
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
    upstream: Late,
    /// What carries in both directions.
    carriers: [AbortHandle; 3],
}

/// Sends datagrams when their time has come.
#[derive(Clone)]
struct Late {
    delay: Duration,
    waiting: mpsc::Sender<(Instant, Vec<u8>)>,
}

impl Late {
    /// To one address, by the task that is returned.
    fn to(socket: Arc<UdpSocket>, to: SocketAddr, delay: Duration) -> (Self, impl Future<Output = ()>) {
        let (waiting, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY_MAX);
        let run = async move {
            while let Some((at, datagram)) = due.recv().await {
                if !delay.is_zero() {
                    sleep_until(at).await;
                }
                // A datagram that cannot be sent is lost, as on any wire.
                let _ = socket.send_to(&datagram, to).await;
            }
        };
        (Self { delay, waiting }, run)
    }

    fn send(&self, datagram: &[u8]) {
        let _ = self.waiting.try_send((Instant::now() + self.delay, datagram.to_vec()));
    }
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
                upstream.send(content);
            }
        }
    }

    /// The socket towards the hub for a port of the shop; a new one for a new port.
    async fn upstream(
        &self,
        from: SocketAddr,
        clients: &mut Vec<Client>,
        backs: &mut JoinSet<()>,
    ) -> Option<Late> {
        if let Some(client) = clients.iter().find(|client| client.address == from) {
            return Some(client.upstream.clone());
        }
        let socket = Arc::new(UdpSocket::bind(ANY_PORT).await.ok()?);
        socket.connect(self.hub).await.ok()?;
        if clients.len() >= CLIENTS_MAX {
            clients.remove(0).carriers.iter().for_each(AbortHandle::abort);
        }
        let delay = self.wire.delay;
        let (upstream, forth) = Late::to(Arc::clone(&socket), self.hub, delay);
        let (downstream, back) = Late::to(Arc::clone(&self.socket), from, delay);
        let wire = Arc::clone(&self.wire);
        let reading = backs.spawn(carry_back(socket, downstream, wire));
        let carriers = [backs.spawn(forth), backs.spawn(back), reading];
        clients.push(Client { address: from, upstream: upstream.clone(), carriers });
        Some(upstream)
    }
}

/// Carries what the hub answers to one port of the shop.
async fn carry_back(hub: Arc<UdpSocket>, downstream: Late, wire: Arc<Wire>) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let Ok(bytes) = hub.recv(&mut datagram).await else { continue };
        let Some(content) = datagram.get(..bytes) else { continue };
        if wire.admits(&wire.to_shop, bytes) {
            downstream.send(content);
        }
    }
}

#[cfg(test)]
mod tests;
