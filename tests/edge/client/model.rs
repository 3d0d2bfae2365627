//! Random operations through both ways, held against a model that knows nothing of CRDTs.

mod deed;
mod half;
mod item;

use deed::{Deed, deed, update};
use half::{Edit, Half, edit};
use isle_client::{CallError, Client, Document, Embedding};
use item::{Model, shown};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use tests::process::{Fleet, Process, site_config};
use tokio::runtime::Runtime;

/// What is told where nothing was written, because lines look alike to a service and are not.
const UNDECIDED: &str = "undecided";

/// Sequences of steps, each on documents of its own.
const CASES: u32 = 48;

/// What is done to two documents.
#[derive(Clone, Debug)]
enum Step {
    /// To one of them.
    One(usize, Deed),
    /// To each, in a transaction.
    Both(Deed, Deed),
    /// To one of them, by a service that knows half of each line.
    Half(usize, Edit),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => deed().prop_map(|deed| Step::One(0, deed)),
        1 => update().prop_map(|deed| Step::One(0, deed)),
        1 => deed().prop_map(|deed| Step::One(1, deed)),
        2 => (deed(), deed()).prop_map(|(first, second)| Step::Both(first, second)),
        3 => edit().prop_map(|edit| Step::Half(0, edit)),
        1 => edit().prop_map(|edit| Step::Half(1, edit)),
    ]
}

/// Carries out a step; the kinds of problem that it may be refused with.
fn take(models: &mut [Model; 2], step: &Step) -> Result<(), Vec<&'static str>> {
    match step {
        Step::One(which, deed) => models[*which].take(deed).map_err(|kind| vec![kind]),
        Step::Both(first, second) => {
            let mut after = models.clone();
            let [left, right] = &mut after;
            let refused: Vec<_> =
                [left.take(first).err(), right.take(second).err()].into_iter().flatten().collect();
            if refused.is_empty() {
                *models = after;
                return Ok(());
            }
            Err(refused)
        }
        Step::Half(which, edit) => models[*which].edit(edit).map_err(|kind| vec![kind]),
    }
}

/// Which document it is of which it cannot be told what a step comes to.
fn blurred(models: &[Model; 2], step: &Step) -> Option<usize> {
    match step {
        Step::Half(which, edit) => models[*which].is_blurred(edit).then_some(*which),
        Step::One(..) | Step::Both(..) => None,
    }
}

/// The same through a client; the kind of problem that it was refused with.
async fn send(client: &Client, keys: &[String; 2], step: &Step) -> Result<(), String> {
    let documents = keys.each_ref().map(|key| document::<Value>(client, key));
    let sent = match step {
        Step::One(which, deed) => deed.send(&documents[*which]).await,
        Step::Both(first, second) => {
            let [left, right] = &documents;
            let both = client.space("store-1").transaction();
            both.with(first.change(left)).with(second.change(right)).await
        }
        Step::Half(which, edit) => edit.send(&document::<Half>(client, &keys[*which])).await,
    };
    match sent {
        Ok(_) => Ok(()),
        Err(CallError::Missing { .. }) => Err("missing".to_owned()),
        Err(CallError::Undecided { .. }) => Err(UNDECIDED.to_owned()),
        Err(error) => Err(error.kind().unwrap_or_else(|| panic!("{error}")).to_owned()),
    }
}

fn document<T>(client: &Client, key: &str) -> Document<T> {
    client.space("store-1").collection("item").document(key)
}

async fn follows(client: &Client, way: &str, key: &str, steps: &[Step]) {
    let keys = ["a", "b"].map(|name| format!("{key}/{name}"));
    let mut models = [Model::default(), Model::default()];
    for (number, step) in steps.iter().enumerate() {
        let told = send(client, &keys, step).await;
        let mut blurred = blurred(&models, step);
        if blurred.is_some() && told.as_ref().is_err_and(|kind| kind == UNDECIDED) {
            blurred = None;
        } else {
            match (&told, take(&mut models, step)) {
                (Ok(()), Ok(())) => {}
                (Err(kind), Err(kinds)) if kinds.contains(&kind.as_str()) => {}
                (_, expected) => panic!("{way}, step {number} of {steps:?}: {told:?}, not {expected:?}"),
            }
        }
        for (which, (key, model)) in keys.iter().zip(&mut models).enumerate() {
            let read = document::<Value>(client, key).get().await.unwrap();
            let read = read.map(|reading| shown(&reading.value));
            if blurred == Some(which) {
                model.settle_on(read.as_ref());
            }
            assert_eq!(read, model.shown(), "{way}, after step {number} of {steps:?}");
        }
    }
}

fn with_schema(data: &Path) {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "x-version": 1, "type": "object", "properties": {
            "on_hand": {"type": "integer", "x-crdt": "counter"},
            "sellable": {"type": "integer", "minimum": 0, "x-crdt": "bounded-counter"},
            "shelf": {"type": "string"},
            "attributes": {"type": "object", "x-crdt": "map"},
            "tags": {"type": "array", "x-crdt": "set", "uniqueItems": true,
                "items": {"type": ["string", "number", "boolean", "null"]}},
            "lines": {"type": "array", "x-crdt": "list"},
            "body": {"type": "string", "x-crdt": "text"}
        }
    });
    fs::create_dir(data.join("schemas")).unwrap();
    fs::write(data.join("schemas/item.json"), schema.to_string()).unwrap();
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
