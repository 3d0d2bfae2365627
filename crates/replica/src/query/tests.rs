use super::sample::pointer;
use super::*;
use crate::record;
use crate::store::{Keyspace, Row};
use crate::value::{ValueRow, ValueState};
use proptest::prelude::*;
use serde_json::json;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

#[derive(Default)]
struct Memory(BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>);

impl ReadRows for Memory {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(keyspace, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let range = (keyspace, range.start)..(keyspace, range.end);
        self.0.range(range).map(|((_, key), value)| Ok((key.clone(), value.clone())))
    }

    fn scan_back(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let range = (keyspace, range.start)..(keyspace, range.end);
        self.0.range(range).rev().map(|((_, key), value)| Ok((key.clone(), value.clone())))
    }
}

/// Fields that can have an index.
const INDEXED: [&str; 3] = ["/a", "/b", "/c/d"];
const SPACE: SpaceNumber = SpaceNumber(3);

/// A collection, as local writes and the materialiser keep it.
struct Stored {
    rows: Memory,
    collection: Collection,
    indexing: Indexing,
    documents: BTreeMap<Key, Value>,
    has_default: bool,
}

impl Stored {
    fn new(indexed: &[&str]) -> Self {
        Self::with_default(indexed, false)
    }

    fn with_default(indexed: &[&str], has_default: bool) -> Self {
        let indexing = Indexing::new(Some(&sample::schema(indexed, has_default)));
        assert_eq!(indexing.fields().len(), indexed.len());
        let collection = Collection::new("product").unwrap();
        let mut rows = Memory::default();
        rows.0.insert(keys::indexed(SPACE, &collection), index::complete(&indexing));
        // Neighbours, which no query is to find.
        for (space, name) in [(SPACE, "product-log"), (SPACE, "produc"), (SpaceNumber(4), "product")] {
            let collection = Collection::new(name).unwrap();
            let (key, document) = (Key::new("a").unwrap(), json!({"a": 1}));
            for place in index::rows(&indexing, space, &collection, &key, Some(&document)) {
                rows.0.insert(place, Vec::new());
            }
            rows.0.insert(keys::value(space, &collection, &key), b"no value".to_vec());
        }
        Self { rows, collection, indexing, documents: BTreeMap::new(), has_default }
    }

    /// Writes or deletes a document, and its rows.
    fn write(&mut self, key: &str, document: Option<Value>) {
        let key = Key::new(key).unwrap();
        let rows = |document| index::rows(&self.indexing, SPACE, &self.collection, &key, document);
        let (removed, added) = index::difference(rows(self.documents.get(&key)), rows(document.as_ref()));
        removed.iter().for_each(|place| assert!(self.rows.0.remove(place).is_some()));
        added.into_iter().for_each(|place| assert_eq!(self.rows.0.insert(place, Vec::new()), None));
        let json = document.as_ref().map(Value::to_string).unwrap_or_default();
        let state = if document.is_some() { ValueState::Live } else { ValueState::Deleted };
        let row = ValueRow::new((1, &[]), state, json.as_bytes());
        self.rows.0.insert(keys::value(SPACE, &self.collection, &key), record::encode(&row));
        match document {
            Some(document) => drop(self.documents.insert(key, document)),
            None => drop(self.documents.remove(&key)),
        }
    }

    fn run(&self, query: &Query) -> Result<Page, QueryError> {
        let context = QueryContext { space: SPACE, collection: &self.collection, indexing: &self.indexing };
        run(&self.rows, &context, query).unwrap()
    }

    /// Keys of every page, and how many pages there were.
    fn all(&self, mut query: Query) -> (Vec<String>, usize) {
        let (mut keys, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.run(&query).unwrap();
            keys.extend(page.documents.iter().map(|(key, _)| key.as_str().to_owned()));
            pages += 1;
            query.after = page.next;
            if query.after.is_none() {
                return (keys, pages);
            }
        }
    }

    fn shown(&self, document: &Value) -> Value {
        let mut document = document.clone();
        if self.has_default && document.get("b").is_none() {
            document["b"] = json!(1);
        }
        document
    }

    /// The answer by looking at every document.
    fn naive(&self, query: &Query) -> Vec<(Key, Value)> {
        let passes = |document: &Value| {
            query.filters.iter().all(|filter| filter.test.passes(document.pointer(&filter.field.to_string())))
        };
        let mut found: Vec<(Key, Value)> = self
            .documents
            .iter()
            .map(|(key, document)| (key.clone(), self.shown(document)))
            .filter(|(key, document)| query.keys.contains(key.as_str()) && passes(document))
            .collect();
        found.sort_by(|one, other| {
            let by_field = match &query.order {
                Order::Key => Ordering::Equal,
                Order::Field(field) => {
                    let of = |document: &Value| document.pointer(&field.to_string()).cloned();
                    sample::index_order(of(&one.1).as_ref(), of(&other.1).as_ref())
                }
            };
            by_field.then(one.0.cmp(&other.0))
        });
        if query.descending {
            found.reverse();
        }
        found
    }
}

fn filter(field: &str, test: Test) -> Filter {
    Filter { field: pointer(field), test }
}

/// A thing to do between two pages: a document of its own set written or deleted.
type Edit = (u8, Option<Value>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec((0..6_u8, proptest::option::of(sample::document())), 0..3)
}

proptest! {
    #[test]
    fn pages_are_the_answer_of_looking_at_every_document(
        documents in proptest::collection::btree_map(sample::key(), sample::document(), 0..30),
        indexed in proptest::sample::subsequence(INDEXED.to_vec(), 0..=3),
        has_default in any::<bool>(),
        queries in proptest::collection::vec(sample::query(), 1..4),
        limits in proptest::collection::vec(1..7_u32, 1..4),
        between in proptest::collection::vec(edits(), 1..6),
    ) {
        let mut stored = Stored::with_default(&indexed, has_default);
        documents.iter().for_each(|(key, document)| stored.write(key, Some(document.clone())));
        for query in queries {
            let mut query = query;
            let expected: Vec<(Key, Value)> =
                stored.naive(&query).into_iter().filter(|(key, _)| !key.as_str().contains('~')).collect();
            let mut found = Vec::new();
            for turn in 0.. {
                query.limit = limits[turn % limits.len()];
                let page = stored.run(&query).unwrap();
                prop_assert!(page.documents.len() <= limits[turn % limits.len()] as usize);
                found.extend(page.documents);
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
                // Others come and go, among the keys and values of those that stay.
                for (number, document) in &between[turn % between.len()] {
                    stored.write(&format!("{}~{number}", ["a", "b", "ü"][usize::from(number % 3)]), document.clone());
                }
            }
            found.retain(|(key, _)| !key.as_str().contains('~'));
            let keys = |found: &[(Key, Value)]| found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            prop_assert_eq!(keys(&found), keys(&expected), "{:?}", query);
            if query.fields.is_none() {
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn every_live_document_has_one_row_in_each_index(
        writes in proptest::collection::vec((sample::key(), proptest::option::of(sample::document())), 0..30),
    ) {
        let mut stored = Stored::new(&INDEXED);
        writes.iter().for_each(|(key, document)| stored.write(key, document.clone()));
        let (keyspace, range) = keys::indexes_of(SPACE, &stored.collection);
        let found: BTreeSet<_> = stored.rows.scan(keyspace, range).map(|row| row.unwrap().0).collect();
        let expected: BTreeSet<_> = stored
            .documents
            .iter()
            .flat_map(|(key, document)| {
                index::rows(&stored.indexing, SPACE, &stored.collection, key, Some(document))
            })
            .map(|(_, place)| place)
            .collect();
        prop_assert_eq!(expected.len(), stored.documents.len() * INDEXED.len());
        prop_assert_eq!(found, expected);
    }
}

/// 12,000 documents with a number `a` and one of three names `b`; those of even numbers are red.
fn many() -> Stored {
    let mut stored = Stored::new(&["/a", "/b"]);
    for number in 0..12_000 {
        let name = ["red", "green", "red", "blue"][number % 4];
        stored.write(&format!("{number:05}"), Some(json!({"a": number, "b": name, "odd": number % 2})));
    }
    stored
}

#[test]
fn a_page_looks_at_no_more_than_its_limit() {
    let stored = many();
    let late = Query { filters: vec![filter("/odd", Test::Equal(json!(7)))], ..Query::default() };
    let page = stored.run(&late).unwrap();
    assert_eq!((page.documents.len(), page.examined), (0, EXAMINED_MAX));
    let page = stored.run(&Query { after: page.next, ..late.clone() }).unwrap();
    assert_eq!((page.examined, page.next), (2_000, None));
    let by_number = Query { order: Order::Field(pointer("/a")), ..late };
    assert_eq!(stored.all(by_number.clone()).1, 2);
    assert_eq!(stored.all(Query { descending: true, ..by_number }).1, 2);
}

#[test]
fn large_documents_end_a_page_early() {
    let mut stored = Stored::new(&[]);
    for number in 0..12 {
        stored.write(&format!("{number:02}"), Some(json!({"text": "x".repeat(EXAMINED_BYTES_MAX / 5)})));
    }
    let (keys, pages) = stored.all(Query { limit: 12, ..Query::default() });
    assert_eq!((keys.len(), pages), (12, 12), "each is longer than a page may be");
    let none = Query { filters: vec![filter("/text", Test::Equal(json!("y")))], ..Query::default() };
    assert_eq!(stored.all(none), (Vec::new(), 3), "so many bytes are looked at");
    let sorted = stored.run(&Query { order: Order::Field(pointer("/text")), ..Query::default() });
    assert_eq!(sorted, Err(QueryError::Unindexed { field: pointer("/text") }));
}

#[test]
fn a_page_ends_with_so_many_bytes_that_it_shows() {
    let mut stored = Stored::new(&[]);
    for number in 0..20 {
        let text = "x".repeat(SHOWN_BYTES_MAX / 4);
        stored.write(&format!("{number:02}"), Some(json!({"text": text, "number": number})));
    }
    let number = || pointer("/number");
    for descending in [false, true] {
        for order in [Order::Key, Order::Field(number())] {
            let query = Query { order, descending, limit: 20, ..Query::default() };
            let (keys, pages) = stored.all(query.clone());
            assert_eq!((keys.len(), pages), (20, 5));
            assert!(keys.is_sorted_by(|a, b| (a < b) != descending), "{keys:?}");
            let (keys, pages) = stored.all(Query { fields: Some(vec![number()]), ..query });
            assert_eq!((keys.len(), pages), (20, 1), "what is not shown does not count");
        }
    }
}

#[test]
fn too_much_to_sort_is_refused_with_what_to_do() {
    let stored = many();
    let query = Query { order: Order::Field(pointer("/odd")), ..Query::default() };
    assert_eq!(
        stored.run(&query).unwrap_err().to_string(),
        "ordering by /odd without an index looks at 10000 documents or 8 MiB at most, and there are more: add \
         \"x-index\": true to the field in the collection's schema, order by key, or narrow the query by its keys or \
         an indexed field"
    );
    let narrowed = Query { filters: vec![filter("/b", Test::Equal(json!("red")))], limit: 1_000, ..query };
    let (keys, pages) = stored.all(narrowed);
    assert_eq!((keys.len(), pages), (6_000, 6));
}

#[test]
fn a_plan_uses_the_index_that_leaves_least() {
    let stored = many();
    let plan = |query: &Query| {
        let page = stored.run(query).unwrap();
        (page.plan, page.examined)
    };
    let number = || Order::Field(pointer("/a"));
    let cheap = filter("/a", Test::Less(json!(100)));
    let red = filter("/b", Test::Equal(json!("red")));
    let query = |filters: &[&Filter], order| Query {
        filters: filters.iter().map(|filter| (*filter).clone()).collect(),
        order,
        limit: 10,
        ..Query::default()
    };
    assert_eq!(plan(&query(&[], Order::Key)), ("keys".into(), 10));
    assert_eq!(plan(&query(&[&red], Order::Key)), ("index /b equal to \"red\"".into(), 10));
    assert_eq!(plan(&query(&[&cheap], Order::Key)), ("index /a less than 100, then sort by key".into(), 110));
    assert_eq!(plan(&query(&[&cheap], number())), ("index /a less than 100".into(), 10));
    assert_eq!(
        plan(&Query { descending: true, ..query(&[&cheap, &red], number()) }),
        ("index /a less than 100, then filter /b, descending".into(), 1_020),
        "there are too many red ones to sort"
    );
    let few = filter("/a", Test::In(vec![json!(3), json!(5), json!(7)]));
    assert_eq!(
        plan(&query(&[&few], Order::Field(pointer("/b")))),
        ("index /a at 3 values, then sort by /b".into(), 6)
    );
    let most = filter("/a", Test::AtLeast(json!(10)));
    assert_eq!(
        plan(&query(&[&most], Order::Key)),
        ("keys, then filter /a".into(), GATHERED_MAX + 20),
        "the index leaves too many"
    );
    let page = stored.run(&query(&[&cheap, &red], number())).unwrap();
    assert_eq!(page.index, Some(pointer("/a")));
}

#[test]
fn an_index_that_is_not_complete_is_not_read() {
    let mut stored = Stored::new(&["/a"]);
    stored.write("k", Some(json!({"a": 1})));
    let query = Query { filters: vec![filter("/a", Test::Equal(json!(1)))], ..Query::default() };
    assert_eq!(stored.run(&query).unwrap().index, Some(pointer("/a")));
    let place = keys::indexed(SPACE, &stored.collection);
    for of_another_version in [Some(record::encode(&3_u32)), None] {
        match of_another_version {
            Some(version) => drop(stored.rows.0.insert(place.clone(), version)),
            None => drop(stored.rows.0.remove(&place)),
        }
        let page = stored.run(&query).unwrap();
        assert_eq!((page.index, page.plan.as_str(), page.documents.len()), (None, "keys, then filter /a", 1));
    }
}

#[test]
fn a_row_that_its_document_left_behind_shows_nothing() {
    let mut stored = Stored::new(&["/a"]);
    stored.write("k", Some(json!({"a": 1})));
    let old = json!({"a": 0});
    for key in ["k", "gone"] {
        let key = Key::new(key).unwrap();
        for place in index::rows(&stored.indexing, SPACE, &stored.collection, &key, Some(&old)) {
            stored.rows.0.insert(place, Vec::new());
        }
    }
    assert_eq!(stored.all(Query { order: Order::Field(pointer("/a")), ..Query::default() }).0, ["k"]);
}

#[test]
fn fields_are_shown_where_they_are() {
    let mut stored = Stored::new(&[]);
    stored.write("k", Some(json!({"a": 1, "c": {"d": null, "x": 2}, "e": [5]})));
    let show = |fields: &[&str]| {
        let fields = Some(fields.iter().map(|field| pointer(field)).collect());
        stored.run(&Query { fields, ..Query::default() }).unwrap().documents.remove(0).1
    };
    assert_eq!(show(&["/c/d", "/a", "/missing/too", "/e"]), json!({"a": 1, "c": {"d": null}, "e": [5]}));
    assert_eq!(show(&["/e/0"]), json!({}), "an element is no field");
    assert_eq!(show(&["/c/d", "/c", "/c/d"]), json!({"c": {"d": null, "x": 2}}));
    assert_eq!(show(&[]), json!({}));
}

#[test]
fn a_cursor_serves_its_query_only() {
    let mut stored = Stored::new(&[]);
    ["a", "b", "c"].iter().for_each(|key| stored.write(key, Some(json!({}))));
    let first = Query { limit: 1, ..Query::default() };
    let after = stored.run(&first).unwrap().next;
    let longer = Query { after: after.clone(), limit: 2, ..first.clone() };
    assert_eq!(stored.run(&longer).unwrap().documents.len(), 2);
    let other = Query { after: after.clone(), descending: true, ..first.clone() };
    assert_eq!(stored.run(&other), Err(QueryError::Cursor(CursorError::OtherQuery)));
    stored.collection = Collection::new("produc").unwrap();
    assert_eq!(stored.run(&Query { after, ..first }), Err(QueryError::Cursor(CursorError::OtherQuery)));
}

#[test]
fn limits_are_kept() {
    let stored = Stored::new(&[]);
    for limit in [0, PAGE_DOCUMENTS_MAX + 1] {
        let query = Query { limit, ..Query::default() };
        assert_eq!(stored.run(&query), Err(QueryError::Limit { limit }));
    }
    let many = vec![filter("/a", Test::Exists(true)); FILTERS_MAX + 1];
    let query = Query { filters: many, ..Query::default() };
    assert_eq!(stored.run(&query), Err(QueryError::TooManyFilters { filters: 17 }));
    let query = Query { fields: Some(vec![pointer("/a"); FIELDS_MAX + 1]), ..Query::default() };
    assert_eq!(stored.run(&query), Err(QueryError::TooManyFields { fields: 65 }));
}

#[test]
fn a_damaged_row_is_an_error() {
    let mut stored = Stored::new(&["/a"]);
    let (keyspace, mut place) = keys::index(SPACE, &stored.collection, "/a");
    place.extend([2, 0xfe]);
    stored.rows.0.insert((keyspace, place), Vec::new());
    let context = QueryContext { space: SPACE, collection: &stored.collection, indexing: &stored.indexing };
    let query = Query { order: Order::Field(pointer("/a")), ..Query::default() };
    assert!(run(&stored.rows, &context, &query).is_err());
}
