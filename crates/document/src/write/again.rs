//! What one branch of a history said, written again under another origin (module `document::branch`).

use super::{Outcome, WriteError, Writer};
use crate::entry::{self, Entry, Pointer};
use crate::json::{self, Contents as _, Entries, View};
use automerge::{ReadDoc, ScalarValue, ValueRef};
use std::collections::BTreeSet;

impl Writer<'_, '_> {
    pub(crate) fn write_again<D: ReadDoc>(
        &mut self,
        with: &D,
        shares: &BTreeSet<String>,
    ) -> Result<Outcome, WriteError> {
        let here: Vec<_> = scalars(&self.draft.shown()).collect();
        let there: Vec<(String, ScalarValue)> = scalars(&View::now(with)).collect();
        for (name, value) in &there {
            let before = here.iter().find(|(present, _)| present == name).map(|(_, value)| value);
            if before == Some(value) {
                continue;
            }
            match (entry::owner(name), entry::read_name(name)) {
                (Some(owner), _) if shares.contains(owner) => self.add_share(name, owner, value, before)?,
                (Some(_), _) | (None, Entry::Sequence(..)) => {}
                (None, _) => self.set(name, value.clone())?,
            }
        }
        for (name, _) in &here {
            let is_gone = !there.iter().any(|(present, _)| present == name);
            if is_gone && entry::owner(name).is_none() {
                self.delete(name)?;
            }
        }
        self.write_sequences(with, &there)?;
        let now = self.draft.shown();
        // It is held against no schema.
        Ok(Outcome { json: (!now.is_deleted()).then(|| json::assemble(&now)), breaks_schema: false })
    }

    /// What the owner of a share of a counter added to it becomes this origin's.
    fn add_share(
        &mut self,
        name: &str,
        owner: &str,
        value: &ScalarValue,
        before: Option<&ScalarValue>,
    ) -> Result<(), WriteError> {
        let number = |value: &ScalarValue| value.as_i64().unwrap_or(0);
        let added = i128::from(number(value)) - i128::from(before.map_or(0, number));
        let own = self.share_of(name, owner);
        let total = i128::from(self.number(&own)?.unwrap_or(0)) + added;
        let total = i64::try_from(total).map_err(|_| WriteError::Document)?;
        self.set(&own, ScalarValue::Int(total))
    }

    fn write_sequences<D: ReadDoc>(
        &mut self,
        with: &D,
        there: &[(String, ScalarValue)],
    ) -> Result<(), WriteError> {
        let view = View::now(with);
        for (name, _) in there {
            let (Entry::Sequence(..), Some((field, kind))) =
                (entry::read_name(name), entry::split_reserved(name))
            else {
                continue;
            };
            let pointer = Pointer::from_name(field.to_owned());
            // Also where they read the same: one of which nothing is left has to be created before it is marked.
            match kind {
                "[" => self.put_list(&pointer, &view.items(field))?,
                _ => self.put_text(&pointer, &view.text(field))?,
            }
        }
        Ok(())
    }

    /// The name of this origin's share of a counter, from that of another's.
    fn share_of(&self, name: &str, owner: &str) -> String {
        let own = self.origin.short();
        let Some((field, kind)) = entry::split_reserved(name) else { return name.to_owned() };
        // A right that the owner made for itself is this origin's to make for itself.
        match kind.strip_prefix('>').and_then(|pair| pair.split_at_checked(entry::SHORT_BYTES)) {
            Some((_, to)) if to == owner => format!("{field}/+>{own}{own}"),
            Some(_) | None => format!("{field}/+{}", kind.replacen(owner, &own, 1)),
        }
    }
}

/// The entries of a root map that hold plain values: the one that is shown of each.
fn scalars(document: &impl Entries) -> impl Iterator<Item = (String, ScalarValue)> + '_ {
    document.range("", None).filter_map(|(name, value)| {
        let ValueRef::Scalar(value) = value else { return None };
        Some((name.into_owned(), value.into()))
    })
}
