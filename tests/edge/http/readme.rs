//! What `README.md` shows of the HTTP API in each language, run as it stands there.

use super::callers::{address, isle};
use super::languages::{NODE, PYTHON, is_there};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use tests::http::HttpClient;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::{eventually, repository_root, skipped};

/// Where the texts say that the site answers.
const SHOWN_ADDRESS: &str = "127.0.0.1:7480";

const MILK: &str = "/v1/spaces/store-367/inventory/1029743";

#[test]
fn curl_over_the_unix_socket() {
    if !is_there("curl") {
        return skipped("README in curl", "curl is not installed");
    }
    let (fleet, site) = site();
    let script = format!("set -e\nshopt -s expand_aliases\n{}", snippet("sh", "alias site=", &site));
    symlink(&site.data, fleet.path("site")).unwrap();
    // The last line is a feed, which does not end by itself.
    let told =
        told_until(&fleet, ("bash", "readme.sh"), &[], &script, |told| told.contains("\"event\":\"synced\""));
    assert!(told.contains("\netag: \""), "the tag is shown: {told}");
    assert!(told.contains("\"on_hand\":10"), "2 were sold: {told}");
    assert!(!told.contains("urn:isle:problem"), "{told}");
}

#[tokio::test]
async fn python_with_requests() {
    let Some(python) = std::env::var_os(PYTHON) else {
        return skipped("README in Python", "requests is not installed; tests/run installs it");
    };
    let (fleet, site) = site();
    let item = r#"{"on_hand": 3, "sellable": 1}"#;
    let put = HttpClient::of(&site).await.call("PUT", MILK, &[], item).await;
    assert_eq!(put.status.as_u16(), 200, "{put:?}");
    let create = ["token", "create", "till-3", "--space", "store-367", "--rights", "read,write"];
    let sale = snippet("python", "sale = requests", &site);
    let script = format!("import requests\ntoken = \"{}\"\n{sale}", isle(&site, &create));
    let told = told_until(&fleet, (&python, "readme.py"), &[], &script, |told| told.ends_with('\n'));
    // The text shows the beginning of it.
    let shown = sale.rsplit_once("# ").unwrap().1.trim_end().trim_end_matches('…');
    assert!(
        shown.starts_with("urn:isle:problem:not-enough") && told.starts_with(shown),
        "'{told}' is not '{shown}'"
    );
}

#[test]
fn typescript_with_an_event_source() {
    let Some(node) = std::env::var_os(NODE) else {
        return skipped("README in TypeScript", "Node is not installed; tests/run installs it");
    };
    let (fleet, site) = site();
    let feed = snippet("ts", "const feed", &site);
    let script = format!(
        "const remember = (cursor: string) => {{ console.log(`cursor ${{cursor}}`); feed.close(); }};\n{feed}\n\
         const init = {{ method: \"PUT\", body: '{{\"on_hand\": 7}}', headers: {{ \"Content-Type\": \"application/json\" }} }};\n\
         feed.addEventListener(\"synced\", () => fetch(\"http://{}{MILK}\", init));\n",
        address(&site)
    );
    let options = ["--experimental-eventsource"];
    let told = told_until(&fleet, (&node, "readme.ts"), &options, &script, |told| told.contains("\ncursor "));
    assert!(told.starts_with("store-367/inventory/1029743 { on_hand: 7 }\ncursor "), "{told}");
}

fn site() -> (Fleet, Process) {
    let fleet = Fleet::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nloopback_without_token = true\n";
    let site = fleet.start("store-367", &(site_config("store-367", "127.0.0.1:1") + http));
    (fleet, site)
}

/// The only text of a language that begins so, with the site's address in it.
fn snippet(language: &str, begin: &str, site: &Process) -> String {
    let readme = fs::read_to_string(repository_root().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    let texts = readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<&str> = texts.filter(|text| text.starts_with(begin)).collect();
    let [text] = found[..] else { panic!("README.md has one text in {language} that begins '{begin}'") };
    text.replace(SHOWN_ADDRESS, &address(site).to_string())
}

/// A program that runs. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a script says, up to where it has said enough.
fn told_until(
    fleet: &Fleet,
    (program, file): (impl AsRef<OsStr>, &str),
    options: &[&str],
    script: &str,
    is_enough: impl Fn(&str) -> bool,
) -> String {
    let output = fleet.path("told");
    fs::write(fleet.path(file), script).unwrap();
    let mut command = Command::new(program);
    command.args(options).arg(file).current_dir(fleet.path("")).stdin(Stdio::null());
    command.env("NO_PROXY", "*").stdout(File::create(&output).unwrap());
    let mut running = Running(command.spawn().unwrap());
    let mut told = String::new();
    eventually(DEADLINE, "the script has said what it says", || {
        let has_ended = running.0.try_wait().unwrap().is_some();
        told = fs::read_to_string(&output).unwrap();
        is_enough(&told) || has_ended
    });
    told
}
