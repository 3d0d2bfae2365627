//! What is done to a document.

use super::half::product;
use isle_client::{CallError, Change, Document, Written};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One thing to do. Indexes and counts may lead beyond what is there.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Count(i64),
    Grant(u64),
    Spend(u64),
    Shelf(Option<String>),
    Attribute(u8, Option<i64>),
    Tag(Value),
    Untag(Value),
    Insert(usize, Value),
    Cut(usize, usize),
    Splice(usize, usize, String),
    Clear(&'static str),
    Delete,
    Create,
    /// By a closure.
    Update(i64),
    /// By a closure: the body, the lines and the tags.
    Rewrite(String, Vec<Value>, Vec<Value>),
}

/// Those that can be cleared whoever holds rights.
const FIELDS: [&str; 6] = ["on_hand", "shelf", "attributes", "tags", "lines", "body"];

/// A change that may be one of a transaction.
pub(super) fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (-5_i64..5).prop_map(Deed::Count),
        2 => (1_u64..9).prop_map(Deed::Grant),
        3 => (1_u64..6).prop_map(Deed::Spend),
        2 => proptest::option::of(text()).prop_map(Deed::Shelf),
        2 => (0_u8..3, proptest::option::of(any::<i64>())).prop_map(|(name, value)| Deed::Attribute(name, value)),
        4 => scalar().prop_map(Deed::Tag),
        4 => scalar().prop_map(Deed::Untag),
        4 => (0_usize..3, line()).prop_map(|(index, value)| Deed::Insert(index, value)),
        3 => (0_usize..2, 0_usize..3).prop_map(|(index, delete)| Deed::Cut(index, delete)),
        4 => (0_usize..5, 0_usize..3, text()).prop_map(|(index, delete, text)| Deed::Splice(index, delete, text)),
        1 => proptest::sample::select(&FIELDS[..]).prop_map(Deed::Clear),
        1 => Just(Deed::Delete),
        2 => Just(Deed::Create),
    ]
}

/// A change that is made of what was read.
pub(super) fn update() -> impl Strategy<Value = Deed> {
    let lines = proptest::collection::vec(line(), 0..4);
    let rewrite = (text(), lines, proptest::sample::subsequence(scalars(), 0..=4));
    prop_oneof![
        (-3_i64..3).prop_map(Deed::Update),
        rewrite.prop_map(|(body, lines, tags)| Deed::Rewrite(body, lines, tags)),
    ]
}

/// With characters of one to four bytes, and one that is shown with the one before it.
fn text() -> impl Strategy<Value = String> {
    "[a-cäß\u{301}\u{1F95B}\"\\\\/~%\n]{0,5}"
}

/// Few, so that they are met again.
fn scalars() -> Vec<Value> {
    vec![json!("ä/~"), json!("1"), json!(1), json!(null)]
}

fn scalar() -> impl Strategy<Value = Value> {
    proptest::sample::select(scalars())
}

fn line() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => scalar(),
        3 => (product(), -1.5_f64..3.0).prop_map(|(product, quantity)| json!({"product": product, "quantity": quantity})),
        1 => Just(json!([true, "", []])),
    ]
}

impl Deed {
    /// As a change of a document.
    pub(super) fn change(&self, document: &Document<Value>) -> Change {
        match self {
            Self::Count(by) => document.counter("/on_hand").add(*by),
            Self::Grant(by) => document.bounded("/sellable").grant(*by),
            Self::Spend(by) => document.bounded("/sellable").spend(*by),
            Self::Shelf(shelf) => document.change().merge(&json!({"shelf": shelf})),
            Self::Attribute(name, number) => {
                document.change().merge(&json!({"attributes": {name.to_string(): number}}))
            }
            Self::Tag(element) => document.set("/tags").add(element),
            Self::Untag(element) => document.set("/tags").remove(element),
            Self::Insert(index, value) => document.list("/lines").insert(*index, value),
            Self::Cut(index, delete) => document.list("/lines").cut(*index, *delete),
            Self::Splice(index, delete, insert) => document.text("/body").splice(*index, *delete, insert),
            Self::Clear(field) => document.change().clear(&format!("/{field}")),
            Self::Delete => document.delete(),
            Self::Create => document.create(&json!({"on_hand": 1})),
            Self::Update(_) | Self::Rewrite(..) => panic!("{self:?} is none of a transaction"),
        }
    }

    /// Sends it alone.
    pub(super) async fn send(&self, document: &Document<Value>) -> Result<Written, CallError> {
        if let Self::Update(by) = self {
            let add = |value: &mut Value| {
                let on_hand = value["on_hand"].as_i64().unwrap_or_default();
                value["on_hand"] = json!(on_hand + by);
            };
            return document.update(add).await;
        }
        if let Self::Rewrite(body, lines, tags) = self {
            let rewrite = |value: &mut Value| {
                value["body"] = json!(body);
                value["lines"] = json!(lines);
                value["tags"] = json!(tags);
            };
            return document.update(rewrite).await;
        }
        self.change(document).await
    }
}
