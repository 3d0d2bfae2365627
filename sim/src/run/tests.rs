use super::*;
use crate::schedule::Change;
use crate::topology::{NodeId, Shape};

/// Seeds within which a broken environment is to be seen.
const SEEDS: u64 = 40;

/// Some seed breaks one of these properties, and no seed before it breaks another.
#[track_caller]
fn is_seen(sabotage: impl Fn(u64) -> Sabotage, properties: &[&str]) {
    let failure = |seed| run(&Schedule::of_seed(seed, Some(3)), sabotage(seed)).failure;
    let found = (0..SEEDS).find_map(failure);
    let is_expected = found.as_ref().is_some_and(|failure| properties.contains(&failure.property));
    assert!(is_expected, "{found:?}");
}

#[test]
fn a_sound_environment_keeps_every_property() {
    let mut loads = 0;
    for seed in 0..8 {
        let report = run(&Schedule::of_seed(seed, Some(4)), Sabotage::None);
        assert_eq!(report.failure, None, "seed {seed}");
        assert!(report.tally.acknowledged > 0 && report.tally.frames > 0);
        assert!(report.tally.views > 0, "seed {seed}: nobody read beside a core");
        loads += report.tally.loads;
    }
    assert!(loads > 0, "no document was read for a core");
}

#[test]
fn a_disk_that_lies_is_seen() {
    let properties = ["acknowledged_writes_survive", "never_shown_before_durable"];
    is_seen(|_| Sabotage::LyingDisk, &properties);
}

#[test]
fn a_frame_that_vanishes_is_seen() {
    // Either the next frame does not follow, or there is none and the replicas stay apart.
    let properties = ["honest_peers_agree", "acknowledged_writes_survive", "converged"];
    is_seen(|seed| Sabotage::DropDelta { number: seed % 7 }, &properties);
}

#[test]
fn a_write_that_is_counted_once_and_done_twice_is_seen() {
    is_seen(|_| Sabotage::DoubledWrites, &["counters_exact", "never_oversold"]);
}

#[test]
fn a_transaction_that_is_torn_is_seen() {
    // A watch may show the rest, or something written on the row that is gone come, before anybody looks at the whole; and
    // who gets that by another way leaves a peer that sends it again and again.
    let properties =
        ["transactions_whole", "watches_see_every_change", "causally_closed", "honest_peers_agree"];
    is_seen(|_| Sabotage::TornTransactions, &properties);
}

#[test]
fn a_seed_leaves_one_trace() {
    let hash = |seed| run(&Schedule::of_seed(seed, Some(4)), Sabotage::None).trace_hash;
    let hashes: Vec<_> = (0..3).map(hash).collect();
    assert_eq!((0..3).map(hash).collect::<Vec<_>>(), hashes);
    assert_ne!(hashes[0], hashes[1]);
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
    let header = crate::Header { seed: 1, shape: Shape::Star, nodes: 2, stranger: None, authority: false };
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

/// Runs a shipped scenario.
#[track_caller]
fn scenario(text: &str) -> Report {
    let report = run(&Schedule::from_scenario(text).unwrap(), Sabotage::None);
    assert_eq!(report.failure, None, "{:?}", report.last_lines);
    report
}

#[test]
fn a_shop_that_only_hears_catches_up_when_it_is_heard() {
    let report = scenario(include_str!("../../scenarios/one-way-cut.toml"));
    assert_eq!((report.tally.cuts, report.tally.acknowledged), (1, 221));
}

#[test]
fn a_hub_that_crashes_in_a_burst_loses_no_sale() {
    let report = scenario(include_str!("../../scenarios/hub-crash.toml"));
    assert_eq!(report.tally.crashes, 2);
    assert!(report.tally.acknowledged >= 600);
}

#[test]
fn a_full_disk_refuses_writes_and_delays_nobody_else() {
    let report = scenario(include_str!("../../scenarios/full-disk.toml"));
    assert_eq!(report.tally.disk_faults, 2);
    assert!(report.tally.refused > 20 && report.tally.acknowledged >= 200);
}

#[test]
fn a_flapping_link_costs_connections_and_no_change() {
    let report = scenario(include_str!("../../scenarios/flapping-link.toml"));
    assert_eq!((report.tally.cuts, report.tally.acknowledged), (20, 450));
}

#[test]
fn a_restored_site_gets_its_own_past_back() {
    let report = scenario(include_str!("../../scenarios/restore.toml"));
    assert_eq!((report.tally.destroyed, report.tally.acknowledged), (1, 215));
}

#[test]
fn a_revoked_site_is_heard_no_more() {
    let report = scenario(include_str!("../../scenarios/revoked-site.toml"));
    assert_eq!((report.tally.cuts, report.tally.acknowledged), (1, 90));
}

/// Somebody copied the files by hand: the copy finds out as soon as it meets others.
#[test]
fn an_old_copy_under_its_old_incarnation_heals() {
    let text = include_str!("../../scenarios/restore.toml");
    let text = text.replace("kind = \"restore\"", "kind = \"restore\"\nkeeps_incarnation = true");
    let report = run(&Schedule::from_scenario(&text).unwrap(), Sabotage::None);
    assert!(report.failure.is_none(), "{}", report.failure.unwrap());
    assert_eq!((report.tally.destroyed, report.tally.acknowledged), (1, 215));
}

#[test]
fn a_failure_replays_to_the_byte() {
    let schedule = Schedule::of_seed(0, Some(3));
    let fails = || run(&schedule, Sabotage::DoubledWrites);
    let (one, other) = (fails(), fails());
    assert!(one.failure.is_some() && !one.milestones.is_empty());
    assert_eq!(
        (one.failure, one.trace_hash, one.milestones),
        (other.failure, other.trace_hash, other.milestones)
    );
    assert_eq!(one.last_lines, other.last_lines);
}
