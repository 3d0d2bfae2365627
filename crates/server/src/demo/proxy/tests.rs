use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Far longer than loopback takes: only a failure waits for it.
const DEADLINE: Duration = Duration::from_secs(10);

struct Setup {
    hub: UdpSocket,
    proxy: Proxy,
}

impl Setup {
    async fn new() -> Self {
        Self::with(Duration::ZERO).await
    }

    async fn with(delay: Duration) -> Self {
        let hub = UdpSocket::bind(ANY_PORT).await.unwrap();
        let proxy = Proxy::start(Ipv4Addr::LOCALHOST, hub.local_addr().unwrap(), delay).await.unwrap();
        Self { hub, proxy }
    }

    async fn shop(&self) -> UdpSocket {
        let shop = UdpSocket::bind(ANY_PORT).await.unwrap();
        shop.connect(self.proxy.address()).await.unwrap();
        shop
    }

    /// Sends from the shop until the hub has it, and answers.
    async fn exchange(&self, shop: &UdpSocket, word: &str, answer: &str) {
        shop.send(word.as_bytes()).await.unwrap();
        let (heard, from) = hear(&self.hub).await;
        assert_eq!(heard, word);
        self.hub.send_to(answer.as_bytes(), from).await.unwrap();
        assert_eq!(hear(shop).await.0, answer);
    }
}

async fn hear(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 2_000];
    let (bytes, from) = timeout(DEADLINE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    (String::from_utf8(buffer[..bytes].to_vec()).unwrap(), from)
}

/// Waits until so many datagrams were dropped.
async fn dropped(proxy: &Proxy, datagrams: u64) {
    let all = async {
        while proxy.traffic().dropped_datagrams < datagrams {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, all).await.unwrap();
}

#[tokio::test]
async fn each_datagram_takes_its_time_either_way() {
    const DELAY: Duration = Duration::from_millis(60);
    let setup = Setup::with(DELAY).await;
    let shop = setup.shop().await;
    let before = Instant::now();
    setup.exchange(&shop, "sold 3", "ok").await;
    assert!(before.elapsed() >= 2 * DELAY);
}

#[tokio::test]
async fn datagrams_pass_both_ways_and_are_counted() {
    let setup = Setup::new().await;
    let shop = setup.shop().await;
    setup.exchange(&shop, "sold 3", "ok").await;
    let expected = Traffic {
        to_hub_bytes: 6,
        to_hub_datagrams: 1,
        to_shop_bytes: 2,
        to_shop_datagrams: 1,
        dropped_datagrams: 0,
    };
    assert_eq!(setup.proxy.traffic(), expected);
    assert_eq!(expected.bytes(), 8);
}

#[tokio::test]
async fn a_cut_drops_both_directions_and_a_heal_lets_them_pass() {
    let setup = Setup::new().await;
    let shop = setup.shop().await;
    shop.send(b"before").await.unwrap();
    let (_, from) = hear(&setup.hub).await;

    setup.proxy.cut();
    assert!(setup.proxy.is_cut());
    shop.send(b"lost").await.unwrap();
    setup.hub.send_to(b"lost", from).await.unwrap();
    dropped(&setup.proxy, 2).await;
    assert_eq!(setup.proxy.traffic().bytes(), 6);

    setup.proxy.heal();
    assert!(!setup.proxy.is_cut());
    // What was dropped does not come late: the next that each hears is what was sent after the heal.
    setup.exchange(&shop, "after", "heard").await;
    assert_eq!(setup.proxy.traffic().dropped_datagrams, 2);
}

#[tokio::test]
async fn each_port_of_the_shop_gets_its_own_answers_and_old_ones_are_forgotten() {
    let setup = Setup::new().await;
    let first = setup.shop().await;
    let second = setup.shop().await;
    setup.exchange(&first, "one", "first").await;
    setup.exchange(&second, "two", "second").await;
    setup.exchange(&first, "three", "first again").await;
    for _ in 0..2 * CLIENTS_MAX {
        setup.exchange(&setup.shop().await, "restarted", "welcome").await;
    }
    setup.exchange(&first, "four", "known anew").await;
}

#[tokio::test]
async fn the_longest_datagrams_pass() {
    let setup = Setup::new().await;
    let shop = setup.shop().await;
    let word = "x".repeat(1_452);
    setup.exchange(&shop, &word, "ok").await;
}
