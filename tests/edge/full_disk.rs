//! The disk of a server fills up: it says so, goes on, and takes writes again when there is space.

use serde_json::json;
use server::local::{RefusalKind, Request, Response};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, put, site_config};

const DISK_MIB: u32 = 12;
/// Incompressible enough, and many times the disk together.
const WRITES_MAX: usize = 2_000;
const VALUE_BYTES: usize = 64 * 1024;

/// A small file system in memory; unmounted when dropped.
struct Disk {
    mounted_on: PathBuf,
}

impl Disk {
    /// None, with the reason printed, where mounting is not allowed.
    fn mount(on: &Path) -> Option<Self> {
        let options = format!("size={DISK_MIB}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(on).output().unwrap();
        if !mounted.status.success() {
            println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&mounted.stderr).trim());
            return None;
        }
        Some(Self { mounted_on: on.into() })
    }

    fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        assert!(
            Command::new("mount").args(["-o", &options]).arg(&self.mounted_on).status().unwrap().success()
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.mounted_on).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "umount failed");
    }
}

#[tokio::test]
async fn a_server_whose_disk_was_full_goes_on_when_there_is_space() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let store = data.join("store");
    std::fs::create_dir(&store).unwrap();
    let Some(disk) = Disk::mount(&store) else { return };
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
    // The watermark comes first; a write that the store refused has an outcome that the service cannot know.
    assert!(
        matches!(
            refusal.kind,
            RefusalKind::DiskFull | RefusalKind::UnknownOutcome | RefusalKind::Unavailable
        ),
        "{refusal:?}"
    );
    site.logs(&["ERROR", "the disk is full"]);
    eventually_async(DEADLINE, "reads go on while the disk is full", async || {
        let address = "store-1/note/0".parse().unwrap();
        matches!(client.call(&Request::Get { address, at: None }).await, Ok(Response::Document(Some(_))))
    })
    .await;

    disk.grow(16 * DISK_MIB);
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
