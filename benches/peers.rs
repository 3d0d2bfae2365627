//! `replica.peers`: what a hub with 500 connected sites holds in memory for them: settings, tables, sessions and
//! windows. Counted with an allocator: what is given back when the hub ends, its disk left out. Each site carries a
//! space of its own and one that all share; the tables of both directions are full, and 100 changes of the shared space,
//! a delta each, are on their way to every site without an acknowledgement. No document stays open.
//!
//! Measured: 63.0 MiB, which is 119 KiB a site and 2.4 MiB for the 16 compression contexts of all. A site without traffic
//! takes 5 KiB, full tables of both directions 100 KiB, the last plain bytes of both 8 KiB, and 100 deltas on their way
//! 6 KiB.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::reach::{Goal, Row, measuring, record};
use benches::star::{Star, inventory};
use criterion::{Criterion, criterion_group, criterion_main};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SHARED: &str = "catalogue";
/// As many documents as a connection's tables know.
const DOCUMENTS: usize = 255;
const WINDOW_DELTAS: usize = 100;

fn sites() -> usize {
    if measuring() { 500 } else { 10 }
}

fn own(site: usize) -> String {
    format!("store-{site}")
}

fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What the end of the hub gives back, in MiB.
fn held(star: Star) -> f64 {
    let region = Region::new(ALLOCATOR);
    let disk = star.hub.end();
    let change = region.change();
    drop(disk);
    mebibytes(change.bytes_deallocated - change.bytes_allocated)
}

fn connected() -> Star {
    let mut star = Star::new(sites(), 0, |site| vec![own(site), SHARED.into()]);
    star.connect();
    star
}

fn with_traffic() -> Star {
    let mut star = connected();
    star.hub.load_at(DOCUMENTS, |number| inventory(SHARED, number));
    for (index, site) in star.sites.iter_mut().enumerate() {
        site.load_at(DOCUMENTS, |number| inventory(&own(index + 1), number));
    }
    star.carry();
    star
}

fn peers(_: &mut Criterion) {
    println!("connected: {:.1} MiB", held(connected()));
    let mut star = with_traffic();
    for number in 0..WINDOW_DELTAS {
        star.hub.sell_at(1, 1, |_| inventory(SHARED, number));
    }
    assert!(star.give_to_sites() >= WINDOW_DELTAS * sites(), "a delta for each change and site");
    let value = held(star);
    println!("with {WINDOW_DELTAS} deltas on their way to each: {value:.1} MiB");
    let (name, unit) = ("replica.peers".into(), "MiB".into());
    record(&Row { name, unit, value, reference: None, goal: Goal::value_at_most(64.0) })
        .expect("the row is written");
}

criterion_group!(replica_peers, peers);
criterion_main!(replica_peers);
