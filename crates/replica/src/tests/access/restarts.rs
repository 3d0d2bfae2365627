//! A life of rights, with a restart of any replica between any two steps.

use super::*;

type Step = fn(&mut Fleet);

/// The hub, a relay, and a site behind it that is revoked in the end.
const STEPS: [Step; 9] = [
    |fleet| assert!(fleet.grant(1, &[("store-1", FULL), ("system", FULL)]).is_some()),
    |fleet| assert!(fleet.grant(2, &[("store-1", READ_WRITE)]).is_some()),
    |fleet| fleet.connect(0, 2),
    |fleet| fleet.connect(0, 1),
    |fleet| fleet.cut(0, 2),
    |fleet| fleet.connect(1, 2),
    |fleet| {
        fleet.nodes[2].put("store-1/note/1", json!({"n": 1}));
        fleet.carry();
    },
    |fleet| {
        fleet.cut(0, 1);
        fleet.nodes[2].put("store-1/note/2", json!({"n": 2}));
        fleet.carry();
        assert!(fleet.revoke(2).is_some());
    },
    |fleet| fleet.connect(0, 1),
];

#[test]
fn a_restart_between_any_two_steps_changes_nothing() {
    for at in 0..=STEPS.len() {
        for node in 0..3 {
            let mut fleet = Fleet::new(3);
            fleet.redials = true;
            for (index, step) in STEPS.iter().enumerate() {
                if index == at {
                    restart(&mut fleet, node);
                }
                step(&mut fleet);
                fleet.carry();
            }
            if at == STEPS.len() {
                restart(&mut fleet, node);
            }
            let shown = |count| format!("{count} at {at}, {node}");
            assert_eq!(fleet.has(0, 2, "store-1"), 1, "{}", shown("hub"));
            assert_eq!(fleet.has(1, 2, "store-1"), 2, "{}", shown("relay"));
            fleet.connect(1, 2);
            assert!(!fleet.is_linked(1, 2), "{}", shown("link"));
            let public_key = fleet.key(2);
            for keeper in [0, 1] {
                let rights = fleet.nodes[keeper].replica.rights("site-2", &public_key, &space("store-1"));
                assert_eq!(rights, Rights::default(), "{}", shown("rights"));
            }
            let beyond = |event: &Event| matches!(event, Event::RowsBeyondCut { last: 1, rows: 1, .. });
            assert!(fleet.nodes[1].events.iter().any(beyond), "{}", shown("event"));
        }
    }
}

/// The process dies and is back; who was connected to it dials again.
fn restart(fleet: &mut Fleet, node: usize) {
    let linked: Vec<usize> = (0..3).filter(|other| fleet.is_linked(node, *other)).collect();
    fleet.restart(node);
    linked.into_iter().for_each(|other| fleet.connect(node, other));
}

/// The document that lifts a cut comes in a session that has passed over what lay beyond it.
#[test]
fn what_lay_beyond_a_cut_is_sent_when_the_right_comes_back() {
    let mut fleet = Fleet::new(2);
    fleet.redials = true;
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet.nodes[1].put("store-1/note/1", json!({"n": 1}));
    fleet.carry();
    fleet.cut(0, 1);
    fleet.nodes[1].put("store-1/note/2", json!({"n": 2}));
    fleet.grant(1, &[("store-1", READ)]);
    fleet.connect(0, 1);
    assert_eq!(fleet.has(0, 1, "store-1"), 1);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.carry();
    assert_eq!(fleet.has(0, 1, "store-1"), 2);
}
