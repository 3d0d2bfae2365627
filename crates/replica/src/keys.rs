//! Keys of stored rows: a kind byte, then big-endian numbers, so that byte order is number order. No other module
//! makes or reads a key.

use crate::store::Keyspace;
use document::{ChangeHash, Collection, Key, Origin};
use std::ops::Range;

/// A space's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpaceNumber(pub(crate) u32);

/// An origin's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OriginNumber(pub(crate) u32);

/// A document's number in this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DocumentNumber(pub(crate) u32);

/// A keyspace and a key in it.
pub(crate) type Place = (Keyspace, Vec<u8>);

fn place(keyspace: Keyspace, kind: u8, parts: &[&[u8]]) -> Place {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(kind);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    (keyspace, key)
}

pub(crate) fn counters() -> Place {
    place(Keyspace::Meta, b'c', &[])
}

pub(crate) fn space(number: SpaceNumber) -> Place {
    place(Keyspace::Meta, b's', &[&number.0.to_be_bytes()])
}

pub(crate) fn origin(number: OriginNumber) -> Place {
    place(Keyspace::Meta, b'o', &[&number.0.to_be_bytes()])
}

/// What is known of a space that is being filled.
pub(crate) fn incomplete(space: SpaceNumber) -> Place {
    place(Keyspace::Meta, KIND_INCOMPLETE, &[&space.0.to_be_bytes()])
}

/// The space's number in a key of [`incomplete`].
pub(crate) fn read_incomplete(key: &[u8]) -> Option<SpaceNumber> {
    read_space(key)
}

/// How far the journal was trimmed.
pub(crate) fn trimmed() -> Place {
    place(Keyspace::Meta, b't', &[])
}

pub(crate) fn peer(name: &str) -> Place {
    place(Keyspace::Meta, b'p', &[name.as_bytes()])
}

/// How far a peer has an origin's changes in a space. Names of peers hold no byte 0.
pub(crate) fn confirmed(peer: &str, space: SpaceNumber, origin: Origin) -> Place {
    place(Keyspace::Meta, b'q', &[peer.as_bytes(), &[0], &space.0.to_be_bytes(), &origin.0])
}

/// All that a peer has.
pub(crate) fn confirmed_of(peer: &str) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = place(Keyspace::Meta, b'q', &[peer.as_bytes(), &[0]]);
    (keyspace, from..place(Keyspace::Meta, b'q', &[peer.as_bytes(), &[1]]).1)
}

/// Space and origin in a key of [`confirmed`].
pub(crate) fn read_confirmed(key: &[u8]) -> Option<(SpaceNumber, Origin)> {
    let (_, origin) = key.split_last_chunk::<16>()?;
    let (_, space) = key.get(..key.len() - 16)?.split_last_chunk::<4>()?;
    Some((SpaceNumber(u32::from_be_bytes(*space)), Origin(*origin)))
}

pub(crate) fn idempotency(key: &[u8]) -> Place {
    place(Keyspace::Meta, b'k', &[key])
}

pub(crate) fn idempotency_order(number: u64) -> Place {
    place(Keyspace::Meta, b'r', &[&number.to_be_bytes()])
}

/// How many keys are a holder's.
pub(crate) fn idempotency_holder(holder: u64) -> Place {
    place(Keyspace::Meta, b'h', &[&holder.to_be_bytes()])
}

/// The text of a version of a schema that travelled.
pub(crate) fn schema(collection: &Collection, version: u32) -> Place {
    place(Keyspace::Meta, KIND_SCHEMA, &[collection.as_str().as_bytes(), &[0], &version.to_be_bytes()])
}

/// Collection and version of a key of [`schema`].
pub(crate) fn read_schema(key: &[u8]) -> Option<(Collection, u32)> {
    let (name, version) = key.get(1..)?.split_last_chunk::<4>()?;
    let name = std::str::from_utf8(name).ok()?.strip_suffix('\0')?;
    Some((Collection::new(name).ok()?, u32::from_be_bytes(*version)))
}

/// Names hold no byte 0, so the collection ends there.
pub(crate) fn document(space: SpaceNumber, collection: &Collection, key: &Key) -> Place {
    place(
        Keyspace::Documents,
        b'a',
        &[&space.0.to_be_bytes(), collection.as_str().as_bytes(), &[0], key.as_str().as_bytes()],
    )
}

/// The documents of a collection after a key.
pub(crate) fn documents_after(
    space: SpaceNumber,
    collection: &Collection,
    after: Option<&Key>,
) -> (Keyspace, Range<Vec<u8>>) {
    let name = collection.as_str().as_bytes();
    let from = match after {
        // The next key in byte order.
        Some(key) => {
            let (_, mut from) = document(space, collection, key);
            from.push(0);
            from
        }
        None => place(Keyspace::Documents, b'a', &[&space.0.to_be_bytes(), name, &[0]]).1,
    };
    let (keyspace, to) = place(Keyspace::Documents, b'a', &[&space.0.to_be_bytes(), name, &[1]]);
    (keyspace, from..to)
}

/// Every document of a space.
pub(crate) fn documents_of(space: SpaceNumber) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = place(Keyspace::Documents, b'a', &[&space.0.to_be_bytes()]);
    let (_, to) = place(Keyspace::Documents, b'a', &[&space.0.saturating_add(1).to_be_bytes()]);
    (keyspace, from..to)
}

/// The documents of a collection with keys from `from`, before `to`; both as bytes of a key.
pub(crate) fn documents_between(
    space: SpaceNumber,
    collection: &Collection,
    from: &[u8],
    to: &[u8],
) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, prefix) = place(Keyspace::Documents, b'a', &[&in_collection(space, collection)]);
    (keyspace, [&prefix, from].concat()..[&prefix, to].concat())
}

/// The documents of a space after a row's key.
pub(crate) fn documents_of_after(space: SpaceNumber, after: Option<&[u8]>) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, mut range) = documents_of(space);
    if let Some(after) = after {
        range.start = [after, &[0]].concat();
    }
    (keyspace, range)
}

/// Collection, a byte 0 and key, as a key by address has them.
pub(crate) fn name_bytes(key: &[u8]) -> Option<&[u8]> {
    key.get(5..)
}

/// A document's entry on the materialiser's list.
pub(crate) fn waiting(space: SpaceNumber, collection: &Collection, key: &Key) -> Place {
    (Keyspace::Documents, by_address(KIND_WAITING, space, collection, key))
}

/// A document's entry among the blocked ones.
pub(crate) fn blocked(space: SpaceNumber, collection: &Collection, key: &Key) -> Place {
    (Keyspace::Documents, by_address(KIND_BLOCKED, space, collection, key))
}

/// Entries of a list by address after one of them, or all.
pub(crate) fn listed_after(kind: u8, after: Option<&[u8]>) -> (Keyspace, Range<Vec<u8>>) {
    let from = match after {
        Some(key) => [key, &[0]].concat(),
        None => vec![kind],
    };
    (Keyspace::Documents, from..vec![kind + 1])
}

/// The entries of one collection on a list by address.
pub(crate) fn listed_of(kind: u8, space: SpaceNumber, collection: &Collection) -> (Keyspace, Range<Vec<u8>>) {
    let name = collection.as_str().as_bytes();
    let (_, from) = place(Keyspace::Documents, kind, &[&space.0.to_be_bytes(), name, &[0]]);
    let (keyspace, to) = place(Keyspace::Documents, kind, &[&space.0.to_be_bytes(), name, &[1]]);
    (keyspace, from..to)
}

fn by_address(kind: u8, space: SpaceNumber, collection: &Collection, key: &Key) -> Vec<u8> {
    let (_, mut bytes) = document(space, collection, key);
    if let Some(first) = bytes.first_mut() {
        *first = kind;
    }
    bytes
}

/// The space's number in a key by address.
pub(crate) fn read_space(key: &[u8]) -> Option<SpaceNumber> {
    Some(SpaceNumber(u32::from_be_bytes(key.get(1..5)?.try_into().ok()?)))
}

/// Collection and key of a key by address.
pub(crate) fn read_document(key: &[u8]) -> Option<(Collection, Key)> {
    let names = std::str::from_utf8(key.get(5..)?).ok()?;
    let (collection, key) = names.split_once('\0')?;
    Some((Collection::new(collection).ok()?, Key::new(key).ok()?))
}

pub(crate) fn document_name(number: DocumentNumber) -> Place {
    place(Keyspace::Documents, b'n', &[&number.0.to_be_bytes()])
}

pub(crate) fn change(document: DocumentNumber, lsn: u64) -> Place {
    place(Keyspace::Changes, b'c', &[&document.0.to_be_bytes(), &lsn.to_be_bytes()])
}

/// The position in a change's key.
pub(crate) fn read_change(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(5..)?.try_into().ok()?))
}

/// A document's changes after `after`, up to and including `last`.
pub(crate) fn changes(document: DocumentNumber, after: u64, last: u64) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = change(document, after.saturating_add(1));
    (keyspace, from..change(document, last.saturating_add(1)).1)
}

pub(crate) fn snapshot(document: DocumentNumber) -> Place {
    place(Keyspace::Changes, b's', &[&document.0.to_be_bytes()])
}

pub(crate) fn hash(document: DocumentNumber, hash: &ChangeHash) -> Place {
    place(Keyspace::Changes, b'h', &[&document.0.to_be_bytes(), &hash.0])
}

/// Hashes of a document's changes from one on.
pub(crate) fn hashes_from(document: DocumentNumber, first: &ChangeHash) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = hash(document, first);
    (keyspace, from..place(keyspace, b'h', &[&document.0.to_be_bytes(), &[0xff; 33]]).1)
}

pub(crate) fn journal(lsn: u64) -> Place {
    place(Keyspace::Journal, b'j', &[&lsn.to_be_bytes()])
}

/// A change that is not applied when its document is opened: dropped, or dependent on one that is.
pub(crate) fn skipped(document: DocumentNumber, hash: &ChangeHash) -> Place {
    place(Keyspace::Changes, b'x', &[&document.0.to_be_bytes(), &hash.0])
}

/// Every skipped change of a document.
pub(crate) fn skipped_of(document: DocumentNumber) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = place(Keyspace::Changes, b'x', &[&document.0.to_be_bytes()]);
    (keyspace, from..place(Keyspace::Changes, b'x', &[&document.0.to_be_bytes(), AFTER_HASHES]).1)
}

/// Journal rows after `after`, up to and including `last`.
pub(crate) fn journal_after(after: u64, last: u64) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = journal(after.saturating_add(1));
    (keyspace, from..journal(last.saturating_add(1)).1)
}

/// The position in a journal row's key.
pub(crate) fn read_journal(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

pub(crate) fn stamp(space: SpaceNumber, origin: OriginNumber, sequence: u64) -> Place {
    let parts: [&[u8]; 3] = [&space.0.to_be_bytes(), &origin.0.to_be_bytes(), &sequence.to_be_bytes()];
    place(Keyspace::Journal, b't', &parts)
}

/// Every stamp of a stream.
pub(crate) fn stamps_of(space: SpaceNumber, origin: OriginNumber) -> (Keyspace, Range<Vec<u8>>) {
    let (keyspace, from) = stamp(space, origin, 0);
    (keyspace, from..stamp(space, origin, u64::MAX).1)
}

/// The sequence in a stamp's key.
pub(crate) fn read_stamp(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

pub(crate) fn vector(space: SpaceNumber, origin: OriginNumber) -> Place {
    place(Keyspace::Journal, b'v', &[&space.0.to_be_bytes(), &origin.0.to_be_bytes()])
}

/// Space and origin of a version vector's row.
pub(crate) fn read_vector(key: &[u8]) -> Option<(SpaceNumber, OriginNumber)> {
    let (space, origin) = key.get(1..)?.split_at_checked(4)?;
    let space = SpaceNumber(u32::from_be_bytes(space.try_into().ok()?));
    Some((space, OriginNumber(u32::from_be_bytes(origin.try_into().ok()?))))
}

/// Every row of one kind.
pub(crate) fn all(keyspace: Keyspace, kind: u8) -> Range<Vec<u8>> {
    debug_assert!(keyspace == Keyspace::Meta || keyspace == Keyspace::Journal);
    vec![kind]..vec![kind + 1]
}

/// Kinds that are read whole when a replica opens.
pub(crate) const KIND_SPACE: u8 = b's';
/// See [`KIND_SPACE`].
pub(crate) const KIND_ORIGIN: u8 = b'o';
/// See [`KIND_SPACE`].
pub(crate) const KIND_VECTOR: u8 = b'v';
/// See [`KIND_SPACE`].
pub(crate) const KIND_SCHEMA: u8 = b'x';
/// See [`KIND_SPACE`].
pub(crate) const KIND_INCOMPLETE: u8 = b'f';
/// Documents that wait for the materialiser.
pub(crate) const KIND_WAITING: u8 = b'd';
/// Blocked documents.
pub(crate) const KIND_BLOCKED: u8 = b'b';

/// A document's value.
pub(crate) fn value(space: SpaceNumber, collection: &Collection, key: &Key) -> Place {
    place(Keyspace::Documents, b'v', &[&in_collection(space, collection), key.as_str().as_bytes()])
}

/// What every value of a collection starts with.
pub(crate) fn value_prefix(space: SpaceNumber, collection: &Collection) -> Vec<u8> {
    place(Keyspace::Documents, b'v', &[&in_collection(space, collection)]).1
}

/// A collection's values with keys from `from`, before `to`; both as bytes of a key.
pub(crate) fn values(
    space: SpaceNumber,
    collection: &Collection,
    from: &[u8],
    to: &[u8],
) -> (Keyspace, Range<Vec<u8>>) {
    let prefix = value_prefix(space, collection);
    (Keyspace::Documents, [&prefix, from].concat()..[&prefix, to].concat())
}

/// Collection and key of a value's key of the store.
pub(crate) fn read_value(key: &[u8]) -> Option<(Collection, Key)> {
    read_document(key)
}

/// What every row of an index starts with. `field` is a JSON Pointer; a byte 0 in it is written 0 255.
pub(crate) fn index(space: SpaceNumber, collection: &Collection, field: &str) -> Place {
    let mut name = Vec::with_capacity(field.len() + 1);
    push_terminated(&mut name, field.as_bytes());
    place(Keyspace::Documents, b'i', &[&in_collection(space, collection), &name])
}

/// Every index row of a collection.
pub(crate) fn indexes_of(space: SpaceNumber, collection: &Collection) -> (Keyspace, Range<Vec<u8>>) {
    let within = in_collection(space, collection);
    let (keyspace, from) = place(Keyspace::Documents, b'i', &[&within]);
    (keyspace, from..place(Keyspace::Documents, b'i', &[&within, AFTER_KEYS]).1)
}

/// The schema version whose indexes are complete.
pub(crate) fn indexed(space: SpaceNumber, collection: &Collection) -> Place {
    place(Keyspace::Documents, b'x', &[&in_collection(space, collection)])
}

/// The rows of [`indexed`], of every collection.
pub(crate) fn all_indexed() -> (Keyspace, Range<Vec<u8>>) {
    (Keyspace::Documents, vec![b'x']..vec![b'x' + 1])
}

/// The collection of a key of [`indexed`].
pub(crate) fn read_indexed(key: &[u8]) -> Option<Collection> {
    let name = std::str::from_utf8(key.get(5..)?).ok()?;
    Collection::new(name.strip_suffix('\0')?).ok()
}

/// Comes after every key and every pointer: UTF-8 has no such byte.
pub(crate) const AFTER_KEYS: &[u8] = &[0xf8];

/// Comes after every hash: it is longer than the greatest.
const AFTER_HASHES: &[u8] = &[0xff; 33];

/// Appends bytes so that a byte 0 ends them and a shorter text orders before what it begins: what follows never starts
/// with 255.
pub(crate) fn push_terminated(out: &mut Vec<u8>, bytes: &[u8]) {
    push_escaped(out, bytes);
    out.push(0);
}

/// Appends bytes, each 0 as 0 255.
pub(crate) fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(*byte);
        out.extend((*byte == 0).then_some(0xff));
    }
}

fn in_collection(space: SpaceNumber, collection: &Collection) -> Vec<u8> {
    let mut bytes = space.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(collection.as_str().as_bytes());
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Collection {
        Collection::new(text).unwrap()
    }

    #[test]
    fn byte_order_is_number_order() {
        let numbers = [0_u64, 1, 255, 256, 65_535, 65_536, 1 << 40];
        for pair in numbers.windows(2) {
            assert!(journal(pair[0]) < journal(pair[1]));
            let document = DocumentNumber(3);
            assert!(change(document, pair[0]) < change(document, pair[1]));
            assert!(change(document, pair[1]) < change(DocumentNumber(4), pair[0]));
            let (space, origin) = (SpaceNumber(2), OriginNumber(1));
            assert!(stamp(space, origin, pair[0]) < stamp(space, origin, pair[1]));
        }
        let (keyspace, range) = changes(DocumentNumber(3), 4, 6);
        let within: Vec<u64> =
            (0..9).filter(|lsn| range.contains(&change(DocumentNumber(3), *lsn).1)).collect();
        assert_eq!((keyspace, within), (Keyspace::Changes, vec![5, 6]));
    }

    #[test]
    fn a_collection_is_apart_from_one_whose_name_it_begins() {
        let key = Key::new("k").unwrap();
        let space = SpaceNumber(1);
        let (_, range) = documents_after(space, &name("device"), None);
        assert!(range.contains(&document(space, &name("device"), &key).1));
        assert!(!range.contains(&document(space, &name("device-log"), &key).1));
        assert!(!range.contains(&document(SpaceNumber(2), &name("device"), &key).1));
        let (_, rest) = documents_after(space, &name("device"), Some(&key));
        assert!(!rest.contains(&document(space, &name("device"), &key).1));
        assert!(rest.contains(&document(space, &name("device"), &Key::new("k0").unwrap()).1));
    }

    #[test]
    fn keys_are_read_as_they_were_made() {
        let (collection, key) = (name("note"), Key::new("a/b ü").unwrap());
        let (_, bytes) = document(SpaceNumber(7), &collection, &key);
        assert_eq!(read_document(&bytes), Some((collection.clone(), key)));
        assert_eq!(read_schema(&schema(&collection, 260).1), Some((collection.clone(), 260)));
        assert_eq!(read_journal(&journal(77).1), Some(77));
        assert_eq!(read_change(&change(DocumentNumber(3), 78).1), Some(78));
        let (_, skipped_range) = skipped_of(DocumentNumber(3));
        for (document, expected) in [(2, false), (3, true), (4, false)] {
            let hashes = [ChangeHash([0; 32]), ChangeHash([0xff; 32])];
            let within = |hash| skipped_range.contains(&skipped(DocumentNumber(document), hash).1);
            assert_eq!(hashes.each_ref().map(within), [expected; 2], "{document}");
        }
        assert_eq!(
            read_vector(&vector(SpaceNumber(3), OriginNumber(9)).1),
            Some((SpaceNumber(3), OriginNumber(9)))
        );
        let (collection, key) = (name("note"), Key::new("k").unwrap());
        let (keyspace, waits) = waiting(SpaceNumber(7), &collection, &key);
        let (of, range) = listed_of(KIND_WAITING, SpaceNumber(7), &collection);
        assert!(keyspace == of && range.contains(&waits));
        assert!(!listed_after(KIND_WAITING, Some(&waits)).1.contains(&waits));
        assert_eq!(read_document(&waits), Some((collection, key)));
        assert_eq!((read_space(&waits), read_space(b"d12")), (Some(SpaceNumber(7)), None));
        let (space, origin) = (SpaceNumber(7), Origin([9; 16]));
        let (_, bytes) = confirmed("hub", space, origin);
        assert_eq!((read_confirmed(&bytes), read_confirmed(b"q")), (Some((space, origin)), None));
        assert!(confirmed_of("hub").1.contains(&bytes) && !confirmed_of("hu").1.contains(&bytes));
        assert_eq!((read_document(b"a"), read_journal(b"j1"), read_vector(b"v")), (None, None, None));
    }

    #[test]
    fn values_are_in_the_order_of_their_documents() {
        let space = SpaceNumber(1);
        let (collection, other) = (name("device"), name("device-log"));
        let keys = ["a", "a0", "b", "ü", "\u{323af}"].map(|key| Key::new(key).unwrap());
        for pair in keys.windows(2) {
            assert!(value(space, &collection, &pair[0]) < value(space, &collection, &pair[1]));
        }
        let (_, all) = values(space, &collection, b"", AFTER_KEYS);
        assert!(keys.iter().all(|key| all.contains(&value(space, &collection, key).1)));
        assert!(!all.contains(&value(space, &other, &keys[0]).1));
        let (_, part) = values(space, &collection, b"a0", b"b");
        let within: Vec<bool> =
            keys.iter().map(|key| part.contains(&value(space, &collection, key).1)).collect();
        assert_eq!(within, [false, true, false, false, false]);
        let (_, bytes) = value(space, &collection, &keys[3]);
        assert_eq!(read_value(&bytes), Some((collection, keys[3].clone())));
    }

    #[test]
    fn no_index_begins_another() {
        let space = SpaceNumber(1);
        let fields = ["/a", "/a\0", "/a\0b", "/a/b", "/b"];
        let places = fields.map(|field| index(space, &name("device"), field).1);
        for pair in places.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        let (_, all) = indexes_of(space, &name("device"));
        assert!(places.iter().all(|place| all.contains(place)));
        assert!(!all.contains(&index(space, &name("device-log"), "/a").1));
    }
}
