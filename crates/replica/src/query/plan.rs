//! Chooses how to find a query's documents.
//!
//! A source that is in the order asked for is followed from where the last page ended. An index that leaves fewer
//! documents, but has another order, is gathered first when it has few rows. Which of several indexes leaves the fewest
//! is guessed from the tests: one value, several, a range with two ends, a range with one.

use super::filter::{Breadth, Spans};
use super::{Filter, GATHERED_MAX, KeyRange, Order, Query, SORTED_INSTEAD_MAX};
use crate::index::{Field, rank};
use std::ops::Range;

/// How documents are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Tried first; given up when there are too many rows.
    pub(super) gather: Option<Gather>,
    pub(super) source: Source,
    /// The field to sort the source's documents by; `None` when the source has the order.
    pub(super) sort: Option<Field>,
}

/// Documents one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Values, by key.
    Keys,
    /// Rows of an index, by rank and key.
    Index(Scan),
    /// Rows of an index with one rank, so by key.
    Point(Scan),
}

/// Part of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) field: Field,
    /// Of ranks, ascending and apart.
    pub(super) ranges: Vec<Range<Vec<u8>>>,
}

/// Rows of an index that are put into another order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gather {
    pub(super) scan: Scan,
    pub(super) rows_max: u32,
    /// The field to sort by; `None` sorts by key.
    pub(super) sort: Option<Field>,
}

/// `indexes` are the fields whose index is complete.
pub(super) fn choose(query: &Query, indexes: &[Field]) -> Plan {
    let narrowest = indexes
        .iter()
        .filter_map(|field| Some((field, spans(query, field)?)))
        .min_by_key(|(_, spans)| spans.breadth);
    match &query.order {
        Order::Key => by_key(narrowest),
        Order::Field(pointer) => match indexes.iter().find(|field| field.pointer == *pointer) {
            Some(field) => by_index(query, field, narrowest),
            None => {
                let sort = Some(Field::new(pointer));
                let gather = narrowest.map(|found| gather(found, GATHERED_MAX, sort.clone()));
                Plan { gather, source: Source::Keys, sort }
            }
        },
    }
}

fn by_key(narrowest: Option<(&Field, Spans)>) -> Plan {
    match narrowest {
        None => Plan { gather: None, source: Source::Keys, sort: None },
        Some((field, Spans { ranges, breadth: Breadth::Point })) => {
            let source = Source::Point(Scan { field: field.clone(), ranges });
            Plan { gather: None, source, sort: None }
        }
        Some(found) => {
            Plan { gather: Some(gather(found, GATHERED_MAX, None)), source: Source::Keys, sort: None }
        }
    }
}

fn by_index(query: &Query, field: &Field, narrowest: Option<(&Field, Spans)>) -> Plan {
    let own = spans(query, field);
    // No spans is wider than any.
    let is_narrower = |found: &Spans| own.as_ref().is_none_or(|own| found.breadth < own.breadth);
    let gather = narrowest
        .filter(|(other, found)| *other != field && is_narrower(found))
        .map(|found| gather(found, SORTED_INSTEAD_MAX, Some(field.clone())));
    let ranges = own.map_or_else(|| vec![rank::all()], |own| own.ranges);
    Plan { gather, source: Source::Index(Scan { field: field.clone(), ranges }), sort: None }
}

fn gather((field, spans): (&Field, Spans), rows_max: u32, sort: Option<Field>) -> Gather {
    Gather { scan: Scan { field: field.clone(), ranges: spans.ranges }, rows_max, sort }
}

/// Where the index of a field has every document that passes the filters of the field; `None` is anywhere.
fn spans(query: &Query, field: &Field) -> Option<Spans> {
    let filters = query.filters.iter().filter(|filter| filter.field == field.pointer);
    filters.filter_map(|filter| filter.test.spans()).reduce(|one, other| Spans {
        ranges: intersect(&one.ranges, &other.ranges),
        breadth: one.breadth.min(other.breadth).min(bounded(one.breadth, other.breadth)),
    })
}

/// Two open ranges have two ends, most often.
fn bounded(one: Breadth, other: Breadth) -> Breadth {
    if one == Breadth::Open && other == Breadth::Open { Breadth::Bounded } else { Breadth::Open }
}

fn intersect(one: &[Range<Vec<u8>>], other: &[Range<Vec<u8>>]) -> Vec<Range<Vec<u8>>> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    pairs
        .map(|(one, other)| (&one.start).max(&other.start).clone()..(&one.end).min(&other.end).clone())
        .filter(|range| range.start < range.end)
        .collect()
}

/// A source in words, and what is done with what it gives.
pub(super) fn words(query: &Query, source: &Source, sort: Option<&str>) -> String {
    let scan = match source {
        Source::Keys => None,
        Source::Index(scan) | Source::Point(scan) => Some(scan),
    };
    let of_scan =
        |filter: &&Filter| scan.is_some_and(|scan| scan.field.pointer == filter.field && has_spans(filter));
    let mut text = match scan {
        None => format!("keys{}", key_words(&query.keys)),
        Some(scan) => {
            let tests: Vec<String> =
                query.filters.iter().filter(of_scan).map(|filter| filter.test.words()).collect();
            let space = if tests.is_empty() { "" } else { " " };
            format!("index {}{space}{}", scan.field.as_str(), tests.join(" and "))
        }
    };
    if scan.is_some() && query.keys != KeyRange::All {
        text.push_str(&format!(", then keys{}", key_words(&query.keys)));
    }
    let rest: Vec<String> = query
        .filters
        .iter()
        .filter(|filter| !of_scan(filter))
        .map(|filter| filter.field.to_string())
        .collect();
    if !rest.is_empty() {
        text.push_str(&format!(", then filter {}", rest.join(", ")));
    }
    if let Some(sort) = sort {
        text.push_str(&format!(", then sort by {sort}"));
    }
    if query.descending {
        text.push_str(", descending");
    }
    text
}

fn has_spans(filter: &Filter) -> bool {
    filter.test.spans().is_some()
}

fn key_words(keys: &KeyRange) -> String {
    match keys {
        KeyRange::All => String::new(),
        KeyRange::Prefix(prefix) => format!(" starting with {prefix:?}"),
        KeyRange::From(first) => format!(" from {first:?}"),
        KeyRange::To(last) => format!(" to {last:?}"),
        KeyRange::Between(first, last) => format!(" from {first:?} to {last:?}"),
    }
}

#[cfg(test)]
mod tests;
