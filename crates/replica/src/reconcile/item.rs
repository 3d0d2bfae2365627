use blake3::keyed_hash;

/// A document and its heads, in 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    /// Digest of the document's name.
    pub(crate) document: u64,
    /// Digest of its heads.
    pub(crate) heads: u64,
}

/// Digests names, heads and items under a key that nobody knows when he writes a document: who could choose names
/// whose digests collide would hide one document behind another.
#[derive(Clone, Debug)]
pub(crate) struct ItemKey {
    names: [u8; 32],
    heads: [u8; 32],
    items: [u8; 32],
}

impl ItemKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let derive = |purpose: &[u8]| *keyed_hash(key, purpose).as_bytes();
        Self { names: derive(b"names"), heads: derive(b"heads"), items: derive(b"items") }
    }

    /// The digest of a document's name: collection, a byte 0, key.
    pub(crate) fn document(&self, name: &[u8]) -> u64 {
        short(&keyed_hash(&self.names, name))
    }

    /// `heads` are 32 bytes each, sorted.
    pub(crate) fn item(&self, name: &[u8], heads: &[u8]) -> Item {
        Item { document: self.document(name), heads: short(&keyed_hash(&self.heads, heads)) }
    }

    /// What tells an item from the sum of several, and where it is added.
    pub(super) fn checksum(&self, item: &Item) -> u64 {
        let mut bytes = [0; 16];
        let (document, heads) = bytes.split_at_mut(8);
        document.copy_from_slice(&item.document.to_be_bytes());
        heads.copy_from_slice(&item.heads.to_be_bytes());
        short(&keyed_hash(&self.items, &bytes))
    }
}

fn short(hash: &blake3::Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
