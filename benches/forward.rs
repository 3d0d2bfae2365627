//! What a change of a site costs the hub in processor time, its disk simulated in memory.
//!
//! `replica.forward`: a hub that takes small changes of one site and passes them on to another, documents closed: all
//! that it does from frames to frames, acknowledgements, batches and the simulated disk included, with what the
//! materialiser does in those turns. Measured: 59,700 changes/s (56,900 to 64,300), load average 11 on 2 cores.
//! `replica.apply`: a hub that takes small changes, 10 a document and turn, on 1,000
//! documents that stay open, and has them applied, values written. Measured: 56,300 changes/s (60,500 in the best round,
//! 6,800 in the one that makes the snapshots of all documents and reads them back), `replica.forward` 39,800 that day.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::median;
use benches::reach::{Goal, Row, measuring, record};
use benches::star::{Star, inventory};
use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Requests of a site's turn; a delta has as many changes.
const TURN: usize = 64;
const CHANGES_EACH: usize = 10;
/// Documents whose changes come in one turn of the hub.
const DOCUMENTS_AT_ONCE: usize = 100;

fn documents() -> usize {
    if measuring() { 1_000 } else { 100 }
}

fn rounds() -> usize {
    if measuring() { 9 } else { 1 }
}

fn connected(sites: usize) -> Star {
    // All documents stay open where they are applied.
    let mut star = Star::new(sites, 64 << 20, |_| vec!["store-1".into()]);
    if let Some(site) = star.sites.first_mut() {
        site.load_at(documents(), |number| inventory("store-1", number));
    }
    star.connect();
    star
}

fn rate(name: &str, star: &mut Star, mut round: impl FnMut(&mut Star) -> (usize, Duration)) {
    round(star);
    let rates = (0..rounds()).map(|_| {
        let (changes, spent) = round(star);
        changes as f64 / spent.as_secs_f64()
    });
    let rates: Vec<f64> = rates.collect();
    println!("{name}, changes/s: {rates:.0?}");
    let (value, goal) = (median(rates), Goal::value_at_least(60_000.0));
    let row = Row { name: name.into(), unit: "changes/s".into(), value, reference: None, goal };
    record(&row).expect("the row is written");
}

fn forward(_: &mut Criterion) {
    let mut star = connected(2);
    rate("replica.forward", &mut star, |star| {
        let mut spent = Duration::ZERO;
        for _ in 0..2 {
            let changes = documents();
            if let Some(site) = star.sites.first_mut() {
                site.sell_at(changes, TURN, |number| inventory("store-1", number));
            }
            spent += star.forward();
        }
        star.carry();
        (2 * documents(), spent)
    });
    let counts: Vec<u64> = star.sites.iter_mut().map(|site| site.counts().1).collect();
    assert!(counts.iter().all(|count| *count == star.hub.counts().1), "all have all");
}

fn apply(_: &mut Criterion) {
    let mut star = connected(1);
    rate("replica.apply", &mut star, |star| {
        let mut spent = Duration::ZERO;
        for first in (0..documents()).step_by(DOCUMENTS_AT_ONCE) {
            if let Some(site) = star.sites.first_mut() {
                let address = |number| inventory("store-1", first + number % DOCUMENTS_AT_ONCE);
                site.sell_at(CHANGES_EACH * DOCUMENTS_AT_ONCE, TURN, address);
            }
            spent += star.apply();
            star.carry();
        }
        (CHANGES_EACH * documents(), spent)
    });
}

criterion_group!(replica, forward, apply);
criterion_main!(replica);
