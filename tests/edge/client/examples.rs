use super::{Item, client_of, inventory, site};
use futures_util::StreamExt as _;
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::process::{DEADLINE, Fleet};
use tests::{eventually_async, program};

/// What an example prints in the end; with a shop of its own where there is no data directory.
fn told(name: &str, data: Option<&Path>) -> String {
    let mut command = Command::new(program::example(name));
    command.env_remove("ISLE_DATA").stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(data) = data {
        command.env("ISLE_DATA", data);
    }
    let child = command.spawn().unwrap();
    let process = child.id().to_string();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let ending = std::thread::spawn(move || {
        if is_done.recv_timeout(DEADLINE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").arg(process).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    ending.join().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{name}: {}\n{told}", output.status);
    told
}

#[test]
fn a_point_of_sale_sells_a_basket_or_says_what_is_lacking() {
    let told = told("point_of_sale", None);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("receipt-") && lines[0].ends_with(": sold, Local"), "{told}");
    // It was sent twice, the second time after a price had changed.
    assert_eq!(lines[1], "on hand: [5, 12], then [3, 10]");
    assert!(lines[2].starts_with("not sold: ") && lines[2].contains("more rights are needed"), "{told}");
}

/// The feeds of catalog and shop are in no order with one another: the catalog's second price may be seen before the shop's
/// own, or after the end of that.
#[test]
fn a_pricing_engine_follows_catalog_and_shop() {
    let told = told("pricing_engine", None);
    let begun = "2 prices, 0 of them the shop's own\nmilk: 1.19 now, 1.09 before\n";
    let rest = [
        "milk: 0.99 now, 1.19 before\nmilk: 1.29 now, 0.99 before\n",
        "milk: 1.29 now, 1.19 before\nmilk: 0.99 now, 1.29 before\n",
        "milk: 0.99 now, 1.19 before\nmilk: 1.19 now, 0.99 before\n",
    ];
    assert!(told.strip_prefix(begun).is_some_and(|told| rest.contains(&told)), "{told}");
}

#[test]
fn a_low_stock_watcher_tells_once() {
    assert_eq!(told("low_stock", None), "0 items are low\nbread runs low: 3 left\n");
}

/// The kept cursor is one of another store: the state comes again.
#[tokio::test]
async fn a_low_stock_watcher_forgets_what_is_gone_and_tells_nothing_twice() {
    let fleet = Fleet::new();
    let other = site(&fleet);
    let mut feed = inventory(&client_of(&other)).watch().begin().await.unwrap();
    let cursor = feed.next().await.unwrap().unwrap().cursor().to_owned();
    let fleet = Fleet::new();
    let site = site(&fleet);
    let items = inventory(&client_of(&site));
    for (key, on_hand) in [("bread", 1), ("milk", 2), ("salt", 9)] {
        items.document(key).create(&Item { on_hand, ..Item::default() }).await.unwrap();
    }
    let seen = json!({"cursor": cursor, "low": ["butter", "milk", "salt"]});
    let directory = fleet.directory.path();
    std::fs::write(directory.join("low-stock.json"), seen.to_string()).unwrap();
    let watcher = Command::new(program::example("low_stock"))
        .env("ISLE_DATA", &site.data)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(File::create(directory.join("told")).unwrap())
        .spawn();
    let _watcher = Watcher(watcher.unwrap());
    let tells = async |expected: &str| {
        let told = || std::fs::read_to_string(directory.join("told")).unwrap();
        eventually_async(DEADLINE, expected, async || told() == expected).await;
    };
    tells("bread runs low: 1 left\n2 items are low\n").await;
    items.document("butter").create(&Item { on_hand: 3, ..Item::default() }).await.unwrap();
    tells("bread runs low: 1 left\n2 items are low\nbutter runs low: 3 left\n").await;
}

/// An example that goes on by itself. Killed when dropped.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warehouse_receives_at_a_running_shop() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let milk = inventory(&client_of(&site)).document("milk");
    milk.create(&Item { on_hand: -3, ..Item::default() }).await.unwrap();
    let data = site.data.clone();
    // Twice: the note counts once.
    let twice = tokio::task::spawn_blocking(move || [0; 2].map(|_| told("warehouse", Some(&data))));
    let expected = "milk: 21 on hand, 24 to promise\noat-drink: 6 on hand, 6 to promise\n\
                    delivery-note-4711 is here; the hub gets it when it is reached\n";
    assert_eq!(
        tokio::time::timeout(2 * DEADLINE + Duration::from_secs(60), twice).await.unwrap().unwrap(),
        [expected; 2]
    );
}
