//! A process that writes to a store is killed, again and again; what it had been told to be durable must be there.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use store::{FjallStore, Options};
use tests::eventually;

use crate::content;
use crate::writer::{Line, Start, Writer};

/// Of each of the three tests below.
const ROUNDS: u64 = 17;
/// Most notices that are waited for before the kill.
const NOTICES_MAX: u64 = 40;
/// One life of the writer, all of it chosen by the round's number.
struct Round {
    number: u64,
    in_flight: u64,
    notices: u64,
    interval_ms: Option<u32>,
}

impl Round {
    fn new(number: u64) -> Self {
        let seed = content::scrambled(number);
        let in_flight = [1, 8, 64, 256][(seed % 4) as usize];
        // Every fifth writer is killed while it opens the store.
        let notices = if number.is_multiple_of(5) { 0 } else { 1 + (seed >> 8) % NOTICES_MAX };
        // The end of a process takes nothing that is only written.
        let interval_ms = number.is_multiple_of(3).then_some(20);
        Self { number, in_flight, notices, interval_ms }
    }

    /// Runs a writer and kills it. Returns the last turn that it was told to be there, if any.
    fn run(&self, directory: &Path) -> Option<u64> {
        let start =
            Start { directory, in_flight: self.in_flight, interval_ms: self.interval_ms, variables: &[] };
        let mut writer = start.start();
        assert!(writer.is_running(), "{self}: the writer did not start");
        let mut last = None;
        for _ in 0..self.notices {
            let turn = told(&mut writer);
            assert!(turn.is_some(), "{self}: the writer ended by itself: {:?}", writer.process.wait());
            last = turn;
        }
        writer.process.kill().unwrap();
        let ended = writer.process.wait().unwrap();
        assert_eq!(ended.signal(), Some(9), "{self}: the writer ended by itself: {ended}");
        // What it printed before it died counts as well.
        std::iter::from_fn(|| told(&mut writer)).chain(last).max()
    }
}

/// The next turn that the writer was told.
fn told(writer: &mut Writer) -> Option<u64> {
    writer.next().map(|line| match line {
        Line::Written(turn) | Line::Durable(turn) => turn,
        Line::Failed { .. } => panic!("{line:?}"),
    })
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, in_flight, notices, interval_ms } = self;
        write!(
            f,
            "round {number} ({in_flight} in flight, interval {interval_ms:?}, killed after notice {notices})"
        )
    }
}

/// Kills a writer again and again: what it was told is there, and no batch is torn.
#[track_caller]
fn check_kills(first: u64) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let mut kept = 0;
    let mut told = 0;
    for number in first..first + ROUNDS {
        let round = Round::new(number);
        let durable = round.run(&directory);
        told += u64::from(durable.is_some());
        let store = FjallStore::open(&directory, Options::default(), |_| {})
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        let last = content::check(&store, &round.to_string());
        assert!(
            last >= durable.unwrap_or(0),
            "{round}: told that {durable:?} is durable, {last} is the last"
        );
        assert!(last >= kept, "{round}: {kept} was there before, {last} is the last now");
        kept = last;
    }
    assert!(told >= ROUNDS - ROUNDS.div_ceil(5), "{told} writers of {ROUNDS} wrote");
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    check_kills(0);
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_other_moments() {
    check_kills(ROUNDS);
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_more_moments() {
    check_kills(2 * ROUNDS);
}

/// What appears in the directory, in this order, while a store is made.
const MADE: [&str; 8] = [
    "lock",
    "format",
    "high-water",
    "rows.new",
    "rows.new/0.jnl",
    "rows.new/version",
    "rows.new/keyspaces/4",
    "rows",
];

#[test]
fn a_store_whose_making_was_killed_is_made_anew() {
    for made in MADE {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("store");
        let start = Start { directory: &directory, in_flight: 1, interval_ms: None, variables: &[] };
        let mut writer = start.start();
        // Looked at from time to time: what is renamed may be gone again.
        let seen = |name: &str| directory.join(name).exists();
        eventually(Duration::from_secs(20), made, || seen(made) || seen("rows"));
        writer.process.kill().unwrap();
        writer.process.wait().unwrap();
        let store = FjallStore::open(&directory, Options::default(), |_| {})
            .unwrap_or_else(|error| panic!("{made}: {error}"));
        content::check(&store, made);
    }
}
