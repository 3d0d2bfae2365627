//! What a site may do is seen and changed by commands, while everything runs and while the hub does not.

use crate::command::{fails, words};
use crate::enrolment::{Hub, MILK, SPACES};
use serde_json::{Value, json};
use std::path::Path;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process};
use tests::program::{run, run_well};

const PRICE: &str = "catalog/product/milk";

/// What `isle rights list` says of `store-1`.
fn rights(data: &Path) -> Value {
    let listed = run_well(words("rights list", data, &["--json"]));
    let mut sites = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    sites.find(|site| site["site"] == json!("store-1")).unwrap()
}

fn set(hub: &Hub, spaces: &str) -> String {
    run_well(words("rights set", &hub.data(), &["store-1", "--spaces", spaces]))
}

/// Waits until the site has heard what it may do.
async fn heard(site: &Process, spaces: &Value) {
    eventually_async(DEADLINE, "the site knows its rights", async || rights(&site.data)["spaces"] == *spaces)
        .await;
}

#[tokio::test]
async fn a_site_that_may_not_read_a_space_any_more_keeps_what_it_has_and_is_sent_nothing() {
    let hub = Hub::new();
    let running = hub.start();
    let site = hub.joined("site");
    running.put(PRICE, json!({"price": 1})).await;
    site.has(PRICE, json!({"price": 1})).await;
    let listed = run_well(words("rights list", &hub.data(), &[]));
    assert!(listed.contains("store-1  store-1  yes   yes    -      -         in force\n"), "{listed}");

    let said = set(&hub, "store-1=write");
    assert!(said.contains("store-1 may do: store-1=write") && said.contains(SPACES_SHOWN), "{said}");
    assert!(said.contains("it counts from here on"), "{said}");
    running.put(PRICE, json!({"price": 2})).await;
    heard(&site, &json!({"store-1": ["read", "write"]})).await;
    // What is written later in another space comes, what was written before it in this one does not, though the command
    // had only just ended.
    running.put("store-1/inventory/bread", json!({"on_hand": 1})).await;
    site.has("store-1/inventory/bread", json!({"on_hand": 1})).await;
    assert_eq!(site.get(PRICE).await, Some(json!({"price": 1})), "it reads what it has");
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 1).await;
    assert_eq!(rights(&hub.data())["state"], json!("in_force"));
    let own = rights(&site.data);
    assert_eq!((&own["is_own"], &own["state"]), (&json!(true), &json!("in_force")));
    // The hub reads what nobody has a right in any more, also after a restart.
    let running = running.restart();
    assert_eq!(running.get(PRICE).await, Some(json!({"price": 2})));
    let said = set(&hub, SPACES);
    assert!(said.contains("new to store-1: catalog"), "{said}");
    site.has(PRICE, json!({"price": 2})).await;
}

/// A doctor says it on standard output.
fn fails_with(words: &[&str], parts: &[&str]) {
    let output = run(words);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && parts.iter().all(|part| said.contains(part)), "{said}");
}

const SPACES_SHOWN: &str = "before: catalog=read,store-1=write";

#[tokio::test]
async fn a_site_that_may_not_write_any_more_is_refused_and_what_it_wrote_meanwhile_is_kept() {
    let hub = Hub::new();
    let mut running = hub.start();
    let site = hub.joined("site");
    site.add(MILK, 3, None).await;
    running.has_on_hand(MILK, 3).await;
    running.kill();
    // The book says it, `system` does not: as after a kill in between.
    let said = set(&hub, "store-1=read,catalog=read");
    assert!(said.contains("as soon as the hub runs"), "{said}");
    site.add(MILK, 4, None).await;
    let running = running.restart();
    heard(&site, &json!({"store-1": ["read"], "catalog": ["read"]})).await;
    fails(
        &words("doc increment", &site.data, &[MILK, "/on_hand", "1"]),
        1,
        &["may not write the space 'store-1'", "ask the hub"],
    );
    let status = run_well(words("status", &site.data, &[]));
    assert!(status.contains("the hub gives no right to write"), "{status}");
    fails_with(
        &words("doctor", &site.data, &[]),
        &["store-1: this replica may not write it", "isle rights set"],
    );
    running.put(PRICE, json!({"price": 2})).await;
    site.has(PRICE, json!({"price": 2})).await;
    assert_eq!(running.get(MILK).await, Some(json!({"on_hand": 3})), "it is taken from nobody");
    assert_eq!(site.get(MILK).await, Some(json!({"on_hand": 7})), "the site has it still");
    let shown = run_well(words("rights show", &hub.data(), &["store-1"]));
    assert!(shown.contains("system/access/") && shown.contains("since 20"), "{shown}");

    set(&hub, SPACES);
    running.has_on_hand(MILK, 7).await;
    site.add(MILK, 1, None).await;
    running.has_on_hand(MILK, 8).await;
}

#[test]
fn rights_that_cannot_be_given_are_refused_with_what_to_do() {
    let hub = Hub::new();
    let data = hub.data();
    let give = |site| words("rights set", &data, &[site, "--spaces", SPACES]);
    fails(&give("store-9"), 1, &["no site store-9", "isle hub sites"]);
    hub.invite("store-1", &[]);
    let said = run_well(give("store-1"));
    assert!(said.contains("from when the site joins"), "{said}");
    let _running = hub.start();
    assert_eq!(rights(&data)["state"], json!("invited"));
    fails(&give("store-9"), 1, &["no site store-9", "isle hub sites"]);
    fails(&words("rights set", &data, &["store-1", "--spaces", "system=write"]), 1, &["only the hub writes"]);
    fails(&words("rights set", &data, &["store-1", "--spaces", "a=own"]), 1, &["'own' is no right"]);
    fails(&words("rights show", &data, &["store-9"]), 1, &["site store-9", "isle rights list"]);
    run_well(words("hub revoke", &data, &["store-1"]));
    fails(&give("store-1"), 1, &["was revoked", "isle hub invite store-1"]);
}

#[test]
fn where_no_authority_is_the_commands_say_who_decides() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let rest = ["a", "--spaces", SPACES];
    fails(&words("rights set", &hub.data, &rest), 1, &["no authority of its own", "[peers]"]);
    fails(&words("rights list", &hub.data, &[]), 1, &["no access documents", "isle.toml"]);
}
