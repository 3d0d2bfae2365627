use super::{Item, client_of, inventory, with_schema};
use isle_client::Conflict;
use tests::eventually_async;
use tests::process::{DEADLINE, Fleet, Process, site_config};

/// Cut off from one another, hub and site create the same document, and say where it stands.
#[tokio::test]
async fn a_conflict_is_settled_by_a_change_for_everybody() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let data = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:1"));
    with_schema(&data);
    let site = Process::start(data);
    let stands = |shelf: &str| Item { shelf: Some(shelf.to_owned()), ..Item::default() };
    let at_hub = inventory(&client_of(&hub)).document("milk");
    at_hub.create(&stands("A")).await.unwrap();
    inventory(&client_of(&site)).document("milk").create(&stands("B")).await.unwrap();
    let config = site_config("store-1", &hub.status().await.address);
    std::fs::write(site.data.join("isle.toml"), config).unwrap();
    let site = site.restart();
    let milk = inventory(&client_of(&site)).document("milk");
    let mut conflicts: Vec<Conflict> = Vec::new();
    eventually_async(DEADLINE, "the site has both values", async || {
        conflicts = milk.conflicts().await.unwrap();
        conflicts.iter().any(|conflict| conflict.field == "/shelf")
    })
    .await;
    let shelf = conflicts.iter().find(|conflict| conflict.field == "/shelf").unwrap();
    let told: Vec<_> = shelf.values.iter().map(|told| (told.value.clone(), told.author.as_deref())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&("A".into(), Some("till-3"))) && told.contains(&("B".into(), Some("till-3"))));
    assert!(shelf.choosable);
    // The one that is not shown.
    let chosen = shelf.values.iter().find(|value| !value.wins).unwrap();
    assert_ne!(milk.get().await.unwrap().unwrap().value.shelf.as_deref(), chosen.value.as_str());
    for (field, hash) in [("/shelf", &"5f".repeat(32)), ("/on_hand", &chosen.hash)] {
        let refused = milk.settle(field, hash).await.unwrap_err();
        assert_eq!(refused.kind(), Some("invalid"), "{field}");
    }
    let stale = milk.settle("/shelf", &chosen.hash).if_heads(["5f".repeat(32)]).await.unwrap_err();
    assert_eq!(stale.kind(), Some("condition-failed"), "{stale}");
    let seen = milk.get().await.unwrap().unwrap().heads;
    let settled =
        milk.settle("/shelf", &chosen.hash).if_heads(seen).message("utf-8''as it stands").await.unwrap();
    let said = milk.history(None, 1).await.unwrap();
    assert_eq!(said.changes[0].message.as_deref(), Some("utf-8''as it stands"));
    assert_eq!(settled.heads, milk.get().await.unwrap().unwrap().heads);
    for document in [&milk, &at_hub] {
        eventually_async(DEADLINE, "it is settled", async || {
            let read = document.get().await.unwrap().unwrap().value;
            let is_ended =
                document.conflicts().await.unwrap().iter().all(|conflict| conflict.field != "/shelf");
            is_ended && read.shelf.as_deref() == chosen.value.as_str()
        })
        .await;
    }
    let again = milk.settle("/shelf", &chosen.hash).await.unwrap_err();
    assert_eq!(again.kind(), Some("invalid"), "it has ended");
}
