//! What commands tell programs: with --json one JSON object, or one a line.

use crate::command::words;
use crate::enrolment::{Hub, SPACES};
use serde_json::{Value, json};
use std::path::Path;
use tests::process::Process;
use tests::program::run_well;

const MILK: &str = "store-1/inventory/milk";

/// The lines that a command answers with; every one is a JSON object.
#[track_caller]
fn ask(command: &str, data: &Path, rest: &[&str]) -> Vec<Value> {
    let text = run_well(words(command, data, &[rest, &["--json"]].concat()));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(Value::is_object), "{text}");
    lines
}

/// The one line.
#[track_caller]
fn one(command: &str, data: &Path, rest: &[&str]) -> Value {
    let lines = ask(command, data, rest);
    assert_eq!(lines.len(), 1, "{command}: {lines:?}");
    lines[0].clone()
}

#[test]
fn every_command_answers_a_program_in_json() {
    let hub = Hub::new();
    let (data, site) = (hub.data(), hub.path("site"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (fleet, other) = (text(&hub.path("fleet")), hub.path("other"));
    let made = run_well(["identity", "authority", &fleet, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&made).unwrap()["name"], json!("fleet"));
    assert_eq!(one("identity issue", &other, &["a", "--authority", &fleet])["name"], json!("a"));
    let third = hub.path("third");
    assert_eq!(one("hub init", &third, &["--address", "127.0.0.1:9"])["address"], json!("127.0.0.1:9"));

    let running = hub.start();
    let invited = one("hub invite", &data, &["store-1", "--spaces", SPACES]);
    let joined = one("join", &site, &[invited["token"].as_str().unwrap()]);
    assert_eq!((&joined["hub"], &joined["config"]), (&json!("hub"), &json!("written")));
    assert_eq!(one("hub sites", &data, &[])["state"], json!("joined"));
    assert_eq!(one("rights list", &data, &[])["spaces"]["catalog"], json!(["read"]));
    assert_eq!(one("rights show", &data, &["store-1"])["state"], json!("in_force"));
    assert_eq!(one("rights set", &data, &["store-1", "--spaces", SPACES])["is_written"], json!(true));
    assert!(ask("schema list", &data, &[]).len() >= 5);

    let serving = Process::start(site.clone());
    assert_eq!(one("status", &site, &[])["name"], json!("store-1"));
    let put = one("doc put", &site, &[MILK, r#"{"on_hand": 3}"#]);
    assert_eq!((&put["stamp"]["sequence"], &put["hub"]), (&json!(1), &json!(null)));
    let waited = [MILK, "/on_hand", "1", "--wait", "hub", "--within", "30s"];
    let waited = one("doc increment", &site, &waited);
    assert_eq!((&waited["hub"], waited["heads"].as_array().unwrap().len()), (&json!(true), 1));
    let unchanged = one("doc patch", &site, &[MILK, r#"{"on_hand": 4}"#]);
    assert_eq!(unchanged, json!({"stamp": null, "heads": null, "hub": null}));
    assert_eq!(one("doc get", &site, &[MILK]), json!({"value": {"on_hand": 4}, "heads": waited["heads"]}));
    let rights = ["till-3", "--space", "store-1", "--rights", "read"];
    let token = one("token create", &site, &rights)["token"].clone();
    assert!(token.as_str().unwrap().starts_with("isle-token-"));
    assert_eq!(one("token list", &site, &[])["spaces"], json!({"store-1": "read"}));
    assert_eq!(one("token revoke", &site, &["till-3"])["name"], json!("till-3"));
    assert_eq!(ask("doc history", &site, &[MILK]).len(), 2);
    assert!(ask("doc conflicts", &site, &[MILK]).is_empty() && ask("blocked list", &site, &[]).is_empty());
    assert_eq!(one("blocked release", &site, &[MILK])["blocked"], json!(null));
    assert_eq!(one("doc list", &site, &["store-1/inventory"])["key"], json!("milk"));
    assert_eq!(one("query", &site, &["store-1/inventory"])["key"], json!("milk"));
    let shown = ask("watch", &site, &["store-1/inventory", "--once"]);
    assert_eq!(shown.iter().map(|event| &event["event"]).collect::<Vec<_>>(), ["document", "synced"]);
    assert!(ask("doctor", &site, &[]).iter().any(|finding| finding["check"] == json!("clock")));
    assert_eq!(one("config check", &site, &[])["warnings"], json!([]));
    assert!(one("config show", &site, &[])["settings"].as_array().unwrap().len() > 10);
    let file = text(&hub.path("all.csv"));
    assert_eq!(one("export", &site, &["store-1/inventory", "--output", &file])["documents"], json!(1));
    assert_eq!(one("import", &site, &["store-1/inventory", &file])["documents"], json!(1));
    drop(serving);

    let backup = text(&hub.path("backup"));
    assert!(one("backup", &site, &[&backup])["rows"].as_u64().unwrap() > 0);
    assert_eq!(one("verify", &site, &[])["damage"], json!(null));
    assert_eq!(one("repair", &site, &[])["set_aside"], json!(null));
    std::fs::remove_dir_all(site.join("store")).unwrap();
    assert!(one("restore", &site, &[&backup])["rows"].as_u64().unwrap() > 0);
    assert_eq!(one("hub revoke", &data, &["store-1"])["is_cut"], json!(true));
    drop(running);
}
