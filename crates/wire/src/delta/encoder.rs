use super::change::{self, Change};
use super::deflaters::{self, Deflaters};
use super::number::{push_bytes, push_difference, push_unsigned};
use super::row::{
    BY_HASH, BY_NUMBER, BY_PREFIX, BY_ROW, DEPENDENCIES, FOLLOW, MESSAGE, NUMBERS, OTHERS, SEQUENCE, STREAM,
    VERBATIM, expected_follow,
};
use super::state::{self, NAME_BYTES_MAX, Stream};
use super::{Delta, PackedDelta, ROWS_MAX, Row, check_of};
use crate::{EncodeError, FRAME_BYTES_MAX, OriginKey};
use std::num::NonZeroU16;
use std::sync::Arc;

/// Packs the deltas of one direction of a connection, in the order in which they are sent.
#[derive(Default)]
pub struct DeltaEncoder(Option<Context>);

struct Context {
    generation: u32,
    state: State,
    deflated: deflaters::Stream,
}

/// Bytes of the hash of a change by which it is compared.
const HASH_BYTES: usize = 16;
type State = state::State<HASH_BYTES>;
type Document = state::Document<HASH_BYTES>;

impl DeltaEncoder {
    /// Packs a delta; another generation than that of the delta before begins anew. The contexts are the same ones each
    /// time. `shared` says of a change whether the receiver has it, given the index of its document in the delta: then a
    /// part of its hash names it. Only asked for what no row of the connection told, and never after a rewind.
    ///
    /// # Errors
    /// [`EncodeError`] when the delta breaks a limit, or an index in it names nothing. The next one begins anew.
    pub fn pack(
        &mut self,
        delta: &Delta,
        deflaters: &mut Deflaters,
        mut shared: impl FnMut(usize, &[u8; 32]) -> bool,
    ) -> Result<PackedDelta, EncodeError> {
        let kept = self.0.take().filter(|context| context.generation == delta.generation);
        let restarts = kept.is_none();
        let mut context = kept.unwrap_or_else(|| Context {
            generation: delta.generation,
            state: State::default(),
            deflated: deflaters::Stream::default(),
        });
        let shared: &mut dyn FnMut(usize, &[u8; 32]) -> bool = &mut shared;
        let plain =
            Packing { delta, state: &mut context.state, shared, hashes: Vec::new(), plain: Vec::new() };
        let plain = plain.pack()?;
        let deflated = deflaters.deflate(&mut context.deflated, &plain).ok_or(EncodeError::Deflate)?;
        let check = check_of(delta.generation, &plain, &delta.rows);
        self.0 = Some(context);
        Ok(PackedDelta { generation: delta.generation, restarts, check, deflated })
    }

    /// Gives back the memory of tables and window; the next delta begins anew.
    pub fn restart(&mut self) {
        self.0 = None;
    }
}

/// A delta in the making.
struct Packing<'a> {
    delta: &'a Delta,
    state: &'a mut State,
    shared: &'a mut dyn FnMut(usize, &[u8; 32]) -> bool,
    /// Of the rows so far.
    hashes: Vec<[u8; 32]>,
    plain: Vec<u8>,
}

/// A row's stream and document, and what has to be said of them.
struct Place<'a> {
    row: &'a Row,
    stream: u8,
    document: u8,
    flags: u8,
    /// What follows the flags.
    named: Vec<u8>,
}

impl Packing<'_> {
    fn pack(mut self) -> Result<Vec<u8>, EncodeError> {
        let Delta { from, to, rows, .. } = self.delta;
        if rows.len() > ROWS_MAX {
            return Err(EncodeError::TooMany { list: "rows", count: rows.len(), limit: ROWS_MAX });
        }
        push_unsigned(&mut self.plain, rows.len() as u64);
        push_difference(&mut self.plain, *from, self.state.position);
        push_difference(&mut self.plain, *to, *from);
        // Room for what a newer version may have to say.
        push_bytes(&mut self.plain, &[]);
        self.state.position = *to;
        let mut follow = 0;
        for row in rows {
            follow = self.row(row, expected_follow(follow))?;
        }
        let bodies = rows.iter().map(|row| row.body.len()).sum();
        let bytes = self.plain.len().max(bodies);
        if bytes > FRAME_BYTES_MAX { Err(EncodeError::TooLong(bytes)) } else { Ok(self.plain) }
    }

    /// Adds a row; returns how many of its transaction follow.
    fn row(&mut self, row: &Row, expected_follow: u16) -> Result<u16, EncodeError> {
        let mut place = self.place(row)?;
        let stream = self.state.streams.touch(place.stream).ok_or(EncodeError::Reference)?;
        let author = stream.origin;
        if row.sequence != stream.next {
            place.flags |= SEQUENCE;
            push_difference(&mut place.named, row.sequence, stream.next);
        }
        stream.next = row.sequence.wrapping_add(1);
        let follow = row.follow.map_or(0, NonZeroU16::get);
        if follow != expected_follow {
            place.flags |= FOLLOW;
            push_unsigned(&mut place.named, follow.into());
        }
        let hash = change::hash(&row.body);
        match Change::read(&row.body).filter(|change| change.author == author) {
            Some(change) => self.slim(place, &change, hash)?,
            None => {
                place.flags |= VERBATIM;
                self.plain.push(place.flags);
                self.plain.append(&mut place.named);
                push_bytes(&mut self.plain, &row.body);
                self.document(place.document)?.known.take(&hash, None);
            }
        }
        self.hashes.push(hash);
        Ok(follow)
    }

    fn slim(&mut self, place: Place<'_>, change: &Change<'_>, hash: [u8; 32]) -> Result<(), EncodeError> {
        let Place { row, stream, document: number, mut flags, mut named } = place;
        let (numbers, time) = ((change.sequence, change.first_operation), self.state.time);
        let document = self.document(number)?;
        let expected = document.expected(stream);
        if numbers != expected {
            flags |= NUMBERS;
            push_difference(&mut named, numbers.0, expected.0);
            push_difference(&mut named, numbers.1, expected.1);
        }
        push_difference(&mut named, change.time.cast_unsigned(), time.cast_unsigned());
        let is_implied = document.known.are_heads(&change.dependencies);
        document.count(stream, numbers);
        self.state.time = change.time;
        if !is_implied {
            flags |= DEPENDENCIES;
            self.dependencies(&mut named, (number, row.document as usize), &change.dependencies)?;
        }
        if !change.message.is_empty() {
            flags |= MESSAGE;
            push_bytes(&mut named, change.message);
        }
        if !change.others.is_empty() {
            flags |= OTHERS;
            push_unsigned(&mut named, change.others.len() as u64);
            for other in &change.others {
                match self.state.streams.find_any(|stream| stream.origin == *other) {
                    Some(number) => named.push(number),
                    None => {
                        named.push(0);
                        named.extend_from_slice(other);
                    }
                }
            }
        }
        self.plain.push(flags);
        self.plain.append(&mut named);
        self.plain.extend_from_slice(change.columns);
        self.document(number)?.known.take(&hash, Some(&change.dependencies));
        Ok(())
    }

    fn dependencies(
        &mut self,
        named: &mut Vec<u8>,
        (number, index): (u8, usize),
        dependencies: &[[u8; 32]],
    ) -> Result<(), EncodeError> {
        push_unsigned(named, dependencies.len() as u64);
        for hash in dependencies {
            let known = self.document(number)?.known.index_of(hash);
            let row = || self.hashes.iter().rev().position(|earlier| earlier == hash);
            if let Some(known) = known {
                push_unsigned(named, BY_NUMBER + known as u64);
            } else if let Some(back) = row() {
                push_unsigned(named, BY_ROW);
                push_unsigned(named, back as u64);
            } else if self.delta.generation == 0 && (self.shared)(index, hash) {
                push_unsigned(named, BY_PREFIX);
                named.extend(hash.iter().take(8));
            } else {
                push_unsigned(named, BY_HASH);
                named.extend_from_slice(hash);
            }
        }
        Ok(())
    }

    fn document(&mut self, number: u8) -> Result<&mut Document, EncodeError> {
        self.state.documents.touch(number).ok_or(EncodeError::Reference)
    }

    /// Finds a row's stream and document, or makes them known.
    fn place<'a>(&mut self, row: &'a Row) -> Result<Place<'a>, EncodeError> {
        let delta = self.delta;
        let name = delta.documents.get(row.document as usize).ok_or(EncodeError::Reference)?;
        let key = delta.origins.get(row.origin as usize).ok_or(EncodeError::Reference)?;
        let space = delta.spaces.get(name.space as usize).ok_or(EncodeError::Reference)?.as_str();
        for name in [space, &name.collection, &name.key] {
            if name.len() > NAME_BYTES_MAX {
                return Err(EncodeError::NameTooLong(name.len()));
            }
        }
        let (mut flags, mut named) = (0, Vec::new());
        let stream = self.stream(space, key, &mut flags, &mut named);
        let space = &self.state.streams.get(stream).ok_or(EncodeError::Reference)?.space;
        let digest = Document::digest(space, &name.collection, &name.key);
        let found =
            self.state.documents.find(digest, |document| document.is(space, &name.collection, &name.key));
        let document = match found {
            Some(number) => {
                named.push(number);
                number
            }
            None => {
                named.push(0);
                push_bytes(&mut named, name.collection.as_bytes());
                push_bytes(&mut named, name.key.as_bytes());
                let document = Document::new(Arc::clone(space), &name.collection, &name.key);
                self.state.documents.insert(digest, document)
            }
        };
        Ok(Place { row, stream, document, flags, named })
    }

    fn stream(&mut self, space: &str, key: &OriginKey, flags: &mut u8, named: &mut Vec<u8>) -> u8 {
        let State { streams, stream: last, .. } = &mut *self.state;
        let is_it = |stream: &Stream| stream.key == *key && *stream.space == *space;
        if streams.get(*last).is_some_and(is_it) {
            return *last;
        }
        *flags |= STREAM;
        let digest = Stream::digest(space, key);
        *last = match streams.find(digest, is_it) {
            Some(number) => {
                named.push(number);
                number
            }
            None => {
                named.push(0);
                push_bytes(named, space.as_bytes());
                match streams.find_any(|stream| stream.key == *key) {
                    Some(number) => named.push(number),
                    None => {
                        named.push(0);
                        named.extend_from_slice(&key.public_key);
                        named.extend_from_slice(&key.incarnation);
                    }
                }
                streams.insert(digest, Stream::new(space.into(), *key))
            }
        };
        *last
    }
}
