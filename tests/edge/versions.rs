//! Stores and backups that each release left, in `stores/VERSION`: this one opens them, and they replicate.
//!
//! A release adds its own: a directory with `store`, `backup`, the `incarnation` and `documents.json`, which says what a
//! reader finds.

use super::recovery::copy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tests::process::{Fleet, Process, hub_config, site_config};
use tests::{program, repository_root};

fn releases() -> Vec<PathBuf> {
    let stores = repository_root().join("tests/edge/stores");
    let mut releases: Vec<_> = fs::read_dir(stores).unwrap().map(|entry| entry.unwrap().path()).collect();
    releases.sort();
    releases
}

fn documents(release: &Path) -> BTreeMap<String, Option<Value>> {
    serde_json::from_slice(&fs::read(release.join("documents.json")).unwrap()).unwrap()
}

/// The site has a new key here, so what it wrote under its old one is somebody else's.
fn hub(fleet: &Fleet) -> Process {
    let config = hub_config();
    fleet.start("hub", &config.replace("[peers.store-1]\n", "[peers.store-1]\nrelay = true\n"))
}

/// The site has what the release wrote, goes on writing, and a hub gets all of it.
async fn check(release: &Path, site: &Process, hub: &Process) {
    let documents = documents(release);
    for (address, expected) in &documents {
        assert_eq!(site.get(address).await, *expected, "{address} of {}", release.display());
    }
    site.put("store-1/note/new", json!({ "text": "written by this version" })).await;
    hub.has("store-1/note/new", json!({ "text": "written by this version" })).await;
    for (address, expected) in documents {
        assert_eq!(hub.get(&address).await, expected, "{address} at the hub");
    }
}

#[tokio::test]
async fn a_store_of_each_release_is_opened_and_replicates() {
    for release in releases() {
        let fleet = Fleet::new();
        let hub = hub(&fleet);
        let site = fleet.prepare("store-1", &site_config("store-1", &hub.status().await.address));
        copy(&release.join("store"), &site.join("store"));
        // A repository keeps no empty directories.
        for keyspace in fs::read_dir(site.join("store/rows/keyspaces")).unwrap() {
            fs::create_dir_all(keyspace.unwrap().path().join("tables")).unwrap();
        }
        fs::copy(release.join("incarnation"), site.join("identity/incarnation")).unwrap();
        check(&release, &Process::start(site), &hub).await;
    }
}

#[tokio::test]
async fn a_backup_of_each_release_is_restored() {
    for release in releases() {
        let fleet = Fleet::new();
        let hub = hub(&fleet);
        let site = fleet.prepare("store-1", &site_config("store-1", &hub.status().await.address));
        program::run_well([
            "restore",
            "--data",
            site.to_str().unwrap(),
            release.join("backup").to_str().unwrap(),
        ]);
        check(&release, &Process::start(site), &hub).await;
    }
}
