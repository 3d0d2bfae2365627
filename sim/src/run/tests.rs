use super::*;
use crate::topology::Shape;
use std::collections::BTreeSet;

/// Seeds within which a broken environment is to be seen.
const SEEDS: u64 = 40;

/// The properties that runs of the first seeds break, one a seed.
fn broken(sabotage: impl Fn(u64) -> Sabotage) -> BTreeSet<&'static str> {
    let property =
        |seed| run(&Schedule::of_seed(seed, None), sabotage(seed)).failure.map(|failure| failure.property);
    (0..SEEDS).filter_map(property).collect()
}

#[test]
fn a_sound_environment_keeps_every_property() {
    for seed in 0..12 {
        let report = run(&Schedule::of_seed(seed, None), Sabotage::None);
        assert_eq!(report.failure, None, "seed {seed}");
        assert!(report.tally.acknowledged > 0 && report.tally.frames > 0);
    }
}

#[test]
fn a_disk_that_lies_is_seen() {
    let broken = broken(|_| Sabotage::LyingDisk);
    let expected = ["acknowledged_writes_survive", "never_shown_before_durable"];
    assert!(expected.iter().any(|property| broken.contains(property)), "{broken:?}");
}

#[test]
fn a_frame_that_vanishes_is_seen() {
    let broken = broken(|seed| Sabotage::DropDelta { number: seed % 7 });
    // Either the next frame does not follow, or there is none and the replicas stay apart.
    assert!(broken.contains("honest_peers_agree") || broken.contains("converged"), "{broken:?}");
}

#[test]
fn a_write_that_is_counted_twice_is_seen() {
    let broken = broken(|_| Sabotage::DoubledWrites);
    assert!(broken.contains("counters_exact"), "{broken:?}");
}

#[test]
fn a_seed_leaves_one_trace() {
    for seed in 0..6 {
        let hash = |seed| run(&Schedule::of_seed(seed, None), Sabotage::None).trace_hash;
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
        assert_ne!(hash(seed), hash(seed + 1));
    }
}

#[test]
fn a_printed_schedule_leaves_the_trace_of_its_seed() {
    let schedule = Schedule::of_seed(3, None);
    let read = Schedule::from_lines(&schedule.to_lines()).unwrap();
    assert_eq!(run(&read, Sabotage::None).trace_hash, run(&schedule, Sabotage::None).trace_hash);
}

#[test]
fn nodes_and_links_that_are_not_there_are_passed_over() {
    let lines = r#"{"seed":1,"shape":"star","nodes":2}
{"at_us":1,"event":{"cut":{"link":9,"direction":"up","for_us":5}}}
{"at_us":2,"event":{"crash":{"node":9,"keep_percent":0,"down_us":5}}}
{"at_us":3,"event":{"pause":{"node":9,"for_us":5}}}
{"at_us":4,"event":{"write":{"id":1,"node":9,"space":"store-1","key":"k","change":"shelve","retried":true}}}
{"at_us":5,"event":{"write":{"id":2,"node":1,"space":"NO NAME","key":"k","change":"price","retried":true}}}
{"at_us":6,"event":{"read":{"node":9,"space":"store-1","key":"k"}}}
"#;
    assert_eq!(run(&Schedule::from_lines(lines).unwrap(), Sabotage::None).failure, None);
}

#[test]
fn a_replica_that_is_refused_a_write_is_seen() {
    let header = crate::Header { seed: 1, shape: Shape::Star, nodes: 2 };
    let event = Event::Write {
        id: 1,
        node: NodeId(1),
        space: "catalog".to_owned(),
        key: "k".to_owned(),
        change: Change::Price,
        retried: false,
    };
    let schedule = Schedule { header, events: vec![Scheduled { at_us: 1, event }] };
    let failure = run(&schedule, Sabotage::None).failure.unwrap();
    assert_eq!((failure.property, failure.kind), ("honest_peers_agree", FailureKind::Correctness));
}
