//! Commands where no server runs: they open the replica themselves.

use crate::command::{fails, words};
use crate::enrolment::{Hub, MILK as STOCK};
use serde_json::{Value, json};
use server::data_directory::DataDirectory;
use std::fs;
use tests::process::{DEADLINE, Fleet, Process, site_config, spawn};
use tests::program::{run, run_well};
use tests::{eventually, eventually_async};

const MILK: &str = "store-1/inventory/milk";
const NOBODY: &str = "127.0.0.1:9";

#[tokio::test]
async fn a_stopped_replica_is_read_and_written_by_commands() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", NOBODY));
    // Nothing is made by who only asks.
    fails(&words("doc get", &data, &[MILK]), 4, &["no server is running", "isle serve --data"]);
    fails(&words("status", &data, &[]), 4, &["no server is running"]);
    assert!(!data.join("store").exists());
    let mut site = Process::start(data.clone());
    site.add(MILK, 3, None).await;
    site.kill();

    let read = run(words("doc get", &data, &[MILK]));
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&read.stdout).unwrap(), json!({"on_hand": 3}));
    let written = run_well(words("doc increment", &data, &[MILK, "/on_hand", "-1"]));
    assert!(written.starts_with("written: change 2 of origin "), "{written}");
    let listed = run_well(words("doc list", &data, &["store-1/inventory"]));
    assert_eq!(listed, "{\"key\":\"milk\",\"value\":{\"on_hand\":2}}\n");
    assert_eq!(run_well(words("query", &data, &["store-1/inventory", "--where", "/on_hand<3"])), listed);
    assert_eq!(run_well(words("doc history", &data, &[MILK, "--json"])).lines().count(), 2);
    assert_eq!(run_well(words("doc conflicts", &data, &[MILK])), "no conflicts\n");
    assert_eq!(run_well(words("blocked list", &data, &[])), "no document is blocked\n");
    let status = run_well(words("status", &data, &[]));
    assert!(status.contains("none: no server is running") && status.contains("1, "), "{status}");
    fails(&words("doc get", &data, &["other/inventory/milk"]), 1, &["does not carry", "isle status"]);
    fails(&words("doc put", &data, &["catalog/product/milk", "{}"]), 1, &["read-only"]);
    // What needs a server says so.
    fails(&words("watch", &data, &["store-1"]), 4, &["isle serve --data"]);
    let sale = [MILK, "/on_hand", "-1", "--wait", "hub"];
    fails(&words("doc increment", &data, &sale), 4, &["isle serve --data"]);

    let site = site.restart();
    site.has_on_hand(MILK, 2).await;
}

#[test]
fn one_process_at_a_time_has_a_replica() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", NOBODY));
    drop(Process::start(data.clone()));
    let lock = DataDirectory::new(&data).lock().unwrap();
    fails(&words("doc get", &data, &[MILK]), 4, &["another command works on it", "try again"]);
    // A server waits for a command to end.
    let mut server = spawn(&data);
    eventually(DEADLINE, "it is at the lock", || {
        server.try_wait().unwrap().is_none()
            && fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count() > 2
    });
    drop(lock);
    eventually(DEADLINE, "the server is ready", || {
        assert!(server.try_wait().unwrap().is_none(), "{}", fs::read_to_string(data.join("log")).unwrap());
        fs::read_to_string(data.join("output")).unwrap().contains(" is ready: ")
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

/// What a hub's book says and its store does not, because that is an older copy, is written though a command opened the
/// store first.
#[tokio::test]
async fn a_restored_hub_that_a_command_looked_into_lets_its_sites_in() {
    let hub = Hub::new();
    let backup = hub.path("backup");
    drop(hub.start());
    run_well(words("backup", &hub.data(), &[backup.to_str().unwrap()]));
    let mut running = hub.start();
    let site = hub.joined("site");
    site.add(STOCK, 3, None).await;
    running.has_on_hand(STOCK, 3).await;
    running.kill();
    fs::remove_dir_all(hub.data().join("store")).unwrap();
    run_well(words("restore", &hub.data(), &[backup.to_str().unwrap()]));
    assert!(run_well(words("rights list", &hub.data(), &[])).contains("not written yet"));
    assert!(run_well(words("status", &hub.data(), &[])).contains("renewed by hub\n"));
    let running = running.restart();
    let key = hub.sites()[0]["public_key"].as_str().unwrap().to_owned();
    eventually_async(DEADLINE, "the rights are written", async || {
        running.get(&format!("system/access/{key}")).await.is_some()
    })
    .await;
    running.has_on_hand(STOCK, 3).await;
}
