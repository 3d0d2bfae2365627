//! A week of real sales through the core and the store: every unit is counted once, and still when both are opened
//! again.

use document::{Collection, Key, Operation, Schema, Schemas, Space};
use replica::{
    Clock, Effect, Input, OriginKey, Replica, Request, RequestId, Response, Settings, SnapshotPolicy,
    SpaceMode, TrimPolicy,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use store::{CommitNotice, FjallStore, Options};

const PRODUCTS: &str = include_str!("../../crates/server/src/demo/data/week-products.csv");
const SALES: &str = include_str!("../../crates/server/src/demo/data/week-sales.csv");
/// Sum of the column `quantity`.
const UNITS: i64 = 5_056;
/// What each shop has of each product before the week.
const BEFORE: i64 = 100;
/// Requests of a turn, and unanswered at most.
const TURN: usize = 64;

struct Sale {
    shop: String,
    product: String,
    quantity: i64,
}

/// The records of a file with a line of names.
fn records(text: &str) -> impl Iterator<Item = BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let records = reader.deserialize().map(Result::unwrap).collect::<Vec<_>>();
    records.into_iter()
}

fn sales() -> Vec<Sale> {
    let sale = |record: BTreeMap<String, String>| Sale {
        shop: format!("store-{}", record["store"]),
        product: record["product"].clone(),
        quantity: record["quantity"].parse().unwrap(),
    };
    records(SALES).map(sale).collect()
}

fn schemas() -> Schemas {
    let mut schemas = Schemas::default();
    for (name, text) in [
        ("inventory", include_str!("../../schemas/collections/inventory.json")),
        ("product", include_str!("../../schemas/collections/product.json")),
    ] {
        schemas.insert(Collection::new(name).unwrap(), Schema::parse(text).unwrap());
    }
    schemas
}

struct Site {
    replica: Replica<FjallStore>,
    notices: Receiver<CommitNotice>,
    asked: u64,
    answered: u64,
    responses: Vec<Response>,
}

impl Site {
    fn open(directory: &Path, shops: &BTreeSet<String>) -> Self {
        let (report, notices) = channel();
        let tell = move |notice| drop(report.send(notice));
        let store = FjallStore::open(directory, Options::default(), tell).unwrap();
        let spaces = shops.iter().map(String::as_str).chain(["catalog"]);
        let settings = Settings {
            is_hub: false,
            name: "hub".into(),
            key: OriginKey { public_key: [1; 32], incarnation: [1; 16] },
            epoch: 1,
            authority: None,
            spaces: spaces.map(|name| (Space::new(name).unwrap(), SpaceMode::Write)).collect(),
            peers: BTreeMap::new(),
            schemas: schemas(),
            open_documents_bytes_max: 16 << 20,
            snapshots: SnapshotPolicy::default(),
            trimming: TrimPolicy::default(),
            loads_aside: None,
            idempotency_keys_max: 1 << 20,
            takes_own_past: false,
        };
        let replica = Replica::open(store, settings).unwrap();
        Self { replica, notices, asked: 0, answered: 0, responses: Vec::new() }
    }

    fn ask_all(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            self.asked += 1;
            self.handle(Input::Request { id: RequestId(self.asked), request });
            if self.asked.is_multiple_of(TURN as u64) {
                self.settle();
            }
        }
        self.settle();
    }

    fn handle(&mut self, input: Input) {
        self.replica.handle(input, Clock::default()).unwrap();
    }

    /// Ends the turn and waits until everything is answered.
    fn settle(&mut self) {
        loop {
            while self.replica.end_turn().unwrap() {}
            while let Some(effect) = self.replica.poll_effect() {
                if let Effect::Reply { result, .. } = effect {
                    self.responses.push(result.unwrap());
                    self.answered += 1;
                }
            }
            if self.answered == self.asked {
                return;
            }
            if let CommitNotice::Durable(turn) = self.notices.recv().unwrap() {
                self.handle(Input::Durable(turn));
            }
        }
    }

    /// Units that are gone from the shelves of a shop.
    fn sold(&mut self, shop: &str) -> i64 {
        let (mut sold, mut after) = (0, None);
        loop {
            let collection = Collection::new("inventory").unwrap();
            let space = Space::new(shop).unwrap();
            self.ask_all([Request::List { space, collection, after, limit: 1_000 }]);
            let Some(Response::Listed(listed)) = self.responses.pop() else { panic!("no listing") };
            let on_hand = listed.documents.iter().map(|(_, document)| document["on_hand"].as_i64().unwrap());
            sold += on_hand.map(|on_hand| BEFORE - on_hand).sum::<i64>();
            after = listed.next;
            if after.is_none() {
                return sold;
            }
        }
    }
}

fn inventory(shop: &str, product: &str) -> document::Address {
    format!("{shop}/inventory/{product}").parse().unwrap()
}

#[test]
fn a_week_of_sales_is_counted_to_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let sales = sales();
    let shops: BTreeSet<String> = sales.iter().map(|sale| sale.shop.clone()).collect();
    let stocked: BTreeSet<_> = sales.iter().map(|sale| (&sale.shop, &sale.product)).collect();
    let mut site = Site::open(&path, &shops);

    site.ask_all(records(PRODUCTS).map(|product| {
        let address = format!("catalog/product/{}", product["product"]).parse().unwrap();
        let fields = ["department", "brand", "category", "size"].map(|name| (name, &product[name]));
        let value = json!(BTreeMap::from(fields));
        Request::write(address, vec![Operation::Put(value)])
    }));
    site.ask_all(stocked.iter().map(|(shop, product)| {
        let value = json!({"product": product, "on_hand": BEFORE});
        Request::write(inventory(shop, product), vec![Operation::Put(value)])
    }));
    site.ask_all(sales.iter().map(|sale| {
        let taken = Operation::increment("/on_hand", -sale.quantity).unwrap();
        Request::write(inventory(&sale.shop, &sale.product), vec![taken])
    }));
    let sold: i64 = shops.iter().map(|shop| site.sold(shop)).sum();
    assert_eq!(sold, UNITS);

    drop(site);
    let mut site = Site::open(&path, &shops);
    let sold: i64 = shops.iter().map(|shop| site.sold(shop)).sum();
    assert_eq!(sold, UNITS);
    site.responses.clear();
    site.ask_all(records(PRODUCTS).map(|product| {
        let key = Key::new(product["product"].clone()).unwrap();
        let (space, collection) = (Space::new("catalog").unwrap(), Collection::new("product").unwrap());
        Request::Get { address: document::Address { space, collection, key }, at: None }
    }));
    assert_eq!(site.responses.len(), records(PRODUCTS).count());
    for (product, response) in records(PRODUCTS).zip(site.responses) {
        let Response::Document(reading) = response else { panic!("{response:?}") };
        let value = reading.value.unwrap();
        for name in ["department", "brand", "category", "size"] {
            assert_eq!(value[name], json!(product[name]), "{product:?}");
        }
    }
}
