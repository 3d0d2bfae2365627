//! `update.durable64`: whole small updates on a real disk, 64 writers over 1,000 open documents in a random order: each
//! is answered when its change, journal row, document row and value are durable. The core and the store of one process,
//! without sockets. References, of the same run: one over the processor time of an update on open documents
//! (`document.update.cpu`), and one `fdatasync` per update. The row is of the slower kind of update;
//! `update.durable64.increment` and `.put` are of each. `update.durable64.reloaded` is the same with the 16 MiB that a
//! server has for open documents: of these, 850 at first and fewer with each change, so that some must be loaded again,
//! from 20 changes each. Such an update costs about three others.
//!
//! Measured on 2 slow cores: increments 4,422/s, puts 3,549/s, of 5,633 by the processor alone: 63 %. The disk did 4,807
//! `fdatasync`s a second, so 3 updates for each are more than the processor can do: Automerge's own transaction is half of
//! an update. `.reloaded` 1,943 to 3,809/s, falling from round to round as documents grow.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::median;
use benches::disk::fdatasyncs_per_second;
use benches::pair::{inventory, settings};
use benches::reach::{Goal, Row, measuring, record};
use benches::small_update::{Kind, whole};
use criterion::{Criterion, criterion_group, criterion_main};
use document::Operation;
use replica::{Clock, Effect, Input, Replica, Request, RequestId, Settings};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use store::{CommitNotice, FjallStore, Options};

const DOCUMENTS: usize = 1_000;
const WRITERS: u64 = 64;
/// Room for all of them.
const OPEN_BYTES: u64 = 64 << 20;
/// A server's room: for 800 to 900 of them.
const SERVER_BYTES: u64 = 16 << 20;

struct Site {
    replica: Replica<FjallStore>,
    notices: Receiver<CommitNotice>,
    asked: u64,
    answered: u64,
}

fn clock() -> Clock {
    Clock { now_ms: 0, wall_ms: 1_700_000_000_000 }
}

impl Site {
    fn open(directory: &std::path::Path, open_documents_bytes_max: u64) -> Self {
        let (report, notices) = channel();
        // The receiver is gone only when the benchmark ends.
        let tell = move |notice| drop(report.send(notice));
        let store = FjallStore::open(directory, Options::default(), tell).expect("a store");
        let settings = Settings { open_documents_bytes_max, ..settings("site", 2, "hub") };
        let replica = Replica::open(store, settings).expect("a replica");
        Self { replica, notices, asked: 0, answered: 0 }
    }

    fn ask(&mut self, number: usize, operation: Operation) {
        self.asked += 1;
        let request = Request::write(inventory(number), vec![operation]);
        let input = Input::Request { id: RequestId(self.asked), request };
        self.replica.handle(input, clock()).expect("the disk is well");
    }

    fn end_turn(&mut self) {
        self.replica.end_turn().expect("the disk is well");
        while let Some(effect) = self.replica.poll_effect() {
            if let Effect::Reply { result, .. } = effect {
                result.expect("written");
                self.answered += 1;
            }
        }
    }

    fn wait(&mut self) {
        let first = self.notices.recv().expect("the store lives");
        let notices: Vec<CommitNotice> = std::iter::once(first).chain(self.notices.try_iter()).collect();
        for notice in notices {
            if let CommitNotice::Durable(turn) = notice {
                self.replica.handle(Input::Durable(turn), clock()).expect("the disk is well");
            }
        }
        self.end_turn();
    }

    /// `count` updates with [`WRITERS`] of them on their way, each of the document that `document` says; updates a
    /// second.
    fn run(
        &mut self,
        count: u64,
        document: impl Fn(u64) -> usize,
        update: impl Fn(usize, u64) -> Operation,
    ) -> f64 {
        let started = Instant::now();
        let first = self.asked;
        while self.answered < first + count {
            while self.asked < first + count && self.asked - self.answered < WRITERS {
                let number = document(self.asked);
                self.ask(number, update(number, self.asked));
            }
            self.end_turn();
            if self.answered < self.asked {
                self.wait();
            }
        }
        count as f64 / started.elapsed().as_secs_f64()
    }
}

/// splitmix64: one of the documents, as if at random.
fn scattered(number: u64) -> usize {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) % DOCUMENTS as u64).unwrap_or(0)
}

/// Updates a second of one kind with so much room for open documents, and `fdatasync`s a second beside them.
fn measure(kind: Kind, open_bytes: u64) -> (f64, f64) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut site = Site::open(&directory.path().join("store"), open_bytes);
    let in_turn = |number| usize::try_from(number).unwrap_or(0) % DOCUMENTS;
    site.run(DOCUMENTS as u64, in_turn, |document, _| whole(document, usize::MAX));
    let (count, rounds) = if measuring() { (4_000, 5) } else { (500, 1) };
    let update = |document, number| kind.operation(document, usize::try_from(number).unwrap_or(0));
    let rounds: Vec<_> =
        (0..rounds).map(|_| (site.run(count, scattered, update), fdatasyncs_per_second())).collect();
    println!("{}: updates/s, fdatasyncs/s: {rounds:.0?}", kind.name());
    let rate = median(rounds.iter().map(|(rate, _)| *rate).collect());
    (rate, median(rounds.iter().map(|(_, syncs)| *syncs).collect()))
}

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
