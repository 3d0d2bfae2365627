//! Fills, and rights that come or end meanwhile.

use super::*;

/// Hub – site 1 (relay) – site 2, and site 3, which the second does not know of: its change came to the relay, whose
/// journal has its row no more.
fn trimmed_relay() -> Fleet {
    let mut fleet = Fleet::new(4);
    fleet.redials = true;
    fleet.nodes[1].settings.trimming = TrimPolicy { age_ms: 1_000, bytes: 1 << 30 };
    fleet.restart(1);
    fleet.third_writes_at_first();
    fleet.cut(1, 3);
    fleet.nodes[1].wall_ms += 5_000;
    fleet.nodes[1].put("store-1/note/2", json!({"n": 1}));
    fleet.nodes[1].settle();
    fleet
}

#[test]
fn a_fill_that_a_right_was_missing_for_comes_when_the_right_does() {
    let mut fleet = trimmed_relay();
    fleet.connect(1, 2);
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), None);
    let others = fleet.nodes[2].read("store-1/note/2");
    assert_eq!(
        (others.value, others.is_filling),
        (Some(json!({"n": 1})), true),
        "documents of known authors come"
    );
    fleet.connect(0, 2);
    assert!(fleet.disconnects().contains(&(2, DisconnectReason::RightsChanged)));
    assert_eq!(fleet.nodes[2].get("store-1/note/1"), Some(json!({"n": 3})));
    assert_eq!(fleet.has(2, 3, "store-1"), 1);
}

#[test]
fn what_lies_beyond_a_cut_is_not_offered_and_keeps_nothing_else_back() {
    let mut fleet = trimmed_relay();
    // The hub has nothing of the third site, which may not write any more: its change is beyond the cut.
    fleet.grant(3, &[("store-1", READ)]);
    for node in [1, 2] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(1, 2);
    fleet.nodes[1].put("store-1/note/3", json!({"n": 1}));
    fleet.carry();
    assert_eq!(fleet.nodes[2].get("store-1/note/3"), Some(json!({"n": 1})));
    assert_eq!(fleet.has(2, 3, "store-1"), 0);
}

/// Hub – site 1 (relay), and sites 2 and 3. The hub has a change of the third, which lost the right to write; the relay has
/// more of it, and changes on top, and knows. The second knows nothing of the cut. Rows that the relay wrote itself are no
/// more in its journal, so that it fills whoever lacks them.
fn relay_beyond_a_cut(policy: SnapshotPolicy) -> Fleet {
    let mut fleet = Fleet::new(4);
    fleet.redials = true;
    (fleet.nodes[1].settings.trimming, fleet.nodes[1].settings.snapshots) =
        (TrimPolicy { age_ms: 60_000, bytes: 1 << 30 }, policy);
    fleet.restart(1);
    fleet.grant(1, &[("store-1", Rights { snapshot: true, ..FULL })]);
    for node in [2, 3] {
        fleet.grant(node, &[("store-1", READ_WRITE)]);
    }
    for node in [1, 2, 3] {
        fleet.connect(0, node);
        fleet.cut(0, node);
    }
    fleet.connect(1, 3);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.nodes[3].put("store-1/note/1", json!({"n": 2}));
    fleet.carry();
    fleet.connect(0, 1);
    fleet.cut(0, 1);
    fleet.nodes[1].wall_ms += 50_000;
    // Beyond the cut.
    fleet.nodes[3].put("store-1/note/1", json!({"n": 3}));
    fleet.nodes[3].put("store-1/note/2", json!({"n": 3}));
    fleet.carry();
    fleet.nodes[1].put("store-1/note/1", json!({"n": 4}));
    fleet.carry();
    fleet.cut(1, 3);
    fleet.grant(3, &[("store-1", READ)]);
    fleet.connect(0, 1);
    fleet.cut(0, 1);
    fleet.nodes[1].wall_ms += 20_000;
    fleet.nodes[1].put("store-1/note/3", json!({"n": 5}));
    fleet.nodes[1].settle();
    fleet
}

#[test]
fn a_fill_has_nothing_beyond_a_cut_and_nothing_that_depends_on_it() {
    // W-53.
    for policy in [SnapshotPolicy::default(), SnapshotPolicy { changes_min: 1, bytes_min: 1 }] {
        let mut fleet = relay_beyond_a_cut(policy);
        fleet.connect(1, 2);
        let left_out =
            |event: &Event| matches!(event, Event::FillStopped { reason: StopReason::FillerDamaged, .. });
        assert!(fleet.nodes[2].events.iter().any(left_out), "{:?}", fleet.nodes[2].events);
        let mut read = |at: &str| fleet.nodes[2].read(at).value;
        assert_eq!(read("store-1/note/1"), Some(json!({"n": 2})), "up to the cut");
        assert_eq!(read("store-1/note/2"), None);
        assert_eq!(read("store-1/note/3"), Some(json!({"n": 5})));
        assert_eq!((fleet.has(2, 3, "store-1"), fleet.disconnects()), (0, vec![]), "no vector is taken");
        // What is missing comes from the hub.
        fleet.connect(0, 2);
        assert_eq!(fleet.nodes[2].get("store-1/note/1"), Some(json!({"n": 2})));
        assert_eq!(fleet.has(2, 3, "store-1"), 1);
    }
}
