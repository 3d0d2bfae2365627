//! A disk that gives I/O errors.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use replica::{Store as _, Turn};
use store::{CommitNotice, FjallStore, Options};
use tests::faults;

use crate::content;
use crate::writer::{Line, Start};

/// What fails, and at which call on a file of rows.
const FAULTS: [(&str, u64); 9] = [
    ("sync", 8),
    ("sync", 60),
    ("sync", 200),
    ("write", 40),
    ("write", 150),
    ("write", 400),
    ("short", 41),
    ("short", 160),
    ("short", 401),
];

#[test]
fn after_an_io_error_reads_go_on_and_the_outcome_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    for (call, when) in FAULTS {
        let directory = temporary.path().join(format!("{call}-{when}"));
        // A store that is there already: the calls are those of writing, not of making it.
        drop(FjallStore::open(&directory, Options::default(), |_| {}).unwrap());
        let rows = directory.join("rows");
        let Some(variables) = faults::variables(temporary.path(), (call, when), &rows) else { return };
        check(&directory, &variables, &format!("{call} {when}"));
    }
}

#[track_caller]
fn check(directory: &Path, variables: &[(&str, String)], context: &str) {
    let mut writer = Start { directory, in_flight: 16, interval_ms: None, variables }.start();
    let lines: Vec<Line> = writer.by_ref().collect();
    assert!(writer.process.wait().unwrap().success(), "{context}");
    let durable = lines.iter().rev().find_map(|line| match line {
        Line::Durable(turn) => Some(*turn),
        Line::Written(_) | Line::Failed { .. } => None,
    });
    let durable = durable.unwrap_or(0);
    let Some(Line::Failed { turn, outcome, read }) = lines.last() else {
        panic!("{context}: {:?}", lines.last())
    };
    assert_eq!(*turn, durable + 1, "{context}: the first turn that is not durable");
    assert_eq!(*read, durable, "{context}: what is read after the failure");

    let (notices, received) = mpsc::channel();
    let on_notice = move |notice| drop(notices.send(notice));
    let mut store = FjallStore::open(directory, Options::default(), on_notice)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let last = content::check(&store, context);
    assert!(last >= durable, "{context}: {durable} was durable, {last} is there");
    if outcome == "NotWritten" {
        assert_eq!(last, durable, "{context}: said not to be written");
    }
    println!("{context}: {durable} durable, then {outcome}, {} more there", last - durable);
    store.submit(Turn(last + 1), content::batch(last + 1)).unwrap();
    let notice = received.recv_timeout(Duration::from_secs(20));
    assert_eq!(notice, Ok(CommitNotice::Durable(Turn(last + 1))), "{context}");
}
