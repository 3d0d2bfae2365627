//! What replication costs in bytes, and the core in processor time, on simulated disks.
//!
//! `first.catchup.bytes` and `first.noop.bytes` count the bytes of frames in both directions; they do not depend on
//! the machine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::pair::Pair;
use benches::reach::{Goal, Row, measuring, record};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const DOCUMENTS_OPEN: usize = 500;
const SALES: usize = 2_000;
/// Requests of a turn.
const TURN: usize = 64;

/// Documents that both sides have. A run that only tests takes a tenth.
fn documents() -> usize {
    if measuring() { 10_000 } else { 1_000 }
}

fn synced_pair() -> Pair {
    let mut pair = Pair::default();
    pair.site.load(documents());
    pair.connect();
    pair.cut();
    pair
}

/// 10,000 changes on 1,000 of 10,000 documents after a cut. The reference is the changes themselves as Automerge
/// stores them, 121 bytes each.
fn catchup_bytes(_: &mut Criterion) {
    let mut pair = synced_pair();
    let (changes, on) = (documents(), documents() / 10);
    pair.site.sell(changes, on, 64);
    let bytes = pair.connect();
    assert_eq!(pair.hub.counts().1, pair.site.counts().1);
    let row = Row {
        name: "first.catchup.bytes".into(),
        unit: "bytes".into(),
        value: bytes as f64,
        reference: Some(changes as f64 * 121.0),
        goal: Goal::value_at_most(1_200_000.0),
    };
    println!("{changes} changes: {bytes} bytes");
    record(&row).expect("the row is written");
}

/// A reconnect with nothing changed. The documents that are open afterwards must be none.
fn noop_bytes(_: &mut Criterion) {
    let mut pair = synced_pair();
    let bytes = pair.connect();
    assert_eq!((pair.hub.counts().0, pair.site.counts().0), (0, 0), "documents were opened");
    let row = Row {
        name: "first.noop.bytes".into(),
        unit: "bytes".into(),
        value: bytes as f64,
        reference: None,
        goal: Goal::value_at_most(2_000.0),
    };
    println!("nothing changed: {bytes} bytes");
    record(&row).expect("the row is written");
}

/// The hub has an old copy of a space, the site's journal does not go back that far: 1,000 documents of 1,000,000
/// differ. The processor time is that of two scans of all of them at each end. Measured: 112,755 bytes besides the
/// documents (72,314), three round trips, 8.4 s for both ends on a slow machine at a load of 8.
fn reconcile(_: &mut Criterion) {
    let (documents, differ) = if measuring() { (1_000_000, 1_000) } else { (10_000, 100) };
    let mut pair = Pair::default();
    pair.site.load(documents);
    pair.connect();
    pair.cut();
    pair.site.sell(differ, differ, 64);
    pair.forget();
    let reconciled = pair.reconcile();
    assert_eq!(pair.hub.counts().1, pair.site.counts().1);
    println!("{differ} of {documents} documents differ: {reconciled:?}");
    let micros = reconciled.core_time.as_secs_f64() * 1e6 / documents as f64;
    let rows = [
        ("sync.reconcile.bytes", "bytes", reconciled.bytes as f64, 120_000.0),
        ("sync.reconcile.round_trips", "round trips", reconciled.ways as f64 / 2.0, 3.5),
        ("sync.reconcile.scan", "µs a document", micros, 10.0),
    ];
    for (name, unit, value, limit) in rows {
        let goal = Goal::value_at_most(limit);
        let row = Row { name: name.into(), unit: unit.into(), value, reference: None, goal };
        record(&row).expect("the row is written");
    }
}

/// The core alone, on 500 documents, all open: requests to answers at the site; then its frames to the hub's
/// acknowledgements, where no document is opened.
fn core(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SALES as u64));
    let connected = || {
        let mut pair = Pair::default();
        pair.site.load(DOCUMENTS_OPEN);
        pair.connect();
        pair
    };
    let sold = || {
        let mut pair = connected();
        pair.site.sell(SALES, DOCUMENTS_OPEN, TURN);
        pair
    };
    group.bench_function("sales answered at the site", |bencher| {
        let sell = |mut pair: Pair| pair.site.sell(SALES, DOCUMENTS_OPEN, TURN);
        bencher.iter_batched(connected, sell, BatchSize::PerIteration);
    });
    group.bench_function("sales taken by the hub", |bencher| {
        bencher.iter_batched(sold, |mut pair| pair.carry(), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(replication, catchup_bytes, noop_bytes, reconcile, core);
criterion_main!(replication);
