//! What is logged: in either form, and nothing that is nobody's business.

use crate::command::words;
use crate::enrolment::{Hub, MILK};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};
use tests::program;
use tests::program::run_well;

/// In no log above level DEBUG.
const CUSTOMER: &str = "Erika-Mustermann";

#[tokio::test]
async fn a_log_in_json_is_an_object_a_line() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let mut site = Process::start_with(data, &[("ISLE_LOG_FORMAT", "json".to_owned())]);
    site.put("store-1/inventory/milk", json!({"shelf": "A3"})).await;
    site.signal("TERM");
    site.ended();
    let log = site.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let opened = lines.iter().find(|line| line["message"] == "the store is open").unwrap();
    let budget = ["memtables_bytes", "cache_bytes", "queue_bytes", "journal_on_disk_bytes"];
    let mib = budget.map(|part| opened[part].as_u64().unwrap() >> 20);
    assert_eq!(mib, [24, 8, 4, 64], "what memory it may take is told: {opened}");
    let opened = lines.iter().find(|line| line["message"] == "store opened").unwrap();
    assert_eq!((&opened["level"], &opened["name"]), (&json!("INFO"), &json!("store-1")));
    assert!(opened["timestamp"].is_string() && opened["target"].is_string(), "{opened}");
    assert_eq!(lines.last().unwrap()["message"], "stopped");
}

/// A hub and a site that joins by a token, with documents that are taken, refused and broken.
#[tokio::test]
async fn no_secret_and_no_value_is_logged() {
    let temporary = tempfile::tempdir().unwrap();
    let path = |name: &str| temporary.path().join(name);
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    run_well(words("hub init", &path("hub"), &["--address", &address, "--listen", &address]));
    let hub = Process::start(path("hub"));
    let invite = words("hub invite", &hub.data, &["store-1", "--spaces", "store-1=write,catalog=read"]);
    let token = run_well(invite).trim().to_owned();
    run_well(words("join", &path("site"), &[&token]));
    let mut site = Process::start(path("site"));
    site.put("store-1/customer/1", json!({"name": CUSTOMER})).await;
    hub.has("store-1/customer/1", json!({"name": CUSTOMER})).await;
    // Refused: a value of the wrong type, a space that is not carried, a counter that is none.
    for (document, value) in [
        ("store-1/inventory/milk", json!({"on_hand": CUSTOMER})),
        ("nowhere/customer/1", json!({"name": CUSTOMER})),
        ("store-1/inventory/bread", json!({"product": {"name": CUSTOMER}, "on_hand": [CUSTOMER]})),
    ] {
        // Whether it is refused is said elsewhere.
        let text = value.to_string();
        let mut put = Command::new(program::path());
        put.args(words("doc put", &site.data, &[document, &text]));
        put.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    }
    // Who joins with a token that was used is refused, and the refusal is logged.
    let again = words("join", temporary.path(), &[&token]);
    assert!(!Command::new(program::path()).args(again).output().unwrap().status.success());
    site.signal("TERM");
    site.ended();

    let secret = token.rsplit('-').next().unwrap();
    let mut secrets = vec![CUSTOMER.to_owned(), token.clone(), secret[secret.len() - 20..].to_owned()];
    for key in ["hub/identity/key.pem", "hub/authority/authority-key.pem", "site/identity/key.pem"] {
        let pem = fs::read_to_string(path(key)).unwrap();
        secrets.push(pem.lines().nth(1).unwrap()[20..].to_owned());
    }
    for log in [hub.log(), site.log()] {
        assert!(log.contains("INFO"), "nothing was logged at all");
        for secret in &secrets {
            assert!(!log.contains(secret), "'{secret}' is in the log:\n{log}");
        }
    }
}

/// The disk of the log is full, or its reader has ended: a site is none the worse, and finds its hub again.
#[tokio::test]
async fn a_site_whose_log_cannot_be_written_goes_on() {
    for is_full in [true, false] {
        let hub = Hub::new();
        let mut running = hub.start();
        let data = hub.path("site");
        run_well(words("join", &data, &[&hub.invite("store-1", &[])]));
        let log = if is_full {
            Stdio::from(File::options().write(true).open("/dev/full").unwrap())
        } else {
            unread()
        };
        let site = Process::start_logging_to(data, log);
        site.add(MILK, 3, None).await;
        running.has_on_hand(MILK, 3).await;
        running.kill();
        // What was lost is told in the log.
        eventually_async(DEADLINE, "the site is cut off", async || !site.status().await.peers[0].connected)
            .await;
        let running = running.restart();
        site.add(MILK, 1, None).await;
        running.has_on_hand(MILK, 4).await;
    }
}

/// A pipe whose reader has ended.
fn unread() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}
