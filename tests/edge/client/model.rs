//! Random operations through both ways, held against a model that knows nothing of CRDTs.

use super::with_schema;
use isle_client::{CallError, Client, Document, Embedding};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::num::NonZeroU32;
use tests::process::{Fleet, Process, site_config};
use tokio::runtime::Runtime;

/// Sequences of operations, each on a document of its own.
const CASES: u32 = 24;

#[derive(Clone, Debug)]
enum Step {
    Count(i64),
    Grant(u64),
    Spend(u64),
    Shelf(Option<String>),
    Attribute(u8, Option<i64>),
    Update(i64),
    Delete,
    Create,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (-5_i64..5).prop_map(Step::Count),
        2 => (1_u64..9).prop_map(Step::Grant),
        3 => (1_u64..6).prop_map(Step::Spend),
        2 => proptest::option::of("[a-zäß\u{1F95B}\"\\\\/~%]{0,5}").prop_map(Step::Shelf),
        2 => (0_u8..3, proptest::option::of(any::<i64>())).prop_map(|(name, value)| Step::Attribute(name, value)),
        2 => (-3_i64..3).prop_map(Step::Update),
        1 => Just(Step::Delete),
        2 => Just(Step::Create),
    ]
}

/// What a document is and what becomes of an operation, by the words of the documentation.
#[derive(Clone, Debug, Default)]
struct Model {
    /// `None` where it is not shown.
    value: Option<Map<String, Value>>,
    is_deleted: bool,
}

impl Model {
    fn number(&self, name: &str) -> i64 {
        self.value.as_ref().and_then(|value| value.get(name)).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Carries out a step; the kind of problem that it is refused with.
    fn take(&mut self, step: &Step) -> Result<(), &'static str> {
        match step {
            Step::Create if self.value.is_some() => return Err("condition-failed"),
            Step::Create => {
                // The rights of a bounded counter are not in it: it is granted afterwards.
                self.value = Some(Map::from_iter([("on_hand".to_owned(), json!(1))]));
                self.is_deleted = false;
                return Ok(());
            }
            Step::Delete => {
                self.is_deleted |= self.value.take().is_some();
                return Ok(());
            }
            Step::Update(_) if self.value.is_none() => return Err("missing"),
            _ if self.is_deleted => return Err("invalid"),
            Step::Spend(by) if self.number("sellable") < i64::try_from(*by).unwrap() => {
                return Err("not-enough");
            }
            Step::Count(_)
            | Step::Grant(_)
            | Step::Spend(_)
            | Step::Shelf(_)
            | Step::Attribute(..)
            | Step::Update(_) => {}
        }
        let (on_hand, sellable) = (self.number("on_hand"), self.number("sellable"));
        let value = self.value.get_or_insert_default();
        let mut set = |name: &str, number: i64| drop(value.insert(name.to_owned(), json!(number)));
        match step {
            Step::Count(by) | Step::Update(by) => set("on_hand", on_hand + by),
            Step::Grant(by) => set("sellable", sellable + i64::try_from(*by).unwrap()),
            Step::Spend(by) => set("sellable", sellable - i64::try_from(*by).unwrap()),
            Step::Shelf(Some(shelf)) => drop(value.insert("shelf".to_owned(), json!(shelf))),
            Step::Shelf(None) => drop(value.remove("shelf")),
            Step::Attribute(name, number) => self.attribute(*name, *number),
            Step::Delete | Step::Create => {}
        }
        Ok(())
    }

    fn attribute(&mut self, name: u8, number: Option<i64>) {
        let value = self.value.get_or_insert_default();
        let attributes = value.entry("attributes").or_insert_with(|| json!({})).as_object_mut().unwrap();
        match number {
            Some(number) => drop(attributes.insert(name.to_string(), json!(number))),
            None => drop(attributes.remove(&name.to_string())),
        }
    }
}

/// The same through a client.
async fn send(document: &Document<Value>, step: &Step) -> Result<(), String> {
    let sent = match step {
        Step::Count(by) => document.counter("/on_hand").add(*by).await,
        Step::Grant(by) => document.bounded("/sellable").grant(*by).await,
        Step::Spend(by) => document.bounded("/sellable").spend(*by).await,
        Step::Shelf(shelf) => document.change().merge(&json!({"shelf": shelf})).await,
        Step::Attribute(name, number) => {
            document.change().merge(&json!({"attributes": {name.to_string(): number}})).await
        }
        Step::Update(by) => {
            let add = |value: &mut Value| {
                let on_hand = value["on_hand"].as_i64().unwrap_or_default();
                value["on_hand"] = json!(on_hand + by);
            };
            document.update(add).await
        }
        Step::Delete => document.delete().await,
        Step::Create => document.create(&json!({"on_hand": 1})).await,
    };
    match sent {
        Ok(_) => Ok(()),
        Err(CallError::Missing { .. }) => Err("missing".to_owned()),
        Err(error) => Err(error.kind().unwrap_or_else(|| panic!("{error}")).to_owned()),
    }
}

async fn follows(client: &Client, way: &str, key: &str, steps: &[Step]) {
    let document = client.space("store-1").collection::<Value>("inventory").document(key);
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let told = send(&document, step).await;
        assert_eq!(told, model.take(step).map_err(str::to_owned), "{way}, step {number} of {steps:?}");
        let read = document.get().await.unwrap().map(|reading| shown(&reading.value));
        assert_eq!(
            read,
            model.value.clone().map(|value| shown(&Value::Object(value))),
            "{way}, after step {number} of {steps:?}"
        );
    }
}

/// A counter at 0 and a map without members may be shown or not.
fn shown(value: &Value) -> Value {
    let members = value.as_object().unwrap().iter();
    Value::Object(
        members
            .filter(|(_, value)| **value != json!(0) && **value != json!({}))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

#[test]
fn both_ways_show_what_the_model_shows() {
    let fleet = Fleet::new();
    let site = fleet.prepare("store-1", &site_config("store-1", "127.0.0.1:1"));
    let till =
        fleet.prepare("till-3", &site_config("till-3", "127.0.0.1:1").replace("till-3 =", "store-1 ="));
    [&site, &till].into_iter().for_each(|data| with_schema(data));
    let site = Process::start(site);
    let runtime = Runtime::new().unwrap();
    let embedding = Embedding::at(&till).in_memory(NonZeroU32::new(32).unwrap());
    let embedded = runtime.block_on(Client::embed(embedding)).unwrap();
    let connected = super::client_of(&site);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let number = Cell::new(0);
    let ran = runner.run(&prop::collection::vec(step(), 1..24), |steps| {
        number.set(number.get() + 1);
        let key = format!("item {}/ä", number.get());
        runtime.block_on(async {
            follows(&connected, "connected", &key, &steps).await;
            follows(&embedded, "embedded", &key, &steps).await;
        });
        Ok(())
    });
    ran.unwrap();
}
