use super::item;
use std::process::Command;
use tests::http::HttpClient;
use tests::process::{Fleet, site_config};
use tests::skipped;

/// Where `tests/run` says that the program is.
const SCHEMATHESIS: &str = "ISLE_TESTS_SCHEMATHESIS";

/// Mostly what is there, so that requests come further than the check of rights.
const SETTINGS: &str = r#"
[parameters]
"path.space" = "store-1"
"path.collection" = ["inventory", "note", "loose"]
"path.key" = ["milk", "a/b"]
"#;

/// Requests made from the description, fitting and not: no answer is a failure of the server, or one that the description
/// does not have.
#[tokio::test]
async fn every_answer_is_in_the_description() {
    let Some(schemathesis) = std::env::var_os(SCHEMATHESIS) else {
        return skipped("contract of the HTTP API", "schemathesis is not installed; tests/run installs it");
    };
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    let address = super::callers::address(&site);
    let mut service = HttpClient::at(address).await;
    service.call("PUT", &item("milk"), &[], r#"{"on_hand": 1, "shelf": "A"}"#).await;
    let directory = fleet.directory.path();
    std::fs::write(directory.join("openapi.json"), service.get("/openapi.json").await.body).unwrap();
    std::fs::write(directory.join("schemathesis.toml"), SETTINGS).unwrap();
    // A feed does not end.
    let arguments = "--config-file schemathesis.toml run openapi.json --exclude-path /v1/watch --max-examples 25 --seed 1 \
         --generation-database none --phases coverage,fuzzing --no-color --checks";
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let run = Command::new(schemathesis)
        .args(arguments.split_whitespace())
        .args([checks, "--url", &format!("http://{address}")])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}
