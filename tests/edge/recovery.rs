//! Stores that are backed up, restored, too old, damaged: nothing that was acknowledged and has reached a peer is lost,
//! and no origin is used twice.

use crate::command::{fails, words};
use std::fs;
use std::path::Path;
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

    // The change's bytes, in the journal of the store: its checksum contradicts them from here on.
    let rows = site.data.join("store/rows");
    let journals = fs::read_dir(&rows).unwrap().map(|entry| entry.unwrap().path());
    let journals = journals.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    for path in journals {
        let mut bytes = fs::read(&path).unwrap();
        let places: Vec<usize> =
            (0..bytes.len() - 7).filter(|at| &bytes[*at..*at + 7] == b"on_hand").collect();
        places.into_iter().for_each(|at| bytes[at] ^= 1);
        fs::write(&path, bytes).unwrap();
    }
    fails(&words("serve", &site.data, &[]), 1, &["damaged"]);
    let repaired = run_well(words("repair", &site.data, &[]));
    assert!(repaired.contains("rows.damaged-1"), "{repaired}");
    is_whole(&site.restart(), &hub, 5).await;
}
