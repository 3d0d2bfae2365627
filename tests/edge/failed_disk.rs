//! The disk of a server fails while it writes: nobody knows what became of the write, and that is what is told.

use serde_json::json;
use server::local::{RefusalKind, Response};
use tests::faults;
use tests::process::{Fleet, Process, put, site_config};

/// A sync after those that opening a store takes that is there already.
const SYNC: u64 = 40;

#[tokio::test]
async fn a_write_that_a_disk_error_met_has_an_unknown_outcome() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:9"));
    let rows = data.join("store/rows");
    let Some(variables) = faults::variables(fleet.directory.path(), ("sync", SYNC), &rows) else { return };
    drop(Process::start(data.clone()));
    let site = Process::start_with(data, &variables);
    let mut client = site.client().await;
    let mut refused = None;
    for number in 0..2 * SYNC {
        client.send(&put("store-1/note/1", json!({ "number": number }), None)).await.unwrap();
        match client.receive().await.unwrap().1 {
            Ok(Response::Written(Some(_))) => {}
            other => {
                refused = Some(other.unwrap_err());
                break;
            }
        }
    }
    assert_eq!(refused.expect("the disk fails").kind, RefusalKind::UnknownOutcome);
}
