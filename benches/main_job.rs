//! The program as its users run it: real processes, QUIC, certificates and fsyncs on this machine.
//!
//! `demo.units` and `demo.wall`: the demo with ten seeds; the worst of them counts.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Value;
use tests::program;

const UNITS: f64 = 5_056.0;

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

criterion_group!(main_job, demo);
criterion_main!(main_job);
