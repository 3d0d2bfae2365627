//! Whether a type fits the schema of its collection.

mod reading;

use crate::error::CallError;
use reading::{DEPTH_MAX, bound, choices, is_counter, is_optional, least, meant, most, names, types};
use serde_json::Value;
use std::fmt;

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
    /// The field, as a JSON Pointer; `-` stands for any item of a list, and `*` for any member of a map.
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
        let (mut reads, mut has) = (types(self.ours, ours), types(self.theirs, theirs));
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
        let has = has.unwrap_or_default();
        self.compare_choices(field, ours, theirs);
        if has.contains("integer") || has.contains("number") {
            self.compare_ranges(field, ours, theirs);
        }
        let lengths = |schema| (bound(schema, "minLength"), bound(schema, "maxLength"));
        let one = (Some(1.0), Some(1.0));
        if has.contains("string")
            && choices(self.theirs, theirs).is_none()
            && lengths(ours) == one
            && lengths(theirs) != one
        {
            self.misfit(field, "may be a text of not one character in the collection: read it as a String");
        }
        if has.contains("array") {
            self.compare_items(field, ours, theirs, depth);
        }
        self.compare_members(field, ours, theirs, depth);
        self.compare_others(field, ours, theirs, depth);
    }

    /// Bounds of numbers.
    fn compare_ranges(&mut self, field: &str, ours: &Value, theirs: &Value) {
        // A bounded counter never goes below its bound, which its minimum is.
        let below = least(ours).filter(|reads| least(theirs).is_none_or(|has| has < *reads));
        let above = most(ours).filter(|reads| most(theirs).is_none_or(|has| has > *reads));
        let why = match (below, above) {
            (None, None) => return,
            (Some(0.0), None) => "less than 0 in the collection: read it as a signed number".to_owned(),
            (Some(below), None) => format!("less than {below} in the collection: read it as a larger number"),
            (None, Some(above)) => format!("more than {above} in the collection: read it as a larger number"),
            (Some(below), Some(above)) => {
                format!(
                    "less than {below} or more than {above} in the collection: read it as a larger number"
                )
            }
        };
        self.misfit(field, format!("may be {why}"));
    }

    /// Values that are one of a few.
    fn compare_choices(&mut self, field: &str, ours: &Value, theirs: &Value) {
        let Some(reads) = choices(self.ours, ours) else { return };
        match choices(self.theirs, theirs) {
            None => self.misfit(field, "may be any text in the collection, and is read as one of a few"),
            Some(has) => {
                if let Some(other) = has.iter().find(|value| !reads.contains(value)) {
                    let why = format!("may be {other} in the collection, which is not among what is read");
                    self.misfit(field, why);
                }
            }
        }
    }

    /// The items of an array: each that has a place of its own, and the others.
    fn compare_items(&mut self, field: &str, ours: &'a Value, theirs: &'a Value, depth: usize) {
        let lengths = |schema| (bound(schema, "minItems"), bound(schema, "maxItems"));
        // Of a tuple, and of an array of Rust.
        let (least, most) = lengths(ours);
        if least.is_some() && least == most && lengths(theirs) != (least, most) {
            self.misfit(field, "may have another number of items in the collection: read it as a Vec");
        }
        let placed = |schema: &'a Value| schema.get("prefixItems").and_then(Value::as_array);
        let others = |schema: &'a Value| schema.get("items").filter(|items| items.is_object());
        let at = |schema: &'a Value, index| placed(schema).and_then(|items| items.get(index));
        let count = placed(ours).into_iter().chain(placed(theirs)).map(Vec::len).max().unwrap_or_default();
        for index in 0..count {
            let of = |schema| at(schema, index).or_else(|| others(schema));
            if let (Some(ours), Some(theirs)) = (of(ours), of(theirs)) {
                self.compare(&format!("{field}/{index}"), ours, theirs, depth + 1);
            }
        }
        if let (Some(ours), Some(theirs)) = (others(ours), others(theirs)) {
            self.compare(&format!("{field}/-"), ours, theirs, depth + 1);
        }
    }

    fn compare_members(&mut self, field: &str, ours: &'a Value, theirs: &'a Value, depth: usize) {
        let Some(reads) = ours.get("properties").and_then(Value::as_object) else { return };
        // A free object says nothing of its members.
        let has = theirs.get("properties").and_then(Value::as_object);
        let Some(has) = has.filter(|has| !has.is_empty()) else { return };
        let (needed, sure) = (names(ours, "required"), names(theirs, "required"));
        for (name, ours) in reads {
            let field = member(field, name);
            match has.get(name) {
                Some(theirs) => {
                    let is_sure = sure.contains(name.as_str()) || theirs.get("default").is_some();
                    if needed.contains(name.as_str()) && !is_sure && !is_counter(theirs) {
                        let why = "may be absent in the collection: make it an Option, or give it `#[serde(default)]`";
                        self.misfit(&field, why);
                    }
                    self.compare(&field, ours, theirs, depth + 1);
                }
                None if theirs.get("additionalProperties").is_some_and(is_open) => {}
                None => {
                    let known: Vec<&str> = has.keys().map(String::as_str).collect();
                    let why = format!("is no field of the collection, which has {}", known.join(", "));
                    self.misfit(&field, why);
                }
            }
        }
    }

    /// Members that the type does not name: those of a map, and those that it refuses.
    fn compare_others(&mut self, field: &str, ours: &'a Value, theirs: &'a Value, depth: usize) {
        let reads = ours.get("properties").and_then(Value::as_object);
        let has = theirs.get("properties").and_then(Value::as_object);
        let others = has.into_iter().flatten();
        let others = others.filter(|(name, _)| !reads.is_some_and(|reads| reads.contains_key(*name)));
        let more = theirs.get("additionalProperties").filter(|more| is_open(more));
        match ours.get("additionalProperties") {
            // A map whose keys are numbers refuses others, too: keys are not looked at.
            Some(Value::Bool(false)) if ours.get("patternProperties").is_none() => {
                for (name, _) in others {
                    let why = "is in the collection, and the type refuses it: name it, or leave out `deny_unknown_fields`";
                    self.misfit(&member(field, name), why);
                }
                if more.is_some() {
                    let why = "may have other members in the collection, which the type refuses: leave out `deny_unknown_fields`";
                    self.misfit(field, why);
                }
            }
            Some(value) if value.is_object() => {
                for (name, theirs) in others {
                    self.compare(&member(field, name), value, theirs, depth + 1);
                }
                if let Some(more) = more {
                    self.compare(&format!("{field}/*"), value, more, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// Whether it allows members that are not named.
fn is_open(more: &Value) -> bool {
    *more != Value::Bool(false)
}

/// The place of a member.
fn member(field: &str, name: &str) -> String {
    format!("{field}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
