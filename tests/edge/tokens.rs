//! Tokens of services, as an operator makes, lists and revokes them.

use crate::command::{fails, words};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tests::process::{Fleet, Process, site_config};
use tests::program::{run, run_well};

#[test]
fn a_token_is_printed_once_listed_without_its_secret_and_revoked() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    assert!(run_well(words("token list", &data, &[])).starts_with("there are no tokens; `isle token create"));
    let create =
        |name: &str, rest: &[&str]| words("token create", &data, &[&[name], rest].concat()).join("\u{1}");
    let made = run(create("till-3", &["--space", "store-1", "--rights", "read,basket=write"]).split('\u{1}'));
    let (secret, told) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    assert!(
        made.status.success() && secret.starts_with("isle-token-") && secret.lines().count() == 1,
        "{told}"
    );
    assert!(told.contains("store-1: read,basket=write") && told.contains("not shown again"), "{told}");

    // A server that runs changes nothing about it.
    let _site = Process::start(data.clone());
    let office =
        ["--space", "store-1", "--space", "catalog", "--rights", "read", "--expires", "never", "--json"];
    let office: Value =
        serde_json::from_str(&run_well(create("head office", &office).split('\u{1}'))).unwrap();
    assert_eq!(office["expires_ms"], json!(null));
    let listed = run_well(words("token list", &data, &[]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("NAME         EXPIRES") && lines.len() == 4, "{listed}");
    let at = lines[0].find("RIGHTS").unwrap();
    let rights: Vec<&str> = lines[1..].iter().map(|line| &line[at..]).collect();
    assert_eq!(rights, ["read", "read", "read,basket=write"], "{listed}");
    let lines = run_well(words("token list", &data, &["--json"]));
    let tokens: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((tokens.len(), &tokens[1]["spaces"]), (2, &json!({"store-1": "read,basket=write"})));
    let lasts_ms = tokens[1]["expires_ms"].as_i64().unwrap() - tokens[1]["created_ms"].as_i64().unwrap();
    assert_eq!(lasts_ms, 90 * 86_400_000);
    let file = fs::read_to_string(data.join("tokens.json")).unwrap();
    for text in [&listed, &lines, &file] {
        assert!(!text.contains(secret.trim_end().strip_prefix("isle-token-").unwrap()), "{text}");
    }
    assert_eq!(fs::metadata(data.join("tokens.json")).unwrap().permissions().mode() & 0o777, 0o600);

    assert!(run_well(words("token revoke", &data, &["till-3"])).starts_with("till-3 is revoked"));
    fails(&words("token revoke", &data, &["till-3"]), 1, &["there is no token 'till-3'", "isle token list"]);
    assert!(!run_well(words("token list", &data, &[])).contains("till-3"));
}

#[test]
fn a_token_that_cannot_be_made_is_refused_with_the_rule() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let create = |name, rights, expires| {
        let rest = [name, "--space", "store-1", "--rights", rights, "--expires", expires];
        words("token create", &data, &rest).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = |words: &[String], code, parts: &[&str]| {
        fails(&words.iter().map(String::as_str).collect::<Vec<_>>(), code, parts);
    };
    refused(&create("till", "own", "1d"), 2, &["'own' is no right", "read,inventory=write"]);
    refused(&create("till", "read", "soon"), 2, &["or never"]);
    refused(&create("a\nb", "read", "1d"), 1, &["printable characters"]);
    run_well(create("till", "read", "1d"));
    refused(
        &create("till", "write", "1d"),
        1,
        &["there is a token 'till' already", "isle token revoke till"],
    );
    fails(&words("token create", &data, &["till", "--rights", "read"]), 2, &["--space"]);
    fs::write(data.join("tokens.json"), "{").unwrap();
    refused(&create("other", "read", "1d"), 1, &["tokens.json is no book of tokens", "backup"]);
    fails(&words("token list", &data.join("none"), &[]), 1, &["there is no data directory"]);
    assert_eq!(fs::read_to_string(data.join("tokens.json")).unwrap(), "{", "it is not replaced");
}
