//! Random values, documents and queries, and an order of values that knows nothing of ranks.

use super::{Filter, KeyRange, Order, Query, Test};
use document::{Pointer, Schema};
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};
use std::cmp::Ordering;

/// Fields of the documents; the last is an array, and has no index.
pub(crate) const FIELDS: [&str; 4] = ["/a", "/b", "/c/d", "/e"];

pub(crate) fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).unwrap()
}

/// A schema with indexes of some of [`FIELDS`]; `/b` is 1 by default where `has_default`.
pub(crate) fn schema(indexed: &[&str], has_default: bool) -> Schema {
    let field = |name: &str| json!({"type": ["null", "boolean", "number", "string"], "x-index": indexed.contains(&name)});
    let (mut b, c) = (field("/b"), json!({"type": "object", "properties": {"d": field("/c/d")}}));
    if has_default {
        b["default"] = json!(1);
    }
    let properties = json!({"a": field("/a"), "b": b, "c": c});
    Schema::parse(&json!({"x-version": 4, "type": "object", "properties": properties}).to_string()).unwrap()
}

/// Null, booleans, numbers at their limits, strings with zeros and of about 64 bytes.
pub(crate) fn scalar() -> impl Strategy<Value = Value> {
    let near =
        |middle: u64| (0..5_u64).prop_map(move |step| json!(middle.saturating_sub(2).saturating_add(step)));
    prop_oneof![
        few(),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        near(1 << 53),
        near(1 << 63),
        near(u64::MAX),
        any::<f64>()
            .prop_filter("JSON has no such number", |number| number.is_finite())
            .prop_map(Value::from),
        proptest::collection::vec(
            prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('ü'), any::<char>()],
            0..4
        )
        .prop_map(|characters| Value::from(String::from_iter(characters))),
        (60..70_usize, "[ab\0]{0,3}").prop_map(|(length, end)| Value::from("x".repeat(length) + &end)),
    ]
}

/// Values that are often the same.
fn few() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2..4_i64).prop_map(Value::from),
        (-2..4_i32).prop_map(|half| Value::from(f64::from(half) / 2.0)),
        proptest::sample::select(vec!["", "x", "xy", "x\0", "y"]).prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
    ]
}

pub(crate) fn document() -> impl Strategy<Value = Value> {
    let field = || proptest::option::of(prop_oneof![3 => few(), 1 => scalar(), 1 => Just(json!({"d": 1}))]);
    let array = proptest::option::of(proptest::collection::vec(few(), 0..3));
    (field(), field(), field(), field(), array).prop_map(|(a, b, c, d, e)| {
        let mut members = Map::new();
        members.extend(a.map(|a| ("a".to_owned(), a)));
        members.extend(b.map(|b| ("b".to_owned(), b)));
        members.extend(c.map(|c| ("c".to_owned(), c)));
        members.extend(d.map(|d| ("c".to_owned(), json!({"d": d}))));
        members.extend(e.map(|e| ("e".to_owned(), Value::from(e))));
        Value::Object(members)
    })
}

pub(crate) fn key() -> impl Strategy<Value = String> {
    "[abü]{1,3}"
}

fn test() -> impl Strategy<Value = Test> {
    let value =
        || prop_oneof![3 => few(), 1 => scalar(), 1 => Just(json!([1])), 1 => Just(json!({"d": 1.0}))];
    let ordered =
        || prop_oneof![3 => few(), 1 => scalar()].prop_filter("it has an order", |value| !value.is_null());
    let pairs = [
        (json!(-1), json!(1.5)),
        (json!(1), json!(1)),
        (json!(2), json!(0)),
        (json!("x"), json!("y")),
        (json!(false), json!(true)),
    ];
    prop_oneof![
        value().prop_map(Test::Equal),
        value().prop_map(Test::NotEqual),
        ordered().prop_map(Test::Less),
        ordered().prop_map(Test::AtMost),
        ordered().prop_map(Test::More),
        ordered().prop_map(Test::AtLeast),
        proptest::sample::select(pairs.to_vec()).prop_map(|(first, last)| Test::Between(first, last)),
        proptest::collection::vec(value(), 0..4).prop_map(Test::In),
        any::<bool>().prop_map(Test::Exists),
        value().prop_map(Test::Contains),
        proptest::sample::select(vec!["", "x", "x\0"]).prop_map(|prefix| Test::StartsWith(prefix.into())),
    ]
}

fn field() -> impl Strategy<Value = Pointer> {
    proptest::sample::select(FIELDS.to_vec()).prop_map(pointer)
}

/// A query without limit and cursor of its own.
pub(crate) fn query() -> impl Strategy<Value = Query> {
    let keys = prop_oneof![
        6 => Just(KeyRange::All),
        1 => "[ab]{0,1}".prop_map(KeyRange::Prefix),
        1 => key().prop_map(KeyRange::From),
        1 => key().prop_map(KeyRange::To),
        1 => (key(), key()).prop_map(|(first, last)| KeyRange::Between(first, last)),
    ];
    let filter = (field(), test()).prop_map(|(field, test)| Filter { field, test });
    let order = prop_oneof![Just(Order::Key), field().prop_map(Order::Field)];
    let fields = proptest::option::weighted(0.2, proptest::collection::vec(field(), 0..3));
    (keys, proptest::collection::vec(filter, 0..4), order, any::<bool>(), fields).prop_map(
        |(keys, filters, order, descending, fields)| Query {
            keys,
            filters,
            order,
            descending,
            fields,
            ..Query::default()
        },
    )
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))
}

fn number_order(one: &Number, other: &Number) -> Ordering {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(one), None) => mixed_order(one, other.as_f64().unwrap()),
        (None, Some(other)) => mixed_order(other, one.as_f64().unwrap()).reverse(),
        (None, None) => one.as_f64().unwrap().partial_cmp(&other.as_f64().unwrap()).unwrap(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "of a double below 2^100")]
fn mixed_order(integer: i128, double: f64) -> Ordering {
    if double.abs() > 2_f64.powi(100) {
        return 0.0.partial_cmp(&double).unwrap();
    }
    let whole = integer.cmp(&(double.trunc() as i128));
    whole.then(0.0.partial_cmp(&double.fract()).unwrap())
}

fn class(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Bool(false) => 2,
        Value::Bool(true) => 3,
        Value::Number(_) => 4,
        Value::String(_) => 5,
        Value::Array(_) | Value::Object(_) => 6,
    }
}

/// The order of two values; arrays and objects are alike.
pub(crate) fn order(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => number_order(one, other),
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
        (one, other) => class(one).cmp(&class(other)),
    }
}

/// The order of an index: of strings the first 64 bytes count, and whether there are more.
pub(crate) fn index_order(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let cut = |text: &str| (text.as_bytes()[..text.len().min(64)].to_vec(), text.len() > 64);
    match (one, other) {
        (Some(Value::String(one)), Some(Value::String(other))) => cut(one).cmp(&cut(other)),
        (Some(one), Some(other)) => order(one, other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

/// Whether two values are the same.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && (0..one.len()).all(|at| equal(&one[at], &other[at]))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.keys().eq(other.keys()) && one.keys().all(|key| equal(&one[key], &other[key]))
        }
        (Value::Array(_), Value::Object(_)) | (Value::Object(_), Value::Array(_)) => false,
        (one, other) => order(one, other).is_eq(),
    }
}
