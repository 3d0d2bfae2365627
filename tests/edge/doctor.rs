//! `isle doctor` and `isle status` on replicas that are well, and on those that are not.

use crate::command::words;
use crate::enrolment::Hub;
use serde_json::{Value, json};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tests::process::{DEADLINE, Fleet, site_config};
use tests::program::{run, run_well};
use tests::{eventually, eventually_async};

/// What the doctor finds, and with which code it ends.
fn examined(data: &Path) -> (Vec<Value>, Option<i32>) {
    let output = run(words("doctor", data, &["--json"]));
    let findings = String::from_utf8(output.stdout).unwrap();
    (findings.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.code())
}

#[track_caller]
fn of<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    findings
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("{check}: {findings:?}"))
}

#[tokio::test]
async fn a_replica_that_is_well_is_said_to_be_with_and_without_its_server() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let site = fleet.site("store-1", &hub.status().await.address);
    eventually_async(DEADLINE, "the site is connected", async || site.status().await.peers[0].connected)
        .await;
    let (findings, code) = examined(&site.data);
    assert_eq!(code, Some(0), "{findings:?}");
    assert!(of(&findings, "peer hub")["found"].as_str().unwrap().starts_with("connected to 127.0.0.1:"));
    let table = run_well(words("doctor", &site.data, &[]));
    assert!(table.lines().any(|line| line.starts_with("ok    certificate     until 20")), "{table}");

    let data = site.data.clone();
    drop(site);
    let (findings, code) = examined(&data);
    assert_eq!(code, Some(0), "{findings:?}");
    assert_eq!(of(&findings, "server")["found"], "none is running");
    assert!(of(&findings, "store")["found"].as_str().unwrap().contains("`isle verify` does"));
    let found = of(&findings, "peer hub")["found"].as_str().unwrap();
    assert!(found.ends_with("is hub, and takes this replica's certificate"), "{found}");
    for check in
        ["data directory", "configuration", "identity", "clock", "disk", "sync", "memory", "open files"]
    {
        assert_ne!(of(&findings, check)["state"], "fail");
    }
}

#[tokio::test]
async fn a_network_that_lets_no_udp_through_is_said_to_be_that() {
    let fleet = Fleet::new();
    // Nobody reads it: what a firewall that drops datagrams looks like. The machine answers over TCP.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let site = fleet.site("store-1", &address.to_string());
    let blocked = format!("nothing answers over UDP at {address}, though the machine answers over TCP");
    eventually_async(DEADLINE, "the status says it", async || {
        let trouble = site.status().await.peers[0].trouble.clone();
        trouble.is_some_and(|trouble| trouble.contains(&blocked))
    })
    .await;
    let status = run_well(words("status", &site.data, &[]));
    assert!(status.contains(&format!("hub is not connected: {blocked}")), "{status}");
    assert!(status.contains("have the peer listen on UDP port 443"), "{status}");
    let (findings, code) = examined(&site.data);
    assert_eq!((code, &of(&findings, "peer hub")["state"]), (Some(1), &json!("fail")));
    assert!(of(&findings, "peer hub")["found"].as_str().unwrap().contains(&blocked));
}

#[tokio::test]
async fn a_hub_that_is_down_and_a_name_that_is_unknown_are_told_apart() {
    let fleet = Fleet::new();
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let data = fleet.prepare("store-1", &site_config("store-1", &free.to_string()));
    let (findings, code) = examined(&data);
    assert_eq!(code, Some(1));
    let found = of(&findings, "peer hub")["found"].as_str().unwrap();
    assert!(found.contains(&format!("no program listens on UDP port {}", free.port())), "{found}");
    fs::write(data.join("isle.toml"), site_config("store-1", "no-such-host.invalid:7400")).unwrap();
    let (findings, _) = examined(&data);
    let peer = of(&findings, "peer hub");
    assert!(
        peer["found"].as_str().unwrap().starts_with("cannot look up no-such-host.invalid:7400"),
        "{peer}"
    );
    assert!(peer["hint"].as_str().unwrap().contains("DNS"), "{peer}");
}

#[tokio::test]
async fn a_hub_that_refuses_is_told_with_its_words() {
    let (fleet, elsewhere) = (Fleet::new(), Fleet::new());
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let stranger = elsewhere.prepare("store-1", &site_config("store-1", &address));
    let (findings, code) = examined(&stranger);
    let found = of(&findings, "peer hub")["found"].as_str().unwrap();
    assert!(found.contains("not signed by the fleet's authority"), "{found}");
    assert_eq!(code, Some(1));
    let unknown = fleet.site("store-9", &address);
    eventually(DEADLINE, "the status has the hub's words", || {
        let status = run_well(words("status", &unknown.data, &[]));
        status.contains("hub is not connected: ")
            && status.contains("'store-9' is not among this replica's peers")
    });
}

#[test]
fn what_is_wrong_with_files_is_found() {
    let fleet = Fleet::new();
    let text = site_config("store-2", "127.0.0.1:9").replace("relay", "reley");
    let data = fleet.prepare("store-1", &text);
    let key = data.join("identity/key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
    let output = run(words("doctor", &data, &[]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "WARN  data directory",
        "chmod 700",
        "FAIL  configuration",
        "mean 'relay'?",
        "FAIL  identity",
        "chmod 600",
    ] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(data.join("isle.toml"), site_config("store-2", "127.0.0.1:9")).unwrap();
    fs::create_dir(data.join("store")).unwrap();
    fs::write(data.join("store/format"), "isle store 7\n").unwrap();
    let (findings, _) = examined(&data);
    assert!(of(&findings, "identity")["found"].as_str().unwrap().contains("says name = \"store-2\""));
    assert!(of(&findings, "store")["found"].as_str().unwrap().contains("a newer version of isle"));
}

#[tokio::test]
async fn a_link_between_two_exchanges_of_its_schedule_is_well() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let config = site_config("store-1", &hub.status().await.address);
    let site = fleet.start("store-1", &format!("{config}[peers.hub.schedule]\nevery = \"1h\"\n"));
    eventually_async(DEADLINE, "the exchange is done", async || {
        let trouble = site.status().await.peers[0].trouble.clone();
        trouble.is_some_and(|trouble| trouble.starts_with("waits for its schedule: the next exchange is at "))
    })
    .await;
    let (findings, code) = examined(&site.data);
    assert_eq!((code, &of(&findings, "peer hub")["state"]), (Some(0), &json!("ok")), "{findings:?}");
}

/// Each is what a server does not start with, or lets nobody in by.
#[test]
fn files_that_a_server_reads_besides_are_looked_at() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let config = words("config check", &data, &[]);
    run_well(config.clone());
    fs::create_dir(data.join("schemas")).unwrap();
    for (check, file, text, is_configuration) in [
        ("schemas", "schemas/foo.json", "{", true),
        ("denied", "denied.txt", "store-1\n\nStore 2\n", true),
        ("tokens", "tokens.json", "{", false),
    ] {
        let (findings, _) = examined(&data);
        assert_eq!(of(&findings, check)["state"], "ok", "{findings:?}");
        fs::write(data.join(file), text).unwrap();
        let (findings, code) = examined(&data);
        assert_eq!((code, &of(&findings, check)["state"]), (Some(1), &json!("fail")), "{findings:?}");
        assert!(of(&findings, check)["found"].as_str().unwrap().contains(file), "{findings:?}");
        assert_ne!(run(config.clone()).status.success(), is_configuration, "{check}");
        fs::remove_file(data.join(file)).unwrap();
    }
}

#[test]
fn a_hub_that_has_only_invited_has_let_nobody_in() {
    let hub = Hub::new();
    hub.invite("store-1", &[]);
    let (findings, _) = examined(&hub.data());
    let found = of(&findings, "authority")["found"].as_str().unwrap();
    assert!(found.starts_with("sites that have joined: 0;"), "{found}");
}
