use super::{Item, client_of, inventory, site};
use futures_util::TryStreamExt as _;
use isle_client::{Acked, CallError, Filter, FitError, JsonSchema, Moment, schemars};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tests::process::Fleet;

#[tokio::test]
async fn a_document_is_created_read_changed_and_deleted() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let milk = inventory(&client_of(&site)).document("milk/1 l %");
    assert_eq!(milk.get().await.unwrap(), None);
    let item = Item { product: "milk".into(), on_hand: 12, ..Item::default() };
    let created = milk.create(&item).await.unwrap();
    assert_eq!((created.ack, created.stamp.is_some()), (Acked::Local, true));
    let again = milk.create(&item).await.unwrap_err();
    assert!(again.is_condition_failed(), "{again}");
    let read = milk.get().await.unwrap().unwrap();
    assert_eq!((&read.value, &read.heads), (&item, &created.heads));

    let change = milk.change().grant("/sellable", 10).spend("/sellable", 3).increment("/on_hand", -3);
    let sold = change.if_heads(read.heads.clone()).message("Bon 7, für Zoë").await.unwrap();
    let late = milk.change().increment("/on_hand", 1).if_heads(read.heads).await.unwrap_err();
    assert!(late.is_condition_failed(), "{late}");
    let short = milk.bounded("/sellable").spend(8).await.unwrap_err();
    assert!(short.is_not_enough(), "{short}");
    let CallError::Refused(problem) = short else { panic!("{short}") };
    assert_eq!((problem.status, problem.field.as_deref()), (409, Some("/sellable")));
    milk.counter("/on_hand").add(-1).await.unwrap();

    let was = milk.get_at(Moment::Heads(sold.heads)).await.unwrap().unwrap();
    assert_eq!((was.value.on_hand, was.value.sellable), (9, 7));
    let now = milk.get().await.unwrap().unwrap().value;
    assert_eq!((now.on_hand, now.sellable), (8, 7));
    let history = milk.history(None, 2).await.unwrap();
    let told: Vec<_> =
        history.changes.iter().map(|change| (change.author.as_deref(), change.message.as_deref())).collect();
    assert_eq!(told, [(Some("till-3"), None), (Some("till-3"), Some("Bon 7, für Zoë"))]);
    let rest = milk.history(history.next.as_deref(), 2).await.unwrap();
    assert_eq!((rest.changes.len(), rest.next), (1, None));
    assert_eq!(milk.conflicts().await.unwrap(), []);
    milk.delete().await.unwrap();
    assert_eq!(milk.get().await.unwrap(), None);
}

#[tokio::test]
async fn fields_that_a_type_does_not_know_stay() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = client_of(&site);
    let whole = client.space("store-1").collection::<Value>("inventory").document("milk");
    let milk = inventory(&client).document("milk");
    whole.create(&json!({"on_hand": 5, "price_override": 1.5, "shelf": "A"})).await.unwrap();
    let shelf = "B".to_owned();
    let mut runs = 0;
    let update = milk.update(|item| {
        runs += 1;
        item.on_hand += 2;
        item.shelf = Some(shelf.clone());
    });
    update.await.unwrap();
    assert_eq!(runs, 1);
    let value = || async { whole.get().await.unwrap().unwrap().value };
    assert_eq!(value().await, json!({"on_hand": 7, "price_override": 1.5, "shelf": "B"}));
    let nothing = milk.update(|item| item.on_hand += 0).await.unwrap();
    assert_eq!(nothing.stamp, None);
    milk.put(Item { on_hand: 1, product: "milk".into(), ..Item::default() }).await.unwrap();
    assert_eq!(value().await, json!({"on_hand": 1, "price_override": 1.5, "product": "milk"}));
    let missing = inventory(&client).document("bread").update(|item| item.on_hand += 1).await.unwrap_err();
    assert!(matches!(missing, CallError::Missing { .. }), "{missing}");
    inventory(&client).document("bread").put(Item::default()).await.unwrap();
    assert!(inventory(&client).document("bread").get().await.unwrap().is_some());
}

#[derive(Clone, Serialize, Deserialize)]
struct Basket {
    lines: Vec<Line>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    sku: String,
}

/// What a type does not know of an item is the item's, wherever a closure puts it.
#[tokio::test]
async fn members_that_a_type_does_not_know_stay_with_their_item() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let store = client_of(&site).space("store-1");
    let whole = store.collection::<Value>("free").document("basket");
    let lines = || async { whole.get().await.unwrap().unwrap().value["lines"].clone() };
    let basket = store.collection::<Basket>("free").document("basket");
    whole
        .create(&json!({"lines": [{"sku": "a", "discount": 5}, {"sku": "b", "discount": 6}]}))
        .await
        .unwrap();
    basket.update(|basket| basket.lines.reverse()).await.unwrap();
    assert_eq!(lines().await, json!([{"sku": "b", "discount": 6}, {"sku": "a", "discount": 5}]));
    let replaced = basket.update(|basket| {
        basket.lines.remove(0);
        basket.lines.push(Line { sku: "c".to_owned() });
    });
    replaced.await.unwrap();
    assert_eq!(lines().await, json!([{"sku": "a", "discount": 5}, {"sku": "c"}]));
    let new = Basket { lines: vec![Line { sku: "x".to_owned() }] };
    let refused = basket.put(new).await.unwrap_err();
    assert!(matches!(&refused, CallError::Undecided { field, .. } if field == "/lines"), "{refused}");
    assert_eq!(lines().await, json!([{"sku": "a", "discount": 5}, {"sku": "c"}]), "nothing was written");
}

#[tokio::test]
async fn updates_at_the_same_time_lose_nothing() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = client_of(&site);
    let note = client.space("store-1").collection::<Value>("free").document("list");
    note.create(&json!({"names": []})).await.unwrap();
    let adding = (0..6).map(|number| {
        let note = note.clone();
        tokio::spawn(async move {
            note.update(|note: &mut Value| note["names"].as_array_mut().unwrap().push(json!(number))).await
        })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap().unwrap();
    }
    let mut names: Vec<u64> =
        serde_json::from_value(note.get().await.unwrap().unwrap().value["names"].clone()).unwrap();
    names.sort_unstable();
    assert_eq!(names, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn handles_write_sets_lists_and_texts() {
    let fleet = Fleet::new();
    let data = fleet.prepare("store-1", &tests::process::site_config("store-1", "127.0.0.1:1"));
    std::fs::create_dir(data.join("schemas")).unwrap();
    let schema = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "x-version": 1, "type": "object", "properties": {
        "tags": {"type": "array", "x-crdt": "set", "items": {"type": "string"}, "uniqueItems": true},
        "lines": {"type": "array", "x-crdt": "list"}, "body": {"type": "string", "x-crdt": "text"}}}"#;
    std::fs::write(data.join("schemas/memo.json"), schema).unwrap();
    let site = tests::process::Process::start(data);
    let memo = client_of(&site).space("store-1").collection::<Value>("memo").document("a");
    memo.set("/tags").add(&"new").await.unwrap();
    memo.set("/tags").add(&"old").await.unwrap();
    memo.set("/tags").remove(&"old").await.unwrap();
    memo.list("/lines").insert(0, &json!({"n": 1})).await.unwrap();
    memo.list("/lines").insert(1, &2).await.unwrap();
    memo.list("/lines").cut(0, 1).await.unwrap();
    memo.text("/body").splice(0, 0, "héllo").await.unwrap();
    memo.text("/body").splice(1, 1, "e").await.unwrap();
    let value = memo.get().await.unwrap().unwrap().value;
    assert_eq!(value, json!({"tags": ["new"], "lines": [2], "body": "hello"}));
    let told = memo.change().clear("/lines").merge(&json!({"note": "w"})).await.unwrap();
    memo.change().settle("/note", &"x").if_heads(told.heads).await.unwrap();
    assert_eq!(memo.get().await.unwrap().unwrap().value["note"], "x");
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let store = client_of(&site).space("store-1");
    let items = store.collection::<Item>("inventory");
    let (back, shelf) = (items.document("back"), items.document("shelf"));
    let moved = |by: i64| {
        let from = back.change().increment("/on_hand", -by);
        store
            .transaction()
            .with(from)
            .with(shelf.change().increment("/on_hand", by).if_exists())
            .key(format!("move-{by}"))
    };
    assert!(moved(1).await.unwrap_err().is_condition_failed());
    assert_eq!(back.get().await.unwrap(), None);
    shelf.create(&Item::default()).await.unwrap();
    let first = moved(2).await.unwrap();
    assert_eq!(moved(2).await.unwrap().stamp, first.stamp, "under its key it counts once");
    let more = moved(3);
    let once = more.clone().await.unwrap();
    assert_eq!(more.await.unwrap().stamp, once.stamp, "and so does its clone");
    assert_eq!(back.get().await.unwrap().unwrap().value.on_hand, -5);
    assert_eq!(shelf.get().await.unwrap().unwrap().value.on_hand, 5);
    let elsewhere = store
        .transaction()
        .with(client_of(&site).space("catalog").collection::<Value>("product").document("x").delete());
    assert!(matches!(elsewhere.await.unwrap_err(), CallError::Unsendable { .. }));
}

/// As a condition they would be none.
#[tokio::test]
async fn heads_that_are_none_are_no_condition() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let client = client_of(&site);
    let milk = inventory(&client).document("milk");
    let late = || milk.change().increment("/on_hand", -1).if_heads(Vec::<String>::new());
    let alone = late().await.unwrap_err();
    let together = client.space("store-1").transaction().with(late()).await.unwrap_err();
    for refused in [alone, together] {
        assert!(
            matches!(&refused, CallError::Unsendable { cause } if cause.contains("read the document")),
            "{refused}"
        );
    }
    assert!(milk.get().await.unwrap().is_none());
}

/// An answer that is given again has the heads of the first: what others wrote since is not passed over.
#[tokio::test]
async fn heads_of_an_answer_that_is_repeated_are_those_of_then() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let milk = inventory(&client_of(&site)).document("milk");
    let sale = milk.change().increment("/on_hand", -1).key("receipt-1");
    let first = sale.clone().await.unwrap();
    milk.change().increment("/on_hand", -5).await.unwrap();
    let again = sale.await.unwrap();
    assert_eq!((again.heads.len(), &again.heads), (1, &first.heads));
    let late = milk.change().increment("/on_hand", -1).if_heads(again.heads).await.unwrap_err();
    assert!(late.is_condition_failed(), "{late}");
    assert_eq!(milk.get().await.unwrap().unwrap().value.on_hand, -6);
}

#[tokio::test]
async fn documents_are_found_page_by_page() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let store = client_of(&site).space("store-1");
    let items = store.collection::<Item>("inventory");
    for number in 0..7_i64 {
        let product = if number % 2 == 0 { "even" } else { "odd" };
        let item = Item { on_hand: number, product: product.into(), ..Item::default() };
        items.document(format!("item/{number}")).create(&item).await.unwrap();
    }
    let few =
        items.find().filter(Filter::at_least("/on_hand", &2)).filter(Filter::equal("/product", &"even"));
    let page = few.clone().order("/on_hand").descending().limit(2).explained().page().await.unwrap();
    let keys =
        |found: &[isle_client::Found<Item>]| found.iter().map(|found| found.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&page.documents), ["item/6", "item/4"]);
    assert!(page.next.is_some() && page.plan.is_some(), "{page:?}");
    let all = few.clone().limit(1).all().await.unwrap();
    assert_eq!(keys(&all), ["item/2", "item/4", "item/6"]);
    let streamed: Vec<_> = few.limit(1).stream().try_collect().await.unwrap();
    assert_eq!(streamed, all);
    assert!(page.examined.is_some_and(|rows| rows >= 2), "{page:?}");
    let shelves = store.collection::<Value>("inventory").find().prefix("item/6").select("/on_hand");
    let expected = json!({"on_hand": 6});
    assert_eq!(shelves.all().await.unwrap()[0].value, expected, "and no other field");
    let prefixed = items.find().prefix("item/1").all().await.unwrap();
    assert_eq!(keys(&prefixed), ["item/1"]);
    let wrong = items.find().filter(Filter::less("on_hand", &1)).page().await.unwrap_err();
    assert_eq!(wrong.kind(), Some("malformed"));
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Wrong {
    product: Option<String>,
    on_hand: u32,
    shelve: Option<String>,
}

#[tokio::test]
async fn a_type_that_does_not_fit_is_refused_at_the_start() {
    let fleet = Fleet::new();
    let site = site(&fleet);
    let store = client_of(&site).space("store-1");
    store.collection::<Item>("inventory").checked().await.unwrap();
    store.collection::<Wrong>("without-schema").checked().await.unwrap();
    let refused = store.collection::<Wrong>("inventory").checked().await.unwrap_err();
    let FitError::Misfits { misfits, .. } = &refused else { panic!("{refused}") };
    let fields: Vec<_> = misfits.iter().map(|misfit| misfit.field.as_str()).collect();
    assert_eq!(fields, ["/on_hand", "/shelve"], "{refused}");
    store.collection::<Value>("inventory").document("odd").create(&json!({"on_hand": -1})).await.unwrap();
    let unread = store.collection::<Wrong>("inventory").document("odd").get().await.unwrap_err();
    assert!(
        matches!(unread, CallError::Type { .. }) && unread.to_string().contains("store-1/inventory/odd"),
        "{unread}"
    );
}

#[tokio::test]
async fn a_write_says_whether_the_hub_has_it() {
    let fleet = Fleet::new();
    let hub = fleet.hub();
    let address = hub.status().await.address;
    let site = fleet.site("store-1", &address);
    let milk = inventory(&client_of(&site)).document("milk");
    let hub_ack = |within| isle_client::Ack::Hub { within };
    let safe = milk.counter("/on_hand").add(1).ack(hub_ack(Duration::from_secs(30))).await.unwrap();
    assert_eq!(safe.ack, Acked::Hub);
    drop(hub);
    let alone = milk.counter("/on_hand").add(1).ack(hub_ack(Duration::from_millis(50))).await.unwrap();
    assert_eq!(alone.ack, Acked::Local);
}
