//! The program as its users run it: real processes, QUIC, certificates and fsyncs on this machine.
//!
//! `first.live.rate`: small updates of one site, many on their way, each durable at the site before it is
//! acknowledged and at the hub before the clock stops. The reference is one `fdatasync` per update on the same disk
//! in the same run. A peer of the same kind, samod 0.16 without any fsync, was measured at 207–473.
//!
//! `demo.units` and `demo.wall`: the demo with ten seeds; the worst of them counts.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::disk::fdatasyncs_per_second;
use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Value;
use std::time::{Duration, Instant};
use tests::process::{Fleet, Process, increment};
use tests::{eventually_async, program};

/// Documents that the updates go to in turn. All of them stay open: a document that was let go is read again from all
/// of its changes until snapshots are there, and 1,000 of them in turn give about 4,000 updates/s.
const DOCUMENTS: u64 = 200;
/// On their way at once.
const IN_FLIGHT: u64 = 256;
const UNITS: f64 = 5_056.0;

fn updates() -> u64 {
    if measuring() { 10_000 } else { 500 }
}

fn live_rate(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let mut rates = runtime.expect("a runtime").block_on(async {
        let fleet = Fleet::new();
        let hub = fleet.hub();
        let site = fleet.site("store-1", &hub.status().await.address);
        let mut rates = Vec::new();
        for _ in 0..if measuring() { 5 } else { 1 } {
            let started = Instant::now();
            update(&site).await;
            wait_until_in_step(&site).await;
            rates.push(updates() as f64 / started.elapsed().as_secs_f64());
        }
        rates
    });
    rates.sort_by(f64::total_cmp);
    let rate = rates[rates.len() / 2];
    println!("updates/s, durable at site and hub: {rates:.0?}");
    let row = Row {
        name: "first.live.rate".into(),
        unit: "updates/s".into(),
        value: rate,
        reference: Some(fdatasyncs_per_second()),
        goal: Goal::value_at_least(5_000.0),
    };
    record(&row).expect("the row is written");
}

async fn update(site: &Process) {
    let mut client = site.client().await;
    let mut sent = 0;
    for answered in 0..updates() {
        while sent < updates().min(answered + IN_FLIGHT) {
            let address = format!("store-1/inventory/{}", sent % DOCUMENTS);
            client.send(&increment(&address, -1, None)).await.expect("sent");
            sent += 1;
        }
        client.receive().await.expect("an answer").1.expect("written");
    }
}

async fn wait_until_in_step(site: &Process) {
    let deadline = Duration::from_secs(60);
    eventually_async(deadline, "the hub has everything", async || {
        site.status().await.peers.iter().all(|peer| peer.connected && peer.backlog_rows == 0)
    })
    .await;
}

fn demo(_: &mut Criterion) {
    // A run that only tests does it once, at the demo's quickest.
    let (seeds, pace) = if measuring() { (1..=10, None) } else { (1..=1, Some("3")) };
    let (mut worst_units, mut worst_wall) = (UNITS, 0.0_f64);
    for seed in seeds {
        let mut arguments = vec!["demo".to_owned(), "--json".into(), "--seed".into(), seed.to_string()];
        arguments.extend(pace.into_iter().flat_map(|pace| ["--pace".to_owned(), pace.to_owned()]));
        let report: Value = serde_json::from_str(&program::run_well(arguments)).expect("a report");
        let (units, wall) = (&report["units"]["hub"], &report["wall_ms"]);
        println!("seed {seed}: {units} units, {wall} ms, all equal: {}", report["ok"]);
        let units = units.as_f64().expect("a number");
        if units != UNITS || report["ok"] != true {
            worst_units = units.min(UNITS - 1.0);
        }
        worst_wall = worst_wall.max(wall.as_f64().expect("a number") / 1_000.0);
    }
    let units = Row {
        name: "demo.units".into(),
        unit: "units".into(),
        value: worst_units,
        reference: Some(UNITS),
        goal: Goal::value_at_least(UNITS),
    };
    let wall = Row {
        name: "demo.wall".into(),
        unit: "s".into(),
        value: worst_wall,
        reference: None,
        goal: Goal::value_at_most(60.0),
    };
    record(&units).and_then(|()| record(&wall)).expect("the rows are written");
    assert!(worst_units >= UNITS, "{worst_units} units");
}

criterion_group!(main_job, live_rate, demo);
criterion_main!(main_job);
