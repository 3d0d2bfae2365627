//! A process that writes to a store is killed, again and again; what it had been told to be durable must be there.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use replica::{Store, Turn};
use store::{CommitNotice, FjallStore};
use tests::eventually;

use crate::content;

const ROUNDS: u64 = 20;
/// Most notices that are waited for before the kill.
const NOTICES_MAX: u64 = 40;
/// The variables by which the test starts itself as the writer: the store's directory, and how many batches the
/// writer lets wait for the disk.
const DIRECTORY: &str = "STORE_WRITER_DIRECTORY";
const IN_FLIGHT: &str = "STORE_WRITER_IN_FLIGHT";
/// What precedes a turn in a line of the writer.
const DURABLE: &str = "durable ";

/// Not a test but the process that is killed: does nothing unless it is started by one.
#[test]
fn writer() {
    let (Some(directory), Ok(in_flight)) = (std::env::var_os(DIRECTORY), std::env::var(IN_FLIGHT)) else {
        return;
    };
    let (notices, received) = mpsc::channel();
    let on_commit = move |notice| match notice {
        CommitNotice::Durable(turn) => {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{DURABLE}{}", turn.0).and_then(|()| out.flush()).unwrap();
            notices.send(turn).unwrap();
        }
        CommitNotice::Failed { turn, error } => panic!("turn {} failed: {error}", turn.0),
    };
    let mut store = FjallStore::open(Path::new(&directory), on_commit).unwrap();
    let in_flight: u64 = in_flight.parse().unwrap();
    let mut durable = content::last(&store);
    for turn in durable + 1.. {
        store.submit(Turn(turn), content::batch(turn)).unwrap();
        while turn - durable >= in_flight {
            durable = received.recv().unwrap().0;
        }
    }
}

/// Starts this test binary as the writer.
fn start(directory: &Path, in_flight: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["killed::writer", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(IN_FLIGHT, in_flight.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One life of the writer, all of it chosen by the round's number.
struct Round {
    number: u64,
    in_flight: u64,
    notices: u64,
}

impl Round {
    fn new(number: u64) -> Self {
        let seed = content::scrambled(number);
        let in_flight = [1, 8, 64, 256][(seed % 4) as usize];
        // Every fifth writer is killed while it opens the store.
        let notices = if number.is_multiple_of(5) { 0 } else { 1 + (seed >> 8) % NOTICES_MAX };
        Self { number, in_flight, notices }
    }

    /// Runs a writer and kills it. Returns the last turn that it was told to be durable, if any.
    fn run(&self, directory: &Path) -> Option<u64> {
        let mut writer = start(directory, self.in_flight);
        let mut told = Told { lines: BufReader::new(writer.stdout.take().unwrap()) };
        assert!(told.line().is_some(), "{self}: the writer did not start");
        let mut last = None;
        for _ in 0..self.notices {
            let turn = told.next();
            assert!(turn.is_some(), "{self}: the writer ended by itself: {:?}", writer.wait());
            last = turn;
        }
        writer.kill().unwrap();
        let ended = writer.wait().unwrap();
        assert_eq!(ended.signal(), Some(9), "{self}: the writer ended by itself: {ended}");
        // What it printed before it died counts as well.
        told.last().or(last)
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { number, in_flight, notices } = self;
        write!(f, "round {number} ({in_flight} in flight, killed after notice {notices})")
    }
}

/// The turns in the writer's lines. A line cut off by the kill is none.
struct Told {
    lines: BufReader<ChildStdout>,
}

impl Told {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            match line.trim() {
                "" => line.clear(),
                _ => return Some(line),
            }
        }
        None
    }
}

impl Iterator for Told {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        // The test harness writes to the same pipe, also before the first turn in its line.
        let turn = |line: &str| Some(line.strip_suffix('\n')?.split_once(DURABLE)?.1.parse().unwrap());
        std::iter::from_fn(|| self.line()).find_map(|line| turn(&line))
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_no_batch_is_torn() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("store");
    let mut kept = 0;
    let mut told = 0;
    for number in 0..ROUNDS {
        let round = Round::new(number);
        let durable = round.run(&directory);
        told += u64::from(durable.is_some());
        let store = FjallStore::open(&directory, |_| {}).unwrap_or_else(|error| panic!("{round}: {error}"));
        let last = content::check(&store, &round.to_string());
        assert!(
            last >= durable.unwrap_or(0),
            "{round}: told that {durable:?} is durable, {last} is the last"
        );
        assert!(last >= kept, "{round}: {kept} was there before, {last} is the last now");
        kept = last;
    }
    assert!(told >= ROUNDS - ROUNDS / 5, "{told} writers of {ROUNDS} wrote");
}

/// What appears in the directory, in this order, while a store is made.
const MADE: [&str; 7] =
    ["lock", "format", "rows.new", "rows.new/0.jnl", "rows.new/version", "rows.new/keyspaces/4", "rows"];

#[test]
fn a_store_whose_making_was_killed_is_made_anew() {
    for made in MADE {
        let temporary = tempfile::tempdir().unwrap();
        let directory = temporary.path().join("store");
        let mut writer = start(&directory, 1);
        // Looked at from time to time: what is renamed may be gone again.
        let seen = |name: &str| directory.join(name).exists();
        eventually(Duration::from_secs(20), made, || seen(made) || seen("rows"));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let store = FjallStore::open(&directory, |_| {}).unwrap_or_else(|error| panic!("{made}: {error}"));
        content::check(&store, made);
    }
}
