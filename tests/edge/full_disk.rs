//! The disk of a server fills up: it says so, goes on, and takes writes again when there is space.

use crate::command::{fails, words};
use crate::enrolment::{Hub, MILK};
use serde_json::json;
use server::local::{RefusalKind, Request, Response};
use std::io::Write as _;
use tests::disk::Disk;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, put, site_config};
use tests::program::run;

const DISK_MIB: u32 = 12;
/// Incompressible enough, and many times the disk together.
const WRITES_MAX: usize = 2_000;
const VALUE_BYTES: usize = 64 * 1024;

#[tokio::test]
async fn a_server_whose_disk_was_full_goes_on_when_there_is_space() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    std::fs::create_dir(&store).unwrap();
    let Some(disk) = Disk::in_memory(&store, DISK_MIB, "full disks") else { return };
    let site = Process::start(data);

    let mut acknowledged = Vec::new();
    let mut refusal = None;
    let mut client = site.client().await;
    for number in 0..WRITES_MAX {
        let address = format!("store-1/note/{number}");
        let value = json!({"number": number, "text": "x".repeat(VALUE_BYTES)});
        client.send(&put(&address, value, None)).await.unwrap();
        match client.receive().await.unwrap() {
            (_, Ok(Response::Written(Some(_)))) => acknowledged.push(number),
            (_, result) => {
                refusal = Some(result.unwrap_err());
                break;
            }
        }
    }
    let refusal = refusal.expect("the disk is full");
    assert_eq!(refusal.kind, RefusalKind::DiskFull, "{refusal}");
    assert!(!site.log().contains("the store failed"), "{}", site.log());
    site.logs(&["ERROR", "the disk is full"]);
    eventually_async(DEADLINE, "reads go on while the disk is full", async || {
        let address = "store-1/note/0".parse().unwrap();
        let read = client.call(&Request::Get { address, at: None }).await;
        matches!(read, Ok(Response::Document(reading)) if reading.value.is_some())
    })
    .await;

    disk.resize(16 * DISK_MIB);
    eventually_async(DEADLINE, "writes are taken again", async || {
        let request = put("store-1/note/again", json!({"text": "x"}), None);
        matches!(client.call(&request).await, Ok(Response::Written(_)))
    })
    .await;
    for number in acknowledged {
        let value = site.get(&format!("store-1/note/{number}")).await.expect("it was acknowledged");
        assert_eq!(value["number"], number);
    }
    drop(site);
}

/// Writes that arrive together are one batch of 2 MiB: the room ends before one must be refused, so the core is not
/// opened again.
#[tokio::test]
async fn large_batches_end_the_room_and_not_the_core() {
    const TOGETHER: usize = 24;
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    std::fs::create_dir(&store).unwrap();
    let Some(_disk) = Disk::in_memory(&store, 128, "full disks") else { return };
    let site = Process::start(data);
    let mut client = site.client().await;
    let (mut sent, mut written, mut refused) = (0, 0, 0);
    while refused < 3 * TOGETHER {
        for _ in 0..TOGETHER {
            let text = "x".repeat(VALUE_BYTES);
            let value = json!({"first": text, "second": text});
            client.send(&put(&format!("store-1/note/{sent}"), value, None)).await.unwrap();
            sent += 1;
        }
        for _ in 0..TOGETHER {
            match client.receive().await.unwrap().1 {
                Ok(Response::Written(Some(_))) => written += 1,
                other => {
                    let refusal = other.unwrap_err();
                    assert_eq!(refusal.kind, RefusalKind::DiskFull, "{refusal}");
                    refused += 1;
                }
            }
        }
    }
    assert!(written > 3 * TOGETHER, "{written}");
    assert!(!site.log().contains("the store failed"));
    assert!(site.get("store-1/note/0").await.is_some(), "reads go on");
}

/// Before the disk is full an import is put off, so that there is room for what is sold.
#[tokio::test]
async fn a_nearly_full_disk_puts_an_import_off_and_takes_sales() {
    const STEP: usize = 256 * 1024;
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    std::fs::create_dir(&store).unwrap();
    let Some(_disk) = Disk::in_memory(&store, 128, "full disks") else { return };
    let site = Process::start(data.clone());
    let filler = fleet.path("store-1").join("store/filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let mut sold = 0;
    while site.status().await.disk != "nearly full" {
        assert_ne!(site.status().await.disk, "full: read only");
        file.write_all(&vec![1; STEP]).unwrap();
        site.add("store-1/inventory/milk", -1, None).await;
        sold += 1;
    }
    let counted = fleet.directory.path().join("counted.csv");
    std::fs::write(&counted, "key,text\n1,x\n2,y\n").unwrap();
    let import = words("import", &data, &["store-1/note", counted.to_str().unwrap()]);
    let output = run(&import);
    let refused = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(refused.contains("what can wait is put off") && refused.contains("run it again"), "{refused}");
    site.logs(&["WARN", "the disk is nearly full", "imports are put off"]);
    site.add("store-1/inventory/milk", -1, None).await;
    site.has_on_hand("store-1/inventory/milk", -sold - 1).await;
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    eventually_async(DEADLINE, "the import is taken", async || run(&import).status.success()).await;
    assert_eq!(site.get("store-1/note/2").await.unwrap()["text"], "y");
}

/// A stolen machine is cut off whatever the disk has room for.
#[tokio::test]
async fn a_site_is_revoked_by_a_hub_whose_disk_is_full() {
    let hub = Hub::new();
    let small = hub.path("small");
    std::fs::create_dir(&small).unwrap();
    let Some(_disk) = Disk::in_memory(&small, 64, "full disks") else { return };
    let data = small.join("hub");
    assert!(
        std::process::Command::new("cp").arg("-a").args([&hub.data(), &data]).status().unwrap().success()
    );
    let running = Process::start_beside(data.clone(), hub.path("").as_path());
    let invite = words("hub invite", &data, &["store-1", "--spaces", "store-1=write"]);
    let token = tests::program::run_well(invite);
    let site = hub.path("site");
    tests::program::run_well(words("join", &site, &[token.trim()]));
    let site = Process::start(site);
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    let filler = small.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}

    let invite = words("hub invite", &data, &["store-2", "--spaces", "store-1=write"]);
    fails(&invite, 1, &["cannot write", "No space left", "hint: free space"]);
    let revoke = words("hub revoke", &data, &["store-1"]);
    fails(
        &revoke,
        6,
        &["store-1 is revoked", "not durable until there is room", "No space left", "hint: free space"],
    );
    site.logs(&["revoked at the hub"]);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    eventually_async(DEADLINE + DEADLINE, "it is on the disk", async || {
        running.log().contains("revocations that were not on the disk are")
    })
    .await;
    let book = std::fs::read_to_string(data.join("enrolment.json")).unwrap();
    assert!(book.contains("revoked_s"), "{book}");
}
