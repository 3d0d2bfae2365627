//! Whether a type fits the schema of its collection.

use crate::error::CallError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// How deep types are looked into: one that contains itself has no end.
const DEPTH_MAX: usize = 16;

/// Why a collection is not used with a type.
///
/// ```no_run
/// use isle_client::{FitError, JsonSchema, schemars};
///
/// #[derive(serde::Deserialize, JsonSchema)]
/// struct Item {
///     on_hand: u32,
/// }
///
/// # async fn example(client: isle_client::Client) {
/// let checked = client.space("store-367").collection::<Item>("inventory").checked().await;
/// if let Err(FitError::Misfits { misfits, .. }) = checked {
///     // /on_hand may be less than 0 in the collection: read it as a signed number
///     misfits.iter().for_each(|misfit| println!("{misfit}"));
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The schema was not learnt.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The type does not fit.
    #[error("the type does not fit the collection {collection}: {}", listed(misfits))]
    Misfits {
        /// The collection.
        collection: String,
        /// Every field that does not fit.
        misfits: Vec<Misfit>,
    },
}

fn listed(misfits: &[Misfit]) -> String {
    misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A field of a type that does not fit.
///
/// ```no_run
/// # fn example(misfit: isle_client::Misfit) {
/// println!("{}: {}", misfit.field, misfit.why);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misfit {
    /// The field, as a JSON Pointer.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.field.is_empty() { "/" } else { &self.field }, self.why)
    }
}

/// Holds the schema of a type against that of a collection.
pub(crate) fn misfits(ours: &Value, theirs: &Value) -> Vec<Misfit> {
    let mut comparing = Comparing { ours, theirs, found: Vec::new() };
    comparing.compare("", ours, theirs, 0);
    comparing.found
}

struct Comparing<'a> {
    ours: &'a Value,
    theirs: &'a Value,
    found: Vec<Misfit>,
}

impl<'a> Comparing<'a> {
    fn misfit(&mut self, field: &str, why: impl Into<String>) {
        self.found.push(Misfit { field: field.to_owned(), why: why.into() });
    }

    fn compare(&mut self, field: &str, ours: &'a Value, theirs: &'a Value, depth: usize) {
        let reads_null = is_optional(ours);
        let has_null = is_optional(theirs);
        let (ours, theirs) = (meant(self.ours, ours), meant(self.theirs, theirs));
        if depth > DEPTH_MAX {
            return;
        }
        let (mut reads, mut has) = (types(ours), types(theirs));
        reads.iter_mut().filter(|_| reads_null).for_each(|reads| reads.extend(["null"]));
        has.iter_mut().filter(|_| has_null).for_each(|has| has.extend(["null"]));
        if let (Some(reads), Some(has)) = (&reads, &has) {
            let is_read =
                |kind: &&&str| reads.contains(**kind) || (**kind == "integer" && reads.contains("number"));
            let unread: Vec<&str> = has.iter().filter(|kind| !is_read(kind)).copied().collect();
            if !unread.is_empty() {
                let reads: Vec<&str> = reads.iter().copied().collect();
                let (unread, reads) = (unread.join(" or "), reads.join(" or "));
                self.misfit(field, format!("may be {unread} in the collection and is read as {reads}"));
                return;
            }
        }
        self.compare_ranges(field, ours, theirs);
        self.compare_members(field, ours, theirs, depth);
        if let (Some(ours), Some(theirs)) = (ours.get("items"), theirs.get("items")) {
            self.compare(&format!("{field}/-"), ours, theirs, depth + 1);
        }
    }

    /// Bounds of numbers, and texts that are one of a few.
    fn compare_ranges(&mut self, field: &str, ours: &Value, theirs: &Value) {
        if types(theirs).is_some_and(|has| has.contains("integer") || has.contains("number")) {
            // A bounded counter never goes below its bound, which its minimum is.
            if let Some(reads) = least(ours).filter(|reads| least(theirs).is_none_or(|has| has < *reads)) {
                self.misfit(
                    field,
                    format!("may be less than {reads} in the collection: read it as a signed number"),
                );
            }
            if let Some(reads) = most(ours).filter(|reads| most(theirs).is_none_or(|has| has > *reads)) {
                self.misfit(
                    field,
                    format!("may be more than {reads} in the collection: read it as a larger number"),
                );
            }
        }
        let one_of = |schema: &Value| schema.get("enum").and_then(Value::as_array).cloned();
        if let Some(reads) = one_of(ours) {
            match one_of(theirs) {
                None => self.misfit(field, "may be any text in the collection, and is read as one of a few"),
                Some(has) => {
                    if let Some(other) = has.iter().find(|value| !reads.contains(value)) {
                        self.misfit(
                            field,
                            format!("may be {other} in the collection, which is not among what is read"),
                        );
                    }
                }
            }
        }
    }

    fn compare_members(&mut self, field: &str, ours: &'a Value, theirs: &'a Value, depth: usize) {
        let Some(reads) = ours.get("properties").and_then(Value::as_object) else { return };
        // A free object says nothing of its members.
        let has = theirs.get("properties").and_then(Value::as_object);
        let Some(has) = has.filter(|has| !has.is_empty()) else { return };
        let (needed, sure) = (names(ours, "required"), names(theirs, "required"));
        for (name, ours) in reads {
            let field = format!("{field}/{}", name.replace('~', "~0").replace('/', "~1"));
            match has.get(name) {
                Some(theirs) => {
                    let is_sure = sure.contains(name.as_str()) || theirs.get("default").is_some();
                    if needed.contains(name.as_str()) && !is_sure && !is_counter(theirs) {
                        let why = "may be absent in the collection: make it an Option, or give it `#[serde(default)]`";
                        self.misfit(&field, why);
                    }
                    self.compare(&field, ours, theirs, depth + 1);
                }
                None if theirs
                    .get("additionalProperties")
                    .is_some_and(|more| *more != Value::Bool(false)) => {}
                None => {
                    let known: Vec<&str> = has.keys().map(String::as_str).collect();
                    self.misfit(
                        &field,
                        format!("is no field of the collection, which has {}", known.join(", ")),
                    );
                }
            }
        }
    }
}

/// Whether it is shown as 0 when nothing was counted.
fn is_counter(schema: &Value) -> bool {
    let kind = schema.get("x-crdt").and_then(Value::as_str);
    matches!(kind, Some("counter" | "bounded-counter"))
}

/// The smallest number that a schema allows; `None` when it does not say.
fn least(schema: &Value) -> Option<f64> {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    // More than a bound: of whole numbers at least the next one.
    bound("minimum").or_else(|| bound("exclusiveMinimum")).or_else(|| of_a_few(schema, f64::min))
}

/// The largest number that a schema allows; `None` when it does not say.
fn most(schema: &Value) -> Option<f64> {
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    bound("maximum").or_else(|| bound("exclusiveMaximum")).or_else(|| of_a_few(schema, f64::max))
}

/// Of the numbers that a schema lists.
fn of_a_few(schema: &Value, choose: fn(f64, f64) -> f64) -> Option<f64> {
    let values = schema.get("enum")?.as_array()?;
    values.iter().map(Value::as_f64).collect::<Option<Vec<_>>>()?.into_iter().reduce(choose)
}

/// Behind references, and past the null of an `Option` of them.
fn meant<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    for _ in 0..DEPTH_MAX {
        let referred =
            schema.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#'));
        let next = referred.and_then(|pointer| root.pointer(pointer)).or_else(|| only_branch(schema));
        match next {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// Of a reference and null, as an `Option` is: the reference.
fn only_branch(schema: &Value) -> Option<&Value> {
    let branches = schema.get("anyOf")?.as_array()?;
    let mut others =
        branches.iter().filter(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
    let only = others.next()?;
    (others.next().is_none() && branches.len() > 1).then_some(only)
}

/// Whether it may be null by a branch beside [`only_branch`].
fn is_optional(schema: &Value) -> bool {
    only_branch(schema).is_some()
}

/// The JSON types that a schema allows; `None` when it does not say.
fn types(schema: &Value) -> Option<BTreeSet<&str>> {
    match schema.get("type") {
        Some(Value::String(kind)) => Some(BTreeSet::from([kind.as_str()])),
        Some(Value::Array(kinds)) => Some(kinds.iter().filter_map(Value::as_str).collect()),
        _ => {
            let branches = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
            // A branch that does not say allows anything.
            let all: Option<Vec<_>> = branches.iter().map(types).collect();
            Some(all?.into_iter().flatten().collect())
        }
    }
}

fn names<'a>(schema: &'a Value, list: &str) -> BTreeSet<&'a str> {
    schema.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::{JsonSchema, schema_for};
    use serde::Deserialize;

    fn of<T: JsonSchema>() -> Vec<String> {
        let inventory = include_str!("../../../schemas/collections/inventory.json");
        let inventory: Value = serde_json::from_str(inventory).unwrap();
        misfits(schema_for!(T).as_value(), &inventory).iter().map(ToString::to_string).collect()
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Fitting {
        product: Option<String>,
        on_hand: i64,
        sellable: u32,
        #[serde(default)]
        price_override: Option<f64>,
        #[serde(default)]
        shelf: String,
        #[serde(default)]
        attributes: std::collections::BTreeMap<String, Value>,
    }

    #[test]
    fn what_fits_is_fitting() {
        assert_eq!(of::<Fitting>(), Vec::<String>::new());
        assert_eq!(of::<Value>(), Vec::<String>::new());
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Unfitting {
        product: String,
        on_hand: u32,
        sellable: String,
        price_override: Option<i64>,
        shelve: Option<String>,
    }

    #[test]
    fn every_field_that_does_not_fit_is_named() {
        let found = of::<Unfitting>();
        let expected = [
            ("/on_hand", "less than 0"),
            ("/price_override", "may be number"),
            ("/product", "may be absent"),
            ("/sellable", "may be integer in the collection and is read as string"),
            ("/shelve", "no field of the collection, which has attributes, on_hand"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((field, why), found) in expected.into_iter().zip(&found) {
            assert!(found.starts_with(field) && found.contains(why), "{found}");
        }
    }

    #[derive(Deserialize, JsonSchema)]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Ranged {
        small: u8,
        positive: u32,
        size: u16,
        colour: Colour,
        free: Option<Colour>,
        line: Option<Line>,
    }

    #[test]
    fn ranges_choices_and_what_is_optional_are_looked_at() {
        let theirs = |small: Value, free: Value, quantity: Value| {
            serde_json::json!({"required": ["small", "positive", "size", "colour"], "properties": {
                "small": small, "positive": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
                "size": {"type": "integer", "enum": [1, 2, 500]}, "colour": {"type": "string", "enum": ["Red"]},
                "free": free, "line": {"type": "object", "properties": {"quantity": quantity}, "required": ["quantity"]}}})
        };
        let byte = serde_json::json!({"type": "integer", "minimum": 0, "maximum": 255});
        let red = serde_json::json!({"type": "string", "enum": ["Red", "Blue"]});
        let fitting = theirs(byte.clone(), red.clone(), byte.clone());
        assert_eq!(misfits(schema_for!(Ranged).as_value(), &fitting), []);
        let text = serde_json::json!({"type": "string"});
        let large = serde_json::json!({"type": "integer", "minimum": 0});
        let unfitting = theirs(large, text.clone(), text);
        let found = misfits(schema_for!(Ranged).as_value(), &unfitting);
        let fields: Vec<&str> = found.iter().map(|misfit| misfit.field.as_str()).collect();
        assert_eq!(fields, ["/free", "/line/quantity", "/small"], "{found:?}");
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Nested {
        lines: Vec<Line>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema counts")]
    struct Line {
        quantity: u8,
    }

    #[test]
    fn lists_are_looked_into() {
        let theirs = serde_json::json!({"properties": {"lines": {"type": "array", "items":
            {"type": "object", "properties": {"quantity": {"type": "string"}}, "required": ["quantity"]}}},
            "required": ["lines"]});
        let found = misfits(schema_for!(Nested).as_value(), &theirs);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "/lines/-/quantity");
    }
}
