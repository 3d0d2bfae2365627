//! The commands, as a person types them.

use serde_json::{Value, json};
use server::local::{CLIENTS_KEPT, CLIENTS_MAX};
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tests::process::{DEADLINE, Fleet, Process};
use tests::program::{path, run, run_well};
use tests::{eventually, eventually_async};

const ADDRESS: &str = "store-1/inventory/milk";

pub(crate) fn words<'a>(command: &'a str, data: &'a Path, rest: &[&'a str]) -> Vec<&'a str> {
    let mut words: Vec<&str> = command.split(' ').collect();
    words.extend(["--data", data.to_str().unwrap()]);
    words.extend(rest);
    words
}

#[test]
fn a_first_replica_is_made_served_written_and_read_by_commands_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (fleet, data) = (directory.path().join("fleet"), directory.path().join("site"));
    run_well(["identity", "authority", fleet.to_str().unwrap()]);
    run_well(words("identity issue store-1", &data, &["--authority", fleet.to_str().unwrap()]));
    std::fs::write(data.join("isle.toml"), "name = \"store-1\"\n[spaces]\nstore-1 = \"write\"\n").unwrap();
    let site = Process::start(data.clone());
    assert!(site.output().starts_with("store-1 is ready: dials from "), "{}", site.output());

    let written = run_well(words("doc put", &data, &[ADDRESS, r#"{"on_hand": 12, "shelf": "A3"}"#]));
    assert!(written.starts_with("written: change 1 of origin "), "{written}");
    run_well(words("doc increment", &data, &[ADDRESS, "/on_hand", "-3"]));
    let got: Value = serde_json::from_str(&run_well(words("doc get", &data, &[ADDRESS]))).unwrap();
    assert_eq!(got, json!({"on_hand": 9, "shelf": "A3"}));
    let listed = run_well(words("doc list", &data, &["store-1/inventory"]));
    assert_eq!(listed, "{\"key\":\"milk\",\"value\":{\"on_hand\":9,\"shelf\":\"A3\"}}\n");
    let status = run_well(words("status", &data, &[]));
    assert!(status.contains("store-1  read, write  2"), "{status}");
}

#[tokio::test]
async fn a_status_in_json_says_how_the_replica_and_its_peers_are() {
    let fleet = Fleet::new();
    let mut hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    site.add(ADDRESS, 1, None).await;
    hub.has_on_hand(ADDRESS, 1).await;
    eventually_async(DEADLINE, "the hub has confirmed the change", async || {
        site.status().await.peers[0].backlog_rows == 0
    })
    .await;
    hub.kill();
    site.add(ADDRESS, 1, None).await;
    let status = run_well(words("status", &site.data, &["--json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (&status["name"], &status["documents"], &status["head"]),
        (&json!("store-1"), &json!(1), &json!(2))
    );
    assert_eq!(status["origin"].as_str().unwrap().len(), 32);
    let spaces = json!([
        {"space": "catalog", "mode": "read", "changes": 0, "is_filling": false},
        {"space": "store-1", "mode": "write", "changes": 2, "is_filling": false},
    ]);
    assert_eq!(status["spaces"], spaces);
    assert_eq!(
        (&status["peers"][0]["peer"], &status["peers"][0]["backlog_rows"]),
        (&json!("hub"), &json!(1))
    );
    assert!(status["peers"][0]["lag_ms"].is_u64() && status["peers"][0]["connected"].is_boolean());
}

#[track_caller]
pub(crate) fn fails(words: &[&str], code: i32, parts: &[&str]) {
    let output = run(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    for part in parts {
        assert!(errors.contains(part), "'{part}' is not in: {errors}");
    }
}

#[test]
fn a_failure_says_what_to_do_and_has_its_exit_code() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &tests::process::site_config("store-1", "127.0.0.1:9"));
    fails(&words("doc get", &data, &[ADDRESS]), 4, &["no server is running", "isle serve --data"]);
    fails(&words("doc get", &data, &["milk"]), 2, &["space/collection/key"]);
    let _site = Process::start(data.clone());
    fails(
        &words("doc get", &data, &[ADDRESS]),
        1,
        &["there is no document store-1/inventory/milk", "isle doc list"],
    );
    fails(&words("doc put", &data, &[ADDRESS, "{"]), 1, &["JSON does not fit"]);
    fails(&words("doc put", &data, &["catalog/product/milk", "{}"]), 1, &["read-only", "hint"]);
    fails(&words("doc increment", &data, &[ADDRESS, "/shelf", "1"]), 1, &["/shelf is no counter"]);
}

#[test]
fn a_write_that_the_hub_has_not_in_time_is_told_from_one_that_it_has() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &tests::process::site_config("store-1", "127.0.0.1:9"));
    let _site = Process::start(data.clone());
    let wait = ["--wait", "hub", "--within", "1ms"];
    let write = [&[ADDRESS, r#"{"shelf": "A3"}"#][..], &wait].concat();
    let said = ["stored here and not yet at the hub", "would count twice", "isle status"];
    fails(&words("doc put", &data, &write), 5, &said);
    assert!(run_well(words("doc get", &data, &[ADDRESS])).contains("A3"), "it stands");
    assert_eq!(run_well(words("doc put", &data, &write)), "unchanged: the document was so already\n");
    // The same write under its name waits again, and counts once.
    let sale = [&[ADDRESS, "/on_hand", "-1", "--idempotency-key", "till-3"][..], &wait].concat();
    for _ in 0..2 {
        fails(&words("doc increment", &data, &sale), 5, &said);
    }
    assert!(run_well(words("doc get", &data, &[ADDRESS])).contains("\"on_hand\": -1"));
}

#[test]
fn a_configuration_is_refused_with_file_line_and_key() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", "name = \"store-1\"\nlisen = \"127.0.0.1:7401\"\n[spaces]\n");
    fails(&words("serve", &data, &[]), 1, &["isle.toml:2:", "lisen", "did you mean 'listen'?"]);
}

/// A process that is stopped keeps its socket and answers nothing.
#[test]
fn a_server_that_is_stopped_is_waited_for_no_longer_than_it_may_take() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    run_well(words("doc put", &site.data, &[ADDRESS, r#"{"on_hand": 12}"#]));
    site.signal("STOP");
    let silent = ["has not answered within", "its process is stopped", "hint: ", "isle doctor"];
    fails(&words("status", &site.data, &[]), 4, &silent);
    fails(&words("doc get", &site.data, &[ADDRESS]), 4, &silent);
    let sale = words("doc increment", &site.data, &[ADDRESS, "/on_hand", "-1"]);
    fails(&sale, 3, &["has not answered within", "whether it was written is unknown", "--idempotency-key"]);
    let output = run(words("doctor", &site.data, &[]));
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{found}");
    // It goes on past it.
    for part in ["FAIL  server", "has not answered within 5 s", "kill -CONT", "ok    clock", "peer hub"] {
        assert!(found.contains(part), "'{part}' is not in: {found}");
    }
    site.signal("CONT");
    // What it was asked meanwhile it has taken.
    eventually(DEADLINE, "the sale is there", || {
        run_well(words("doc get", &site.data, &[ADDRESS])).contains("\"on_hand\": 11")
    });
}

/// A command of these words, with its output on a full disk, or where a reader has ended.
fn unread(words: &[&str], is_full: bool) -> Output {
    let stdout = if is_full {
        Stdio::from(File::options().write(true).open("/dev/full").unwrap())
    } else {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    Command::new(path()).args(words).stdin(Stdio::null()).stdout(stdout).output().unwrap()
}

#[test]
fn a_write_whose_answer_nobody_takes_is_not_told_as_not_done() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    let sale = words("doc increment", &site.data, &[ADDRESS, "/on_hand", "-2"]);
    let output = unread(&sale, true);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    for part in ["standard output does not take the answer", "is done", "No space left", "hint: see to where"]
    {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    assert!(!said.contains("disk of the data directory"), "{said}");
    assert!(run_well(words("doc get", &site.data, &[ADDRESS])).contains("\"on_hand\": -2"));
}

/// As `| head` does.
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    run_well(words("doc put", &site.data, &[ADDRESS, r#"{"on_hand": 12}"#]));
    let place = "store-1/inventory";
    for words in [
        words("export", &site.data, &[place]),
        words("export", &site.data, &[place, "--format", "csv"]),
        words("query", &site.data, &[place]),
        words("watch", &site.data, &[place]),
        words("doc list", &site.data, &[place]),
        words("status", &site.data, &[]),
        vec!["completions", "bash"],
    ] {
        let output = unread(&words, false);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{words:?}");
    }
}

/// Services that connect and never end do not lock the operator out.
#[test]
fn an_operator_gets_in_where_idle_connections_have_all_places() {
    let fleet = Fleet::new();
    let site = fleet.site("store-1", "127.0.0.1:9");
    let status = words("status", &site.data, &[]);
    let connect = || UnixStream::connect(site.data.join("isle.sock")).unwrap();
    let mut idle: Vec<_> = (0..CLIENTS_MAX).map(|_| connect()).collect();
    for _ in 0..3 {
        run_well(&status);
    }
    // Those that are kept are taken, too: it is told so, and gets in as soon as they are closed.
    idle.extend((0..CLIENTS_KEPT).map(|_| connect()));
    eventually(DEADLINE, "no place is left, also by who was let in before", || {
        let is_refused = !run(&status).status.success();
        if !is_refused {
            idle.push(connect());
        }
        is_refused
    });
    fails(&status, 1, &["all 72 local connections are taken", "hint: "]);
    eventually(DEADLINE, "the operator gets in", || run(&status).status.success());
}
