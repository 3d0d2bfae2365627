//! What a hub and a site of each release said to one another, in `schemas/golden/wire/sessions/VERSION.json`: replicas of
//! this version take it, and have what it says. A release adds its own.

use super::*;
use document::Operation;
use wire::Frame;

const NOTE: &str = include_str!("../../../../schemas/collections/note.json");

const SESSIONS: [(&str, &str); 1] =
    [("0.1.0", include_str!("../../../../schemas/golden/wire/sessions/v0.1.0.json"))];

/// With texts and lists.
fn with_notes(mut settings: Settings) -> Settings {
    settings.schemas.insert("note".parse().unwrap(), Schema::parse(NOTE).unwrap());
    settings
}

fn hub() -> Node {
    let trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    Node::new(with_notes(Settings { trimming, ..hub_settings() }))
}

/// Addresses of the hub's documents, then of the site's.
const WRITTEN: [&[&str]; 2] = [
    &["catalog/note/1", "catalog/note/2", "catalog/note/3", "store-1/inventory/1", "store-1/inventory/2"],
    &["store-1/inventory/8", "store-1/note/9"],
];

/// A hub that must fill one space and has rows of the other, with each kind of field, a transaction and a deletion; and a
/// site that has written, too.
fn written() -> [Node; 2] {
    let (mut hub, mut site) = (hub(), Node::new(with_notes(site_settings())));
    for n in 1..=3 {
        let value = json!({ "title": format!("note {n}"), "body": "first", "tags": ["a", "b"], "n": n });
        hub.put(&format!("catalog/note/{n}"), value);
    }
    hub.put("catalog/note/2", json!({"title": "note 2", "body": "first, then more", "tags": ["b"]}));
    hub.write("catalog/note/3", Operation::Delete);
    hub.wall_ms += 5_000;
    hub.put("store-1/inventory/1", item(9));
    hub.put("store-1/inventory/2", item(9));
    hub.sell("store-1/inventory/1", 2);
    let sold = |key: &str| TransactionWrite {
        collection: "inventory".parse().unwrap(),
        key: document::Key::new(key).unwrap(),
        operations: vec![Operation::increment("/on_hand", -1).unwrap()],
        condition: None,
    };
    let (space, terms) = (space("store-1"), WriteTerms::default());
    hub.answer(Request::Transaction { space, writes: vec![sold("1"), sold("2")], terms }).unwrap();
    site.put("store-1/inventory/8", item(7));
    site.sell("store-1/inventory/8", 3);
    site.put("store-1/note/9", json!({"title": "of the site", "body": "text", "tags": ["c"]}));
    [hub, site]
}

/// Whether a frame answers nothing: what was said of the other's journal is about a journal that is no more.
fn stands_alone(bytes: &[u8]) -> bool {
    use Frame::{Delta, FillDocuments, FillListing, FillOffer, FillSymbols, Hello};
    let frame = wire::decode(bytes).unwrap();
    matches!(frame, Hello(_) | Delta(_) | FillOffer(_) | FillSymbols(_) | FillListing(_) | FillDocuments(_))
}

/// What each says to the other, and what its documents come to.
fn record() -> Value {
    let [mut hub, mut site] = written();
    let (mut wire, mut said) = (Wire::default(), [Vec::new(), Vec::new()]);
    wire.link = 1;
    wire.introduce(&mut hub, &mut site);
    loop {
        let frames = [hub.frames_of(1), site.frames_of(1)];
        if frames.iter().all(VecDeque::is_empty) {
            break;
        }
        for ((node, frames), said) in [&mut site, &mut hub].into_iter().zip(frames).zip(&mut said) {
            for (link, bytes) in frames {
                said.extend(stands_alone(&bytes).then(|| Value::from(hex(&bytes))));
                node.input(Input::Frame { link, bytes });
            }
        }
        hub.settle();
        site.settle();
    }
    assert_converged(&mut hub, &mut site);
    let documents = |node: &mut Node, addresses: &[&str]| -> serde_json::Map<String, Value> {
        addresses.iter().map(|at| ((*at).to_owned(), node.get(at).into())).collect()
    };
    let [of_hub, of_site] = WRITTEN;
    json!({
        "hub": { "frames": said[0], "documents": documents(&mut hub, of_hub) },
        "site": { "frames": said[1], "documents": documents(&mut site, of_site) },
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A new replica hears what the peer of a recording said, and has its documents.
fn hear(mut node: Node, said: &Value, (peer, number): (&str, u8), release: &str) {
    let public_key = key(number).public_key;
    node.input(Input::PeerUp { link: LinkId(1), peer: peer.into(), public_key });
    node.settle();
    for frame in said["frames"].as_array().unwrap() {
        node.input(Input::Frame { link: LinkId(1), bytes: bytes(frame) });
        node.settle();
    }
    assert!(node.disconnects.is_empty(), "{}: {:?}", release, node.disconnects);
    for (at, value) in said["documents"].as_object().unwrap() {
        let value = Some(value.clone()).filter(|value| !value.is_null());
        assert_eq!(node.get(at), value, "{at} of {}", release);
    }
}

#[test]
fn this_version_takes_what_each_release_says() {
    for (release, session) in SESSIONS {
        let session: Value = serde_json::from_str(session).unwrap();
        hear(Node::new(with_notes(site_settings())), &session["hub"], ("hub", 1), release);
        hear(Node::new(with_notes(hub_settings())), &session["site"], ("site", 2), release);
    }
    let own = SESSIONS.iter().any(|(release, _)| *release == env!("CARGO_PKG_VERSION"));
    assert!(own, "a release keeps what it says; that is, as `vVERSION.json`:\n{:#}", record());
}

#[test]
fn a_recording_has_a_fill_rows_and_both_sides() {
    let session = record();
    let kinds = |side: &str| -> Vec<Frame> {
        let frames = session[side]["frames"].as_array().unwrap();
        frames.iter().map(|frame| wire::decode(&bytes(frame)).unwrap()).collect()
    };
    let of_hub = kinds("hub");
    assert!(of_hub.iter().any(|frame| matches!(frame, Frame::FillDocuments(_))));
    assert!(of_hub.iter().any(|frame| matches!(frame, Frame::Delta(_))));
    assert!(kinds("site").iter().any(|frame| matches!(frame, Frame::Delta(_))));
    hear(Node::new(with_notes(site_settings())), &session["hub"], ("hub", 1), "this version");
    hear(Node::new(with_notes(hub_settings())), &session["site"], ("site", 2), "this version");
}
