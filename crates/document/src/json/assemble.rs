use super::{Contents, Entries, Field};
use crate::entry::{self, Entry};
use automerge::ValueRef;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A node of the tree that the entries span.
#[derive(Default)]
struct Node {
    members: BTreeMap<String, Node>,
    field: Field,
}

impl Node {
    fn at(&mut self, keys: &mut Vec<String>) -> &mut Self {
        keys.drain(..).fold(self, |node, key| node.members.entry(key).or_default())
    }

    /// `None` where nothing is shown.
    fn json(mut self) -> Option<Value> {
        let members: Map<String, Value> =
            self.members.into_iter().filter_map(|(key, node)| Some((key, node.json()?))).collect();
        if !members.is_empty() {
            return Some(Value::Object(members));
        }
        self.field.finish();
        self.field.json()
    }
}

/// The document as JSON; an empty object while it has no entries.
pub(crate) fn assemble(document: &impl Entries) -> Value {
    assemble_entries(document, document.range("", None))
}

/// The JSON of these entries: the name of each and the value that is shown of it.
pub(crate) fn assemble_entries<'a>(
    contents: &impl Contents,
    entries: impl Iterator<Item = (Cow<'a, str>, ValueRef<'a>)>,
) -> Value {
    let mut root = Node::default();
    for (name, value) in entries {
        let mut entry = entry::read_name(&name);
        let mut keys = match &mut entry {
            Entry::Leaf(keys)
            | Entry::Tally(keys)
            | Entry::Spend(keys)
            | Entry::Grant(keys)
            | Entry::Bound(keys)
            | Entry::Element(keys, _)
            | Entry::Sequence(keys, _) => std::mem::take(keys),
            Entry::Reserved => continue,
        };
        root.at(&mut keys).field.add(contents, &entry, &name, &value);
    }
    root.json().unwrap_or_else(|| Value::Object(Map::new()))
}
