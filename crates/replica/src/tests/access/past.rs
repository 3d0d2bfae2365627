//! Who is believed that this replica's store is an old copy.

use super::*;
use crate::tests::hostile::bodies;
use wire::{Delta, DocumentName, Hello, Row, SpaceVector, VectorEntry};

/// A hub that has written twice in each of two spaces, and a site that may relay in one of them, and read and write the
/// other.
fn hub_and_relay() -> Fleet {
    let mut fleet = Fleet::new(2);
    for at in ["catalog/note/1", "store-1/note/1"] {
        fleet.nodes[0].put(at, json!({"n": 1}));
        fleet.nodes[0].put(at, json!({"n": 2}));
    }
    fleet.grant(1, &[("catalog", READ_WRITE), ("store-1", FULL)]);
    fleet
}

impl Fleet {
    /// The site connects, and says how much it has of what the hub wrote in each space.
    fn claim(&mut self, has: &[(&str, u64)]) {
        let hub = &mut self.nodes[0];
        hub.input(Input::PeerUp { link: LinkId(1), peer: name(1), public_key: key(2).public_key });
        hub.settle();
        let spaces = has.iter().map(|(name, sequence)| {
            let entry = VectorEntry { origin: origin(1).0, sequence: *sequence, chain: [7; 8] };
            let entries = if *sequence > 0 { vec![entry] } else { vec![] };
            SpaceVector { space: (*name).into(), entries, takes: true }
        });
        self.say(&Frame::Hello(Hello {
            protocol: wire::PROTOCOL_VERSION,
            epoch: 9,
            cursor: None,
            spaces: spaces.collect(),
            since: 0,
            head: 0,
            subscription: [0; 8],
            incomplete: vec![],
        }));
    }

    fn say(&mut self, frame: &Frame) {
        self.nodes[0].input(Input::Frame { link: LinkId(1), bytes: wire::encode(frame).unwrap() });
        self.nodes[0].settle();
    }

    /// A row under the hub's own origin, after all that it wrote there.
    fn bring_own(&mut self, to: &str) {
        let body = bodies(origin(1), 1).remove(0);
        let delta = Delta {
            to: 1,
            spaces: vec![to.into()],
            origins: vec![key(1)],
            documents: vec![DocumentName { space: 0, collection: "note".into(), key: "9".into() }],
            rows: vec![Row { document: 0, origin: 0, sequence: 3, body, follow: None }],
            ..Delta::default()
        };
        let packed = self.nodes[0].foe.pack(&delta, &mut wire::Deflaters::default(), |_, _| false).unwrap();
        self.say(&Frame::Delta(packed));
    }
}

#[test]
fn who_relays_elsewhere_is_not_believed_of_this_space_by_its_hello() {
    let mut fleet = hub_and_relay();
    fleet.claim(&[("catalog", 3), ("store-1", 0)]);
    assert_eq!(fleet.nodes[0].renewals, 0);
    let reason = DisconnectReason::RolledBack { space: space("catalog"), theirs: 3, ours: 2 };
    assert_eq!(fleet.disconnects(), [(0, reason)]);
}

#[test]
fn what_is_believed_of_one_space_is_not_hidden_by_another() {
    let mut fleet = hub_and_relay();
    fleet.claim(&[("catalog", 3), ("store-1", 5)]);
    assert_eq!(fleet.nodes[0].renewals, 1);
    let reason = DisconnectReason::RolledBack { space: space("store-1"), theirs: 5, ours: 2 };
    assert_eq!(fleet.disconnects(), [(0, reason)]);
}

#[test]
fn who_relays_elsewhere_is_not_believed_of_this_space_by_a_row() {
    let mut fleet = hub_and_relay();
    fleet.claim(&[("catalog", 0), ("store-1", 0)]);
    fleet.bring_own("catalog");
    assert_eq!((fleet.nodes[0].renewals, fleet.disconnects()), (0, vec![]));
    assert_eq!(stops(&fleet.nodes[0]), [(origin(1), StopReason::NoRelay)]);
}

#[test]
fn who_relays_in_a_space_is_believed_of_it_by_a_row() {
    let mut fleet = hub_and_relay();
    fleet.claim(&[("catalog", 0), ("store-1", 0)]);
    fleet.bring_own("store-1");
    assert_eq!(fleet.nodes[0].renewals, 1);
    let reason = DisconnectReason::RolledBack { space: space("store-1"), theirs: 3, ours: 2 };
    assert_eq!(fleet.disconnects(), [(0, reason)]);
}
