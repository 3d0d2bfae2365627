//! Schemas that travel.

use super::*;
use document::Collection;

fn schema(version: u32, fields: &str) -> Schema {
    let text = format!(r#"{{"x-version":{version},"type":"object","properties":{{{fields}}}}}"#);
    Schema::parse(&text).unwrap()
}

fn first() -> Schema {
    schema(1, r#""state":{"type":"string"}"#)
}

fn second() -> Schema {
    schema(2, r#""state":{"type":"string","x-index":true},"rank":{"type":"integer","default":3}"#)
}

fn add(fleet: &mut Fleet, schema: &Schema) -> Result<Response, RequestError> {
    let collection = Collection::new("thing").unwrap();
    fleet.nodes[0].answer(Request::AddSchema { collection, schema: schema.clone() })
}

fn in_force(node: &mut Node) -> Option<u32> {
    let Ok(Response::Schemas(schemas)) = node.answer(Request::Schemas) else { panic!("another answer") };
    let thing = schemas.iter().find(|listed| listed.collection.as_str() == "thing");
    thing.filter(|listed| listed.travelled).map(|listed| listed.schema.version())
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::new(2);
    fleet.grant(1, &[("store-1", READ_WRITE)]);
    fleet.connect(0, 1);
    fleet
}

#[test]
fn a_schema_is_in_force_everywhere_in_the_turn_that_takes_it() {
    let mut fleet = fleet();
    fleet.nodes[1].put("store-1/thing/1", json!({"state": 7, "old": true}));
    written(add(&mut fleet, &first()));
    fleet.carry();
    for node in [0, 1] {
        assert_eq!(in_force(&mut fleet.nodes[node]), Some(1));
        assert_eq!(fleet.nodes[node].get("store-1/thing/1"), Some(json!({"state": 7, "old": true})));
    }
    let broken = Request::write(address("store-1/thing/2"), vec![Operation::Put(json!({"state": 8}))]);
    assert!(matches!(fleet.nodes[1].answer(broken), Err(RequestError::Write(_))));
    fleet.nodes[1].put("store-1/thing/2", json!({"state": "on"}));
    assert_eq!(written(add(&mut fleet, &first())), None, "it is there already");
    written(add(&mut fleet, &second()));
    fleet.carry();
    for restart in [false, true] {
        if restart {
            fleet.restart(1);
        }
        assert_eq!(in_force(&mut fleet.nodes[1]), Some(2));
        assert_eq!(fleet.nodes[1].get("store-1/thing/2"), Some(json!({"state": "on", "rank": 3})));
        let query = Query {
            filters: vec![Filter {
                field: document::Pointer::parse("/state").unwrap(),
                test: Test::Equal(json!("on")),
            }],
            ..Query::default()
        };
        let (space, collection) = (space("store-1"), Collection::new("thing").unwrap());
        let request = Request::Query { space, collection, query: Box::new(query) };
        // The first one has the index built.
        for _ in 0..2 {
            let Ok(Response::Queried(queried)) = fleet.nodes[1].answer(request.clone()) else {
                panic!("none")
            };
            assert_eq!(queried.page.documents.len(), 1);
        }
    }
}

#[test]
fn a_version_is_written_once_and_follows_the_one_before() {
    let mut fleet = fleet();
    written(add(&mut fleet, &second()));
    let changed = schema(2, r#""state":{"type":"integer"}"#);
    assert_eq!(add(&mut fleet, &changed), Err(SchemaFault::Changed.into()));
    assert!(matches!(add(&mut fleet, &first()), Err(RequestError::Schema(SchemaFault::Schema(_)))));
    let tighter = schema(3, r#""state":{"type":"integer","x-index":true}"#);
    assert!(matches!(add(&mut fleet, &tighter), Err(RequestError::Schema(SchemaFault::Schema(_)))));
    let inventory = Collection::new("inventory").unwrap();
    let worse = Request::AddSchema { collection: inventory, schema: schema(9, "") };
    assert!(
        matches!(fleet.nodes[0].answer(worse), Err(RequestError::Schema(_))),
        "the settings' comes first"
    );
    let elsewhere = Request::AddSchema { collection: Collection::new("thing").unwrap(), schema: first() };
    assert_eq!(fleet.nodes[1].answer(elsewhere), Err(AccessError::NotAuthority.into()));
}

#[test]
fn a_version_that_was_tampered_with_is_passed_over() {
    let mut fleet = fleet();
    written(add(&mut fleet, &first()));
    fleet.carry();
    let tampered = schema(1, r#""state":{"type":"integer"}"#);
    let documents = [
        ("thing@1", json!({"text": tampered.text()}), SchemaFault::Changed),
        ("thing@2", json!({"text": first().text()}), SchemaFault::OtherVersion(1)),
        ("thing", json!({"text": second().text()}), SchemaFault::Key),
        ("thing@4", json!({"other": 1}), SchemaFault::Value),
    ];
    for (key, value, fault) in documents {
        let address = address(&format!("system/schema/{key}"));
        fleet.nodes[0].replica.write_unchecked(&address, value);
        fleet.carry();
        for restart in [false, true] {
            if restart {
                fleet.restart(1);
                fleet.connect(0, 1);
            }
            let event = Event::SchemaRefused { address: address.clone(), fault: fault.clone() };
            assert!(fleet.nodes[1].events.contains(&event), "{:?}", fleet.nodes[1].events);
            assert_eq!(in_force(&mut fleet.nodes[1]), Some(1));
        }
    }
    let state = Request::write(address("store-1/thing/1"), vec![Operation::Put(json!({"state": 8}))]);
    assert!(matches!(fleet.nodes[1].answer(state), Err(RequestError::Write(_))), "the first text holds");
}
