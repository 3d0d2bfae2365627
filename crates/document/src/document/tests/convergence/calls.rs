//! Calls of several operations, on documents that are tables and on such as become none: each is carried out by Automerge
//! as well ([`held_against_automerge`](crate::document::tests::held_against_automerge)), which has to give the same change
//! and refusals, bit by bit.

use super::{check_history, every_kind, origin};
use crate::{Document, Operation, Signature};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Call(usize, Vec<Value>),
    Exchange(usize, usize),
}

const SITES: usize = 3;

fn any_operation() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec!["/name", "/on_hand", "/tags", "/attributes", "/extra/a"]);
    let name = (0..3_u8).prop_map(|name| format!("name {name}"));
    prop_oneof![
        6 => (-4..5_i64).prop_map(|by| json!({"op": "increment", "field": "/on_hand", "by": by})),
        2 => (1..5_u64).prop_map(|by| json!({"op": "grant", "field": "/sellable", "by": by})),
        3 => (1..4_u64).prop_map(|by| json!({"op": "spend", "field": "/sellable", "by": by})),
        3 => (0..3_u8).prop_map(|tag| json!({"op": "add", "field": "/tags", "element": tag})),
        2 => (0..3_u8).prop_map(|tag| json!({"op": "remove", "field": "/tags", "element": tag})),
        3 => name.clone().prop_map(|name| json!({"op": "settle", "field": "/name", "value": name})),
        4 => name.clone().prop_map(|name| json!({"op": "merge_patch", "patch": {"name": name}})),
        3 => (0..3_u8, prop::option::of(0..3_u8))
            .prop_map(|(key, value)| json!({"op": "merge_patch", "patch": {"attributes": {key.to_string(): value}}})),
        3 => (0..2_u8, prop::option::of(0..3_u8))
            .prop_map(|(key, value)| json!({"op": "merge_patch", "patch": {"extra": {key.to_string(): {"a": value}}}})),
        2 => (name, -3..4_i64)
            .prop_map(|(name, count)| json!({"op": "put", "value": {"name": name, "on_hand": count, "tags": [1, 2]}})),
        2 => field.prop_map(|field| json!({"op": "clear", "field": field})),
        1 => Just(json!({"op": "delete"})),
    ]
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let call = (0..SITES, prop::collection::vec(any_operation(), 1..5));
    prop::collection::vec(
        prop_oneof![
            12 => call.prop_map(|(site, call)| Step::Call(site, call)),
            1 => (0..SITES, 0..SITES).prop_map(|(from, to)| Step::Exchange(from, to)),
        ],
        20..160,
    )
}

#[derive(Default)]
struct Site {
    document: Document,
    chunks: Vec<Vec<u8>>,
}

fn exchange(sites: &mut [Site], from: usize, to: usize) {
    let lacking: Vec<_> =
        sites[from].chunks.iter().filter(|chunk| !sites[to].chunks.contains(chunk)).cloned().collect();
    sites[to].document.apply(&lacking).unwrap();
    sites[to].chunks.extend(lacking);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn calls_of_several_operations_are_those_of_automerge(steps in any_steps()) {
        let schema = every_kind();
        let mut sites: Vec<Site> = (0..SITES).map(|_| Site::default()).collect();
        for (wall_ms, step) in (0..).zip(steps) {
            match step {
                Step::Exchange(from, to) => exchange(&mut sites, from, to),
                Step::Call(site, operations) => {
                    let operations: Vec<Operation> = serde_json::from_value(operations.into()).unwrap();
                    let Site { document, chunks } = &mut sites[site];
                    let before = document.json();
                    match document.write(&Signature::of(origin(site), wall_ms), Some(&schema), &operations) {
                        Ok(Some(change)) => chunks.push(change.chunk),
                        Ok(None) | Err(_) => assert_eq!(document.json(), before),
                    }
                }
            }
        }
        for round in 0..2 * SITES {
            exchange(&mut sites, round % SITES, (round + 1) % SITES);
        }
        let first = &sites[0].document;
        for Site { document, .. } in &sites {
            assert_eq!((document.heads(), document.json()), (first.heads(), first.json()));
            let loaded = Document::load(&document.save()).unwrap();
            assert_eq!((loaded.heads(), loaded.json()), (first.heads(), first.json()));
        }
        check_history(first);
    }
}
