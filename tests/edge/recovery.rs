//! Stores that are backed up, restored, too old, damaged: nothing that was acknowledged and has reached a peer is lost,
//! and no origin is used twice.

use crate::command::{fails, words};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::process::{Fleet, Process};
use tests::program::run_well;

const ADDRESS: &str = "store-1/inventory/milk";

pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// A hub and a site that both have five on hand.
async fn stocked(fleet: &Fleet) -> (Process, Process) {
    let hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    site.add(ADDRESS, 5, None).await;
    hub.has_on_hand(ADDRESS, 5).await;
    (hub, site)
}

/// What the site wrote is back, and what it writes from here on counts once more.
async fn is_whole(site: &Process, hub: &Process, on_hand: i64) {
    site.has_on_hand(ADDRESS, on_hand).await;
    site.add(ADDRESS, 1, None).await;
    hub.has_on_hand(ADDRESS, on_hand + 1).await;
}

#[tokio::test]
async fn a_backup_made_while_it_runs_is_restored_and_the_rest_comes_from_the_hub() {
    let fleet = Fleet::new();
    let (hub, mut site) = stocked(&fleet).await;
    let backup = site.data.join("../backup");
    let backup = backup.to_str().unwrap();
    let made = run_well(words("backup", &site.data, &[backup]));
    assert!(made.contains("rows"), "{made}");
    fails(&words("backup", &site.data, &[backup]), 1, &["not empty"]);
    for (path, mode) in [("", 0o700), ("documents.rows", 0o600)] {
        let found = fs::metadata(Path::new(backup).join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "customers' values are for their owner alone: {path}");
    }
    site.add(ADDRESS, 2, None).await;
    hub.has_on_hand(ADDRESS, 7).await;
    let origin = site.status().await.origin;
    fails(&words("restore", &site.data, &[backup]), 1, &["another server is running"]);
    site.kill();
    fails(&words("restore", &site.data, &[backup]), 1, &["rows"]);
    fs::remove_dir_all(site.data.join("store")).unwrap();
    run_well(words("restore", &site.data, &[backup]));
    let site = site.restart();
    assert_ne!(site.status().await.origin, origin, "an origin is never used twice");
    is_whole(&site, &hub, 7).await;
}

#[tokio::test]
async fn rows_that_are_too_old_are_noticed_and_filled_up_under_a_new_origin() {
    let fleet = Fleet::new();
    let (hub, mut site) = stocked(&fleet).await;
    site.kill();
    let old = site.data.join("old");
    copy(&site.data.join("store/rows"), &old);
    let mut site = site.restart();
    site.add(ADDRESS, 2, None).await;
    hub.has_on_hand(ADDRESS, 7).await;
    let origin = site.status().await.origin;
    site.kill();
    fs::remove_dir_all(site.data.join("store/rows")).unwrap();
    copy(&old, &site.data.join("store/rows"));
    let site = site.restart();
    site.logs(&["ERROR", "new origin"]);
    assert_ne!(site.status().await.origin, origin, "an origin is never used twice");
    is_whole(&site, &hub, 7).await;
}

#[tokio::test]
async fn a_damaged_store_is_set_aside_and_filled_by_the_hub() {
    let fleet = Fleet::new();
    let (hub, mut site) = stocked(&fleet).await;
    site.kill();
    let verified = run_well(words("verify", &site.data, &[]));
    assert!(verified.contains("whole") && verified.contains("chain holds"), "{verified}");
    assert!(run_well(words("repair", &site.data, &[])).contains("nothing to repair"));

    // What says which tables there are.
    let list = site.data.join("store/rows/keyspaces/1/current");
    let bytes = fs::read(&list).unwrap().len();
    fs::write(&list, vec![0xAA; bytes]).unwrap();
    fails(&words("serve", &site.data, &[]), 1, &["damaged"]);
    let repaired = run_well(words("repair", &site.data, &[]));
    assert!(repaired.contains("rows.damaged-1"), "{repaired}");
    is_whole(&site.restart(), &hub, 5).await;
}

/// A text that cannot be compressed.
fn long_text(seed: u32) -> String {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(Some(seed.wrapping_mul(0x9e37_79b9)), next).skip(8);
    let alphabet: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(['-', '_']).collect();
    states.take(60_000).map(|state| alphabet[usize::try_from(state >> 26).unwrap()]).collect()
}

/// The tables of a store: what is written is there when its memtable was full.
fn tables(data: &Path) -> Vec<PathBuf> {
    let (mut tables, mut left) = (Vec::new(), vec![data.join("store/rows/keyspaces")]);
    while let Some(directory) = left.pop() {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        left.extend(directories);
        tables.extend(files);
    }
    tables
}

#[tokio::test]
async fn a_damaged_block_of_a_table_costs_nothing_and_is_repaired() {
    const NOTES: u32 = 120;
    const HIT: u32 = 5;
    let note = |number| format!("store-1/note/{number}");
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let mut site = fleet.site("store-1", &hub.status().await.address);
    for number in 0..NOTES {
        site.put(&note(number), json!({ "text": long_text(number) })).await;
    }
    hub.has(&note(NOTES - 1), json!({ "text": long_text(NOTES - 1) })).await;
    site.kill();
    // The end of its value, as JSON: its change has no quote there.
    let part = [&long_text(HIT)[59_988..], "\"}"].concat();
    let mut hits = 0;
    for path in tables(&site.data) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(part.len()).position(|window| window == part.as_bytes()) {
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            hits += 1;
        }
    }
    assert!(hits > 0, "the value is in a table");

    let mut site = site.restart();
    let found = run_well(words("query", &site.data, &["store-1/note", "--fields", "/none"]));
    assert_eq!(found.lines().count(), usize::try_from(NOTES).unwrap(), "{found}");
    site.logs(&["WARN", "a stored value could not be read and was made again", &note(HIT)]);
    for number in [0, HIT, HIT + 1, NOTES - 1] {
        assert_eq!(site.get(&note(number)).await, Some(json!({ "text": long_text(number) })));
    }
    site.put(&note(NOTES), json!({"text": "x"})).await;
    hub.has(&note(NOTES), json!({"text": "x"})).await;
    assert!(!site.log().contains("the store failed"), "nothing else is hit");
    site.kill();

    fails(&words("verify", &site.data, &[]), 1, &["damaged"]);
    assert!(run_well(words("repair", &site.data, &[])).contains("rows.damaged-1"));
    let site = site.restart();
    site.has(&note(HIT), json!({ "text": long_text(HIT) })).await;
}
