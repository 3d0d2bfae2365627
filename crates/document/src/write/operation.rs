use crate::{ChangeHash, Origin, Pointer, PointerError};
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
    /// Patches by JSON Patch (RFC 6902) what is read: with the schema's defaults, which are written only where the patch
    /// changes them. A `test` is the precondition of everything in the call.
    Patch(#[serde(with = "patch_member")] json_patch::Patch),
    /// Deletes the document: it is not shown while anybody's deletion stands, whatever is written concurrently.
    /// Nothing is written where no document is.
    ///
    /// A put by somebody who has seen the deletion brings the document back: what was there is cleared, counters that
    /// the value leaves out start again at 0, and so do bounded counters as far as the writer holds the rights: what
    /// others hold cannot be taken from them. Of several who put it back at once the last decides what a counter counts
    /// on from. No rights of a bounded counter are made: what it has above them is granted before it is spent. A deletion
    /// that the put has not seen stands.
    ///
    /// One call clears only so much. A document with more is emptied first, in several calls: while it is deleted, only
    /// `clear`, `remove`, and a `splice` that inserts nothing are carried out besides a put.
    #[serde(deserialize_with = "no_members")]
    Delete,
    /// Adds to a counter.
    Increment {
        /// The counter.
        field: Pointer,
        /// What to add, a whole number; may be negative.
        #[serde(deserialize_with = "whole")]
        by: i64,
    },
    /// Takes from a bounded counter, of the rights that this origin holds.
    Spend {
        /// The bounded counter.
        field: Pointer,
        /// What to take.
        #[serde(deserialize_with = "whole")]
        by: u64,
    },
    /// Adds to a bounded counter: makes rights.
    Grant {
        /// The bounded counter.
        field: Pointer,
        /// What to add.
        #[serde(deserialize_with = "whole")]
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
        #[serde(deserialize_with = "whole")]
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
    /// Empties a field: a register and the members of a map are removed, a counter is brought to 0, a set, list or text
    /// is left without content. A bounded counter is refused while anybody holds rights of it; else what it counts on
    /// from goes: `clear` and `grant` in one call make rights of a plain number.
    Clear {
        /// The field.
        field: Pointer,
    },
    /// Decides between concurrent values of a register, or of an item of a list: writes this one, also where it is the one
    /// that is shown, so that it follows all that are here.
    Settle {
        /// The register, or the list's field with the place of the item.
        field: Pointer,
        /// What it is.
        value: Value,
    },
    /// The same with one of the values that were written at once, as [`Document::conflicts`](crate::Document::conflicts)
    /// tells them before the call. Items are named by their places before the call, and chosen before all else.
    Choose {
        /// The register, or the list's field with the place of the item.
        field: Pointer,
        /// The change that wrote the value, as 64 hexadecimal digits.
        #[serde(with = "hash_digits")]
        hash: ChangeHash,
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

    /// Whether it reads what the document holds, so that its outcome tells of it: `choose`, and `test`, `copy` and `move` of a
    /// JSON Patch.
    #[must_use]
    pub fn reads(&self) -> bool {
        use json_patch::PatchOperation as Step;
        match self {
            Self::Choose { .. } => true,
            Self::Patch(json_patch::Patch(steps)) => {
                steps.iter().any(|step| matches!(step, Step::Test(_) | Step::Copy(_) | Step::Move(_)))
            }
            Self::Put(_)
            | Self::MergePatch(_)
            | Self::Delete
            | Self::Increment { .. }
            | Self::Spend { .. }
            | Self::Grant { .. }
            | Self::Transfer { .. }
            | Self::Add { .. }
            | Self::Remove { .. }
            | Self::Insert { .. }
            | Self::Splice { .. }
            | Self::Clear { .. }
            | Self::Settle { .. } => false,
        }
    }

    /// Whether it takes content away and adds none.
    pub(crate) fn only_empties(&self) -> bool {
        match self {
            Self::Clear { .. } | Self::Remove { .. } => true,
            Self::Splice { insert: Insertion::Text(text), .. } => text.is_empty(),
            Self::Splice { insert: Insertion::Values(values), .. } => values.is_empty(),
            Self::Put(_)
            | Self::MergePatch(_)
            | Self::Patch(_)
            | Self::Delete
            | Self::Increment { .. }
            | Self::Spend { .. }
            | Self::Grant { .. }
            | Self::Transfer { .. }
            | Self::Add { .. }
            | Self::Insert { .. }
            | Self::Settle { .. }
            | Self::Choose { .. } => false,
        }
    }
}

/// A whole number, however it is written: 10.0 is 10.
fn whole<'de, N: TryFrom<i128>, D: Deserializer<'de>>(deserializer: D) -> Result<N, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let refused =
        || serde::de::Error::custom(format!("{number} is no whole number of 64 bits that fits here"));
    crate::json::whole(&number).ok_or_else(refused)
}

/// An operation with nothing beside its name.
fn no_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

/// A hash as its digits.
mod hash_digits {
    use crate::ChangeHash;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(hash: &ChangeHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ChangeHash, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("'{digits}' is no hash: it has 64 hexadecimal digits"));
        digits.parse().map_err(|_| wrong())
    }
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
