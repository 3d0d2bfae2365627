//! What a write leaves alone, and what concurrent writes come to.

use super::*;

/// A basket at one origin, of a fleet where it is paid as often as one likes.
fn basket(origin: Origin) -> Site {
    let text = include_str!("../../../../../../schemas/collections/basket.json");
    let schema = Schema::parse(&text.replace("\"x-set-once\": true", "\"x-set-once\": false")).unwrap();
    Site { document: Document::new(), origin, schema }
}

#[test]
fn totals_of_a_basket_that_two_write_are_those_of_one() {
    let (mut here, mut there) = (basket(HERE), basket(THERE));
    let totals = |units: i64, sum: i64, more: Value| {
        let mut totals = json!({"units": units, "sum": sum});
        totals.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        totals
    };
    let (one, other) = (totals(2, 20, json!({"tax": 3})), totals(5, 50, json!({"discount": 1})));
    let mine = here.write(json!([{"op": "put", "value": {"totals": one}}]));
    let theirs = there.write(json!([{"op": "merge_patch", "patch": {"totals": other}}]));
    here.take(&[&theirs]);
    there.take(&[&mine]);
    let merged = here.document.json().unwrap()["totals"].clone();
    assert!(merged == one || merged == other, "{merged}");
    assert_eq!(there.document.json(), here.document.json());
    let conflicts = here.document.conflicts();
    let values: Vec<_> = conflicts[0].values.iter().map(|value| value.value.clone()).collect();
    assert!(values.contains(&one) && values.contains(&other), "{conflicts:?}");
    // A part of it that is set is set in the whole, also by who does not know the schema.
    here.write(json!([{"op": "merge_patch", "patch": {"totals": {"sum": 21}}}]));
    here.write(json!([{"op": "patch", "patch": [{"op": "replace", "path": "/totals/units", "value": 3}]}]));
    let patch: Operation =
        serde_json::from_value(json!({"op": "merge_patch", "patch": {"totals": {"tax": 4}}})).unwrap();
    here.document.write(&Signature::of(HERE, 9), None, &[patch]).unwrap().unwrap();
    let mut expected = merged;
    (expected["sum"], expected["units"], expected["tax"]) = (json!(21), json!(3), json!(4));
    here.shows(json!({ "totals": expected }));
    assert_eq!(here.document.conflicts().len(), 0);
    here.write(json!([{"op": "put", "value": {"totals": one}}]));
    here.write(json!([{"op": "merge_patch", "patch": {"totals": null}}]));
    here.shows(json!({}));
}

#[test]
fn totals_that_were_written_member_by_member_become_one_value() {
    let mut site = basket(HERE);
    let written: Operation =
        serde_json::from_value(json!({"op": "put", "value": {"totals": {"units": 1, "sum": 9}}})).unwrap();
    site.document.write(&Signature::of(HERE, 7), None, &[written]).unwrap().unwrap();
    site.write(json!([{"op": "merge_patch", "patch": {"totals": {"sum": 10}}}]));
    site.shows(json!({"totals": {"units": 1, "sum": 10}}));
    let mut other = basket(THERE);
    let all: Vec<_> = site.document.history(HistoryQuery { before: None, limit: 9 }).unwrap();
    for entry in all.iter().rev() {
        other.document.apply(&[site.document.change(&entry.hash).unwrap()]).unwrap();
    }
    let mine = site.write(json!([{"op": "put", "value": {"totals": {"units": 2, "sum": 20}}}]));
    let theirs = other.write(json!([{"op": "put", "value": {"totals": {"units": 3, "sum": 30}}}]));
    site.take(&[&theirs]);
    other.take(&[&mine]);
    let totals = site.document.json().unwrap()["totals"].clone();
    assert!([json!({"units": 2, "sum": 20}), json!({"units": 3, "sum": 30})].contains(&totals), "{totals}");
}

#[test]
fn a_put_gives_every_kind_the_difference() {
    let mut site = Site::new(HERE);
    let value = json!({
        "name": "a", "on_hand": 4, "sellable": 3, "depth": -2, "tags": ["x", "y"], "lines": [1, 2, 3], "body": "one two",
        "attributes": {"a": {}}
    });
    let put = |value: &Value| json!([{"op": "put", "value": value}]);
    site.write(put(&value));
    site.shows(value.clone());
    assert_eq!(site.try_write(put(&value)), Ok(None), "nothing differs");
    let next = json!({
        "name": "b", "on_hand": -4, "sellable": 1, "depth": -5, "tags": ["y", null], "lines": [1, 9, 3, 4], "body": "one 2",
        "attributes": {"b": 1}
    });
    site.write(put(&next));
    site.shows(next);
    site.write(put(&json!({"name": "b"})));
    site.shows(json!({"name": "b", "on_hand": -4, "sellable": 1, "depth": -5}));
    site.write(put(&value));
    site.shows(value);
    for (wrong, refused) in [
        (json!({"on_hand": "1"}), "/on_hand is a counter: it takes a whole number, not a string"),
        (json!({"sellable": 1.5}), "/sellable is a bounded-counter: it takes a whole number, not a number"),
        (json!({"tags": 1}), "/tags is a set: it takes an array of distinct scalars, not a number"),
        (
            json!({"tags": [1, 1]}),
            "/tags is a set: it takes an array of distinct scalars, not an array with an element twice",
        ),
        (json!({"tags": [[]]}), "an element of the set /tags is a scalar, not an array"),
        (json!({"lines": {"a": 1}}), "/lines is a list: it takes an array, not an object"),
        (json!({"body": null}), "/body is a text: it takes a string, not null"),
        (json!({"depth": -6}), "/depth: 1 more rights are needed here, and nobody else holds any"),
    ] {
        assert_eq!(site.refused(put(&wrong)), refused);
    }
}

#[test]
fn concurrent_edits_of_every_kind_merge() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    let base = here.write(json!([{"op": "put", "value": {
        "tags": ["a", "b"], "lines": ["1", "2", "3"], "body": "the quick fox", "on_hand": 1
    }}]));
    there.take(&[&base]);
    let mine = here.write(json!([{"op": "put", "value": {
        "tags": ["b", "c"], "lines": ["1", "2", "3", "4"], "body": "the quick brown fox", "on_hand": 3
    }}]));
    let theirs = there.write(json!([{"op": "put", "value": {
        "tags": ["a", "b", "d"], "lines": ["0", "1", "3"], "body": "a quick fox!", "on_hand": 0
    }}]));
    here.take(&[&theirs]);
    there.take(&[&mine]);
    here.shows(json!({
        "tags": ["b", "c", "d"], "lines": ["0", "1", "3", "4"], "body": "a quick brown fox!", "on_hand": 2
    }));
    assert_eq!(
        (here.document.json(), here.document.heads()),
        (there.document.json(), there.document.heads())
    );
}

#[test]
fn a_patch_settles_no_conflict_of_another_field() {
    let (mut here, mut there) = (Site::new(HERE), Site::new(THERE));
    here.document.write(&Signature::of(HERE, 0), None, &[Operation::Put(json!({"a": 1}))]).unwrap();
    let below = [Operation::Put(json!({"a": {"b": 2}}))];
    let below = there.document.write(&Signature::of(THERE, 0), None, &below).unwrap().unwrap();
    here.take(&[&below]);
    here.write(json!([{"op": "merge_patch", "patch": {"name": "n"}}]));
    here.shows(json!({"a": {"b": 2}, "name": "n"}));
    let conflicts = here.document.conflicts();
    assert!(conflicts.iter().any(|conflict| conflict.field == "/a"), "{conflicts:?}");
}

#[test]
fn plain_values_go_into_what_the_schema_makes_of_a_field() {
    let mut site = Site::new(HERE);
    let value = json!({"tags": ["a"], "lines": [1], "body": "x", "sellable": 4, "on_hand": 2});
    site.document.write(&Signature::of(THERE, 0), None, &[Operation::Put(value)]).unwrap();
    site.write(json!([
        {"op": "add", "field": "/tags", "element": "b"},
        {"op": "insert", "field": "/lines", "index": 1, "values": [2]},
        {"op": "splice", "field": "/body", "index": 1, "insert": "y"},
        {"op": "grant", "field": "/sellable", "by": 2},
        {"op": "spend", "field": "/sellable", "by": 1},
        {"op": "increment", "field": "/on_hand", "by": 1}
    ]));
    site.shows(json!({"tags": ["a", "b"], "lines": [1, 2], "body": "xy", "sellable": 5, "on_hand": 3}));
    assert!(site.refused(json!([{"op": "spend", "field": "/sellable", "by": 2}])).contains("1 more rights"));
}

#[test]
fn a_put_keeps_what_a_newer_schema_has_added() {
    let mut site = Site::new(HERE);
    let newer = json!({"name": "n", "since": 1, "shape": {"wide": true}, "attributes": {"free": 1}});
    site.document.write(&Signature::of(THERE, 0), None, &[Operation::Put(newer)]).unwrap();
    site.write(json!([{"op": "put", "value": {"on_hand": 1}}]));
    site.shows(json!({"on_hand": 1, "since": 1, "shape": {"wide": true}}));
    site.write(json!([{"op": "merge_patch", "patch": {"since": null}}]));
    site.shows(json!({"on_hand": 1, "shape": {"wide": true}}));
    site.write(json!([{"op": "patch", "patch": [{"op": "remove", "path": "/shape"}]}]));
    site.shows(json!({"on_hand": 1}));
}
