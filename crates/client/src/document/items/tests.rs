use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashSet;

/// What a type sees that knows these members alone.
fn seen(items: &Value, known: &[&str]) -> Vec<Value> {
    let item = |item: &Value| {
        let Some(members) = item.as_object() else { return item.clone() };
        let known = members.iter().filter(|(name, _)| known.contains(&name.as_str()));
        Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    items.as_array().unwrap().iter().map(item).collect()
}

fn made(read: &Value, known: &[&str], after: &Value) -> Result<Value, &'static str> {
    let (items_read, items_after) = (read.as_array().unwrap(), after.as_array().unwrap());
    let made = items("/lines", items_read, &seen(read, known), items_after);
    made.map(Value::Array).map_err(|undecided| {
        assert_eq!(undecided.field, "/lines");
        undecided.why
    })
}

#[test]
fn what_a_type_does_not_see_stays_with_its_item() {
    let read = json!([{"sku": "a", "discount": 5}, {"sku": "b", "discount": 6}]);
    for (after, expected) in [
        // One removed, one pushed.
        (json!([{"sku": "b"}, {"sku": "c"}]), json!([{"sku": "b", "discount": 6}, {"sku": "c"}])),
        // Swapped.
        (
            json!([{"sku": "b"}, {"sku": "a"}]),
            json!([{"sku": "b", "discount": 6}, {"sku": "a", "discount": 5}]),
        ),
        // Changed in place.
        (
            json!([{"sku": "a"}, {"sku": "x"}]),
            json!([{"sku": "a", "discount": 5}, {"sku": "x", "discount": 6}]),
        ),
        // One more that looks the same is new.
        (
            json!([{"sku": "a"}, {"sku": "a"}, {"sku": "b"}]),
            json!([{"sku": "a", "discount": 5}, {"sku": "a"}, {"sku": "b", "discount": 6}]),
        ),
    ] {
        assert_eq!(made(&read, &["sku"], &after), Ok(expected), "{after}");
    }
    let read = json!([{"sku": "a", "qty": 1, "discount": 5}, {"sku": "b", "qty": 1, "discount": 6}]);
    let known = ["sku", "qty"];
    let after = json!([{"sku": "a", "qty": 2}, {"sku": "b", "qty": 1}, {"sku": "c", "qty": 1}]);
    let expected = json!([{"sku": "a", "qty": 2, "discount": 5}, {"sku": "b", "qty": 1, "discount": 6},
        {"sku": "c", "qty": 1}]);
    assert_eq!(made(&read, &known, &after), Ok(expected), "one changed, one pushed");
    let after = json!([{"sku": "b", "qty": 1}, {"sku": "c", "qty": 1}]);
    let expected = json!([{"sku": "b", "qty": 1, "discount": 6}, {"sku": "c", "qty": 1}]);
    assert_eq!(made(&read, &known, &after), Ok(expected), "the first removed, one pushed");
    let after = json!([{"sku": "a", "qty": 3}, {"sku": "b", "qty": 3}]);
    let expected = json!([{"sku": "a", "qty": 3, "discount": 5}, {"sku": "b", "qty": 3, "discount": 6}]);
    assert_eq!(made(&read, &known, &after), Ok(expected), "each changed");
}

#[test]
fn what_cannot_be_told_is_not_written() {
    let known = ["sku", "qty"];
    let read = json!([{"sku": "a", "qty": 1, "discount": 5}, {"sku": "b", "qty": 1, "discount": 6}]);
    for (after, why) in [
        (json!([{"sku": "x", "qty": 1}]), MIXED),
        (json!([{"sku": "a", "qty": 9}, {"sku": "c", "qty": 1}, {"sku": "b", "qty": 9}]), MIXED),
        (json!([{"sku": "b", "qty": 9}, {"sku": "a", "qty": 9}]), MOVED),
        (json!([{"sku": "b", "qty": 9}, {"sku": "c", "qty": 1}]), MOVED),
        (json!([{"sku": "b", "qty": 1}, {"sku": "a", "qty": 9}]), MOVED),
    ] {
        assert_eq!(made(&read, &known, &after), Err(why), "{after}");
    }
    let alike = json!([{"sku": "a", "discount": 5}, {"sku": "a", "discount": 6}]);
    assert_eq!(made(&alike, &["sku"], &json!([{"sku": "a"}])), Err(ALIKE));
    assert_eq!(made(&alike, &["sku"], &json!([])), Ok(json!([])));
    // Nothing is lost where the type sees all.
    let whole = json!([{"sku": "a", "qty": 1}, {"sku": "a", "qty": 1}]);
    let after = json!([{"sku": "x", "qty": 1}]);
    assert_eq!(made(&whole, &known, &after), Ok(after));
}

#[test]
fn what_a_type_has_in_another_order_is_not_taken_for_another() {
    let made = |read: Value, before: Value, after: Value| {
        let [read, before, after] = [read, before, after].map(|list| list.as_array().unwrap().clone());
        items("", &read, &before, &after).map(Value::Array).map_err(|undecided| undecided.why)
    };
    assert_eq!(made(json!(["b", "a"]), json!(["a", "b"]), json!(["b"])), Ok(json!(["b"])));
    assert_eq!(made(json!([1, 2, 1]), json!([1, 2]), json!([2])), Ok(json!([2])));
    assert_eq!(made(json!([1, 2, 3]), json!([1, 2]), json!([5])), Err(REORDERED), "one was passed over");
    let read = json!([{"sku": "b", "discount": 6}, {"sku": "a", "discount": 5}]);
    let before = json!([{"sku": "a"}, {"sku": "b"}]);
    assert_eq!(made(read, before, json!([{"sku": "b"}])), Err(REORDERED));
}

#[test]
fn items_within_items_keep_theirs() {
    let read = json!([{"sku": "a", "parts": [{"name": "lid", "weight": 3}], "more": 1}, [{"name": "x", "weight": 4}]]);
    let before = json!([{"sku": "a", "parts": [{"name": "lid"}]}, [{"name": "x"}]]);
    let after = json!([{"sku": "a", "parts": [{"name": "lid"}, {"name": "cup"}]}, [{"name": "y"}]]);
    let expected = json!([{"sku": "a", "parts": [{"name": "lid", "weight": 3}, {"name": "cup"}], "more": 1},
        [{"name": "y", "weight": 4}]]);
    let [read, before, after] = [read, before, after].map(|list| list.as_array().unwrap().clone());
    assert_eq!(items("", &read, &before, &after).map(Value::Array), Ok(expected));
}

/// What a closure does to a list of lines.
#[derive(Clone, Debug)]
enum Step {
    Remove(prop::sample::Index),
    Move(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Count(prop::sample::Index, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Step::Remove),
        (at(), at()).prop_map(|(from, to)| Step::Move(from, to)),
        (at(), 0_u8..6).prop_map(|(at, sku)| Step::Insert(at, sku)),
        (at(), 0_u8..3).prop_map(|(at, quantity)| Step::Count(at, quantity)),
    ]
}

fn line(sku: u8, quantity: u8) -> Value {
    json!({"sku": sku.to_string(), "qty": quantity})
}

proptest! {
    #[test]
    fn an_item_that_equals_one_of_before_is_as_it_was_read(
        lines in prop::collection::vec((0_u8..4, 0_u8..2), 0..7),
        steps in prop::collection::vec(step(), 1..4),
    ) {
        let before: Vec<Value> = lines.iter().map(|(sku, quantity)| line(*sku, *quantity)).collect();
        let read: Vec<Value> = before.iter().enumerate().map(|(number, line)| {
            let mut read = line.clone();
            read["discount"] = json!(number);
            read
        }).collect();
        // Where each item is from, which only the closure knows.
        let mut after: Vec<(Value, Option<usize>)> =
            before.iter().cloned().enumerate().map(|(number, line)| (line, Some(number))).collect();
        for step in steps {
            match step {
                Step::Remove(at) if !after.is_empty() => drop(after.remove(at.index(after.len()))),
                Step::Move(from, to) if !after.is_empty() => {
                    let line = after.remove(from.index(after.len()));
                    after.insert(to.index(after.len() + 1), line);
                }
                Step::Insert(at, sku) => after.insert(at.index(after.len() + 1), (line(sku, 1), None)),
                Step::Count(at, quantity) if !after.is_empty() => {
                    let at = at.index(after.len());
                    after[at].0["qty"] = json!(quantity);
                }
                Step::Remove(_) | Step::Move(..) | Step::Count(..) => {}
            }
        }
        let shown: Vec<Value> = after.iter().map(|(line, _)| line.clone()).collect();
        let Ok(made) = items("", &read, &before, &shown) else { return Ok(()) };
        prop_assert_eq!(made.len(), shown.len());
        let mut used = HashSet::new();
        for (made, shown) in made.iter().zip(&shown) {
            prop_assert_eq!((&made["sku"], &made["qty"]), (&shown["sku"], &shown["qty"]));
            if let Some(number) = made["discount"].as_u64() {
                prop_assert!(used.insert(number), "{number} is there twice");
            }
        }
        for seen in &before {
            let of = |lists: &[Value]| lists.iter().filter(|line| line["sku"] == seen["sku"] && line["qty"] == seen["qty"]).count();
            let whole = made.iter().filter(|made| read.contains(made) && made["sku"] == seen["sku"] && made["qty"] == seen["qty"]);
            prop_assert!(whole.count() >= of(&before).min(of(&shown)));
        }
    }
}
