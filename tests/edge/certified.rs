//! A fleet that an organisation's own authority certifies: a hub with a book of it, rights, schemas and revocations.

use crate::command::{fails, words};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::process::{DEADLINE, Process};
use tests::program::run_well;
use tests::{eventually, eventually_async};

const MILK: &str = "store-1/inventory/milk";
const SPACES: &str = "store-1=write,catalog=read";

struct Organisation {
    directory: TempDir,
}

impl Organisation {
    fn new() -> Self {
        let organisation = Self { directory: tempfile::tempdir().unwrap() };
        run_well(["identity", "authority", organisation.path("authority").to_str().unwrap()]);
        organisation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A data directory with an identity of the name, and nothing else.
    fn issue(&self, name: &str, directory: &str) -> PathBuf {
        let (data, authority) = (self.path(directory), self.path("authority"));
        let rest = ["--authority", authority.to_str().unwrap()];
        run_well(words(&format!("identity issue {name}"), &data, &rest));
        data
    }

    fn hub(&self) -> PathBuf {
        let data = self.issue("hub", "hub");
        let address = ["--address", "hub.example:7400", "--listen", "127.0.0.1:0", "--certified"];
        let said = run_well(words("hub init", &data, &address));
        assert!(said.contains("made the book of hub") && said.contains("isle hub admit"), "{said}");
        data
    }
}

fn certificate(data: &Path) -> String {
    data.join("identity/certificate.pem").to_str().unwrap().to_owned()
}

/// Lets a site in, and gives it the configuration that the hub prints.
fn admit(hub: &Path, site: &Path, spaces: &str, address: &str) {
    let given = certificate(site);
    let rest = [given.as_str(), "--spaces", spaces, "--address", address];
    let config = run_well(words("hub admit", hub, &rest));
    assert!(config.contains("renews = false") && config.contains(address), "{config}");
    fs::write(site.join("isle.toml"), config).unwrap();
}

fn sites(hub: &Path) -> Vec<Value> {
    let listed = run_well(words("hub sites", hub, &["--json"]));
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn its_sites_are_let_in_by_their_certificates_and_have_rights_schemas_and_an_end() {
    let organisation = Organisation::new();
    let hub = organisation.hub();
    let (first, second) = (organisation.issue("store-1", "first"), organisation.issue("store-2", "second"));
    // One before the hub runs, one while it does.
    admit(&hub, &first, SPACES, "127.0.0.1:9");
    let running = Process::start(hub.clone());
    let address = running.status().await.address;
    admit(&hub, &first, SPACES, &address);
    admit(&hub, &second, "store-2=write", &address);
    let site = Process::start(first.clone());
    let other = Process::start(second.clone());
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    running.put("catalog/product/milk", json!({"price": 1.19})).await;
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    other.add("store-2/inventory/milk", 1, None).await;
    running.has_on_hand("store-2/inventory/milk", 1).await;
    let listed = sites(&hub);
    let states: Vec<_> = listed.iter().map(|site| (&site["site"], &site["state"])).collect();
    assert_eq!(states, [(&json!("store-1"), &json!("connected")), (&json!("store-2"), &json!("connected"))]);
    assert!(listed.iter().all(|site| site["certificate_ends_ms"].is_number()), "{listed:?}");

    // Its rights are a document, of which the site knows.
    let said = run_well(words("rights set", &hub, &["store-1", "--spaces", "store-1=write"]));
    assert!(said.contains("it counts from here on"), "{said}");
    eventually(DEADLINE, "the site knows its rights", || {
        let shown = run_well(words("rights list", &first, &["--json"]));
        shown.lines().any(|line| {
            let rights: Value = serde_json::from_str(line).unwrap();
            rights["site"] == "store-1" && rights["spaces"] == json!({"store-1": ["read", "write"]})
        })
    });
    let schema = organisation.path("till.json");
    let text = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "till", "x-version": 1, "type": "object",
        "properties": {"open": {"type": "boolean"}},
    });
    fs::write(&schema, text.to_string()).unwrap();
    let added = run_well(words("schema add", &hub, &[schema.to_str().unwrap()]));
    assert!(added.contains("version 1 of till is in force here"), "{added}");
    eventually(DEADLINE, "the site has the schema", || {
        run_well(words("schema list", &first, &[])).contains("till")
    });

    // It ends for ever, also after a restart, and comes in again with a key of its own.
    let revoked = run_well(words("hub revoke", &hub, &["store-1"]));
    assert!(revoked.contains("store-1 is revoked"), "{revoked}");
    site.logs(&["revoked at the hub"]);
    let running = running.restart();
    let address = running.status().await.address;
    let given = certificate(&first);
    let again = [given.as_str(), "--spaces", SPACES];
    fails(&words("hub admit", &hub, &again), 1, &["was revoked, for ever", "a new key"]);
    let renewed = organisation.issue("store-1", "renewed");
    admit(&hub, &renewed, SPACES, &address);
    let site = Process::start(renewed);
    site.has("catalog/product/milk", json!({"price": 1.19})).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 4).await;
    let is_connected = async || sites(&hub)[0]["state"] == "connected";
    eventually_async(DEADLINE, "the list says so", is_connected).await;
}

#[test]
fn who_is_not_certified_or_certifies_itself_is_told_what_to_do() {
    let organisation = Organisation::new();
    let hub = organisation.hub();
    let again = ["--address", "hub.example:7400", "--certified"];
    fails(&words("hub init", &hub, &again), 1, &["enrolment.json is there already"]);
    fails(&words("hub invite", &hub, &["store-1", "--spaces", SPACES]), 1, &["isle hub admit"]);
    let foreign = Organisation::new();
    let given = certificate(&foreign.issue("store-1", "store-1"));
    let admit = |certificate: &str| {
        let rest = [certificate, "--spaces", SPACES];
        words("hub admit", &hub, &rest).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let told = |certificate: &str, words: &[&str]| {
        let command = admit(certificate);
        fails(&command.iter().map(String::as_str).collect::<Vec<_>>(), 1, words);
    };
    told(&given, &["store-1 was not issued", "the authority of this replica"]);
    told(hub.join("isle.toml").to_str().unwrap(), &["holds no PEM certificate"]);
    told(hub.join("nothing.pem").to_str().unwrap(), &["cannot read", "nothing.pem"]);
    told(&certificate(&hub), &["hub is this hub itself"]);
    let site = organisation.issue("store-1", "site");
    run_well(admit(&certificate(&site)).iter().map(String::as_str));
    // Another certificate of the name is another key.
    told(
        &certificate(&organisation.issue("store-1", "other")),
        &["has joined already", "isle hub revoke store-1"],
    );

    // Two lists of who is refused are one too many.
    fs::write(hub.join("denied.txt"), "store-9\n").unwrap();
    fails(&["serve", "--data", hub.to_str().unwrap()], 1, &["denied.txt denies replicas", "isle hub revoke"]);

    // A hub with an authority of its own needs no certificates of others.
    let own = crate::enrolment::Hub::new();
    let rest = [given.as_str(), "--spaces", SPACES];
    fails(&words("hub admit", &own.data(), &rest), 1, &["isle hub invite"]);
}

#[tokio::test]
async fn a_hub_that_has_a_configuration_keeps_it_and_is_told_what_is_to_be_in_it() {
    let organisation = Organisation::new();
    let data = organisation.issue("hub", "hub");
    let config = "name = \"hub\"\nhub = true\nlisten = \"127.0.0.1:0\"\n[spaces]\n";
    fs::write(data.join("isle.toml"), config).unwrap();
    let address = ["--address", "hub.example:7400", "--certified"];
    let other = [&address[..], &["--name", "centre"]].concat();
    fails(&words("hub init", &data, &other), 1, &["for hub, not for centre"]);
    let said = run_well(words("hub init", &data, &address));
    assert!(said.contains("stays as it is"), "{said}");
    assert_eq!(fs::read_to_string(data.join("isle.toml")).unwrap(), config);
    let authority = said.lines().find(|line| line.starts_with("authority = ")).unwrap();
    fails(&["serve", "--data", data.to_str().unwrap()], 1, &["must say hub = true", authority]);
    fs::write(data.join("isle.toml"), format!("{authority}\n{config}")).unwrap();
    let hub = Process::start(data.clone());
    assert!(run_well(words("hub sites", &data, &[])).contains("no site was invited or let in"));
    let status = run_well(words("status", &hub.data, &[]));
    assert!(status.contains("not renewed by itself"), "{status}");
}
