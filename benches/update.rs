//! `update.durable64`: whole small updates on a real disk, 64 writers over 1,000 open documents in a random order: each
//! is answered when its change, journal row, document row and value are durable. The core and the store of one process,
//! without sockets. References, of the same run: one over the processor time of an update on open documents
//! (`document.update.cpu`), and one `fdatasync` per update. The row is of the slower kind of update;
//! `update.durable64.increment` and `.put` are of each. `update.durable64.reloaded` is the same with the 16 MiB that a
//! server has for open documents: of these, 850 at first and fewer with each change, so that some must be loaded again,
//! from 20 changes each. Such an update costs about three others.
//!
//! Measured on 2 cores, medians of 5 rounds: increments 24,652/s, puts 21,203/s, of 55,010 by the processor alone (18 us an
//! update): 39 %. The disk did 7,023 `fdatasync`s a second: 3.0 updates for each. `.reloaded` 10,430/s, between 13,118 and
//! 5,500 from round to round as documents grow.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::durable::{OPEN_BYTES, SERVER_BYTES, measure};
use benches::reach::{Goal, Row, measuring, record};
use benches::small_update::Kind;
use criterion::{Criterion, criterion_group, criterion_main};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn durable(_: &mut Criterion) {
    let rounds = if measuring() { 5 } else { 1 };
    let processor = Kind::ALL.map(|kind| kind.micros(rounds)).into_iter().fold(0.0, f64::max);
    let row = |name: &str, value: f64, reference: f64, goal: Goal| {
        println!("{name}: {value:.0} updates/s, reference {reference:.0}");
        let unit = "updates/s".to_owned();
        let row = Row { name: name.into(), unit, value, reference: Some(reference), goal };
        record(&row).expect("the row is written");
    };
    let mut slower = (f64::INFINITY, f64::NAN);
    for kind in Kind::ALL {
        let (rate, syncs) = measure(kind, OPEN_BYTES);
        row(&format!("update.durable64.{}", kind.name()), rate, 1e6 / processor, Goal::ratio_at_least(0.6));
        if rate < slower.0 {
            slower = (rate, syncs);
        }
    }
    row("update.durable64", slower.0, 1e6 / processor, Goal::ratio_at_least(0.6));
    row("update.durable64.fsync", slower.0, slower.1, Goal::ratio_at_least(3.0));
    let reloaded = measure(Kind::Sale, SERVER_BYTES).0;
    row("update.durable64.reloaded", reloaded, slower.0, Goal::ratio_at_least(0.2));
}

criterion_group!(update, durable);
criterion_main!(update);
