//! Where the columns of a change are: metadata, then the bytes of each.

use super::leb::Reader;
use super::{CHANGE_BYTES_MAX, ChangeRefusal};

/// Columns of a change; those that are left out are empty. Operations with marks have two more, which no document of
/// ours has.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    pub(super) object_author: &'a [u8],
    pub(super) object_counter: &'a [u8],
    pub(super) key_author: &'a [u8],
    pub(super) key_counter: &'a [u8],
    pub(super) key_name: &'a [u8],
    pub(super) insert: &'a [u8],
    pub(super) action: &'a [u8],
    pub(super) value_kind: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) predecessor_count: &'a [u8],
    pub(super) predecessor_author: &'a [u8],
    pub(super) predecessor_counter: &'a [u8],
}

const COLUMNS_MAX: usize = 12;

impl<'a> Columns<'a> {
    /// Reads metadata and columns to the end of a change.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, ChangeRefusal> {
        let mut metadata = [(0_u64, 0_usize); COLUMNS_MAX];
        let count = reader.count(COLUMNS_MAX as u64, "columns")?;
        for (specification, bytes) in metadata.iter_mut().take(count) {
            *specification = reader.unsigned()?;
            *bytes = reader.count(CHANGE_BYTES_MAX as u64, "bytes")?;
        }
        let mut columns = Self::default();
        let mut last = None;
        for (specification, bytes) in metadata.into_iter().take(count) {
            // In order, none twice, and none that is there for nothing.
            if last.is_some_and(|last| last >= specification) || bytes == 0 {
                return Err(ChangeRefusal::Columns);
            }
            last = Some(specification);
            *columns.column(specification)? = reader.take(bytes)?;
        }
        // What follows the columns belongs to a newer Automerge, or to its `Author`, which is not used here.
        if reader.is_empty() { Ok(columns) } else { Err(ChangeRefusal::Columns) }
    }

    /// The column of a specification number: its id, and how it is written.
    fn column(&mut self, specification: u64) -> Result<&mut &'a [u8], ChangeRefusal> {
        Ok(match specification {
            0x01 => &mut self.object_author,
            0x02 => &mut self.object_counter,
            0x11 => &mut self.key_author,
            0x13 => &mut self.key_counter,
            0x15 => &mut self.key_name,
            0x34 => &mut self.insert,
            0x42 => &mut self.action,
            0x56 => &mut self.value_kind,
            0x57 => &mut self.value,
            0x70 => &mut self.predecessor_count,
            0x71 => &mut self.predecessor_author,
            0x73 => &mut self.predecessor_counter,
            _ => return Err(ChangeRefusal::Columns),
        })
    }
}
