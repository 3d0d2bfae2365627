//! Every combination of rights, against rules that are written down here a second time.

use super::*;
use crate::tests::hostile::bodies;
use wire::{Delta, DocumentName, Hello, Row, SpaceVector};

/// What the authority says of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Rights { read: bool, write: bool, relay: bool },
    Revoked,
    Unreadable,
}

fn sayings() -> Vec<Said> {
    let has = |bits: u8, bit: u8| bits & bit > 0;
    let rights =
        (0..8).map(|bits| Said::Rights { read: has(bits, 1), write: has(bits, 2), relay: has(bits, 4) });
    rights.chain([Said::Nothing, Said::Revoked, Said::Unreadable]).collect()
}

/// A replica with a foe: the site's keys are the foe's, every frame is made by the test.
struct Stage {
    fleet: Fleet,
    /// Access documents are written with this origin's own hand where they are to be unreadable.
    receiver: usize,
}

impl Stage {
    /// Both sites are enrolled with what is said of them; the receiver is the hub itself.
    fn new(said: [Said; 2]) -> Self {
        let mut fleet = Fleet::new(1);
        for (node, said) in [1, 2].into_iter().zip(said) {
            let number = u8::try_from(node + 1).unwrap();
            let public_key = key(number).public_key;
            let grant = |rights| Request::Grant {
                public_key,
                name: name(node),
                spaces: [(space("store-1"), rights)].into(),
            };
            match said {
                Said::Nothing => {}
                Said::Rights { read, write, relay } => {
                    let rights = Rights { read, write, relay, snapshot: false };
                    written(fleet.nodes[0].answer(grant(rights)));
                }
                Said::Revoked => {
                    written(fleet.nodes[0].answer(Request::Revoke { public_key }));
                }
                Said::Unreadable => {
                    // As a damaged authority would write it.
                    let address = address(&format!("system/access/{}", format!("{number:02x}").repeat(32)));
                    fleet.nodes[0].replica.write_unchecked(&address, json!({"name": 7}));
                }
            }
        }
        fleet.nodes[0].settle();
        Self { fleet, receiver: 0 }
    }

    fn node(&mut self) -> &mut Node {
        &mut self.fleet.nodes[self.receiver]
    }

    /// The first site connects, says that it shares everything, and sends what it will.
    fn meet(&mut self) {
        let public_key = key(2).public_key;
        self.node().input(Input::PeerUp { link: LinkId(1), peer: name(1), public_key });
        self.node().settle();
        let vector = |name: &str| SpaceVector { space: name.into(), entries: vec![], takes: true };
        let spaces = ["catalog", "store-1", "store-2", "system"].map(vector).into();
        self.send(&Frame::Hello(Hello {
            protocol: wire::PROTOCOL_VERSION,
            epoch: 9,
            cursor: None,
            spaces,
            since: 0,
            head: 0,
            subscription: [0; 8],
            incomplete: vec![],
        }));
    }

    fn send(&mut self, frame: &Frame) {
        self.node().input(Input::Frame { link: LinkId(1), bytes: wire::encode(frame).unwrap() });
        self.node().settle();
    }

    fn send_delta(&mut self, delta: &Delta) {
        let packed = self.node().foe.pack(delta, &mut wire::Deflaters::default(), |_, _| false).unwrap();
        self.send(&Frame::Delta(packed));
    }

    fn sent(&mut self) -> Vec<Frame> {
        let frames = std::mem::take(&mut self.node().frames);
        frames.into_iter().map(|(_, bytes)| wire::decode(&bytes).unwrap()).collect()
    }
}

/// A change of an author to a space.
fn delta(author: u8, to: &str) -> Delta {
    Delta {
        to: 1,
        spaces: vec![to.into()],
        origins: vec![key(author)],
        documents: vec![DocumentName { space: 0, collection: "note".into(), key: "1".into() }],
        rows: vec![Row {
            document: 0,
            origin: 0,
            sequence: 1,
            body: bodies(origin(author), 1).remove(0),
            follow: None,
        }],
        ..Delta::default()
    }
}

fn writes(said: Said) -> bool {
    matches!(said, Said::Rights { write: true, .. })
}

#[test]
fn a_change_is_taken_when_its_author_may_write_and_its_deliverer_may_deliver() {
    for deliverer in sayings() {
        for author in sayings() {
            for is_own in [true, false] {
                let mut stage = Stage::new([deliverer, author]);
                stage.meet();
                stage.send_delta(&delta(if is_own { 2 } else { 3 }, "store-1"));
                let relays = matches!(deliverer, Said::Rights { relay: true, .. });
                let expected = if is_own { writes(deliverer) } else { relays && writes(author) };
                let taken = stage.fleet.nodes[0].replica.vector(&space("store-1")).unwrap().len();
                assert_eq!(taken, usize::from(expected), "{deliverer:?} delivers {author:?}, own: {is_own}");
            }
        }
    }
}

#[test]
fn rows_and_names_go_only_to_whom_may_have_them() {
    for said in sayings() {
        let mut stage = Stage::new([said, Said::Nothing]);
        stage.node().put("store-1/note/1", json!({"n": 1}));
        stage.node().put("store-2/secret/1", json!({"n": 1}));
        stage.meet();
        let deltas = stage.node().deltas();
        let frames = stage.sent();
        let rows = |name: &str| deltas.iter().any(|delta| delta.spaces.iter().any(|space| space == name));
        let reads = matches!(said, Said::Rights { read: true, .. });
        assert_eq!(rows("store-1"), reads, "{said:?}");
        assert!(!rows("store-2"), "{said:?}");
        assert_eq!(rows("system"), !matches!(said, Said::Revoked | Said::Nothing), "{said:?}");
        let hello =
            frames.iter().find_map(|frame| if let Frame::Hello(hello) = frame { Some(hello) } else { None });
        let named =
            |name: &str| hello.is_some_and(|hello| hello.spaces.iter().any(|vector| vector.space == name));
        let shared = matches!(said, Said::Rights { read, write, relay } if read || write || relay);
        assert_eq!((named("store-1"), named("store-2")), (shared, false), "{said:?}");
        let refused = said == Said::Revoked;
        assert_eq!(stage.node().disconnects.contains(&DisconnectReason::Revoked), refused, "{said:?}");
        assert_eq!(hello.is_none(), refused, "{said:?}");
    }
}

#[test]
fn nobody_but_the_authority_writes_system_whatever_its_document_says() {
    let all = Said::Rights { read: true, write: true, relay: true };
    for is_own in [true, false] {
        let mut stage = Stage::new([all, all]);
        for number in [2, 3] {
            let grant = Request::Grant {
                public_key: key(number).public_key,
                name: name(usize::from(number) - 1),
                spaces: [(space("system"), FULL), (space("store-1"), FULL)].into(),
            };
            written(stage.node().answer(grant));
        }
        stage.meet();
        let before = stage.node().status().head;
        stage.send_delta(&delta(if is_own { 2 } else { 3 }, "system"));
        assert_eq!(stage.node().status().head, before);
        let stopped = stops(stage.node()).first().map(|(_, reason)| *reason);
        assert_eq!(stopped, Some(StopReason::NoWrite));
    }
    // Who may not relay there may not even name it.
    let mut stage = Stage::new([Said::Rights { read: true, write: true, relay: false }, all]);
    stage.meet();
    stage.send_delta(&delta(2, "system"));
    assert_eq!(stage.node().disconnects, [Misbehaviour::Space.into()]);
}

#[test]
fn an_unreadable_document_is_told() {
    let mut stage = Stage::new([Said::Unreadable, Said::Nothing]);
    let told = |node: &Node| {
        node.events
            .iter()
            .any(|event| matches!(event, Event::AccessRefused { fault: AccessFault::Schema(_), .. }))
    };
    assert!(told(stage.node()));
    stage.node().crash();
    stage.node().settle();
    assert!(told(stage.node()), "again at the next start");
}

#[test]
fn a_relay_cannot_bring_what_lies_beyond_the_cut() {
    let may = |relay| Said::Rights { read: true, write: true, relay };
    let mut stage = Stage::new([may(true), may(false)]);
    stage.meet();
    let bodies = bodies(origin(3), 4);
    let rows = |from: usize, to: usize| {
        let row = |index: usize| Row {
            sequence: index as u64 + 1,
            body: bodies[index].clone(),
            ..delta(3, "store-1").rows.remove(0)
        };
        let rows = (from..to).map(row).collect();
        Delta { from: from as u64, to: to as u64, rows, ..delta(3, "store-1") }
    };
    stage.send_delta(&rows(0, 2));
    let public_key = key(3).public_key;
    written(stage.node().answer(Request::Revoke { public_key }));
    stage.send_delta(&rows(2, 4));
    assert_eq!(stage.node().replica.vector(&space("store-1")).unwrap()[0].1.sequence, 2);
    assert_eq!(stops(stage.node()), [(origin(3), StopReason::Revoked { last: 2 })]);
    assert_eq!(stage.node().disconnects, []);
}
