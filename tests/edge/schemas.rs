//! Schemas are seen, checked and given by commands.

use crate::command::{fails, words};
use crate::enrolment::Hub;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tests::eventually;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program::{run, run_well};
use tests::repository_root;

/// The program's schema of inventories, changed.
fn inventory(directory: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let text = fs::read_to_string(repository_root().join("schemas/collections/inventory.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    change(&mut schema);
    let path = directory.join("inventory.json");
    fs::write(&path, serde_json::to_string_pretty(&schema).unwrap()).unwrap();
    path
}

fn next(schema: &mut Value) {
    schema["x-version"] = json!(2);
    schema["properties"]["aisle"] = json!({"type": "string"});
    schema["properties"]["price_override"]["minimum"] = json!(-1);
}

fn tightened(schema: &mut Value) {
    schema["x-version"] = json!(3);
    schema["properties"]["shelf"]["maxLength"] = json!(1);
}

/// Version and origin of the schema of inventories.
fn in_force(data: &Path) -> (u64, String) {
    let listed = run_well(words("schema list", data, &["--json"]));
    let mut schemas = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let inventory = schemas.find(|schema| schema["collection"] == json!("inventory")).unwrap();
    (inventory["version"].as_u64().unwrap(), inventory["from"].as_str().unwrap().to_owned())
}

#[track_caller]
fn check(file: &Path, more: &[&str]) -> String {
    run_well([&["schema", "check", file.to_str().unwrap()], more].concat())
}

#[test]
fn a_schema_is_checked_without_any_replica() {
    let directory = tempfile::tempdir().unwrap();
    let own = repository_root().join("schemas/collections/inventory.json");
    assert!(check(&own, &[]).contains("version 1 of inventory is in force (from: program)"));
    let said = check(&inventory(directory.path(), next), &[]);
    for part in [
        "version 2 of inventory may follow version 1",
        "+ /properties/aisle: {\"type\":\"string\"}",
        "~ /properties/price_override/minimum: 0 -> -1",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(check(&own, &["--collection", "till"]).contains("has no schema yet"));
    let path = inventory(directory.path(), tightened);
    fails(
        &["schema", "check", path.to_str().unwrap()],
        1,
        &["inventory.json", "/properties/shelf/maxLength", "loosen it"],
    );
    let path = inventory(directory.path(), |schema| schema["properties"]["on_hand"]["type"] = json!("text"));
    fails(&["schema", "check", path.to_str().unwrap()], 1, &["/properties/on_hand/type"]);
    fs::write(&path, "{\n  x").unwrap();
    fails(&["schema", "check", path.to_str().unwrap()], 1, &["line 2, column 3"]);
}

#[test]
fn schemas_of_a_data_directory_are_listed_as_such() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    fs::create_dir(data.join("schemas")).unwrap();
    inventory(&data.join("schemas"), next);
    let site = Process::start(data.clone());
    assert_eq!(in_force(&data), (2, "data_directory".to_owned()));
    let table = run_well(words("schema list", &data, &[]));
    assert!(table.contains("inventory   2        data directory\nnote        1        program\n"), "{table}");
    drop(site);
    assert_eq!(in_force(&data), (2, "data_directory".to_owned()), "and without a server");
    let file = inventory(fleet.directory.path(), tightened);
    let check = ["schema", "check", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    fails(&check, 1, &["lacks", "/properties/aisle"]);
    let add = [file.to_str().unwrap()];
    fails(&words("schema add", &data, &add), 1, &["authority", "schemas/COLLECTION.json"]);
}

#[tokio::test]
async fn a_schema_that_the_hub_gives_is_at_every_site() {
    let hub = Hub::new();
    let mut running = hub.start();
    let site = hub.joined("site");
    let file = inventory(hub.data().parent().unwrap(), next);
    let add = [file.to_str().unwrap()];
    fails(
        &words("schema add", &site.data, &add),
        1,
        &["the replica of the settings' authority", "at the hub"],
    );
    let said = run_well(words("schema add", &hub.data(), &add));
    assert!(said.contains("version 2 of inventory is in force here"), "{said}");
    assert!(run_well(words("schema add", &hub.data(), &add)).starts_with("unchanged: "));
    eventually(DEADLINE, "the site has it", || in_force(&site.data) == (2, "system".to_owned()));
    let put = r#"{"price_override": -1, "aisle": "A"}"#;
    run_well(words("doc put", &site.data, &["store-1/inventory/milk", put]));

    let file = inventory(hub.data().parent().unwrap(), tightened);
    let refused = run(words("schema add", &hub.data(), &[file.to_str().unwrap()]));
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("lacks at '/properties/aisle'"), "{refused}");
    let check = ["schema", "check", file.to_str().unwrap(), "--data", site.data.to_str().unwrap()];
    fails(&check, 1, &["/properties/aisle"]);
    // Where the hub does not run, it is given all the same, and travels later.
    running.kill();
    let file = inventory(hub.data().parent().unwrap(), |schema| {
        next(schema);
        schema["x-version"] = json!(3);
    });
    run_well(words("schema add", &hub.data(), &[file.to_str().unwrap()]));
    assert_eq!(in_force(&site.data).0, 2);
    let _running = running.restart();
    eventually(DEADLINE, "the site has it", || in_force(&site.data).0 == 3);
}
