//! Who floods, talks nonsense or does not read costs itself the connection, and nobody else anything.

use crate::command::words;
use crate::observing::{get, observed_at, observed_config};
use serde_json::json;
use server::local::StoppedStream;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, hub_config};
use tests::program::run_well;
use tokio::time::timeout;
use transport::{ConnectError, Disconnect, Endpoint, Identity, Lanes, ReceiveError};

const ADDRESS: &str = "store-1/inventory/milk";

/// What the program takes at most, not optimised, with a small store.
const RESIDENT_BYTES_MAX: u64 = 192 << 20;

/// The identity of the site `store-2`, which no server uses.
fn second_site(fleet: &Fleet) -> Endpoint {
    let data = fleet.prepare("store-2", "");
    let identity = Identity::load(&data.join("identity")).unwrap();
    Endpoint::bind("127.0.0.1:0".parse().unwrap(), &identity).unwrap()
}

/// The hub and a site go on as if nobody else were there.
pub(crate) async fn check_served(hub: &Process, site: &Process, rounds: i64) {
    for _ in 0..rounds {
        site.add(ADDRESS, -1, None).await;
        let sold = site.get(ADDRESS).await.unwrap();
        hub.has(ADDRESS, sold).await;
    }
}

/// Datagrams of nonsense, as fast as they can be sent: half of them look like the first of a handshake.
#[tokio::test]
async fn a_flood_of_datagrams_holds_up_nobody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    check_served(&hub, &site, 1).await;
    let over = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let (over, address) = (Arc::clone(&over), address.clone());
        move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut datagram = [0x5A; 1_200];
            let mut sent = 0_u64;
            while !over.load(Ordering::Relaxed) {
                // A long header of QUIC version 1, another connection each time.
                datagram[..14].copy_from_slice(b"\xc3\0\0\0\x01\x08isletest");
                datagram[6..14].copy_from_slice(&sent.to_le_bytes());
                datagram[0] = if sent.is_multiple_of(2) { 0xC3 } else { 0x40 };
                let _ = socket.send_to(&datagram, &address);
                sent += 1;
            }
            sent
        }
    });
    check_served(&hub, &site, 20).await;
    over.store(true, Ordering::Relaxed);
    let sent = flood.join().unwrap();
    assert!(sent > 1_000, "{sent} datagrams are no flood");
    let resident = hub.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes after {sent} datagrams");
    // Who comes later is let in as well.
    let second = fleet.site("store-2", &address);
    second.add("store-2/inventory/milk", 1, None).await;
    hub.has_on_hand("store-2/inventory/milk", 1).await;
}

/// With which words the hub ends a connection on which this is sent.
async fn told(endpoint: &Endpoint, address: &str, garbage: &[u8]) -> String {
    let connection = match endpoint.connect(address.parse().unwrap(), "hub").await {
        Ok(connection) => connection,
        // Who is refused may hear of it before the connection stands.
        Err(ConnectError::Disconnect { cause: Disconnect::ClosedByPeer { reason }, .. }) => return reason,
        Err(error) => panic!("{error}"),
    };
    let Lanes { mut sender, mut receiver, .. } = connection.split();
    // It may be closed already.
    let _ = sender.send(garbage).await;
    let end = loop {
        match receiver.receive().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the hub ended the stream in order"),
            Err(error) => break error,
        }
    };
    let ReceiveError::Disconnect(Disconnect::ClosedByPeer { reason }) = end else { panic!("{end:?}") };
    reason
}

#[tokio::test]
async fn a_peer_that_sends_garbage_is_left_with_a_reason() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let endpoint = second_site(&fleet);
    for garbage in [vec![0], vec![1, 0, 0xFF, 0xFF], vec![1; 900_000]] {
        let reason = told(&endpoint, &address, &garbage).await;
        assert!(reason.contains("the peer misbehaved"), "{reason}");
        check_served(&hub, &site, 1).await;
    }
    hub.logs(&["WARN", "store-2"]);
}

#[tokio::test]
async fn a_key_that_misbehaves_again_and_again_is_refused_for_a_while() {
    let fleet = Fleet::new();
    let hub = fleet.start("hub", &format!("observe = \"127.0.0.1:0\"\n{}", hub_config()));
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let endpoint = second_site(&fleet);
    for _ in 0..3 {
        assert!(hub.status().await.refused.is_empty());
        let reason = told(&endpoint, &address, &[2; 5_000]).await;
        assert!(reason.contains("the peer misbehaved"), "{reason}");
    }
    for _ in 0..2 {
        let reason = told(&endpoint, &address, &[2; 5_000]).await;
        assert!(
            reason.contains("this key is refused for") && reason.contains("misbehaved 3 times"),
            "{reason}"
        );
    }
    let status = hub.status().await;
    let (refused, count) = (&status.refused[0], status.refused_count);
    assert_eq!((refused.peer.as_str(), count), ("store-2", 1));
    assert!(refused.left_ms <= 30_000, "{refused:?}");
    hub.logs(&["WARN", "store-2", "a key is refused for a while", "for_s=30"]);
    let shown = run_well(words("status", &hub.data, &[]));
    assert!(shown.contains("store-2 is refused for"), "{shown}");
    let page = get(&observed_at(&hub), "/metrics").1;
    for line in ["isle_peers_refused 1", "isle_peer_strikes_total 3", "isle_peer_connections_refused_total 2"]
    {
        assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
    }
    check_served(&hub, &site, 3).await;
}

#[tokio::test]
async fn a_key_that_connects_faster_than_the_limit_is_refused_for_a_while() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let endpoint = second_site(&fleet);
    let mut connections = Vec::new();
    for _ in 0..150 {
        // Who is refused may hear of it before the connection stands.
        connections.push(endpoint.connect(address.parse().unwrap(), "hub").await);
    }
    eventually_async(DEADLINE, "it is refused", async || {
        let status = hub.status().await;
        status
            .refused
            .iter()
            .any(|key| key.peer == "store-2" && key.cause.contains("connected more than 60 times"))
    })
    .await;
    check_served(&hub, &site, 3).await;
    assert!(!hub.status().await.refused.iter().any(|key| key.peer == "store-1"));
}

/// Of somebody who has nothing of these spaces.
fn hello(spaces: [&str; 2]) -> Vec<u8> {
    let space = |space: &str| wire::SpaceVector { space: space.to_owned(), takes: true, entries: vec![] };
    let hello = wire::Hello {
        protocol: wire::PROTOCOL_VERSION,
        epoch: 1,
        cursor: None,
        spaces: spaces.map(space).into(),
        since: 0,
        head: 0,
        subscription: [0; 8],
        incomplete: vec![],
    };
    wire::encode(&wire::Frame::Hello(hello)).unwrap()
}

/// The test is the site's hub, and takes no more of what the site wrote.
#[tokio::test]
async fn an_operator_is_told_of_what_a_peer_takes_no_more() {
    let fleet = Fleet::new();
    let identity = Identity::load(&fleet.prepare("hub", "").join("identity")).unwrap();
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), &identity).unwrap();
    let site = fleet.start("store-1", &observed_config("store-1", &endpoint.local_address().to_string()));
    site.add(ADDRESS, 3, None).await;
    // It may have given up what it began before.
    let connection = loop {
        if let Ok(connection) = endpoint.accept().await.unwrap().establish().await {
            break connection;
        }
    };
    let Lanes { mut sender, receiver: _receiver, bulk: _bulk, .. } = connection.split();
    sender.send(&hello(["catalog", "store-1"])).await.unwrap();
    let own = site.status().await.origin;
    let origin = u128::from_str_radix(&own, 16).unwrap().to_be_bytes();
    let stopped = vec![wire::Stopped { space: "store-1".to_owned(), origin, sequence: 0, cause: Some(7) }];
    let ack = wire::Frame::Ack(wire::Ack { stopped, ..wire::Ack::default() });
    sender.send(&wire::encode(&ack).unwrap()).await.unwrap();
    eventually_async(DEADLINE, "the status says it", async || {
        site.status().await.peers[0].stopped_count == 1
    })
    .await;
    let peer = &site.status().await.peers[0];
    let cause = Some("the writer may not write the space".to_owned());
    assert_eq!(
        peer.stopped,
        [StoppedStream { space: "store-1".to_owned(), origin: own, sequence: 0, cause }]
    );
    assert_eq!((peer.connected, peer.backlog_rows), (true, 1));
    let shown = run_well(words("status", &site.data, &[]));
    let line =
        "hub takes no more of store-1 by this replica after change 0: the writer may not write the space";
    assert!(shown.contains(line), "{shown}");
    let page = get(&observed_at(&site), "/metrics").1;
    assert!(page.contains("isle_peer_streams_stopped{peer=\"hub\"} 1\n"), "{page}");
}

/// The second site, let in by the hub.
async fn let_in(fleet: &Fleet, hub: &Process) -> (Endpoint, Lanes) {
    let endpoint = second_site(fleet);
    let address = hub.status().await.address.parse().unwrap();
    let mut lanes = endpoint.connect(address, "hub").await.unwrap().split();
    lanes.sender.send(&hello(["catalog", "store-2"])).await.unwrap();
    hub.logs(&["session started", "store-2"]);
    (endpoint, lanes)
}

/// It says hello, and then reads nothing of all that it is to be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_never_reads_holds_up_nobody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    check_served(&hub, &site, 1).await;
    let (_endpoint, Lanes { receiver: _unread, sender: _sender, .. }) = let_in(&fleet, &hub).await;
    write(&hub, "catalog").await;
    let last = hub.get("catalog/note/99").await.unwrap();
    site.has("catalog/note/99", last).await;
    check_served(&hub, &site, 5).await;
    let resident = hub.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes with a peer that reads nothing");
}

/// W-116: it sends an empty delta, and reads nothing of what it is to be sent but what is said of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_acknowledgement_does_not_wait_behind_changes() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let (_endpoint, lanes) = let_in(&fleet, &hub).await;
    let Lanes { mut sender, mut receiver, mut control, bulk: _bulk, acceptor } = lanes;
    let accepting = tokio::spawn(acceptor.run());
    write(&hub, "catalog").await;
    let delta = wire::Delta { from: 0, to: 5, ..wire::Delta::default() };
    let packed = wire::DeltaEncoder::default().pack(&delta, &mut wire::Deflaters::default(), |_, _| false);
    sender.send(&wire::encode(&wire::Frame::Delta(packed.unwrap())).unwrap()).await.unwrap();
    let acknowledged = async {
        loop {
            let frame = control.receiver.receive().await.unwrap();
            let wire::Frame::Ack(ack) = wire::decode(&frame).unwrap() else { panic!("what is no ack") };
            if ack.durable == Some(5) {
                break;
            }
        }
    };
    timeout(DEADLINE, acknowledged).await.unwrap();
    // So much that the stream was full.
    let mut bytes = 0;
    while bytes < 2 * transport::STREAM_WINDOW_BYTES as usize {
        let frame = timeout(DEADLINE, receiver.receive()).await.unwrap();
        bytes += frame.unwrap().unwrap().len();
    }
    accepting.abort();
}

/// W-116: QUIC may bring it first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_rewind_that_passes_the_hello_waits_for_it() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let endpoint = second_site(&fleet);
    let Lanes { mut sender, mut receiver, control, .. } =
        endpoint.connect(address.parse().unwrap(), "hub").await.unwrap().split();
    let mut control = control.sender.unwrap();
    let rewind = wire::Rewind { generation: 1, spaces: vec![] };
    control.send(&wire::encode(&wire::Frame::Rewind(rewind)).unwrap()).await.unwrap();
    // The hub's machine has it when that is done, and the hub has done other things since when those are.
    control.finish().await.unwrap();
    check_served(&hub, &site, 3).await;
    sender.send(&hello(["catalog", "store-2"])).await.unwrap();
    hub.logs(&["session started", "store-2"]);
    hub.put("catalog/note/1", json!({ "text": "milk" })).await;
    let mut decoder = wire::DeltaDecoder::default();
    let rewound = async {
        loop {
            let frame = receiver.receive().await.unwrap().unwrap();
            let wire::Frame::Delta(packed) = wire::decode(&frame).unwrap() else { continue };
            let unpacked = decoder.unpack(&packed, |_, _| None).unwrap();
            if matches!(unpacked, wire::Unpacked::Delta(delta) if delta.generation == 1) {
                break;
            }
        }
    };
    timeout(DEADLINE, rewound).await.unwrap();
}

/// It is let in, and sends frames that are all valid as fast as they are taken: others have their turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_floods_with_valid_frames_holds_up_nobody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    check_served(&hub, &site, 1).await;
    let (_endpoint, lanes) = let_in(&fleet, &hub).await;
    let Lanes { mut sender, receiver: _receiver, bulk: _bulk, .. } = lanes;
    let ack = wire::encode(&wire::Frame::Ack(wire::Ack::default())).unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let flood = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            while sender.send(&ack).await.is_ok() {
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    eventually_async(DEADLINE, "it floods", async || sent.load(Ordering::Relaxed) > 1_000).await;
    let before = sent.load(Ordering::Relaxed);
    check_served(&hub, &site, 20).await;
    let during = sent.load(Ordering::Relaxed) - before;
    assert!(!flood.is_finished() && during > 100, "{during} frames are no flood");
    flood.abort();
    let resident = hub.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{resident} bytes after {before} frames and {during}");
}

/// Four megabytes of documents, which do not get much smaller on their way.
async fn write(hub: &Process, space: &str) {
    let mut state = 1_u64;
    let mut letter = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'A' + u8::try_from(state >> 59).unwrap())
    };
    for number in 0..100 {
        let text: String = std::iter::repeat_with(&mut letter).take(40_000).collect();
        hub.put(&format!("{space}/note/{number}"), json!({ "text": text, "number": number })).await;
    }
}
