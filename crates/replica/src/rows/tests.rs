use super::*;
use crate::store::ReadRows;
use std::cell::RefCell;

/// A store that is durable when told so.
#[derive(Default)]
struct Memory {
    rows: BTreeMap<Place, Vec<u8>>,
    submitted: RefCell<Vec<(Turn, Batch)>>,
}

impl ReadRows for Memory {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(&(keyspace, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<Vec<u8>>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let range = (keyspace, range.start)..(keyspace, range.end);
        self.rows.range(range).map(|((_, key), value)| Ok((key.clone(), value.clone())))
    }
}

impl Store for Memory {
    type Snapshot = Self;

    fn snapshot(&self) -> Self {
        Self { rows: self.rows.clone(), submitted: RefCell::default() }
    }

    fn submit(&mut self, turn: Turn, batch: Batch) -> Result<(), StoreError> {
        self.submitted.borrow_mut().push((turn, batch));
        Ok(())
    }

    fn set_suspect(&mut self, _suspect: Option<&[u8]>) -> Result<(), StoreError> {
        Ok(())
    }

    fn suspect(&self) -> Option<Vec<u8>> {
        None
    }
}

fn at(key: &str) -> Place {
    (Keyspace::Journal, key.as_bytes().to_vec())
}

/// Makes everything that was handed over durable.
fn settle(rows: &mut Rows<Memory>) {
    for (turn, batch) in rows.store.submitted.take() {
        for write in batch.writes {
            let place = (write.keyspace, write.key);
            match write.value {
                Some(value) => drop(rows.store.rows.insert(place, value)),
                None => drop(rows.store.rows.remove(&place)),
            }
        }
        rows.settle(turn);
    }
}

fn scanned(rows: &Rows<Memory>) -> String {
    let (keyspace, range) = (Keyspace::Journal, b"a".to_vec()..b"z".to_vec());
    let forwards: Vec<Row> = rows.scan((keyspace, range.clone())).map(Result::unwrap).collect();
    let mut back: Vec<Row> = rows.scan_back(keyspace, range).map(Result::unwrap).collect();
    back.reverse();
    assert_eq!(back, forwards);
    let texts = forwards.into_iter().map(|(key, value)| [key, value].concat());
    texts.map(|text| String::from_utf8(text).unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn reads_see_rows_on_their_way_over_durable_ones() {
    let mut rows = Rows::new(Memory::default());
    for key in ["a", "c", "e"] {
        rows.put(at(key), b"1".to_vec());
    }
    rows.submit().unwrap();
    settle(&mut rows);
    rows.put(at("b"), b"2".to_vec());
    rows.put(at("c"), b"2".to_vec());
    rows.remove(at("e"));
    assert_eq!(scanned(&rows), "a1 b2 c2");
    assert_eq!((rows.get(&at("c")).unwrap(), rows.get(&at("e")).unwrap()), (Some(b"2".to_vec()), None));
    assert_eq!(rows.durable().get(Keyspace::Journal, b"c"), Ok(Some(b"1".to_vec())));
    rows.submit().unwrap();
    settle(&mut rows);
    assert_eq!(scanned(&rows), "a1 b2 c2");
    assert_eq!(rows.overlay.journal.len(), 0);
}

#[test]
fn bytes_count_from_the_moment_they_are_written() {
    let mut rows = Rows::new(Memory::default());
    rows.put(at("a"), b"123".to_vec());
    assert_eq!(rows.in_flight_bytes(), 4, "a long turn is ended before it grows without bound");
    rows.submit().unwrap();
    assert_eq!(rows.in_flight_bytes(), 4);
    settle(&mut rows);
    assert_eq!(rows.in_flight_bytes(), 0);
}

#[test]
fn a_row_written_again_waits_for_its_last_turn() {
    let mut rows = Rows::new(Memory::default());
    rows.put(at("a"), b"1".to_vec());
    assert_eq!(rows.submit(), Ok(Some(Turn(1))));
    rows.put(at("a"), b"2".to_vec());
    assert_eq!(rows.submit(), Ok(Some(Turn(2))));
    rows.settle(Turn(1));
    assert_eq!(rows.get(&at("a")).unwrap(), Some(b"2".to_vec()));
    assert_eq!((rows.last_in_flight(), rows.in_flight_bytes()), (Some(Turn(2)), 2));
}

#[test]
fn a_lazy_row_makes_no_batch_and_goes_with_the_next() {
    let mut rows = Rows::new(Memory::default());
    rows.put_lazily(at("a"), b"1".to_vec());
    assert_eq!(rows.submit(), Ok(None));
    rows.put(at("b"), b"1".to_vec());
    rows.submit().unwrap();
    settle(&mut rows);
    assert_eq!(scanned(&rows), "a1 b1");
    rows.put_lazily(at("b"), b"2".to_vec());
    rows.put(at("b"), b"3".to_vec());
    rows.submit().unwrap();
    settle(&mut rows);
    assert_eq!(scanned(&rows), "a1 b3", "a later write is not undone by an earlier lazy one");
}
