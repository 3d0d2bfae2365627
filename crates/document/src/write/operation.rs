use crate::{Origin, Pointer, PointerError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One thing to do to a document.
///
/// Its JSON form is what clients send: `{"op":"increment","field":"/on_hand","by":-1}`, the operation's name in small
/// letters, fields as JSON Pointers and origins as 32 hexadecimal digits. The value of a put is in `value`, a patch in
/// `patch`. A member that is not known is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Makes the document this object. Fields that are equal already are not written. Numeric fields get the
    /// difference from their present value and stay where the value leaves them out; of sets, lists and texts what
    /// differs is written. Fields that the value leaves out are removed where the collection's schema knows them or
    /// there is none: what a newer version of the schema has added is kept.
    ///
    /// A document that was deleted comes back; see [`Operation::Delete`].
    Put(#[serde(with = "value_member")] Value),
    /// Merges by JSON Merge Patch (RFC 7396): null removes a field. What it does not name is not written.
    MergePatch(#[serde(with = "patch_member")] Value),
    /// Patches by JSON Patch (RFC 6902). A `test` is the precondition of everything in the call.
    Patch(#[serde(with = "patch_member")] json_patch::Patch),
    /// Deletes the document: it is not shown while anybody's deletion stands, whatever is written concurrently.
    /// Nothing is written where no document is.
    ///
    /// A put by somebody who has seen the deletion brings the document back: what was there is cleared, counters that
    /// the value leaves out start again at 0, and so do bounded counters as far as the writer holds the rights: what
    /// others hold cannot be taken from them. A deletion that the put has not seen stands.
    #[serde(deserialize_with = "no_members")]
    Delete,
    /// Adds to a counter.
    Increment {
        /// The counter.
        field: Pointer,
        /// What to add; may be negative.
        by: i64,
    },
    /// Takes from a bounded counter, of the rights that this origin holds.
    Spend {
        /// The bounded counter.
        field: Pointer,
        /// What to take.
        by: u64,
    },
    /// Adds to a bounded counter: makes rights.
    Grant {
        /// The bounded counter.
        field: Pointer,
        /// What to add.
        by: u64,
        /// Who holds the rights; this origin when nobody is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Origin>,
    },
    /// Gives rights of a bounded counter that this origin holds to another.
    Transfer {
        /// The bounded counter.
        field: Pointer,
        /// Who gets them.
        to: Origin,
        /// How many.
        by: u64,
    },
    /// Adds an element to a set; it wins over concurrent removing, also when the element is there already.
    Add {
        /// The set.
        field: Pointer,
        /// A JSON scalar.
        element: Value,
    },
    /// Removes an element from a set, as far as it was added by changes that are here.
    Remove {
        /// The set.
        field: Pointer,
        /// A JSON scalar.
        element: Value,
    },
    /// Inserts values into a list.
    Insert {
        /// The list.
        field: Pointer,
        /// Before which item, from 0; the length of the list to append.
        index: usize,
        /// The values, in their order.
        values: Vec<Value>,
    },
    /// Deletes from a list or a text and inserts there.
    Splice {
        /// The list or text.
        field: Pointer,
        /// Where, from 0: items of a list, Unicode characters of a text.
        index: usize,
        /// How many items or characters to delete.
        #[serde(default)]
        delete: usize,
        /// What to insert.
        insert: Insertion,
    },
    /// Empties a field: a register and the members of a map are removed, a counter is compensated to 0, a set, list or
    /// text is left without content. A bounded counter is refused.
    Clear {
        /// The field.
        field: Pointer,
    },
}

/// What a splice inserts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Insertion {
    /// Into a text.
    Text(String),
    /// Into a list.
    Values(Vec<Value>),
}

impl Operation {
    /// Adds `by` to the counter at a JSON Pointer.
    ///
    /// # Errors
    /// [`PointerError`] when the text is no pointer.
    pub fn increment(field: &str, by: i64) -> Result<Self, PointerError> {
        Ok(Self::Increment { field: Pointer::parse(field)?, by })
    }
}

/// An operation with nothing beside its name.
fn no_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

macro_rules! member {
    ($module:ident, $member:ident) => {
        /// A value as the only member of an object, beside the operation's name.
        mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            #[derive(Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            struct Form<T> {
                $member: T,
            }

            pub(super) fn serialize<T: Serialize, S: Serializer>(
                value: &T,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                Form { $member: value }.serialize(serializer)
            }

            pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<T, D::Error> {
                Form::deserialize(deserializer).map(|form| form.$member)
            }
        }
    };
}

member!(value_member, value);
member!(patch_member, patch);
