//! The process that writes to a store until it is killed, stopped or meets a fault.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use replica::{Store, Turn};
use store::{CommitNotice, Durability, FjallStore, Options};

use crate::content;

/// The variables by which a test starts its own binary as the writer: the store's directory, how many batches the
/// writer lets wait for the disk, and the interval of syncs, if there is to be one.
const DIRECTORY: &str = "STORE_WRITER_DIRECTORY";
const IN_FLIGHT: &str = "STORE_WRITER_IN_FLIGHT";
const INTERVAL: &str = "STORE_WRITER_INTERVAL_MS";

/// A line of the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A turn that the process's end leaves there.
    Written(u64),
    /// A turn that a power cut leaves there.
    Durable(u64),
    /// The first turn of a failure and what is known about it; and what was read after it.
    Failed { turn: u64, outcome: String, read: u64 },
}

/// Not a test but the process: does nothing unless it is started by one.
#[test]
fn writer() {
    let (Some(directory), Ok(in_flight)) = (std::env::var_os(DIRECTORY), std::env::var(IN_FLIGHT)) else {
        return;
    };
    let interval = std::env::var(INTERVAL).ok().map(|interval| interval.parse().unwrap());
    let durability = interval.map_or(Durability::Fsync, |interval_ms| Durability::Interval { interval_ms });
    let options = Options { durability, ..Options::default() };
    let (notices, received) = mpsc::channel();
    let on_notice = move |notice: CommitNotice| {
        match &notice {
            CommitNotice::Written(turn) => say(&format!("written {}", turn.0)),
            CommitNotice::Durable(turn) => say(&format!("durable {}", turn.0)),
            CommitNotice::Failed { .. } | CommitNotice::Room(_) => {}
        }
        notices.send(notice).unwrap();
    };
    let mut store = FjallStore::open(Path::new(&directory), options, on_notice).unwrap();
    let in_flight: u64 = in_flight.parse().unwrap();
    let mut told = content::last(&store);
    for turn in told + 1.. {
        let refused = store.submit(Turn(turn), content::batch(turn)).is_err();
        while refused || turn - told >= in_flight {
            match received.recv().unwrap() {
                CommitNotice::Written(turn) | CommitNotice::Durable(turn) => told = told.max(turn.0),
                CommitNotice::Room(_) => {}
                CommitNotice::Failed { turn, outcome, .. } => {
                    let read = content::check(&store, "after a failure");
                    // Also on a disk that works again: what a failed sync left unwritten it does not tell twice.
                    assert!(store.submit(turn, content::batch(turn.0)).is_err(), "{outcome:?}");
                    say(&format!("failed {} {outcome:?} {read}", turn.0));
                    return;
                }
            }
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n> {line}").and_then(|()| out.flush()).unwrap();
}

/// A writer that was started.
pub(crate) struct Writer {
    pub(crate) process: Child,
    lines: BufReader<ChildStdout>,
}

/// How a writer is started.
pub(crate) struct Start<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) in_flight: u64,
    pub(crate) interval_ms: Option<u32>,
    /// More variables.
    pub(crate) variables: &'a [(&'a str, String)],
}

impl Start<'_> {
    pub(crate) fn start(&self) -> Writer {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["writer::writer", "--exact", "--nocapture"])
            .env(DIRECTORY, self.directory)
            .env(IN_FLIGHT, self.in_flight.to_string())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(interval_ms) = self.interval_ms {
            command.env(INTERVAL, interval_ms.to_string());
        }
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Writer { process, lines }
    }
}

impl Writer {
    /// Waits until the test harness in the process says something: it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if !line.trim().is_empty() {
                return true;
            }
        }
        false
    }
}

impl Iterator for Writer {
    type Item = Line;

    /// The next line, until the process has ended and everything is read. A line cut off by a kill is none.
    fn next(&mut self) -> Option<Line> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            let whole = line.strip_suffix('\n').and_then(|line| line.strip_prefix("> "));
            if let Some(line) = whole.map(parsed) {
                return Some(line);
            }
            line.clear();
        }
        None
    }
}

fn parsed(line: &str) -> Line {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |place: usize| words[place].parse().unwrap();
    match words[0] {
        "written" => Line::Written(number(1)),
        "durable" => Line::Durable(number(1)),
        "failed" => Line::Failed { turn: number(1), outcome: words[2].into(), read: number(3) },
        other => panic!("the writer said {other}"),
    }
}
