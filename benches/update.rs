//! `update.durable64`: whole small updates on a real disk, 64 writers over 1,000 open documents: each is answered
//! when its change, journal row, document row and value are durable. The core and the store of one process, without
//! sockets. References: one over the processor time of an update (`document.update.cpu`), and one `fdatasync` per
//! update in the same run. With room for a quarter of the documents each is loaded again from its snapshot and its
//! changes: 1,250 updates/s measured.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark whose scene fails ends, and says what it saw"
)]

use benches::cpu::{median, thread_time};
use benches::disk::fdatasyncs_per_second;
use benches::pair::{inventory, settings};
use benches::reach::{Goal, Row, measuring, record};
use criterion::{Criterion, criterion_group, criterion_main};
use document::Operation;
use replica::{Clock, Effect, Input, Replica, Request, RequestId};
use serde_json::json;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use store::{CommitNotice, FjallStore, Options};

const DOCUMENTS: usize = 1_000;
const WRITERS: u64 = 64;

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
    fn open(directory: &std::path::Path) -> Self {
        let (report, notices) = channel();
        // The receiver is gone only when the benchmark ends.
        let tell = move |notice| drop(report.send(notice));
        let store = FjallStore::open(directory, Options::default(), tell).expect("a store");
        // All stay open: at the end they have 150 changes each and take about 50 MB by estimate.
        let settings = replica::Settings { open_documents_bytes_max: 64 << 20, ..settings("site", 2, "hub") };
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

    /// `count` updates with [`WRITERS`] of them on their way; updates a second, and the processor time that the
    /// core's thread took for one, in microseconds.
    fn run(&mut self, count: u64, operation: impl Fn() -> Operation) -> (f64, f64) {
        let (started, processor) = (Instant::now(), thread_time());
        let first = self.asked;
        while self.answered < first + count {
            while self.asked < first + count && self.asked - self.answered < WRITERS {
                let number = usize::try_from(self.asked).unwrap_or(0) % DOCUMENTS;
                self.ask(number, operation());
            }
            self.end_turn();
            if self.answered < self.asked {
                self.wait();
            }
        }
        let each = (thread_time() - processor).as_secs_f64() * 1e6 / count as f64;
        (count as f64 / started.elapsed().as_secs_f64(), each)
    }
}

fn durable(_: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut site = Site::open(&directory.path().join("store"));
    let item = || Operation::Put(json!({"product": "1029743", "on_hand": 100, "shelf": "A-12"}));
    site.run(DOCUMENTS as u64, item);
    let (count, rounds) = if measuring() { (20_000, 7) } else { (500, 1) };
    let sale = || Operation::increment("/on_hand", -1).expect("a pointer");
    let rounds: Vec<_> = (0..rounds).map(|_| (site.run(count, sale), fdatasyncs_per_second())).collect();
    println!("updates/s, us of the core's thread each, fdatasyncs/s: {rounds:.0?}");
    let rate = median(rounds.iter().map(|((rate, _), _)| *rate).collect());
    let micros = median(rounds.iter().map(|((_, micros), _)| *micros).collect());
    let syncs = median(rounds.iter().map(|(_, syncs)| *syncs).collect());
    let row = |name: &str, reference: f64, goal: Goal| {
        let unit = "updates/s".to_owned();
        let row = Row { name: name.into(), unit, value: rate, reference: Some(reference), goal };
        record(&row).expect("the row is written");
    };
    row("update.durable64", 1e6 / micros, Goal::ratio_at_least(0.6));
    row("update.durable64.fsync", syncs, Goal::ratio_at_least(3.0));
}

criterion_group!(update, durable);
criterion_main!(update);
