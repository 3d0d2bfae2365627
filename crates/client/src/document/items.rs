//! The items of a list that a closure changed.
//!
//! Of an item a type sees what it knows. The rest belongs to that item: it stays with it where it is recognised, and where
//! it cannot be told which item is which nothing is written.

use super::difference::{Undecided, merge_patch, without_nulls};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

/// What cannot be told, each as the error says it.
const REORDERED: &str = "the type has them in another order or number than the document";
const MIXED: &str = "some were changed and others added or removed at the same place";
const ALIKE: &str = "of some that look alike to the type one was removed";
const MOVED: &str = "one may have been moved and changed at once";

/// The items that `after` comes to. One that equals one of before is as it was read, wherever it is now; where as many
/// differ between two that are as before, each was changed in place.
pub(super) fn items(
    field: &str,
    read: &[Value],
    before: &[Value],
    after: &[Value],
) -> Result<Vec<Value>, Undecided> {
    if read.len() != before.len() || is_reordered(read, before) {
        // As a set of Rust has them: nothing is lost where the type sees all there is.
        return match read.iter().all(|item| before.contains(item)) {
            true => Ok(after.iter().cloned().map(without_nulls).collect()),
            false => Err(undecided(field, REORDERED)),
        };
    }
    let lists = Lists { read, before, after };
    let matching = lists.matching(field)?;
    lists.check_alike(field, &matching)?;
    lists.check_moved(field, &matching)?;
    let made = after.iter().zip(&matching.sources).enumerate().map(|(index, (item, source))| match source {
        Source::Same(from) => Ok(read.get(*from).cloned().unwrap_or_default()),
        Source::Changed(from) => match (read.get(*from), before.get(*from)) {
            (Some(read), Some(before)) => changed_in_place(&format!("{field}/{index}"), read, before, item),
            _ => Ok(without_nulls(item.clone())),
        },
        Source::New => Ok(without_nulls(item.clone())),
    });
    made.collect()
}

fn undecided(field: &str, why: &'static str) -> Undecided {
    Undecided { field: field.to_owned(), why }
}

/// Where an item comes from: by its number among those of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// It is one of before.
    Same(usize),
    /// It was one of before.
    Changed(usize),
    New,
}

struct Lists<'a> {
    read: &'a [Value],
    before: &'a [Value],
    after: &'a [Value],
}

struct Matching {
    /// Of each item of after.
    sources: Vec<Source>,
    /// What each item of before came to.
    fates: Vec<Fate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Changed,
    Dropped,
}

impl Lists<'_> {
    fn has_more(&self, index: usize) -> bool {
        let (read, before) = (self.read.get(index), self.before.get(index));
        read.zip(before).is_some_and(|(read, before)| has_more(read, before))
    }

    fn matching(&self, field: &str) -> Result<Matching, Undecided> {
        let same = self.same();
        let anchors = longest_rising(&same);
        let mut fates = vec![Fate::Dropped; self.before.len()];
        for from in same.iter().flatten() {
            if let Some(fate) = fates.get_mut(*from) {
                *fate = Fate::Kept;
            }
        }
        let mut sources: Vec<Source> =
            same.iter().map(|from| from.map_or(Source::New, Source::Same)).collect();
        let (mut at, mut from) = (0, 0);
        let ends = [(self.after.len(), self.before.len())];
        for (anchor_at, anchor_from) in anchors.into_iter().chain(ends) {
            let gone: Vec<usize> =
                (from..anchor_from).filter(|from| fates.get(*from) == Some(&Fate::Dropped)).collect();
            let come: Vec<usize> =
                (at..anchor_at).filter(|at| sources.get(*at) == Some(&Source::New)).collect();
            if gone.len() == come.len() {
                for (gone, come) in gone.into_iter().zip(come) {
                    if let (Some(fate), Some(source)) = (fates.get_mut(gone), sources.get_mut(come)) {
                        (*fate, *source) = (Fate::Changed, Source::Changed(gone));
                    }
                }
            } else if !come.is_empty() && gone.iter().any(|gone| self.has_more(*gone)) {
                return Err(undecided(field, MIXED));
            }
            (at, from) = (anchor_at + 1, anchor_from + 1);
        }
        Ok(Matching { sources, fates })
    }

    /// Of each item of after the one of before that it equals, each once: at the start and the end in its place, else the
    /// first that is left.
    fn same(&self) -> Vec<Option<usize>> {
        let Self { before, after, .. } = *self;
        let shorter = before.len().min(after.len());
        let start = before.iter().zip(after).take_while(|(before, after)| before == after).count();
        let ends = before.iter().rev().zip(after.iter().rev()).take(shorter - start);
        let end = ends.take_while(|(before, after)| before == after).count();
        let mut left: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (index, item) in before.iter().enumerate().take(before.len() - end).skip(start) {
            left.entry(item.to_string()).or_default().push_back(index);
        }
        let of = |(index, item): (usize, &Value)| {
            if index < start {
                Some(index)
            } else if index >= after.len() - end {
                Some(before.len() - (after.len() - index))
            } else {
                left.get_mut(&item.to_string())?.pop_front()
            }
        };
        after.iter().enumerate().map(of).collect()
    }

    /// Of items that look alike and differ in what the type does not see it cannot be told which was removed.
    fn check_alike(&self, field: &str, matching: &Matching) -> Result<(), Undecided> {
        let Self { read, before, .. } = *self;
        let mut kept: HashMap<String, Vec<&Value>> = HashMap::new();
        let items = || before.iter().zip(read).zip(&matching.fates);
        if !matching.fates.contains(&Fate::Dropped) {
            return Ok(());
        }
        for ((seen, read), _) in items().filter(|(_, fate)| **fate == Fate::Kept) {
            kept.entry(seen.to_string()).or_default().push(read);
        }
        let mut dropped = items().filter(|(_, fate)| **fate == Fate::Dropped);
        let is_alike = |seen: &Value, read: &Value| {
            kept.get(&seen.to_string()).is_some_and(|kept| kept.iter().any(|kept| *kept != read))
        };
        match dropped.any(|((seen, read), _)| is_alike(seen, read)) {
            true => Err(undecided(field, ALIKE)),
            false => Ok(()),
        }
    }

    /// An item that has a text which only one of before had, and not in the place of that one, may be that one.
    fn check_moved(&self, field: &str, matching: &Matching) -> Result<(), Undecided> {
        let mut owners: HashMap<(&str, &str), Option<usize>> = HashMap::new();
        for (index, item) in self.before.iter().enumerate() {
            for text in texts(item) {
                owners.entry(text).and_modify(|owner| *owner = None).or_insert(Some(index));
            }
        }
        for (item, source) in self.after.iter().zip(&matching.sources) {
            let own = match source {
                Source::Same(_) => continue,
                Source::Changed(from) => Some(*from),
                Source::New => None,
            };
            let like: Vec<usize> =
                texts(item).filter_map(|text| owners.get(&text).copied().flatten()).collect();
            if own.is_some_and(|own| like.contains(&own)) {
                continue;
            }
            let is_gone = |from: &usize| matching.fates.get(*from) != Some(&Fate::Kept);
            let is_at_stake = |from: &usize| {
                own.is_some_and(|own| self.has_more(own)) || is_gone(from) && self.has_more(*from)
            };
            if like.iter().any(is_at_stake) {
                return Err(undecided(field, MOVED));
            }
        }
        Ok(())
    }
}

/// The texts of an object, with their names.
fn texts(item: &Value) -> impl Iterator<Item = (&str, &str)> {
    let members = item.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

/// The most of these that rise from one to the next: where each is, and what it is.
fn longest_rising(numbers: &[Option<usize>]) -> Vec<(usize, usize)> {
    // Of the rising rows of each length the one that ends lowest, and of each member the one before it.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: HashMap<usize, (usize, usize)> = HashMap::new();
    for (at, number) in numbers.iter().enumerate() {
        let Some(number) = *number else { continue };
        let length = ends.partition_point(|(_, end)| *end < number);
        if let Some(last) = length.checked_sub(1).and_then(|length| ends.get(length)) {
            before.insert(at, *last);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (at, number),
            None => ends.push((at, number)),
        }
    }
    let mut row: Vec<(usize, usize)> =
        std::iter::successors(ends.last().copied(), |(at, _)| before.get(at).copied()).collect();
    row.reverse();
    row
}

fn changed_in_place(field: &str, read: &Value, before: &Value, after: &Value) -> Result<Value, Undecided> {
    match (read, before, after) {
        (Value::Object(_), Value::Object(_), Value::Object(_)) => {
            let mut item = read.clone();
            if let Some(patch) = merge_patch(field, read, before, after)? {
                apply(&mut item, patch);
            }
            Ok(item)
        }
        (Value::Array(read), Value::Array(before), Value::Array(after)) => {
            Ok(Value::Array(items(field, read, before, after)?))
        }
        _ => Ok(without_nulls(after.clone())),
    }
}

/// Carries a merge patch out.
fn apply(value: &mut Value, patch: Value) {
    match (value, patch) {
        (Value::Object(members), Value::Object(patch)) => {
            for (name, patch) in patch {
                if patch.is_null() {
                    members.remove(&name);
                } else {
                    apply(members.entry(name).or_insert(Value::Null), patch);
                }
            }
        }
        (value, patch) => *value = patch,
    }
}

/// Whether there is something in an item that a type does not see.
fn has_more(read: &Value, seen: &Value) -> bool {
    match (read, seen) {
        (Value::Object(read), Value::Object(seen)) => read
            .iter()
            .any(|(name, value)| seen.get(name).map_or(!value.is_null(), |seen| has_more(value, seen))),
        (Value::Array(read), Value::Array(seen)) => {
            read.len() != seen.len() || read.iter().zip(seen).any(|(read, seen)| has_more(read, seen))
        }
        _ => false,
    }
}

/// Whether a type has items elsewhere than the document, as a sorted set has.
fn is_reordered(read: &[Value], before: &[Value]) -> bool {
    let mut strange = before.iter().zip(read).filter(|(seen, read)| !shows(read, seen));
    strange.any(|(seen, _)| read.iter().any(|read| shows(read, seen)))
}

/// Whether this can be what a type sees of an item: what both have is equal.
fn shows(read: &Value, seen: &Value) -> bool {
    match (read, seen) {
        (Value::Object(read), Value::Object(seen)) => seen
            .iter()
            .all(|(name, seen)| seen.is_null() || read.get(name).is_none_or(|read| shows(read, seen))),
        (Value::Array(read), Value::Array(seen)) => {
            read.len() == seen.len() && read.iter().zip(seen).all(|(read, seen)| shows(read, seen))
        }
        (Value::Number(read), Value::Number(seen)) => read == seen || read.as_f64() == seen.as_f64(),
        (read, seen) => read == seen,
    }
}

#[cfg(test)]
mod tests;
