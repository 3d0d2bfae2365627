//! A document with a change that cannot be applied, or ends whoever tries it: an operator sees it, tries it again, and
//! drops the change.

use crate::command::words;
use document::{Document, ForeignChange, Operation, Signature};
use replica::{
    Access, Clock, Input, Keyspace, LinkId, OriginKey, PeerSettings, ReadRows as _, Replica, Settings,
    SnapshotPolicy, SpaceMode, Store as _, TrimPolicy, origin_of,
};
use serde_json::{Value, json};
use server::local::{LocalClient, Request, Response};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use store::{CommitNotice, FjallStore, Options};
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program::{run, run_well};
use tests::{eventually_async, faults};
use wire::{Delta, DocumentName, Frame, Hello, Row, SpaceVector};

const ADDRESS: &str = "store-1/note/1";

/// Makes a store that took two changes of a document from a peer; the second cannot be applied.
fn make_store(directory: &Path) {
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let store = FjallStore::open(directory, Options::default(), on_notice).unwrap();
    let [own, hub] = [1, 2].map(|n| OriginKey { public_key: [n; 32], incarnation: [n; 16] });
    let space: document::Space = "store-1".parse().unwrap();
    let access = Access { read: true, write: true };
    let peer =
        PeerSettings { spaces: [(space.clone(), access)].into(), relay: false, hub: false, snapshots: false };
    let settings = Settings {
        is_hub: false,
        authority: None,
        name: "store-1".into(),
        key: own,
        epoch: 1,
        spaces: [(space, SpaceMode::Write)].into(),
        peers: [("hub".to_owned(), peer)].into(),
        schemas: document::Schemas::default(),
        open_documents_bytes_max: 1 << 20,
        snapshots: SnapshotPolicy::default(),
        trimming: TrimPolicy::default(),
        loads_aside: None,
        idempotency_keys_max: 1 << 20,
        takes_own_past: false,
    };
    let mut replica = Replica::open(store, settings).unwrap();
    let frames = [
        Frame::Hello(hello()),
        Frame::Delta(
            wire::DeltaEncoder::default()
                .pack(&delta(&hub), &mut wire::Deflaters::default(), |_, _| false)
                .unwrap(),
        ),
    ];
    let frames = frames.map(|frame| Input::Frame { link: LinkId(1), bytes: wire::encode(&frame).unwrap() });
    let up = Input::PeerUp { link: LinkId(1), peer: "hub".into(), public_key: hub.public_key };
    for input in [up].into_iter().chain(frames) {
        replica.handle(input, Clock::default()).unwrap();
        while replica.end_turn().unwrap() {}
    }
    while replica.in_flight_bytes() > 0 {
        if let CommitNotice::Durable(turn) = received.recv_timeout(Duration::from_secs(20)).unwrap() {
            replica.handle(Input::Durable(turn), Clock::default()).unwrap();
            while replica.end_turn().unwrap() {}
        }
    }
}

fn hello() -> Hello {
    let space = SpaceVector { space: "store-1".into(), entries: vec![], takes: true };
    let (since, head, subscription) = (0, 0, [0; 8]);
    let protocol = wire::PROTOCOL_VERSION;
    let incomplete = vec![];
    Hello { protocol, epoch: 5, cursor: None, spaces: vec![space], since, head, subscription, incomplete }
}

fn delta(author: &OriginKey) -> Delta {
    let mut document = Document::new();
    let signature = Signature::of(origin_of(author), 0);
    let mut body = |n: u8| {
        let change = document.write(&signature, None, &[Operation::Put(json!({ "n": n }))]).unwrap().unwrap();
        ForeignChange::body(&change.chunk).unwrap().to_vec()
    };
    let mut bodies = [body(0), body(1)];
    // Its author's second change of the document claims to be the seventh.
    bodies[1][50] = 7;
    let row = |(body, sequence)| Row { document: 0, origin: 0, sequence, body, follow: None };
    Delta {
        generation: 0,
        from: 0,
        to: 2,
        spaces: vec!["store-1".into()],
        origins: vec![*author],
        documents: vec![DocumentName { space: 0, collection: "note".into(), key: "1".into() }],
        rows: bodies.into_iter().zip(1..).map(row).collect(),
    }
}

#[test]
fn an_operator_sees_a_blocked_document_tries_it_again_and_drops_the_change() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    make_store(&data.join("store"));
    let site = Process::start(data.clone());
    let got = || serde_json::from_str::<Value>(&run_well(words("doc get", &data, &[ADDRESS]))).unwrap();
    let refused = |command: &str, rest: &[&str]| {
        let output = run(words(command, &data, rest));
        assert_eq!(output.status.code(), Some(1), "{command}");
        String::from_utf8(output.stderr).unwrap()
    };

    let listed = run_well(words("blocked list", &data, &["--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["address"], &listed["change"]["stamp"]["sequence"]), (&json!(ADDRESS), &json!(2)));
    assert_eq!(got(), json!({"n": 0}), "it is read as before");
    let put = refused("doc put", &[ADDRESS, r#"{"n": 5}"#]);
    assert!(put.contains("isle blocked --help"), "{put}");
    let released = refused("blocked release", &[ADDRESS]);
    assert!(
        released.contains("is blocked still") && released.contains("isle blocked drop --help"),
        "{released}"
    );

    let dropped = run_well(words("blocked drop", &data, &[ADDRESS]));
    let hash = listed["change"]["hash"].as_str().unwrap();
    assert!(dropped.contains(hash) && dropped.ends_with("store-1/note/1 is not blocked\n"), "{dropped}");
    site.logs(&["WARN", "a change was dropped", hash]);
    let again = refused("blocked drop", &[ADDRESS]);
    assert!(again.contains("is not blocked"), "{again}");

    let _site = site.restart();
    assert_eq!(run_well(words("blocked list", &data, &[])), "no document is blocked\n");
    assert_eq!(got(), json!({"n": 0}));
    run_well(words("doc put", &data, &[ADDRESS, r#"{"n": 5}"#]));
    assert_eq!(got(), json!({"n": 5}), "it lives again");
}

/// blake3 of the only change in a store that has this text.
fn sum_of_change(store: &Path, text: &[u8]) -> [u8; 32] {
    let store = FjallStore::open(store, Options::default(), |_| {}).unwrap();
    let snapshot = store.snapshot();
    let rows = snapshot.scan(Keyspace::Changes, vec![]..vec![0xFF; 32]);
    let has_text = |chunk: &Vec<u8>| chunk.windows(text.len()).any(|bytes| bytes == text);
    let mut found = rows.map(|row| row.unwrap().1).filter(has_text);
    let chunk = found.next().unwrap();
    assert!(found.next().is_none(), "of one change");
    *blake3::hash(&chunk).as_bytes()
}

/// The process ends when it tries the change, as by a fault of a library that nobody has caught: it is found out which it
/// was, and the site lives without it.
#[tokio::test]
async fn a_change_that_ends_the_process_blocks_its_document_and_no_more() {
    const DEADLY: &str = "store-1/note/deadly";
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    hub.put(DEADLY, json!({"n": 1})).await;
    hub.put("store-1/note/harmless", json!({"n": 1})).await;
    let data = fleet.prepare("store-1", &site_config("store-1", &hub.status().await.address));
    let site = Process::start(data.clone());
    site.has(DEADLY, json!({"n": 1})).await;
    drop(site);
    hub.put(DEADLY, json!({"n": 2, "text": "it ends here"})).await;
    hub.put("store-1/note/harmless", json!({"n": 2})).await;
    hub.kill();
    let sum = sum_of_change(&hub.data.join("store"), b"it ends here");
    let Some(variables) = faults::deadly_change(fleet.directory.path(), &sum) else { return };
    let hub = hub.restart();
    std::fs::write(data.join("isle.toml"), site_config("store-1", &hub.status().await.address)).unwrap();

    // As an init system starts it.
    let (mut ends, mut site) = (0, Process::spawn_with(data.clone(), &variables));
    eventually_async(DEADLINE, "it lives without the change", async || {
        if let Some(status) = site.has_ended() {
            assert_eq!(status.signal(), Some(9), "{status}: {}", site.log());
            ends += 1;
            site = Process::spawn_with(data.clone(), &variables);
        }
        // Not by the command: it opens the store itself where no server runs, and would not end there.
        let Ok(mut client) = LocalClient::connect(&data).await else { return false };
        let listed = client.call(&Request::Blocked { after: None }).await;
        matches!(listed, Ok(Response::Blocked { documents, .. }) if !documents.is_empty())
    })
    .await;
    println!("it ended {ends} times");
    assert!((2..=4).contains(&ends), "{ends}");
    site.has("store-1/note/harmless", json!({"n": 2})).await;
    let listed: Value = serde_json::from_str(&run_well(words("blocked list", &data, &["--json"]))).unwrap();
    assert_eq!(listed["address"], DEADLY);
    assert!(listed["reason"].as_str().unwrap().contains("ended"), "{listed}");
    assert_eq!(site.get(DEADLY).await, Some(json!({"n": 1})), "it is read as before");
    site.put("store-1/note/own", json!({"n": 1})).await;
    hub.has("store-1/note/own", json!({"n": 1})).await;

    // A version that can apply it.
    drop(site);
    let site = Process::start(data.clone());
    let released = run_well(words("blocked release", &data, &[DEADLY]));
    assert!(released.contains("is not blocked"), "{released}");
    site.has(DEADLY, json!({"n": 2, "text": "it ends here"})).await;
}
