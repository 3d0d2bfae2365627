//! What a version of a schema has that the one before it has not, by JSON Pointer.

use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// Most places that are told.
const PLACES_MAX: usize = 200;

/// Longest value that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Places in two schemas that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// JSON Pointers into the later one, with what is there.
    pub(super) added: Vec<Place>,
    /// JSON Pointers into the earlier one, with what was there.
    pub(super) removed: Vec<Place>,
    pub(super) changed: Vec<Change>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    at: String,
    value: Value,
}

/// A place with another value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    at: String,
    before: Value,
    after: Value,
}

impl Difference {
    /// Between the texts of two schemas.
    pub(super) fn between(earlier: &str, later: &str) -> Self {
        let mut difference = Self::default();
        if let (Ok(earlier), Ok(later)) = (serde_json::from_str(earlier), serde_json::from_str(later)) {
            difference.compare(&earlier, &later, "");
        }
        difference
    }

    /// As deep as a schema may be.
    fn compare(&mut self, earlier: &Value, later: &Value, at: &str) {
        let (Value::Object(was), Value::Object(now)) = (earlier, later) else {
            if earlier != later && self.has_room() {
                let (before, after) = (earlier.clone(), later.clone());
                self.changed.push(Change { at: at.to_owned(), before, after });
            }
            return;
        };
        for (name, value) in was {
            let at = below(at, name);
            match now.get(name) {
                Some(later) => self.compare(value, later, &at),
                None if self.has_room() => self.removed.push(Place { at, value: value.clone() }),
                None => {}
            }
        }
        for (name, value) in now.iter().filter(|(name, _)| !was.contains_key(*name)) {
            if self.has_room() {
                self.added.push(Place { at: below(at, name), value: value.clone() });
            }
        }
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.added.len() + self.removed.len() + self.changed.len() < PLACES_MAX;
        self.is_cut |= !has_room;
        has_room
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Place { at, value } in &self.added {
            writeln!(f, "  + {at}: {}", shortened(value))?;
        }
        for Place { at, value } in &self.removed {
            writeln!(f, "  - {at}: {}", shortened(value))?;
        }
        for Change { at, before, after } in &self.changed {
            writeln!(f, "  ~ {at}: {} -> {}", shortened(before), shortened(after))?;
        }
        if self.is_cut { writeln!(f, "  and more") } else { Ok(()) }
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_by_pointer() {
        let earlier = json!({"x-version": 1, "properties": {"a/b": {"minimum": 0}, "old": {}}, "title": "t"});
        let later =
            json!({"x-version": 2, "properties": {"a/b": {"minimum": -1}, "new": {"type": "string"}}});
        let difference = Difference::between(&earlier.to_string(), &later.to_string());
        let expected = "  + /properties/new: {\"type\":\"string\"}\n  - /properties/old: {}\n  - /title: \"t\"\n  ~ \
                        /properties/a~1b/minimum: 0 -> -1\n  ~ /x-version: 1 -> 2\n";
        assert_eq!(difference.to_string(), expected);
        let same = Difference::between(&later.to_string(), &later.to_string());
        assert_eq!(same, Difference::default());
    }

    #[test]
    fn a_long_difference_is_cut() {
        let many: serde_json::Map<_, _> =
            (0..300).map(|n| (format!("f{n}"), json!("x".repeat(100)))).collect();
        let difference = Difference::between("{}", &Value::Object(many).to_string());
        assert_eq!((difference.added.len(), difference.is_cut), (PLACES_MAX, true));
        let text = difference.to_string();
        assert!(
            text.ends_with("  and more\n") && text.lines().all(|line| line.chars().count() < 80),
            "{text}"
        );
    }
}
