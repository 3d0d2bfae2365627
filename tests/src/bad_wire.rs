//! A wire that is slow, loses, reorders, is cut one way or moves its site to another address: UDP on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// Longest datagram of UDP.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A relay between one site and its hub. It ends when it is dropped.
pub struct BadWire {
    address: SocketAddr,
    conditions: Arc<Conditions>,
    _relay: JoinSet<()>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the site.
    ToHub,
    /// From the hub.
    ToSite,
}

#[derive(Default)]
struct Conditions {
    delay_ms: AtomicU64,
    /// Up to so much on top: what is sent within that time may overtake.
    jitter_ms: AtomicU64,
    loss_percent: AtomicU64,
    cut_to_hub: AtomicBool,
    cut_to_site: AtomicBool,
    /// Which of its addresses the site has.
    moves: AtomicU64,
    dice: AtomicU64,
    bytes: AtomicU64,
    bytes_to_hub: AtomicU64,
}

impl BadWire {
    /// A good one, to the hub at `address`.
    pub async fn start(address: &str) -> Self {
        let hub = address.parse().unwrap();
        let front = Arc::new(UdpSocket::bind(ANY_PORT).await.unwrap());
        let address = front.local_addr().unwrap();
        let conditions = Arc::new(Conditions::default());
        let mut relay = JoinSet::new();
        relay.spawn(carry(front, hub, Arc::clone(&conditions)));
        Self { address, conditions, _relay: relay }
    }

    /// What the site dials.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How long each datagram takes, and how many of a hundred get lost.
    pub fn set(&self, delay_ms: u64, jitter_ms: u64, loss_percent: u64) {
        self.conditions.delay_ms.store(delay_ms, Relaxed);
        self.conditions.jitter_ms.store(jitter_ms, Relaxed);
        self.conditions.loss_percent.store(loss_percent, Relaxed);
    }

    /// Whether nothing goes one way.
    pub fn cut(&self, way: Way, is_cut: bool) {
        self.conditions.cut(way).store(is_cut, Relaxed);
    }

    /// Bytes of datagrams that arrived so far, both ways.
    pub fn bytes(&self) -> u64 {
        self.conditions.bytes.load(Relaxed)
    }

    /// Those of them from the site.
    pub fn bytes_to_hub(&self) -> u64 {
        self.conditions.bytes_to_hub.load(Relaxed)
    }

    /// From here on the hub sees the site at another address.
    pub fn move_site(&self) {
        self.conditions.moves.fetch_add(1, Relaxed);
    }
}

impl Conditions {
    fn cut(&self, way: Way) -> &AtomicBool {
        match way {
            Way::ToHub => &self.cut_to_hub,
            Way::ToSite => &self.cut_to_site,
        }
    }

    /// The same throws in each run, as far as the datagrams are the same.
    fn throw(&self, below: u64) -> u64 {
        let thrown = self.dice.fetch_add(0x9E37_79B9_7F4A_7C15, Relaxed);
        let mixed = (thrown ^ (thrown >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 31)).checked_rem(below).unwrap_or(0)
    }

    /// When a datagram arrives; `None` when it does not.
    fn delay(&self, way: Way, bytes: usize) -> Option<Duration> {
        if self.cut(way).load(Relaxed) || self.throw(100) < self.loss_percent.load(Relaxed) {
            return None;
        }
        self.bytes.fetch_add(bytes as u64, Relaxed);
        if way == Way::ToHub {
            self.bytes_to_hub.fetch_add(bytes as u64, Relaxed);
        }
        let jitter_ms = self.throw(self.jitter_ms.load(Relaxed) + 1);
        Some(Duration::from_millis(self.delay_ms.load(Relaxed) + jitter_ms))
    }
}

/// A datagram that takes its time. Waiting is what a wire does here, and no test: see [`crate::eventually`].
async fn arrive(after: Duration, sending: impl Future<Output = io::Result<usize>>) {
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    // One that cannot be sent is lost, as on any wire.
    let _ = sending.await;
}

/// The socket that the hub sees, for one address of the site.
struct Upstream {
    site: SocketAddr,
    moves: u64,
    socket: Arc<UdpSocket>,
}

async fn carry(front: Arc<UdpSocket>, hub: SocketAddr, conditions: Arc<Conditions>) {
    let mut tasks = JoinSet::new();
    let mut upstream: Option<Upstream> = None;
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        while tasks.try_join_next().is_some() {}
        // An error belongs to a datagram sent earlier; the sender repeats.
        let Ok((bytes, site)) = front.recv_from(&mut datagram).await else { continue };
        let moves = conditions.moves.load(Relaxed);
        let is_same = upstream.as_ref().is_some_and(|known| known.site == site && known.moves == moves);
        if !is_same {
            let socket = Arc::new(UdpSocket::bind(ANY_PORT).await.unwrap());
            socket.connect(hub).await.unwrap();
            tasks.spawn(carry_back(Arc::clone(&socket), Arc::clone(&front), site, Arc::clone(&conditions)));
            upstream = Some(Upstream { site, moves, socket });
        }
        let Some((Upstream { socket, .. }, content)) = upstream.as_ref().zip(datagram.get(..bytes)) else {
            continue;
        };
        if let Some(delay) = conditions.delay(Way::ToHub, bytes) {
            let (socket, content) = (Arc::clone(socket), content.to_vec());
            let arriving = arrive(delay, async move { socket.send(&content).await });
            // In their order, where none is delayed.
            if delay.is_zero() { arriving.await } else { _ = tasks.spawn(arriving) }
        }
    }
}

async fn carry_back(
    upstream: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    site: SocketAddr,
    conditions: Arc<Conditions>,
) {
    let mut tasks = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok(bytes) = upstream.recv(&mut datagram).await else { continue };
        let Some((delay, content)) = conditions.delay(Way::ToSite, bytes).zip(datagram.get(..bytes)) else {
            continue;
        };
        let (front, content) = (Arc::clone(&front), content.to_vec());
        let arriving = arrive(delay, async move { front.send_to(&content, site).await });
        if delay.is_zero() { arriving.await } else { _ = tasks.spawn(arriving) }
    }
}
