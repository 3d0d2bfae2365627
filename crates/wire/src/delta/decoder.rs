use super::change::{self, Change, LIST_MAX, MESSAGE_BYTES_MAX};
use super::inflate::inflate;
use super::number::Reader;
use super::row::{
    BY_HASH, BY_NUMBER, BY_PREFIX, BY_ROW, DEPENDENCIES, FOLLOW, MESSAGE, NUMBERS, OTHERS, SEQUENCE, STREAM,
    VERBATIM, expected_follow,
};
use super::state::{self, Document, NAME_BYTES_MAX, Stream};
use super::window::Window;
use super::{Delta, DocumentName, PackedDelta, ROWS_MAX, Row, check_of};
use crate::{DecodeError, FRAME_BYTES_MAX, OriginKey};
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

/// What a packed delta came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// The rows.
    Delta(Delta),
    /// A change depends on one that the receiver does not have, or cannot tell from another: it asks for a rewind.
    Gap,
}

/// Reads the deltas of one direction of a connection, in the order in which they come.
#[derive(Default)]
pub struct DeltaDecoder(Option<Context>);

#[derive(Default)]
struct Context {
    state: State,
    window: Window,
}

/// Hashes are given back, so all of each is kept.
type State = state::State<32>;

impl DeltaDecoder {
    /// Reads a delta. `resolve` finds a change of a document whose hash begins with these bytes; where that was another
    /// one than is meant, it is a gap.
    ///
    /// Takes memory for two frames at most, and the tables.
    ///
    /// # Errors
    /// [`DecodeError`] names the rule that it breaks. After an error or a gap only a delta that restarts can be read.
    pub fn unpack(
        &mut self,
        packed: &PackedDelta,
        mut resolve: impl FnMut(&DocumentPlace<'_>, &[u8; 8]) -> Option<[u8; 32]>,
    ) -> Result<Unpacked, DecodeError> {
        let kept = self.0.take().filter(|_| !packed.restarts);
        let fresh = || packed.restarts.then(Context::default);
        let mut context = kept.or_else(fresh).ok_or(DecodeError::Restart)?;
        let plain = inflate(&mut context.window, &packed.deflated)?;
        let unpacking = Unpacking {
            reader: Reader::new(&plain),
            state: &mut context.state,
            resolve: &mut resolve,
            delta: Delta { generation: packed.generation, ..Delta::default() },
            hashes: Vec::new(),
            bodies_bytes: 0,
            has_prefix: false,
            indexes: Indexes::default(),
        };
        let (delta, has_prefix) = match unpacking.unpack() {
            Ok(unpacked) => unpacked,
            Err(Stop::Gap) => return Ok(Unpacked::Gap),
            Err(Stop::Broken(error)) => return Err(error),
        };
        // A fuzzer finds no digest.
        if !cfg!(fuzzing) && check_of(packed.generation, &plain, &delta.rows) != packed.check {
            // Changes whose hashes begin alike can be made. After a rewind each is named in full.
            let is_gap = has_prefix && packed.generation == 0;
            return if is_gap { Ok(Unpacked::Gap) } else { Err(DecodeError::Check) };
        }
        self.0 = Some(context);
        Ok(Unpacked::Delta(delta))
    }
}

/// A document by its names.
#[derive(Clone, Copy, Debug)]
pub struct DocumentPlace<'a> {
    /// The space's name.
    pub space: &'a str,
    /// The collection's name.
    pub collection: &'a str,
    /// The document's key.
    pub key: &'a str,
}

/// Finds the change of a document whose hash begins so.
type Resolve<'a> = dyn FnMut(&DocumentPlace<'_>, &[u8; 8]) -> Option<[u8; 32]> + 'a;

/// Why the rest of a delta is not read.
enum Stop {
    Gap,
    Broken(DecodeError),
}

/// A row ends early, or a number in it is out of range.
const MALFORMED: Stop = Stop::Broken(DecodeError::Row);
/// A number names nothing.
const UNNAMED: Stop = Stop::Broken(DecodeError::Table);

/// Where what a delta names is in it.
#[derive(Default)]
struct Indexes {
    spaces: BTreeMap<Arc<str>, u32>,
    origins: BTreeMap<OriginKey, u32>,
    /// By number in the state's table.
    documents: BTreeMap<u8, u32>,
}

/// A delta that is being read.
struct Unpacking<'a> {
    reader: Reader<'a>,
    state: &'a mut State,
    resolve: &'a mut Resolve<'a>,
    delta: Delta,
    /// Of the rows so far.
    hashes: Vec<[u8; 32]>,
    bodies_bytes: usize,
    /// Whether a change was named by the first bytes of its hash.
    has_prefix: bool,
    indexes: Indexes,
}

impl<'a> Unpacking<'a> {
    fn unpack(mut self) -> Result<(Delta, bool), Stop> {
        let rows = self.count("rows", ROWS_MAX)?;
        self.delta.from = self.reader.difference(self.state.position).ok_or(MALFORMED)?;
        self.delta.to = self.reader.difference(self.delta.from).ok_or(MALFORMED)?;
        // What a newer version has to say.
        self.reader.bytes(FRAME_BYTES_MAX).ok_or(MALFORMED)?;
        self.state.position = self.delta.to;
        let mut follow = 0;
        for _ in 0..rows {
            follow = self.row(expected_follow(follow))?;
        }
        if self.reader.rest().is_empty() { Ok((self.delta, self.has_prefix)) } else { Err(MALFORMED) }
    }

    /// Reads how long a list is.
    fn count(&mut self, list: &'static str, limit: usize) -> Result<usize, Stop> {
        let count = usize::try_from(self.reader.unsigned().ok_or(MALFORMED)?);
        let too_many = Stop::Broken(DecodeError::TooMany { list, limit });
        count.ok().filter(|count| *count <= limit).ok_or(too_many)
    }

    /// Reads a row; returns how many of its transaction follow.
    fn row(&mut self, expected_follow: u16) -> Result<u16, Stop> {
        let flags = self.reader.byte().ok_or(MALFORMED)?;
        if flags & STREAM != 0 {
            self.state.stream = self.stream()?;
        }
        let (number, document) = self.document()?;
        let stream = self.state.streams.touch(self.state.stream).ok_or(UNNAMED)?;
        let author = stream.origin;
        let next = self.indexes.origins.len();
        let origin = *self.indexes.origins.entry(stream.key).or_insert_with(|| {
            self.delta.origins.push(stream.key);
            u32::try_from(next).unwrap_or(u32::MAX)
        });
        let sequence = match flags & SEQUENCE {
            0 => stream.next,
            _ => self.reader.difference(stream.next).ok_or(MALFORMED)?,
        };
        stream.next = sequence.wrapping_add(1);
        let follow = match flags & FOLLOW {
            0 => expected_follow,
            _ => self.reader.unsigned().and_then(|follow| u16::try_from(follow).ok()).ok_or(MALFORMED)?,
        };
        let (body, dependencies) = match flags & VERBATIM {
            0 => {
                let change = self.change(flags, number, author)?;
                (change.body(), Some(change.dependencies))
            }
            _ => (self.reader.bytes(FRAME_BYTES_MAX).ok_or(MALFORMED)?.to_vec(), None),
        };
        self.bodies_bytes += body.len();
        if self.bodies_bytes > FRAME_BYTES_MAX {
            return Err(Stop::Broken(DecodeError::TooLong));
        }
        let hash = change::hash(&body);
        self.named(number)?.known.take(&hash, dependencies.as_deref());
        self.hashes.push(hash);
        self.delta.rows.push(Row { document, origin, sequence, body, follow: NonZeroU16::new(follow) });
        Ok(follow)
    }

    /// The parts of a change that is slim.
    fn change(&mut self, flags: u8, number: u8, author: [u8; 16]) -> Result<Change<'a>, Stop> {
        let stream = self.state.stream;
        let mut numbers = self.named(number)?.expected(stream);
        if flags & NUMBERS != 0 {
            numbers.0 = self.reader.difference(numbers.0).ok_or(MALFORMED)?;
            numbers.1 = self.reader.difference(numbers.1).ok_or(MALFORMED)?;
        }
        self.named(number)?.count(stream, numbers);
        let time = self.reader.difference(self.state.time.cast_unsigned()).ok_or(MALFORMED)?.cast_signed();
        self.state.time = time;
        let dependencies = match flags & DEPENDENCIES {
            0 => self.named(number)?.known.heads(),
            _ => self.dependencies(number)?,
        };
        let message = match flags & MESSAGE {
            0 => &[],
            _ => self.reader.bytes(MESSAGE_BYTES_MAX).ok_or(MALFORMED)?,
        };
        let others = match flags & OTHERS {
            0 => Vec::new(),
            _ => self.others()?,
        };
        let columns = change::read_columns(&mut self.reader).ok_or(MALFORMED)?;
        let (sequence, first_operation) = numbers;
        Ok(Change { dependencies, author, sequence, first_operation, time, message, others, columns })
    }

    fn dependencies(&mut self, number: u8) -> Result<Vec<[u8; 32]>, Stop> {
        let count = self.count("dependencies of a change", LIST_MAX)?;
        let document = self.state.documents.get(number).ok_or(UNNAMED)?;
        let mut dependencies = Vec::new();
        for _ in 0..count {
            dependencies.push(match self.reader.unsigned().ok_or(MALFORMED)? {
                BY_HASH => self.reader.array().ok_or(MALFORMED)?,
                BY_PREFIX => {
                    let (collection, key) = document.names();
                    let place = DocumentPlace { space: &document.space, collection, key };
                    let prefix = self.reader.array().ok_or(MALFORMED)?;
                    self.has_prefix = true;
                    (self.resolve)(&place, &prefix).ok_or(Stop::Gap)?
                }
                BY_ROW => {
                    let back = self.reader.count(ROWS_MAX).ok_or(MALFORMED)?;
                    *self.hashes.iter().rev().nth(back).ok_or(UNNAMED)?
                }
                known => {
                    let known = usize::try_from(known - BY_NUMBER).map_err(|_| UNNAMED)?;
                    // Where another change was found for a prefix, the document keeps others than at the sender.
                    let is_gap = self.has_prefix && self.delta.generation == 0;
                    document.known.get(known).ok_or(if is_gap { Stop::Gap } else { UNNAMED })?
                }
            });
        }
        Ok(dependencies)
    }

    fn others(&mut self) -> Result<Vec<[u8; 16]>, Stop> {
        let mut others = Vec::new();
        for _ in 0..self.count("other authors of a change", LIST_MAX)? {
            others.push(match self.reader.byte().ok_or(MALFORMED)? {
                0 => self.reader.array().ok_or(MALFORMED)?,
                number => self.state.streams.get(number).ok_or(UNNAMED)?.origin,
            });
        }
        Ok(others)
    }

    fn named(&mut self, number: u8) -> Result<&mut Document<32>, Stop> {
        self.state.documents.touch(number).ok_or(UNNAMED)
    }

    /// Reads the stream of a row.
    fn stream(&mut self) -> Result<u8, Stop> {
        let number = self.reader.byte().ok_or(MALFORMED)?;
        if number != 0 {
            return Ok(number);
        }
        let space = self.reader.text(NAME_BYTES_MAX).ok_or(MALFORMED)?;
        let key = match self.reader.byte().ok_or(MALFORMED)? {
            0 => {
                let public_key = self.reader.array().ok_or(MALFORMED)?;
                OriginKey { public_key, incarnation: self.reader.array().ok_or(MALFORMED)? }
            }
            number => self.state.streams.get(number).ok_or(UNNAMED)?.key,
        };
        let digest = Stream::digest(space, &key);
        Ok(self.state.streams.insert(digest, Stream::new(space.into(), key)))
    }

    /// Reads the document of a row: its number, and its place in the delta.
    fn document(&mut self) -> Result<(u8, u32), Stop> {
        let space = &self.state.streams.get(self.state.stream).ok_or(UNNAMED)?.space;
        let number = match self.reader.byte().ok_or(MALFORMED)? {
            0 => {
                let collection = self.reader.text(NAME_BYTES_MAX).ok_or(MALFORMED)?;
                let key = self.reader.text(NAME_BYTES_MAX).ok_or(MALFORMED)?;
                let document = Document::new(Arc::clone(space), collection, key);
                let digest = Document::<32>::digest(space, collection, key);
                let number = self.state.documents.insert(digest, document);
                self.indexes.documents.remove(&number);
                number
            }
            number => number,
        };
        let document = self.state.documents.get(number).ok_or(UNNAMED)?;
        // A row is of one space.
        if document.space != *space {
            return Err(UNNAMED);
        }
        if let Some(index) = self.indexes.documents.get(&number) {
            return Ok((number, *index));
        }
        let index = u32::try_from(self.delta.documents.len()).map_err(|_| MALFORMED)?;
        let next = u32::try_from(self.indexes.spaces.len()).map_err(|_| MALFORMED)?;
        let space = *self.indexes.spaces.entry(Arc::clone(space)).or_insert_with(|| {
            self.delta.spaces.push(document.space.to_string());
            next
        });
        let (collection, key) = document.names();
        let (collection, key) = (collection.to_owned(), key.to_owned());
        self.delta.documents.push(DocumentName { space, collection, key });
        self.indexes.documents.insert(number, index);
        Ok((number, index))
    }
}
