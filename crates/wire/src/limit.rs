//! The lists of frames, and how long each may be: by one name for who sends them and who reads them.

use crate::fill::{FILL_CHANGES_MAX, FILL_DOCUMENTS_MAX, LISTED_MAX, SYMBOL_BYTES_MAX};
use crate::frame::{FORK_CHAINS_MAX, HUB_ENTRIES_MAX, STOPPED_MAX, TABLE_MAX, VECTOR_ENTRIES_MAX};
use minicbor::{Decode, Decoder};

/// A list of a frame.
pub(crate) trait Limit {
    /// What it holds.
    const LIST: &'static str;
    /// How many.
    const MAX: usize;
}

/// A list is longer than it may be.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {limit} {list}")]
pub(crate) struct OverLimit {
    pub(crate) list: &'static str,
    pub(crate) limit: usize,
}

macro_rules! limits {
    ($($name:ident: $max:ident $list:literal,)*) => {$(
        pub(crate) struct $name;

        impl Limit for $name {
            const LIST: &'static str = $list;
            const MAX: usize = $max;
        }
    )*};
}

limits! {
    Spaces: TABLE_MAX "spaces",
    VectorEntries: VECTOR_ENTRIES_MAX "vector entries",
    Incomplete: TABLE_MAX "incomplete spaces",
    StoppedStreams: STOPPED_MAX "stopped streams",
    HubEntries: HUB_ENTRIES_MAX "hub entries",
    Chains: FORK_CHAINS_MAX "chains",
    Origins: TABLE_MAX "origins",
    SymbolBytes: SYMBOL_BYTES_MAX "bytes of symbols",
    WantedDocuments: LISTED_MAX "wanted documents",
    Documents: FILL_DOCUMENTS_MAX "documents",
    Changes: FILL_CHANGES_MAX "changes of a document",
    FilledEntries: VECTOR_ENTRIES_MAX "entries of fills",
}

pub(crate) fn over<L: Limit>() -> minicbor::decode::Error {
    minicbor::decode::Error::custom(OverLimit { list: L::LIST, limit: L::MAX })
}

/// Reads a list: what a frame claims beyond its limit is refused before it takes memory.
pub(crate) fn at_most<'b, Context, T, L: Limit>(
    decoder: &mut Decoder<'b>,
    context: &mut Context,
) -> Result<Vec<T>, minicbor::decode::Error>
where
    T: Decode<'b, Context>,
{
    let mut list = Vec::new();
    for entry in decoder.array_iter_with(context)? {
        if list.len() == L::MAX {
            return Err(over::<L>());
        }
        list.push(entry?);
    }
    Ok(list)
}

/// Reads bytes.
pub(crate) fn bytes_at_most<Context, L: Limit>(
    decoder: &mut Decoder<'_>,
    _context: &mut Context,
) -> Result<Vec<u8>, minicbor::decode::Error> {
    let bytes = decoder.bytes()?;
    if bytes.len() > L::MAX {
        return Err(over::<L>());
    }
    Ok(bytes.to_vec())
}
