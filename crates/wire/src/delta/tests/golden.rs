//! Bytes of protocol 2 as they were first sent: frames of each kind, and a stream of deltas.

use super::super::inflate::inflate;
use super::super::window::Window;
use super::*;
use crate::{
    Ack, Cursor, Fork, ForkChain, ForkChange, Frame, Heard, Hello, HubEntry, HubSpace, PROTOCOL_VERSION,
    Rewind,
};
use crate::{
    Body, FillAck, FillAhead, FillDocument, FillDocuments, FillFinished, FillListing, FillMore, FillName,
    FillOffer, FillOrigin, FillSymbols, FillWant, Reach, Wanted,
};
use crate::{SpaceVector, Stopped, VectorEntry};
use serde_json::Value;

const GOLDEN: &str = include_str!("../../../../../schemas/golden/wire/v1/frames.json");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Frames without a state.
fn frames() -> Vec<(&'static str, Frame)> {
    let entry = VectorEntry { origin: [7; 16], sequence: 300, chain: [8; 8] };
    let vector = |takes| SpaceVector { space: "store-367".into(), entries: vec![entry], takes };
    let spaces = vec![vector(true), SpaceVector { entries: vec![], ..vector(false) }];
    let cursor = Some(Cursor { epoch: 5, lsn: 70_000 });
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        epoch: u64::MAX,
        cursor,
        spaces: spaces.clone(),
        since: 69_000,
        head: 70_002,
        subscription: [9; 8],
        incomplete: vec!["store-9".into()],
    };
    let heard = Some(Heard { lsn: 70_002, subscription: [9; 8] });
    let hub = vec![HubSpace {
        space: "store-367".into(),
        entries: vec![HubEntry { origin: [7; 16], sequence: 299 }],
    }];
    let stopped = vec![Stopped { space: "catalog".into(), origin: [6; 16], sequence: 12, cause: None }];
    let with_cause = vec![Stopped { cause: Some(7), ..stopped[0].clone() }];
    let chains = vec![ForkChain { sequence: 65, chain: [3; 8], change: None }];
    let (space, origin) = ("store-367".to_owned(), [7; 16]);
    let fork = Fork { space, origin, agreed: 64, differs: 128, chains, asks: false };
    let change = ForkChange { collection: "note".into(), key: "1".into(), hash: [4; 32] };
    let chains = vec![ForkChain { sequence: 127, chain: [3; 8], change: Some(change) }];
    let question = Fork { chains, asks: true, ..fork.clone() };
    vec![
        ("hello", Frame::Hello(hello.clone())),
        (
            "hello to a stranger",
            Frame::Hello(Hello { cursor: None, spaces: vec![], since: 0, incomplete: vec![], ..hello }),
        ),
        ("ack", Frame::Ack(Ack { durable: Some(70_001), ..Ack::default() })),
        ("ack of everything", Frame::Ack(Ack { durable: Some(70_001), hub: Some(hub), heard, stopped })),
        ("ack with a cause", Frame::Ack(Ack { stopped: with_cause, ..Ack::default() })),
        ("ask", Frame::Ask),
        ("fork", Frame::Fork(fork)),
        ("fork in question", Frame::Fork(question)),
        ("rewind", Frame::Rewind(Rewind { generation: 1, spaces })),
    ]
}

/// Bytes that do not deflate: how well others are deflated is no promise.
fn varied<const N: usize>(seed: u32) -> [u8; N] {
    let mut state = seed;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
}

/// Frames of fills.
fn fill_frames() -> Vec<(&'static str, Frame)> {
    let name = |key: &str| FillName { collection: "product".into(), key: key.into() };
    let key = OriginKey { public_key: varied(1), incarnation: varied(2) };
    let origins = vec![FillOrigin { key, sequence: 300, chain: varied(3) }];
    let reach = |seed, sequence| vec![Reach { origin: varied(seed), sequence }];
    let space = || "catalog".to_owned();
    let whole = FillDocument {
        name: name("1"),
        snapshot: Some(Body(varied::<9>(4).to_vec())),
        changes: vec![],
        heads: varied::<32>(5).to_vec(),
    };
    let part = FillDocument {
        name: FillName { collection: "note".into(), key: "2".into() },
        snapshot: None,
        changes: vec![Body(varied::<7>(6).to_vec())],
        heads: vec![],
    };
    let entries = vec![VectorEntry { origin: varied(7), sequence: 300, chain: varied(8) }];
    let wanted = vec![Wanted { document: u64::MAX, heads: varied::<16>(9).to_vec() }];
    let offer = FillOffer {
        fill: 1,
        space: space(),
        key: varied(9),
        documents: 70_000,
        origins,
        symbols: vec![1, 2, 3],
        is_ahead: true,
        more: false,
    };
    let documents = FillDocuments {
        fill: 1,
        number: 2,
        origins: vec![key],
        documents: vec![whole, part],
        is_done: true,
        vector: reach(7, 301),
        filled: reach(10, 302),
        is_short: true,
    };
    vec![
        ("fill offer", Frame::FillOffer(offer)),
        ("fill more symbols", Frame::FillMore(FillMore { fill: 1, symbols: Some(600), after: None })),
        ("fill next listing", Frame::FillMore(FillMore { fill: 1, symbols: None, after: Some(name("9")) })),
        ("fill symbols", Frame::FillSymbols(FillSymbols { fill: 1, first: 300, symbols: vec![4, 5] })),
        (
            "fill listing",
            Frame::FillListing(FillListing {
                fill: 1,
                to: Some(name("9")),
                entries: varied::<32>(6).to_vec(),
            }),
        ),
        (
            "fill want",
            Frame::FillWant(FillWant {
                fill: 1,
                all: false,
                snapshots: true,
                after: Some(name("1")),
                to: Some(name("9")),
                documents: wanted,
                more: true,
            }),
        ),
        ("fill documents", Frame::FillDocuments(documents)),
        ("fill ack", Frame::FillAck(FillAck { fill: 1, number: 2 })),
        ("fill finished", Frame::FillFinished(FillFinished { fill: 1, taken: true, entries })),
    ]
}

/// The offer of [`fill_frames`], with more to follow.
fn longer_offer() -> (&'static str, Frame) {
    let Some((_, Frame::FillOffer(offer))) = fill_frames().into_iter().next() else {
        panic!("it is the first")
    };
    ("fill offer that goes on", Frame::FillOffer(FillOffer { more: true, ..offer }))
}

fn ahead_frames() -> [(&'static str, Frame); 2] {
    let ahead = |asks| Frame::FillAhead(FillAhead { space: "catalog".to_owned(), asks });
    [("fill ahead", ahead(false)), ("fill ahead asks", ahead(true))]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn row(value: &Value) -> Named {
    let public_key = bytes(&value["public_key"]).try_into().unwrap();
    Named {
        space: text(&value["space"]),
        collection: text(&value["collection"]),
        key: text(&value["key"]),
        origin: OriginKey { public_key, incarnation: bytes(&value["incarnation"]).try_into().unwrap() },
        sequence: value["sequence"].as_u64().unwrap(),
        body: bytes(&value["body"]),
        follow: value["follow"].as_u64().unwrap().try_into().unwrap(),
    }
}

/// What a golden delta says.
fn delta(value: &Value) -> Delta {
    let generation = value["generation"].as_u64().unwrap().try_into().unwrap();
    let rows: Vec<_> = value["rows"].as_array().unwrap().iter().map(row).collect();
    let to = value["to"].as_u64().unwrap();
    Delta { to, ..delta_of(generation, value["from"].as_u64().unwrap(), &rows) }
}

#[test]
fn golden_frames_are_read_and_written() {
    // W-8.
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for (name, frame) in
        frames().into_iter().chain(fill_frames()).chain([longer_offer()]).chain(ahead_frames())
    {
        let golden = bytes(&golden["frames"][name]);
        assert_eq!(crate::decode(&golden), Ok(frame.clone()), "{name}");
        assert_eq!(hex(&crate::encode(&frame).unwrap()), hex(&golden), "{name}");
    }
}

#[test]
fn golden_deltas_are_read_and_their_plain_bytes_are_written() {
    // W-8, W-20, W-30. How well they are deflated is no promise. Rows of several authors and spaces, concurrent changes, a
    // message, lists and texts, a transaction, a body that is no change; the last delta after a rewind.
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let known = golden["known"].as_array().unwrap().iter();
    let mut has: BTreeSet<_> =
        known.map(|row| (change::hash(&bytes(&row["body"])), text(&row["key"]))).collect();
    let mut ends = Ends { has: has.clone(), ..Ends::default() };
    let (mut decoder, mut window) = (DeltaDecoder::default(), Window::default());
    let deltas = golden["deltas"].as_array().unwrap();
    assert_eq!(deltas.len(), 4);
    for golden in deltas {
        let written = delta(golden);
        let Ok(Frame::Delta(packed)) = crate::decode(&bytes(&golden["frame"])) else { panic!("no delta") };
        assert_eq!(unpack(&mut decoder, &has, &packed), Ok(Unpacked::Delta(written.clone())));
        let packed = ends.pack(&written);
        has.extend(named(&written).into_iter().map(|row| (row.hash(), row.key)));
        ends.has.clone_from(&has);
        if packed.restarts {
            window = Window::default();
        }
        assert_eq!(hex(&inflate(&mut window, &packed.deflated).unwrap()), text(&golden["plain"]));
    }
}
