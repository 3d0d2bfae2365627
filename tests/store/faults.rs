//! A disk that gives I/O errors.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use replica::{Store as _, Turn};
use store::{CommitNotice, FjallStore, Options};
use tests::faults::{self, Fault};

use crate::content;
use crate::writer::{Line, Start};

/// What fails, at which call on a file of rows, and how often: a kernel tells of a failed sync once, and the next one finds
/// nothing to write.
const FAULTS: [Fault; 13] = [
    Fault { call: "sync", when: 8, times: None },
    Fault { call: "sync", when: 60, times: None },
    Fault { call: "sync", when: 200, times: None },
    Fault { call: "sync", when: 9, times: Some(1) },
    Fault { call: "sync", when: 100, times: Some(1) },
    Fault { call: "write", when: 40, times: None },
    Fault { call: "write", when: 150, times: None },
    Fault { call: "write", when: 400, times: None },
    Fault { call: "write", when: 151, times: Some(1) },
    Fault { call: "short", when: 41, times: None },
    Fault { call: "short", when: 160, times: None },
    Fault { call: "short", when: 401, times: None },
    Fault { call: "short", when: 161, times: Some(2) },
];

#[test]
fn after_an_io_error_reads_go_on_and_the_outcome_is_told() {
    let temporary = tempfile::tempdir().unwrap();
    for fault in FAULTS {
        let directory = temporary.path().join(format!("{}-{}", fault.call, fault.when));
        // A store that is there already: the calls are those of writing, not of making it.
        drop(FjallStore::open(&directory, Options::default(), |_| {}).unwrap());
        let rows = directory.join("rows");
        let Some(variables) = faults::variables(temporary.path(), fault, &rows) else { return };
        check(&directory, &variables, &format!("{fault:?}"));
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
