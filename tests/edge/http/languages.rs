//! The examples of `crates/client/examples/http`: each tells the same story in another language, and is let in another way.

use super::callers::address;
use super::item;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program::run_well;
use tests::{eventually, repository_root, skipped};

/// Where `tests/run` says that a Python with `requests` is, and a Node that runs TypeScript as it is.
pub(super) const PYTHON: &str = "ISLE_TESTS_PYTHON";
pub(super) const NODE: &str = "ISLE_TESTS_NODE";

/// What each says. The server's words follow the colon at the end of a line: what is wrong, and a hint.
const TOLD: [&str; 8] = [
    "milk: new",
    "bread: new",
    "sold 2, sent twice: 10 on hand, 4 sellable",
    "not-enough:",
    "price 1.29, decided 2 times",
    "low: bread 3, milk 9",
    "changed: store-1/inventory/milk 8",
    "changed meanwhile: store-1/inventory/milk 12",
];

/// What each changes of the milk: it is put, sold, sold by another till, priced, sold, delivered.
const CHANGES: usize = 6;

#[tokio::test]
async fn a_till_in_curl_sells_over_the_unix_socket() {
    if let Some(missing) = ["curl", "jq"].into_iter().find(|program| !is_there(program)) {
        return skipped("example in curl", &format!("{missing} is not installed"));
    }
    let (fleet, site) = site();
    let mut example = example("bash", &[], "sale.sh", &site);
    sells(&fleet, &site, example.env("ISLE_SOCKET", site.data.join("http.sock")), None).await;
}

#[tokio::test]
async fn a_till_in_python_sells_with_a_token() {
    let Some(python) = std::env::var_os(PYTHON) else {
        return skipped("example in Python", "requests is not installed; tests/run installs it");
    };
    let (fleet, site) = site();
    let rights = ["--space", "store-1", "--rights", "inventory=read,inventory=write"];
    let create = ["token", "create", "till-3", "--data", site.data.to_str().unwrap()];
    let token = run_well(create.iter().chain(&rights));
    let mut example = example(python, &[], "sale.py", &site);
    sells(&fleet, &site, example.env("ISLE_TOKEN", token.trim()), Some("till-3")).await;
}

#[tokio::test]
async fn a_till_in_typescript_sells_on_the_same_machine() {
    let Some(node) = std::env::var_os(NODE) else {
        return skipped("example in TypeScript", "Node is not installed; tests/run installs it");
    };
    let (fleet, site) = site();
    let mut example = example(node, &["--experimental-eventsource"], "sale.ts", &site);
    sells(&fleet, &site, &mut example, None).await;
}

pub(super) fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn site() -> (Fleet, Process) {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n";
    let site = fleet.start("store-1", &(site_config("store-1", "127.0.0.1:1") + http));
    (fleet, site)
}

/// The program that runs an example, and what both are told.
fn example(program: impl AsRef<OsStr>, arguments: &[&str], file: &str, site: &Process) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(repository_root().join("crates/client/examples/http").join(file))
        .env("ISLE_URL", format!("http://{}", address(site)))
        .env("ISLE_SPACE", "store-1")
        .env_remove("ISLE_SOCKET")
        .env_remove("ISLE_TOKEN");
    command
}

/// An example that runs. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs an example to its end, and looks at what it says and what it leaves; `author` is who it is.
async fn sells(fleet: &Fleet, site: &Process, example: &mut Command, author: Option<&str>) {
    let output = fleet.path("told");
    let output_file = File::create(&output).unwrap();
    let mut running = Running(example.stdin(Stdio::null()).stdout(output_file).spawn().unwrap());
    let mut status = None;
    eventually(DEADLINE, "the example has ended", || {
        status = running.0.try_wait().unwrap();
        status.is_some()
    });
    let told = fs::read_to_string(&output).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), TOLD.len(), "{told}");
    for (line, expected) in lines.into_iter().zip(TOLD) {
        let goes_on = expected.ends_with(':') && line.starts_with(expected) && line.contains("; ");
        assert!(line == expected || goes_on, "'{line}' is not '{expected}'");
    }

    let mut service = HttpClient::of(site).await;
    let milk = json!({"product": "milk", "on_hand": 12, "sellable": 6, "price_override": 1.29});
    assert_eq!(service.get(&item("milk")).await.json(), milk);
    let bread = json!({"product": "bread", "on_hand": 3, "sellable": 3});
    assert_eq!(service.get(&item("bread")).await.json(), bread);
    let history = service.get(&format!("{}/history", item("milk"))).await.json();
    let changes = history["changes"].as_array().unwrap();
    let authors: Vec<&Value> = changes.iter().map(|change| &change["author"]).collect();
    assert_eq!(authors, vec![&json!(author); CHANGES], "{history}");
}
