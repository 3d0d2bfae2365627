//! What a reconnect costs in bytes, on simulated disks. Bytes are of frames and do not depend on the machine.
//!
//! `sync.noop`: the more expensive direction of a reconnect after one that changed nothing, and round trips; no document
//! is opened. 1,000,000 documents in 100 spaces. Measured: 41 bytes from the hub, 33 from the site, half a round trip. The first
//! reconnect after both processes were started takes 1,338 and 1,331 and a whole one: each tells what it has of each of 100
//! spaces, as its store may be an older copy.
//! `sync.delta`: a reconnect with 10 changed documents, both directions, hellos and acknowledgements included. Measured:
//! 515 (154 from the hub, 361 from the site), of processes started anew; the changes are at the hub after one round trip, that of
//! the hellos, all is silent after two.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::reach::{Goal, Row, measuring, record};
use benches::star::{Carried, Star, inventory};
use criterion::{Criterion, criterion_group, criterion_main};
use document::Space;

fn row(name: &str, unit: &str, value: usize, reference: Option<f64>, most: f64) {
    let goal = Goal::value_at_most(most);
    let row = Row { name: name.into(), unit: unit.into(), value: value as f64, reference, goal };
    record(&row).expect("the row is written");
}

/// A hub and a site that are in step, and not connected.
fn in_step(documents: usize, spaces: usize) -> Star {
    let name = |number: usize| format!("store-{}", number % spaces + 1);
    let mut star = Star::new(1, 0, |_| (0..spaces).map(name).collect());
    for site in &mut star.sites {
        site.load_at(documents, |number| inventory(&name(number), number));
    }
    let first = star.connect();
    star.cut();
    println!(
        "{documents} documents in {spaces} spaces: first connect {first:?}, second {:?}",
        star.connect()
    );
    star.cut();
    star
}

fn open(star: &mut Star) -> u64 {
    star.hub.counts().0 + star.sites.iter_mut().map(|site| site.counts().0).sum::<u64>()
}

fn noop(_: &mut Criterion) {
    let mut star = in_step(if measuring() { 1_000_000 } else { 200 }, 100);
    // The first after processes started says all; from the next one on it is known what was said.
    let after_start = star.connect();
    star.disconnect();
    star.connect();
    star.disconnect();
    println!("nothing changed, processes started anew: {after_start:?}");
    let carried = star.connect();
    assert_eq!(open(&mut star), 0, "documents were opened");
    println!("nothing changed: {carried:?}");
    row("sync.noop", "bytes", carried.from_hub.max(carried.from_sites), None, 300.0);
    row("sync.noop.trips", "half round trips", carried.half_trips, None, 2.0);
}

fn delta(_: &mut Criterion) {
    let (documents, changed) = (if measuring() { 10_000 } else { 1_000 }, 10);
    let mut star = in_step(documents, 1);
    for site in &mut star.sites {
        site.sell_at(changed, changed, |number| inventory("store-1", number * (documents / changed)));
    }
    let space = Space::new("store-1").expect("a space");
    let changes: u64 = star.sites.iter().map(|site| site.changes(&space)).sum();
    let mut carried = Carried::default();
    star.introduce();
    while star.hub.changes(&space) < changes && star.carry_once(&mut carried) {}
    assert_eq!(star.hub.changes(&space), changes, "the hub has the changes");
    row("sync.delta.trips", "half round trips", carried.half_trips, None, 2.0);
    while star.carry_once(&mut carried) {}
    println!("{changed} changed, until all is silent: {carried:?}");
    let bytes = carried.from_hub + carried.from_sites;
    row("sync.delta", "bytes", bytes, Some(1_440_000.0), 1_200.0);
}

criterion_group!(sync, noop, delta);
criterion_main!(sync);
