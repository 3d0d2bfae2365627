//! Updates on a real disk: the core and the store of one process, without sockets.

use crate::cpu::median;
use crate::disk::fdatasyncs_per_second;
use crate::pair::{inventory, settings};
use crate::reach::measuring;
use crate::small_update::{Kind, whole};
use document::Operation;
use replica::{Clock, Effect, Input, Replica, Request, RequestId, Settings};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;
use store::{CommitNotice, FjallStore, Options};

/// Documents that are updated.
pub const DOCUMENTS: usize = 1_000;
const WRITERS: u64 = 64;
/// Room for all of them.
pub const OPEN_BYTES: u64 = 64 << 20;
/// A server's room: for 800 to 900 of them.
pub const SERVER_BYTES: u64 = 16 << 20;

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

/// Updates a second of one kind with so much room for open documents, and `fdatasync`s a second beside them: the medians of
/// five rounds.
///
/// # Panics
/// When the disk fails.
#[must_use]
#[expect(clippy::print_stdout, reason = "the rounds say how even they are")]
pub fn measure(kind: Kind, open_bytes: u64) -> (f64, f64) {
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
