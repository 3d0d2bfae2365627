//! Looks at documents, one after the other, within the limits of a page.

use super::plan::{self, Gather, Plan, Scan, Source};
use super::{
    EXAMINED_BYTES_MAX, EXAMINED_MAX, Order, Position, Query, QueryContext, QueryError, SHOWN_BYTES_MAX,
    Test, project,
};
use crate::index::{Field, rank};
use crate::keys;
use crate::request::BrokenDocument;
use crate::store::{Keyspace, ReadRows, StoreError, undamaged};
use crate::value::ValueRow;
use crate::value::reading::{self, scan_rows};
use document::{Key, Pointer, Violation};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const DAMAGED_INDEX: StoreError =
    StoreError::Damaged { what: "a row of an index that cannot be read", keyspace: Keyspace::Documents };

/// What a page is made of.
pub(super) struct Found {
    pub(super) documents: Vec<(Key, Value)>,
    pub(super) broken: Vec<BrokenDocument>,
    pub(super) damaged: Vec<Key>,
    /// Where the page ended, when there may be more.
    pub(super) next: Option<Position>,
    pub(super) examined: u32,
    pub(super) index: Option<Pointer>,
    pub(super) plan: String,
}

/// A document of the page.
struct Hit {
    key: Key,
    /// The fields that are shown of it.
    document: Value,
    violations: Vec<Violation>,
}

/// Documents in order, and where they end when there may be more.
type Documents = (Vec<Hit>, Option<Position>);

/// A document that may belong to the page.
struct Candidate {
    key: Key,
    /// By which row of an index it was found.
    rank: Option<Vec<u8>>,
    row: FoundRow,
}

/// The row of a candidate's value.
enum FoundRow {
    /// It is still to be read.
    Unread,
    Read(Vec<u8>),
    Damaged,
}

/// A document that belongs to the answer.
struct Looked {
    document: Value,
    /// Whether its row is marked as broken.
    is_broken: bool,
}

type Candidates<'a> = Box<dyn Iterator<Item = Result<Candidate, StoreError>> + 'a>;

pub(super) struct Walk<'a, R> {
    rows: &'a R,
    context: &'a QueryContext<'a>,
    query: &'a Query,
    after: Option<&'a Position>,
    filters: Vec<(Field, &'a Test)>,
    fields: Option<Vec<Field>>,
    examined: u32,
    /// Documents that may belong to the answer, and whose values cannot be read.
    damaged: BTreeSet<Key>,
}

/// What may still be looked at.
struct Budget {
    documents: u32,
    bytes: usize,
}

impl Budget {
    const WHOLE: Self = Self { documents: EXAMINED_MAX, bytes: EXAMINED_BYTES_MAX };

    fn is_spent(&self) -> bool {
        self.documents == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.documents = self.documents.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl<'a, R: ReadRows> Walk<'a, R> {
    pub(super) fn new(
        rows: &'a R,
        context: &'a QueryContext<'a>,
        query: &'a Query,
        after: Option<&'a Position>,
    ) -> Self {
        let filters = query.filters.iter().map(|filter| (Field::new(&filter.field), &filter.test)).collect();
        let fields = query.fields.as_ref().map(|fields| fields.iter().map(Field::new).collect());
        Self { rows, context, query, after, filters, fields, examined: 0, damaged: BTreeSet::new() }
    }

    /// The next page.
    pub(super) fn follow(mut self, plan: Plan) -> Result<Result<Found, QueryError>, StoreError> {
        if let Some(gather) = plan.gather
            && let Some(documents) = self.gather(&gather)?
        {
            let sort = gather.sort.as_ref().map_or("key", Field::as_str);
            return Ok(Ok(self.found(documents, &Source::Index(gather.scan.clone()), Some(sort))));
        }
        let Some(field) = plan.sort else {
            let candidates = self.candidates(&plan.source);
            let documents = self.take(candidates, &plan.source)?;
            return Ok(Ok(self.found(documents, &plan.source, None)));
        };
        let candidates = self.candidates(&plan.source);
        match self.sort(candidates, &field)? {
            Some(documents) => Ok(Ok(self.found(documents, &plan.source, Some(field.as_str())))),
            None => Ok(Err(QueryError::Unindexed { field: field.pointer })),
        }
    }

    fn found(&mut self, (documents, next): Documents, source: &Source, sort: Option<&str>) -> Found {
        let index = match source {
            Source::Keys => None,
            Source::Index(scan) | Source::Point(scan) => Some(scan.field.pointer.clone()),
        };
        let mut broken = Vec::new();
        let shown = documents.into_iter().map(|Hit { key, document, violations }| {
            if !violations.is_empty() {
                broken.push(BrokenDocument { key: key.clone(), violations });
            }
            (key, document)
        });
        let documents = shown.collect();
        let plan = plan::words(self.query, source, sort);
        let damaged = std::mem::take(&mut self.damaged).into_iter().collect();
        Found { documents, broken, damaged, next, examined: self.examined, index, plan }
    }

    /// Candidates in the order of a source, after the last page.
    fn candidates(&self, source: &Source) -> Candidates<'a> {
        match source {
            Source::Keys => self.values(),
            Source::Index(scan) => {
                let after = self.after.map(|after| [after.rank.as_slice(), after.key().as_bytes()].concat());
                self.index_rows(scan, &scan.ranges, after.as_deref())
            }
            Source::Point(scan) => {
                let (from, to) = self.query.keys.bytes();
                // A point starts with its rank.
                let within = |rank: &[u8]| [rank, &from].concat()..[rank, &to].concat();
                let ranges: Vec<_> = scan.ranges.iter().map(|range| within(&range.start)).collect();
                let rank = scan.ranges.first().map(|range| range.start.as_slice()).unwrap_or_default();
                let after = self.after.map(|after| [rank, after.key().as_bytes()].concat());
                self.index_rows(scan, &ranges, after.as_deref())
            }
        }
    }

    fn values(&self) -> Candidates<'a> {
        let (from, to) = self.query.keys.bytes();
        // Sorting by a field has positions of its own.
        let after = self.after.filter(|_| self.query.order == Order::Key).map(|after| after.key().as_bytes());
        let keys = self.rest(from..to, after);
        let values = (self.context.space, self.context.collection);
        let stored = reading::scan(self.rows, values, keys, self.query.descending);
        Box::new(stored.map(|stored| {
            let (key, row) = stored?;
            Ok(Candidate { key, rank: None, row: row.map_or(FoundRow::Damaged, FoundRow::Read) })
        }))
    }

    /// Rows of an index in ranges of it, in the order of the query.
    fn index_rows(&self, scan: &Scan, ranges: &[Range<Vec<u8>>], after: Option<&[u8]>) -> Candidates<'a> {
        let (_, prefix) = keys::index(self.context.space, self.context.collection, scan.field.as_str());
        let within = |range: &Range<Vec<u8>>| {
            let range = self.rest(range.clone(), after);
            [prefix.as_slice(), &range.start].concat()..[prefix.as_slice(), &range.end].concat()
        };
        let mut ranges: Vec<Range<Vec<u8>>> = ranges.iter().map(within).collect();
        if self.query.descending {
            ranges.reverse();
        }
        let (rows, descending, start) = (self.rows, self.query.descending, prefix.len());
        let rows = ranges.into_iter().flat_map(move |range| scan_rows(rows, range, descending));
        Box::new(rows.map(move |row| {
            let (place, _) = row?;
            read_index_row(place.get(start..).unwrap_or_default()).ok_or(DAMAGED_INDEX)
        }))
    }

    /// What of a range comes after a place in the order of the query.
    fn rest(&self, mut range: Range<Vec<u8>>, after: Option<&[u8]>) -> Range<Vec<u8>> {
        match after {
            None => {}
            Some(after) if self.query.descending => range.end = range.end.min(after.to_vec()),
            Some(after) => range.start = range.start.max([after, &[0]].concat()),
        }
        range
    }

    /// The page's documents of a source that is in the order asked for.
    fn take(&mut self, candidates: Candidates<'_>, source: &Source) -> Result<Documents, StoreError> {
        let (mut documents, mut last, mut budget) = (Vec::new(), None, Budget::WHOLE);
        let field = match source {
            Source::Keys => None,
            Source::Index(scan) | Source::Point(scan) => Some(&scan.field),
        };
        let mut shown_bytes = 0;
        for candidate in candidates {
            let candidate = candidate?;
            let is_full = documents.len() + self.damaged.len() >= self.page_length();
            if is_full || budget.is_spent() || shown_bytes >= SHOWN_BYTES_MAX {
                return Ok((documents, last));
            }
            let looked = self.look(&candidate, field, &mut budget)?;
            let by_rank = matches!(source, Source::Index(_));
            let rank = candidate.rank.filter(|_| by_rank).unwrap_or_default();
            last = Some(Position::new(rank, &candidate.key));
            if let Some(looked) = looked {
                let hit = self.hit(candidate.key, looked);
                shown_bytes += json_bytes(&hit.document);
                documents.push(hit);
            }
        }
        Ok((documents, None))
    }

    /// The page's documents when all have to be sorted; `None` when there are too many.
    fn sort(&mut self, candidates: Candidates<'_>, field: &Field) -> Result<Option<Documents>, StoreError> {
        let (mut first, mut budget, mut is_cut) = (BTreeMap::new(), Budget::WHOLE, false);
        for candidate in candidates {
            let candidate = candidate?;
            if budget.is_spent() {
                return Ok(None);
            }
            let Some(looked) = self.look(&candidate, None, &mut budget)? else { continue };
            let position = Position::new(rank::of(field.value(&looked.document)), &candidate.key);
            if self.is_after(&position) {
                first.insert(position, self.hit(candidate.key, looked));
            }
            if first.len() > self.page_length() {
                is_cut = true;
                if self.query.descending {
                    first.pop_first()
                } else {
                    first.pop_last()
                };
            }
        }
        let in_order: Box<dyn Iterator<Item = (Position, Hit)>> = match self.query.descending {
            true => Box::new(first.into_iter().rev()),
            false => Box::new(first.into_iter()),
        };
        let (mut documents, mut last, mut shown_bytes) = (Vec::new(), None, 0);
        for (position, hit) in in_order {
            if shown_bytes >= SHOWN_BYTES_MAX {
                is_cut = true;
                break;
            }
            shown_bytes += json_bytes(&hit.document);
            last = Some(position);
            documents.push(hit);
        }
        Ok(Some((documents, last.filter(|_| is_cut))))
    }

    /// The page's documents by an index that is in another order; `None` when it has too many rows, or sorting them
    /// would look at too much.
    fn gather(&mut self, gather: &Gather) -> Result<Option<Documents>, StoreError> {
        let mut found = BTreeSet::new();
        for (count, candidate) in (0_u32..).zip(self.index_rows(&gather.scan, &gather.scan.ranges, None)) {
            if count == gather.rows_max {
                return Ok(None);
            }
            self.examined = self.examined.saturating_add(1);
            let Candidate { key, .. } = candidate?;
            let is_wanted = gather.sort.is_some() || self.is_after(&Position::new(Vec::new(), &key));
            if is_wanted && self.query.keys.contains(key.as_str()) {
                found.insert(key);
            }
        }
        let candidate = |key| Ok(Candidate { key, rank: None, row: FoundRow::Unread });
        let candidates: Candidates<'_> = if self.query.descending {
            Box::new(found.into_iter().rev().map(candidate))
        } else {
            Box::new(found.into_iter().map(candidate))
        };
        match &gather.sort {
            Some(field) => self.sort(candidates, field),
            None => self.take(candidates, &Source::Keys).map(Some),
        }
    }

    /// A candidate's document, when it belongs to the answer. `field` is that of the index that it was found by.
    fn look(
        &mut self,
        candidate: &Candidate,
        field: Option<&Field>,
        budget: &mut Budget,
    ) -> Result<Option<Looked>, StoreError> {
        self.examined = self.examined.saturating_add(1);
        let row = match &candidate.row {
            FoundRow::Unread if !self.query.keys.contains(candidate.key.as_str()) => {
                budget.spend(0);
                return Ok(None);
            }
            FoundRow::Unread => {
                let (keyspace, place) =
                    keys::value(self.context.space, self.context.collection, &candidate.key);
                undamaged(self.rows.get(keyspace, &place))?.map(|row| row.map(Cow::Owned))
            }
            FoundRow::Read(row) => Some(Some(Cow::Borrowed(row))),
            FoundRow::Damaged => None,
        };
        let Some(row) = row else { return Ok(self.pass_over(candidate, budget)) };
        budget.spend(row.as_ref().map_or(0, |row| row.len()));
        let Some(row) = row else { return Ok(None) };
        let read = ValueRow::read(&row).and_then(|row| Ok((row.document()?, row.is_broken())));
        let Some((document, is_broken)) = undamaged(read)? else {
            return Ok(self.pass_over(candidate, budget));
        };
        let Some(document) = document else { return Ok(None) };
        let document = self.context.indexing.shown(document);
        // A row of an index that the document has left behind would show it twice.
        let is_current = match (field, &candidate.rank) {
            (Some(field), Some(rank)) => rank::of(field.value(&document)) == *rank,
            (_, _) => true,
        };
        let passes = self.filters.iter().all(|(field, test)| test.passes(field.value(&document)));
        Ok((is_current && passes).then_some(Looked { document, is_broken }))
    }

    /// A value that cannot be read concerns its document: the page says which.
    fn pass_over(&mut self, candidate: &Candidate, budget: &mut Budget) -> Option<Looked> {
        budget.spend(0);
        self.damaged.insert(candidate.key.clone());
        None
    }

    /// What is shown of a document that belongs to the answer.
    fn hit(&self, key: Key, Looked { document, is_broken }: Looked) -> Hit {
        let violations = if is_broken { self.context.indexing.violations(&document) } else { Vec::new() };
        Hit { key, document: project(document, self.fields.as_deref()), violations }
    }

    fn is_after(&self, position: &Position) -> bool {
        self.after.is_none_or(|after| if self.query.descending { position < after } else { position > after })
    }

    fn page_length(&self) -> usize {
        usize::try_from(self.query.limit).unwrap_or(usize::MAX)
    }
}

/// How long a value is as JSON, about.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
        Value::String(text) => text.len() + 3,
        Value::Array(items) => 2 + items.iter().map(json_bytes).sum::<usize>(),
        Value::Object(members) => {
            2 + members.iter().map(|(name, value)| name.len() + 4 + json_bytes(value)).sum::<usize>()
        }
    }
}

fn read_key(bytes: &[u8]) -> Option<Key> {
    Key::new(std::str::from_utf8(bytes).ok()?).ok()
}

/// Reads what follows the field in the key of an index row.
fn read_index_row(bytes: &[u8]) -> Option<Candidate> {
    let (rank, key) = bytes.split_at_checked(rank::length(bytes)?)?;
    Some(Candidate { key: read_key(key)?, rank: Some(rank.to_vec()), row: FoundRow::Unread })
}
